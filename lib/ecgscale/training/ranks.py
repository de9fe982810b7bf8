"""The processes of torch's launcher (torchrun) that train one large model together, or this one process alone."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Ranks:
    """This process's place among `size` processes."""

    rank: int = 0
    size: int = 1

    def share(self) -> slice:
        """Which items of a sequence this process takes: every item is taken by exactly one."""
        return slice(self.rank, None, self.size)

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, for each of them."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def wrap(self, model: torch.nn.Module, device: torch.device) -> torch.nn.Module:
        """The model whose gradients are averaged over the processes, batch norm over all of them where it can be."""
        if self.size == 1:
            return model
        if device.type == "cuda":
            model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return torch.nn.parallel.DistributedDataParallel(model)


def join(device: torch.device) -> tuple[Ranks, torch.device]:
    """This process's place as torchrun tells it, and the device that is its own."""
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        return Ranks(), device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(distributed.destroy_process_group)
    return Ranks(distributed.get_rank(), size), device
