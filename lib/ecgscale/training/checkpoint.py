"""Checkpoints that outlive the task: one folder a run, keyed by everything that its numbers depend on.

    <folder>/<run_id>-<digest>/
        state.safetensors   network, best network, optimizer; progress as JSON in the file's header
        epochs.jsonl        one line when an epoch begins and one when it has ended and is kept
        result/             run.json, history.csv, weights.safetensors once the run is over; state.safetensors is gone

The state is one file, renamed into place: whatever kills the process leaves the last one whole. Nothing is pickled.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ecgscale.contracts import (
    HISTORY,
    ContractError,
    RunResult,
    digest,
    read_tensors,
    remove_folder,
    whole_folder,
    write_tensors,
)

Tensors = dict[str, torch.Tensor]
RUN_FILES = {"run.json": RunResult.wrote, "history.csv": HISTORY.wrote, "weights.safetensors": None}


class Checkpoint:
    """The checkpoint folder of one run. `key` is what must be equal for the run to be continued or taken as it is."""

    def __init__(self, folder: Path, run_id: str, key: dict[str, Any]):
        self.folder = Path(folder) / f"{run_id}-{digest(key)}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "state.safetensors"
        self.result = self.folder / "result"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait while another process trains this run: two studies that share checkpoints, or a task that was believed
        dead. A file system without locks lets both train; their results are the same."""
        with open(self.folder / "lock", "w") as lock:
            with contextlib.suppress(OSError):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    print(f"another process trains {self.folder.name}: waiting for it", file=sys.stderr, flush=True)
                    fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def save(self, progress: dict[str, Any], tensors: Tensors) -> None:
        """Replace the state by this one."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_tensors(self.state, tensors, progress)

    def load(self) -> tuple[dict[str, Any], Tensors] | None:
        """Progress and tensors of the last state; None where there is none, or (with a word) none that can be read."""
        if not self.state.exists():
            return None
        try:
            return read_tensors(self.state)
        except ContractError as error:
            print(f"{error}: the run starts over", file=sys.stderr, flush=True)
            self.state.unlink()
            return None

    def log(self, event: str, epoch: int) -> None:
        """Add a line to epochs.jsonl: "begin" (or "continue", within it) and "end" of an epoch."""
        line = {"event": event, "epoch": epoch, "process": os.getpid(), "time": round(time.time(), 3)}
        with open(self.folder / "epochs.jsonl", "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def finish(self, folder: Path) -> None:
        """Keep the folder of a run that is over, and let its state go."""
        with whole_folder(self.result, RUN_FILES) as temporary:
            shutil.copytree(folder, temporary)
        self.state.unlink(missing_ok=True)

    def finished(self) -> RunResult | None:
        """The result of a run that is over; None while it is not, or (with a word) where it cannot be read."""
        if not self.result.is_dir():
            return None
        try:
            result = RunResult.read(self.result / "run.json")
            if result.status == "finished":
                read_tensors(self.result / "weights.safetensors")
            return result
        except ContractError as error:
            print(f"{error}: the run starts over", file=sys.stderr, flush=True)
            remove_folder(self.result, RUN_FILES)
            return None


def pack(model: torch.nn.Module, optimizer: torch.optim.Optimizer, best: Tensors) -> Tensors:
    """Everything that a run continues from, as named tensors: model.*, best.*, optimizer.<parameter>.<quantity>."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for name, parameter in model.named_parameters():
        for quantity, value in optimizer.state.get(parameter, {}).items():
            if value is not None:
                tensors[f"optimizer.{name}.{quantity}"] = torch.as_tensor(value)
    return tensors


def unpack(tensors: Tensors, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Tensors:
    """Put the tensors of `pack` back where they came from. Gives the best network's state."""
    model.load_state_dict(below(tensors, "model"))
    for name, parameter in model.named_parameters():
        kept = below(tensors, f"optimizer.{name}")
        if kept:
            optimizer.state[parameter] = {quantity: value.to(parameter.device) for quantity, value in kept.items()}
    return below(tensors, "best")


def below(tensors: Tensors, prefix: str) -> Tensors:
    start = len(prefix) + 1
    return {name[start:]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}
