"""Multi-label losses: asymmetric loss and binary cross-entropy, as the sum over the terms of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ecgscale.contracts import LossSpec


def asymmetric(logits: Tensor, targets: Tensor, gamma_neg: float, gamma_pos: float, clip: float) -> Tensor:
    """Asymmetric loss, one term for each (recording, class), shape as `logits`; `targets` are 0 or 1.

    With p = sigmoid(logit) and the shifted probability p_m = max(p - clip, 0):
    positive -(1 - p)^gamma_pos log p, negative -p_m^gamma_neg log(1 - p_m).
    Source: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021, equations 4 to 7. The gradient
    goes through the focusing factors too, as in the paper's equation 8.
    """
    p = torch.sigmoid(logits)
    positive = torch.sigmoid(-logits).pow(gamma_pos) * functional.logsigmoid(logits)
    if clip > 0:
        shifted = (p - clip).clamp(min=0)
        # a power below 1 has no slope at 0: it is taken a hair above
        negative = shifted.clamp(min=1e-12).pow(gamma_neg) * torch.log1p(-shifted)
    else:
        negative = p.pow(gamma_neg) * functional.logsigmoid(-logits)
    return -(targets * positive + (1 - targets) * negative)


def terms(spec: LossSpec, logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each (recording, class), in float32 whatever the precision of the network."""
    logits = logits.float()
    if spec.name == "bce":
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return asymmetric(logits, targets, spec.gamma_neg, spec.gamma_pos, spec.clip)
