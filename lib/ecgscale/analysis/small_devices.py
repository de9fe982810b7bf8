"""Which exported models a microcontroller, watch or phone can hold: weights in its flash, activations in its RAM."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ecgscale.analysis.deployable import Scores
from ecgscale.contracts import MEMORY, Artefact, Export
from ecgscale.contracts.run_table import finished
from ecgscale.design.plan import every_device

BYTES = {"float32": 4, "int8": 1}       # of a weight and of an activation


def beside_devices(runs: pd.DataFrame, exports: Iterable[Export], scores: Scores) -> pd.DataFrame:
    """MEMORY: a row a device with known memory, an exported model and a precision."""
    column = scores.judged.column
    ends = [column, f"{column}_low", f"{column}_high"]
    known = finished(runs.assign(log_y=np.log(scores.chosen.y)), column)
    known = known.reindex(columns=["run_id", "log_y", *ends]).assign(run_id=lambda one: one["run_id"].astype(str))
    known = known.drop_duplicates("run_id").set_index("run_id")
    rows = []
    for device in (one for one in every_device() if one["ram_bytes"]):
        for export in exports:
            told = known.loc[export.run_id] if export.run_id in known.index else pd.Series(dtype=float)
            for precision, size in BYTES.items():
                rows.append({
                    "device": device["device"], "class": device["class"], "ram_bytes": float(device["ram_bytes"]),
                    "flash_bytes": float(device["flash_bytes"]), "source": device["source"], "run_id": export.run_id,
                    "model": export.label, "family": export.spec.model.family, "leads": " ".join(export.spec.leads),
                    "params": export.ledger.params, "precision": precision, "weight_bytes": size * export.ledger.params,
                    "activation_bytes": size * (export.peak_activations or np.nan), "response": column,
                    **dict(zip(("score", "low", "high"), (told.get(name, np.nan) for name in ends), strict=True)),
                    "log_y": told.get("log_y", np.nan), "synthetic": export.synthetic,
                    **lost(quantized(export) if precision == "int8" else None)})
                rows[-1]["note"] = why_not(rows[-1], quantized(export) if precision == "int8" else None)
                rows[-1]["fits"] = not rows[-1]["note"]
    return pd.DataFrame(rows, columns=[*MEMORY.columns, "log_y", "synthetic"])


def quantized(export: Export) -> Artefact | None:
    """The INT8 file that was checked and loses least."""
    files = [one for one in export.artefacts if one.precision == "int8" and one.file and one.checked_records]
    return max(files, key=lambda one: (one.status == "ok", one.score_difference or 0.0), default=None)


def lost(file: Artefact | None) -> dict[str, float | None]:
    names = {"file_difference": "score_difference", "file_low": "score_difference_low",
             "file_high": "score_difference_high"}
    return {name: getattr(file, member) if file else None for name, member in names.items()}


def why_not(row: dict, file: Artefact | None) -> str:
    """In words: what is too large, not known or not good enough; empty where the model fits."""
    if row["precision"] == "int8" and file is None:
        return "no INT8 file was checked"
    if file is not None and file.status != "ok":
        return f"its INT8 file: {file.reason}"
    if np.isnan(row["activation_bytes"]):
        return "its peak of activations is not known: export it as ONNX"
    short = [f"{name} {row[need]:,.0f} of {row[room]:,.0f} bytes" for name, need, room in (
        ("flash: weights", "weight_bytes", "flash_bytes"), ("RAM: activations", "activation_bytes", "ram_bytes"))
        if row[need] > row[room]]
    return "; ".join(short)


def told(table: pd.DataFrame) -> list[str]:
    """A line a device: the model that validation chooses among those that fit, in the smaller precision of equals."""
    lines = []
    for device, rows in table.groupby("device", sort=False):
        first, fit = rows.iloc[0], rows[rows["fits"] & rows["log_y"].notna()]
        room = f"{first['flash_bytes'] / 1024:,.0f} KiB flash, {first['ram_bytes'] / 1024:,.0f} KiB RAM"
        if fit.empty:
            lines.append(f"{device} ({first['class']}, {room}): no exported model fits")
            continue
        best = fit.sort_values(["log_y", "weight_bytes"], kind="stable").iloc[0]
        score = f"{best['response']} {best['score']:.3f}" + (
            f" [{best['low']:.3f}, {best['high']:.3f}]" if np.isfinite([best["low"], best["high"]]).all() else "")
        lines.append(
            f"{device} ({first['class']}, {room}): {best['model']} on {best['leads']} in {best['precision']}, {score}; "
            f"weights {best['weight_bytes'] / 1024:,.1f} KiB, activations {best['activation_bytes'] / 1024:,.1f} KiB; "
            f"{fit['model'].nunique()} of {rows['model'].nunique()} models fit")
    return lines
