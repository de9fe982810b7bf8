"""What a device's money and watts buy: 10-second recordings, by the user's own table of prices. None is invented."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts.written import is_missing, read_rows, unused
from ecgscale.errors import UserError
from ecgscale.numbers import counted

THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")
COLUMNS = ("machine", "device", "price", "currency", "watts", "source")


@dataclass(frozen=True)
class Price:
    """What a device costs and draws, by whoever wrote the table; None where it does not say."""

    price: float | None = None
    currency: str = ""
    watts: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Prices:
    """known: by machine and device, "" of a device standing for all of its machine; unused: what was not read."""

    known: Mapping[tuple[str, str], Price] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @classmethod
    def read(cls, file: Path) -> Prices:
        """A CSV of `machine` and `device` (empty: every device of the machine) with `price` and `currency`, `watts`, or
        both, and `source`. Raises UserError with file, line, field and remedy."""
        found: dict[tuple[str, str], Price] = {}
        rows = read_rows(file, COLUMNS[:1], COLUMNS[1:])
        for line, row in enumerate(rows, 2):
            where = row["machine"], row.get("device", "")
            if where in found:
                raise UserError(f"{' '.join(where).strip()!r} stands twice", file=file, line=line, field="machine",
                                remedy="Leave one of the two lines")
            price, watts = (amount(row.get(name, ""), name, file, line) for name in ("price", "watts"))
            found[where] = Price(price, row.get("currency", ""), watts, row.get("source", ""))
            if price is not None and not found[where].currency:
                raise UserError("a price without a currency", file=file, line=line, field="currency",
                                remedy="Write EUR or another")
        return cls(found, unused(file, rows, COLUMNS))

    def of(self, machine: str, device: str) -> Price:
        return self.known.get((machine, device)) or self.known.get((machine, "")) or Price()


def amount(text: str, name: str, file: Path, line: int) -> float | None:
    """None where nothing is said. 1,299 may be either, so it is refused; 0,5 is a half."""
    if is_missing(text):
        return None
    try:
        value = math.nan if THOUSANDS.fullmatch(text) else float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise UserError(f"{text!r} is no amount above 0", file=file, line=line, field=name,
                        remedy="Write a plain number, or nothing where it is not known")
    return value


def bought(latency: pd.DataFrame, models: Iterable[str], prices: Prices) -> pd.DataFrame:
    """A row a device and model (run_ids): 10-second recordings a second in its fastest setting of 16 bits or more, of
    any scenario; for 1,000 of the currency; and for a joule: by the counter where one was read, else by `watts`."""
    stands = latency["status"].eq("ok") & ~latency["fallback"].eq(True) & latency["records_per_s"].gt(0)
    rows = latency[stands & latency["run_id"].astype(str).isin(set(models))]
    told = rows["ran_precision"].fillna("") + rows["option"].fillna("")
    rows = rows[~told.str.contains("int8")].assign(option=rows["option"].fillna(""))
    keys = ["runtime", "option", "scenario", "batch", "threads"]
    made = []
    for (machine, device, run), own in rows.groupby(["machine", "device", "run_id"], sort=True):
        speed = own.groupby(keys)["records_per_s"].transform("median")
        best = own[speed.eq(speed.max())].drop_duplicates("repeat")
        first, known = best.iloc[0], prices.of(machine, device)
        single = own[own["scenario"].eq("single")]
        counted = (single["per_recording_ms"] / single["p50_ms"] * single["energy_joules"]).min()   # of a recording
        by = "counter" if counted > 0 else "watts of the table" if known.watts else ""
        made.append({
            "on": f"{machine} {device}", "run_id": run, "model": first["model"], "runs_as": named_with_load(first),
            "repeats": len(best), "rate": speed.max(), "rate_low": best["records_per_s"].min(),
            "rate_high": best["records_per_s"].max(), "price": known.price, "currency": known.currency,
            "a_thousand": 1000 * speed.max() / known.price if known.price else np.nan, "watts": known.watts,
            "a_joule": 1 / counted if counted > 0 else speed.max() / known.watts if known.watts else np.nan,
            "energy_by": by, "source": known.source})
    return pd.DataFrame(made, columns=[
        "on", "run_id", "model", "runs_as", "repeats", "rate", "rate_low", "rate_high", "price", "currency",
        "a_thousand", "watts", "a_joule", "energy_by", "source"])


def named_with_load(row: pd.Series) -> str:
    load = "" if row["scenario"] == "single" else f", {row['scenario']} of {row['batch']}"
    return f"{row['runtime']} {row['option'] or 'as it comes'}{load}, {counted(row['threads'], 'thread')}"
