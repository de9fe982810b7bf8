"""What a measuring run left, as rows of LATENCY and TIMES and the documents beside them: of this machine or a kit's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ecgscale.contracts import LATENCY, TIMES, Control, Environment
from ecgscale.deploy import control
from ecgscale.deploy.block import Block, Configuration
from ecgscale.deploy.latency import drift, quantile_interval, summarize, windows_per_recording
from ecgscale.deploy.session import Session


@dataclass(frozen=True)
class Measured:
    """What one machine measured."""

    latency: pd.DataFrame
    times: pd.DataFrame
    environment: Environment
    control: Control | None          # a machine of an older version had none


def tabulate(session: Session) -> Measured:
    """Every block judged, with its statistics, and every single time."""
    name, tolerance = session.environment["machine"], session.tolerance
    rows = [row(c, name, 1, {"status": "unavailable", "reason": reason}) for c, reason in session.absent]
    rows += [row(c, name, len(session.blocks[c]) + 1, problem) for c, problem in session.broken.items()]
    whole, times = control.verdict(session.looks, tolerance), []
    for configuration, measured in session.blocks.items():
        beside, reasons = session.control_beside(configuration), session.verdicts(configuration)
        for repeat, ((_, block), level, reason) in enumerate(zip(measured, beside, reasons, strict=True), 1):
            reason = reason or whole
            state = {"status": "void" if reason else "ok", "reason": reason, "loop_us": session.loop_us,
                     "control": level if session.looks else None}
            rows.append(row(configuration, name, repeat, block.columns | statistics(configuration, block) | state))
            times.append(single_times(rows[-1], block))
    return Measured(
        pd.DataFrame(rows), pd.concat(times, ignore_index=True) if times else TIMES.empty(),
        Environment(**session.environment),
        control_document(name, session.control, session.looks, tolerance) if session.looks else None)


def statistics(configuration: Configuration, block: Block) -> dict[str, Any]:
    """Columns of LATENCY that the single times tell."""
    export, found = configuration.model.export, summarize(block.times)
    calls = windows_per_recording(export.spec.window, export.rate) / configuration.batch      # a recording
    packed = calls if configuration.scenario == "throughput" else math.ceil(calls)    # there, batches mix recordings
    return found | {
        "per_recording_ms": None if found["p50_ms"] is None else math.ceil(calls) * found["p50_ms"],
        "records_per_s": len(block.times) / packed / block.seconds}


def row(configuration: Configuration, name: str, repeat: int, columns: dict[str, Any]) -> dict[str, Any]:
    """One row of LATENCY: what was asked, then `columns`; null for the rest."""
    export = configuration.model.export
    asked = {
        "run_id": export.run_id, "model": export.label, "family": export.spec.model.family,
        "params": export.ledger.params, "forward_flops": export.ledger.forward_flops,
        "activations": export.ledger.activations, "layers": configuration.model.layers, "machine": name,
        "runtime": configuration.runtime, "device": configuration.device, "option": configuration.option,
        "scenario": configuration.scenario, "batch": configuration.batch, "threads": configuration.threads,
        "repeat": repeat, "synthetic": export.synthetic,
    }
    return dict.fromkeys([*LATENCY.columns, *LATENCY.optional]) | columns | asked


def single_times(measured: dict[str, Any], block: Block) -> pd.DataFrame:
    shared = {column: measured[column] for column in (*TIMES.columns, "synthetic") if column not in ("index", "ms")}
    return pd.DataFrame({**shared, "index": np.arange(len(block.times)), "ms": block.times, "copy_ms": block.copies})


def control_document(machine: str, chosen: Configuration, looks: Sequence[control.Look], tolerance: float) -> Control:
    """control.json, of at least one look."""
    ratios, levels = (np.array(values) for values in zip(*((o.second / o.first, o.level) for o in looks), strict=True))
    low, high = quantile_interval(ratios, 0.5)
    furthest = control.limit(looks, tolerance)
    disturbed = int((np.abs(control.deviations(looks)) > furthest).sum())
    export = chosen.model.export
    return Control(
        machine=machine, run_id=export.run_id, model=export.label, runtime=chosen.runtime, device=chosen.device,
        option=chosen.option, threads=chosen.threads, first_ms=tuple(one.first for one in looks),
        second_ms=tuple(one.second for one in looks), ratio=float(np.median(ratios)), ratio_low=low, ratio_high=high,
        drift=drift(levels), disturbed=disturbed, tolerance=tolerance, limit=furthest,
        reason=control.verdict(looks, tolerance), synthetic=export.synthetic)
