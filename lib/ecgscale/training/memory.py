"""How much memory a training step will hold, reckoned before it: nothing is allocated.

The step runs once on torch's meta device, which knows shapes and no numbers, and every tensor is counted from its birth
to its death. Not seen are kernels' own copies and the holes of a heap: a CPU process here keeps what is freed
(device.keep_freed_memory), and what comes next does not fill all of it. `room` allows for them.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ecgscale.contracts import RUN_MEMORY, PlannedRun, RunSpec
from ecgscale.design.memory import STATE, Kept, room, table, told
from ecgscale.models.blocks import recomputing
from ecgscale.models.networks import build
from ecgscale.training.loss import terms

NETWORKS = 3            # of each family, from the one with the fewest activations to the one with the most


@dataclass(frozen=True)
class Memory:
    """Bytes on the device, float32."""

    weights: int            # and the moments of batch norms
    optimizer: int
    kept: int               # for the gradient, when the forward pass has ended
    step: int               # the most at a time in a step: kept and made meanwhile, gradients of weights among it
    reordered: int          # what oneDNN's convolutions with channels innermost take beside: as much as the weights

    @property
    def peak(self) -> int:
        return self.weights + self.optimizer + self.step

    @property
    def room(self) -> int:
        """What a CPU process has to be given, beside what it holds before."""
        return room(self.peak + self.reordered)


class Alive(TorchDispatchMode):
    """Bytes of the tensors made within it that are alive, and the most there were at a time; not those `before`."""

    def __init__(self, before: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.bytes = self.most = 0
        self.known = weakref.WeakSet(tensor.untyped_storage() for tensor in before)

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and (storage := tensor.untyped_storage()) not in self.known:
                self.known.add(storage)
                self.count(storage.nbytes())
                weakref.finalize(storage, self.count, -storage.nbytes())
        return made

    def count(self, size: int) -> None:
        self.bytes += size
        self.most = max(self.most, self.bytes)


def of_training(spec: RunSpec, classes: int, on_cpu: bool = True) -> Memory:
    """What one step of a run holds. `on_cpu`: with the copy of its windows, channels innermost, that convolutions keep
    there (training/layout.py)."""
    with torch.device("meta"):
        network = build(spec.model, len(spec.leads), spec.window, classes, spec.seed).train()
        x = torch.empty(-(-spec.batch_size // spec.microbatches), len(spec.leads), spec.window)
        y = torch.empty(len(x), classes)
    network = recomputing(network) if spec.recompute else network
    trained = sum(each.nbytes for each in network.parameters())
    there = [*network.parameters(), *network.buffers(), x, y]
    if spec.microbatches > 1:       # the gradients of earlier parts
        for each in network.parameters():
            each.grad = torch.empty_like(each)
            there.append(each.grad)
    with Alive(there) as alive:
        loss = terms(spec.loss, network(x), y).sum()
        kept = alive.bytes
        loss.backward()
    innermost = on_cpu and sum(isinstance(layer, nn.Conv1d) for layer in network.modules()) > 1
    copied = x.nbytes if innermost else 0
    earlier = trained if spec.microbatches > 1 else 0
    return Memory(trained + sum(each.nbytes for each in network.buffers()), STATE[spec.optimizer.name] * trained,
                  kept + copied, alive.most + copied + earlier, trained if innermost else 0)


def kept_by(planned: list[PlannedRun], classes: int) -> Kept:
    """What steps of some of each family's runs keep, for the plan of all: a second a family, and no memory."""
    each, both, beside = {}, {}, {}
    for way in sorted({(run.spec.model.family, run.spec.recompute) for run in planned}):
        by_size = {run.ledger.activations: run for run in planned if (run.spec.model.family, run.spec.recompute) == way}
        sizes = sorted(by_size)
        chosen = [sizes[k] for k in sorted({round(k) for k in np.linspace(0, len(sizes) - 1, NETWORKS)})]
        specs = [by_size[size].spec.model_copy(update={"microbatches": 1}) for size in chosen]
        found = [of_training(spec, classes) for spec in specs]
        each[way] = [(float(size), one.kept / size / spec.batch_size)
                     for size, spec, one in zip(chosen, specs, found, strict=True)]
        gradients = [by_size[size].ledger.weight_bytes for size in chosen]
        both[way] = (sum(one.step - max(one.kept, held) for one, held in zip(found, gradients, strict=True))
                     / sum(min(one.kept, held) for one, held in zip(found, gradients, strict=True)))
        beside[way] = max(one.reordered / held for one, held in zip(found, gradients, strict=True))
    return Kept(each, both, beside)


def write_memory(planned: list[PlannedRun], classes: int, limit: float | None, file: Path) -> list[str]:
    """RUN_MEMORY of all runs beside the limit. Gives what is said of it."""
    needed = table(planned, kept_by(planned, classes), limit)
    RUN_MEMORY.write(needed, file)
    return told(needed)
