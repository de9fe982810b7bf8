"""What a network costs, counted and never measured. Imports no torch.

The families of `contracts.FAMILIES` count themselves layer by layer, each in the module of its name (see cost.py for
the conventions); this module collects them and turns a count into the contract's ledger. Tests hold it against torch's
FlopCounterMode, forward and backward.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from ecgscale.contracts import FAMILIES as NAMES
from ecgscale.contracts import Ledger, ModelSpec
from ecgscale.errors import UserError
from ecgscale.models.cost import Cost

if TYPE_CHECKING:
    from torch import nn


class Architecture(Protocol):
    """One network of a family: a frozen dataclass of its hyperparameters, by which two are equal."""

    def cost(self, leads: int, window: int, classes: int) -> Cost:
        """Of one window. Raises RejectedError where these make no network."""

    def stage_count(self, window: int) -> int | None:
        """Stages, of a network that has them."""

    def network(self, leads: int, window: int, classes: int) -> nn.Module:
        """(batch, lead, time) float32 -> logits (batch, class), its weights drawn from torch's own generator by the
        family's published initialization."""


MODULES = {name: import_module(f"ecgscale.models.{name}") for name in NAMES}
FAMILIES: dict[str, type[Architecture]] = {name: module.FAMILY for name, module in MODULES.items()}
SIZES: dict[str, Architecture] = {name: made for module in MODULES.values() for name, made in module.SIZES.items()}


def architecture(model: ModelSpec) -> Architecture:
    """A spec as its family's dataclass. Raises UserError for an unknown or impossible hyperparameter.

    Raises architecture.RejectedError when the hyperparameters are each possible but make no network together.
    """
    try:
        return FAMILIES[model.family](**model.params)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(step) for step in first["loc"])
        raise UserError(first["msg"], field=f"{model.family}.{name}") from None


def ledger(model: ModelSpec, leads: int = 12, window: int = 1024, classes: int = 26) -> Ledger:
    """Cost of one window of (leads, window) for a spec. Raises UserError or RejectedError as `architecture` does."""
    return ledger_of(architecture(model), leads, window, classes)


def ledger_of(made: Architecture, leads: int, window: int, classes: int) -> Ledger:
    count = made.cost(leads, window, classes)
    return Ledger(
        params=count.params,
        activations=count.activations,
        forward_flops=count.forward,
        step_flops=count.forward + count.backward,
        published_flops=2 * count.products,
        weight_bytes=4 * count.params,
        stages=made.stage_count(window),
    )
