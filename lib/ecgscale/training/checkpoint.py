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

import safetensors
import torch

from ecgscale.contracts import ContractError, RunResult, digest, whole, write_tensors

Tensors = dict[str, torch.Tensor]


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
        write_tensors(self.state, tensors, {"progress": json.dumps(progress)})

    def load(self) -> tuple[dict[str, Any], Tensors] | None:
        """Progress and tensors of the last state; None where there is none, or (with a word) none that can be read."""
        try:
            with safetensors.safe_open(self.state, framework="pt") as file:
                progress = json.loads(file.metadata()["progress"])
                return progress, {name: file.get_tensor(name) for name in file.offset_keys()}
        except FileNotFoundError:
            return None
        except (safetensors.SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
            print(f"{self.state}: cannot be read ({error}): the run starts over", file=sys.stderr, flush=True)
            self.state.unlink()
            return None

    def log(self, event: str, epoch: int) -> None:
        """Add a line to epochs.jsonl: "begin" (or "continue", within it) and "end" of an epoch."""
        line = {"event": event, "epoch": epoch, "process": os.getpid(), "time": round(time.time(), 3)}
        with open(self.folder / "epochs.jsonl", "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def finish(self, folder: Path) -> None:
        """Keep the folder of a run that is over, and let its state go."""
        with whole(self.result) as temporary:
            shutil.copytree(folder, temporary)
        self.state.unlink(missing_ok=True)

    def finished(self) -> RunResult | None:
        """The result of a run that is over; None while it is not, or (with a word) where it cannot be read."""
        if not self.result.is_dir():
            return None
        try:
            result = RunResult.read(self.result / "run.json")
            if result.status == "finished":
                with safetensors.safe_open(self.result / "weights.safetensors", framework="pt"):
                    return result       # opening compares the file's length with its header
            return result
        except (ContractError, safetensors.SafetensorError, FileNotFoundError) as error:
            print(f"{self.result}: cannot be read ({error}): the run starts over", file=sys.stderr, flush=True)
            shutil.rmtree(self.result)
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
