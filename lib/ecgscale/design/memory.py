"""How much memory each run's training will take, before any: weights, gradients, optimizer, activations; and which runs
exceed a limit.

Weights follow from the ledger. Activations that a step keeps are the ledger's elements times what a step of some of the
family's networks was reckoned to keep for each (training/memory.py, which runs them without memory). In float32: bf16
takes less. Imports no torch.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgscale.contracts import RUN_MEMORY, PlannedRun
from ecgscale.errors import UserError

STATE = {"sgd": 0, "sgdm": 1, "adamw": 2}       # numbers that an optimizer keeps a weight
HOLES, OWN = 1.45, 64 * 2**20       # of a process on a CPU, so that all that was measured fits (assets/large.csv)
PROCESS = 1e9       # bytes that a process on a CPU holds before its network: torch, compiled code, pages of the corpus
UNITS = {"TB": 2**40, "GB": 2**30, "MB": 2**20, "kB": 2**10}     # as Nextflow, Slurm and docker count
REMEDY = "a smaller batch_size, and microbatches or recompute of a group's training, take less"


@dataclass(frozen=True)
class Kept:
    """What a step keeps, of some networks of each family and way (recompute or not): rows of (elements that the ledger
    counts for one window, bytes kept for each of them), elements increasing; `both`, the share of the smaller of
    activations and gradients that is there beside the larger at the worst moment, as activations go while gradients
    come; `beside`, bytes that convolutions take for each byte of weights."""

    bytes_each: dict[tuple[str, bool], list[tuple[float, float]]]
    both: dict[tuple[str, bool], float]
    beside: dict[tuple[str, bool], float]

    def of(self, run: PlannedRun) -> dict[str, float]:
        """RUN_MEMORY's bytes of one step of a run. Between networks by logarithms."""
        spec, ledger = run.spec, run.ledger
        way = spec.model.family, spec.recompute
        elements, each = np.array(self.bytes_each[way]).T
        windows = -(-spec.batch_size // spec.microbatches)
        kept = float(np.interp(math.log(ledger.activations), np.log(elements), each)) * ledger.activations * windows
        weights = ledger.weight_bytes
        less, more = sorted((kept, weights))
        worst = more + self.both[way] * less if spec.microbatches == 1 else kept + weights
        peak = weights + STATE[spec.optimizer.name] * weights + worst
        return {"windows": windows, "weight_bytes": weights, "gradient_bytes": weights,
                "optimizer_bytes": STATE[spec.optimizer.name] * weights, "activation_bytes": kept, "peak_bytes": peak,
                "room_bytes": PROCESS + room(peak + self.beside[way] * weights)}


def room(held: float) -> int:
    """What a process on a CPU has to be given, beside what it holds before."""
    return round(HOLES * held) + OWN


def table(runs: list[PlannedRun], kept: Kept, limit: float | None = None) -> pd.DataFrame:
    """RUN_MEMORY: a row a run."""
    rows = [{"run_id": run.spec.run_id, "family": run.spec.model.family, "params": run.ledger.params,
             "optimizer": run.spec.optimizer.name, "precision": run.spec.precision, **(found := kept.of(run)),
             "limit_bytes": limit, "fits": None if limit is None else found["room_bytes"] <= limit} for run in runs]
    return pd.DataFrame(rows, columns=list(RUN_MEMORY.columns)).astype({"fits": "boolean", "windows": "Int64"})


def told(memory: pd.DataFrame) -> list[str]:
    """For people: the run of each family that takes most, and what exceeds the limit."""
    if memory.empty:
        return []
    most = memory.loc[memory.groupby("family")["room_bytes"].idxmax()]
    lines = ["memory that one training takes, the most of each family (float32, bf16 takes less; 1 GB is 2^30 bytes):"]
    for row in most.itertuples():
        weights, gradients, state, kept, peak, need = map(readable, (
            row.weight_bytes, row.gradient_bytes, row.optimizer_bytes, row.activation_bytes, row.peak_bytes,
            row.room_bytes))
        lines.append(f"  {row.family} of {row.params:,.0f} parameters, {row.windows} windows at a time: weights "
                     f"{weights}, gradients {gradients}, {row.optimizer} {state}, activations {kept}; at most {peak} "
                     f"at a time, {need} with copies, holes and the process itself")
    if (limit := memory["limit_bytes"].iloc[0]) is None or pd.isna(limit):
        return lines
    over = memory[~memory["fits"]]
    if over.empty:
        return [*lines, f"  all {len(memory)} runs fit into {readable(limit)}"]
    named = ", ".join(over["run_id"].head(5)) + (f" and {len(over) - 5} more" if len(over) > 5 else "")
    return [*lines, f"  {len(over)} of {len(memory)} runs exceed {readable(limit)}: {named}; {REMEDY}"]


def readable(size: float) -> str:
    """1234567 -> "1.18 MB"."""
    name = next((name for name, unit in UNITS.items() if size >= unit), "kB")
    return f"{size / UNITS[name]:.3g} {name}"


def size(text: str) -> float:
    """"16 GB", "16.GB" (Nextflow's) or "500MB" in bytes. Raises UserError."""
    found = re.fullmatch(r"(\d+(?:\.\d*)?)[ .]*([kKmMgGtT][bB])", text.strip(), re.ASCII)
    if not found or not float(found[1]) > 0:
        raise UserError(f"{text!r} is no size of memory", field="--memory", remedy="Give a number and a unit: 16 GB")
    return float(found[1]) * UNITS[found[2].upper().replace("K", "k")]
