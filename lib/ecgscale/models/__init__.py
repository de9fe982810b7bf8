"""Networks of every family: what they cost, how they are built. `build` is the verb, the rest is for our own code."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from ecgscale.contracts import ModelSpec


def build(model: str | ModelSpec, leads: int = 12, window: int = 1024, classes: int = 26, seed: int = 0) -> nn.Module:
    """An untrained network: input (batch, leads, window) float32, output logits (batch, classes).

    model: the name of a size, as `resnet-200k`, or a spec of a family and its hyperparameters. The weights depend on
    `seed` only. Needs the extra `train` (torch). Raises UserError for an unknown name or hyperparameter
    and for counts below 1.

        >>> network = ecgscale.models.build("resnet-20k", leads=12, window=1000, classes=5)
        >>> sum(weights.numel() for weights in network.parameters())
        16625
    """
    from ecgscale.contracts import ModelSpec
    from ecgscale.errors import UserError
    from ecgscale.models.complexity import FAMILIES, SIZES
    from ecgscale.models.networks import build as of_spec

    for name, count in (("leads", leads), ("window", window), ("classes", classes)):
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise UserError(f"{count!r} is no whole number above 0", field=name, remedy=f"Give a count: {name}=12")
    if isinstance(model, str):
        if model not in SIZES:
            raise UserError(f"no network is named {model!r}", field="model", remedy=f"Known: {', '.join(SIZES)}")
        made = SIZES[model]
        family = next(name for name, kind in FAMILIES.items() if type(made) is kind)
        model = ModelSpec(family=family, params=dict(vars(made)))
    return of_spec(model, leads, window, classes, seed)
