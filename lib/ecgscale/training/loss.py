"""Multi-label losses: asymmetric loss and binary cross-entropy, as the sum over the terms of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ecgscale.contracts import LossSpec

SMALL = 1e-12


def power(share: Tensor, gamma: float) -> Tensor:
    """share^gamma. A power below 1 has no slope at 0, where a sigmoid ends in float32: it is taken a hair above."""
    return share.pow(gamma) if gamma >= 1 else share.clamp(min=SMALL).pow(gamma)


def asymmetric(logits: Tensor, targets: Tensor, gamma_neg: float, gamma_pos: float, clip: float) -> Tensor:
    """Asymmetric loss, one term for each (recording, class), shape as `logits`; `targets` are 0 or 1.

    With p = sigmoid(logit) and the shifted probability p_m = max(p - clip, 0):
    positive -(1 - p)^gamma_pos log p, negative -p_m^gamma_neg log(1 - p_m).
    Source: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021, equations 4 to 7. The gradient
    goes through the focusing factors too, as in the paper's equation 8.
    """
    p = torch.sigmoid(logits)
    positive = power(torch.sigmoid(-logits), gamma_pos) * functional.logsigmoid(logits)
    if clip > 0:
        shifted = (p - clip).clamp(min=0)
        negative = shifted.clamp(min=SMALL).pow(gamma_neg) * torch.log1p(-shifted)
    else:
        negative = power(p, gamma_neg) * functional.logsigmoid(-logits)
    return -(targets * positive + (1 - targets) * negative)


def terms(spec: LossSpec, logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each (recording, class), in float32 whatever the precision of the network."""
    logits = logits.float()
    if spec.name == "bce":
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return asymmetric(logits, targets, spec.gamma_neg, spec.gamma_pos, spec.clip)
