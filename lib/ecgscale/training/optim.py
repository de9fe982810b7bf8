"""Optimizers by name, and the learning rate of every step as a function of the step alone."""

from __future__ import annotations

import inspect
import math

import torch

from ecgscale.contracts import OptimizerSpec, ScheduleSpec


def without_compiler(optimizer: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """The same optimizer without torch's decorators, which import torch's compiler: 3 seconds of every task's start."""
    return type(optimizer.__name__, (optimizer,), {
        "add_param_group": inspect.unwrap(torch.optim.Optimizer.add_param_group),
        "step": torch.no_grad()(inspect.unwrap(optimizer.step)),
    })


SGD, AdamW = without_compiler(torch.optim.SGD), without_compiler(torch.optim.AdamW)


def make_optimizer(spec: OptimizerSpec, model: torch.nn.Module) -> torch.optim.Optimizer:
    """sgd, sgdm (momentum 0.9 unless the study says otherwise) or adamw.

    Weight decay acts on weights of two or more dimensions, not on biases, norms and scales.
    """
    named = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in named if p.ndim >= 2], "weight_decay": spec.weight_decay},
        {"params": [p for p in named if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if spec.name == "adamw":
        return AdamW(groups, lr=spec.lr, fused=True)
    momentum = {"sgd": 0.0, "sgdm": spec.momentum or 0.9}[spec.name]
    return SGD(groups, lr=spec.lr, momentum=momentum, fused=True)


def learning_rate(peak: float, spec: ScheduleSpec, step: int, steps: int, steps_per_epoch: int) -> float:
    """Learning rate of step `step` (0, 1, ...) of `steps`.

    exponential: peak * gamma^epoch. cosine: half a cosine from peak to 0 over the steps after the warm-up. constant:
    peak. The warm-up takes the share `warmup` of all steps, linearly from 0 (not reached) to the peak.
    """
    warm = round(spec.warmup * steps)
    if step < warm:
        return peak * (step + 1) / warm
    if spec.name == "exponential":
        return peak * spec.gamma ** (step // steps_per_epoch)
    if spec.name == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
    return peak
