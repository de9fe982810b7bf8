"""Which model, precision and runtime for at most so many ms and MB on a device; what each device buys; and what became
of models that were foretold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from ecgscale.analysis import small_devices
from ecgscale.analysis.deployable import OF_A_RUN, SETTING, Scores, foretold, measured, scores_of
from ecgscale.contracts import (
    CONFIRMED,
    DEPLOYMENT,
    MEMORY,
    Export,
    PlannedRun,
    joined,
    marked,
    refuse_foreign,
    write_text,
)
from ecgscale.contracts.run_table import SCORES, finished
from ecgscale.deploy.elsewhere import read_exports, read_measured
from ecgscale.design.confirming import study_of
from ecgscale.errors import UserError
from ecgscale.laws.table import is_synthetic
from ecgscale.numbers import counted, number, percent
from ecgscale.tables.runs import read_telling

DEVICE = ["machine", "device"]
PROMISE = ["model", *SETTING, *OF_A_RUN, "response", "score", "low", "high", "ms", "ms_low", "ms_high", "bytes",
           "budget_ms", "budget_bytes"]
STEPS = (1, 2, 5)           # of a decade of ms
SEEDS = (0, 1, 2)           # that confirm a foretold model
SIGNED = "# by ecg-deploy"
FILES = {"deployment.csv": DEPLOYMENT.wrote, "devices.csv": DEPLOYMENT.wrote, "memory.csv": MEMORY.wrote,
         "confirmed.csv": CONFIRMED.wrote}


@dataclass(frozen=True)
class Question:
    """At most ms and bytes (infinite: whatever it takes), in the settings whose columns have these values."""

    ms: float = np.inf
    bytes: float = np.inf
    where: tuple[tuple[str, str], ...] = ()

    def told(self) -> str:
        limits = ((self.ms, "ms"), (self.bytes / 1e6, "MB"))
        return " and ".join(f"{most:g} {unit}" for most, unit in limits if np.isfinite(most)) or "any time and size"


@dataclass(frozen=True)
class Options:
    """table: every model in every setting, measured and foretold (analysis.deployable); runs: those of the foretold,
    by name; trained: the finished runs with a score; notes: what was left out or cannot be told."""

    table: pd.DataFrame
    runs: dict[str, PlannedRun]
    trained: pd.DataFrame
    scores: Scores
    notes: list[str]
    synthetic: bool

    @classmethod
    def of(cls, runs: pd.DataFrame, latency: pd.DataFrame, exports: Iterable[Export] = (),
           statistic: str = "p50", asked: str = SCORES[0]) -> Options:
        """asked: the score that is told. Raises UserError where no model has both a score and a latency."""
        exports, scores = list(exports), scores_of(runs, asked)
        if scores is None:
            raise UserError("the run table has no score of a model", field="--runs",
                            remedy="Give the table that ecg-collect made of evaluated runs")
        known, notes = measured(runs, latency, exports, scores, statistic)
        if known.empty:
            raise UserError("no model has a score and a latency: " + "; ".join(notes), field="--latency",
                            remedy="Give latencies of models of this run table")
        ahead, planned, why = foretold(runs, known, exports, scores)
        return cls(pd.concat([known, ahead], ignore_index=True), planned, finished(runs, scores.judged.column), scores,
                   notes + why, is_synthetic(runs))

    def only(self, where: Iterable[tuple[str, str]]) -> pd.DataFrame:
        """Raises UserError for a value that no row has."""
        table = self.table
        for name, value in where:
            known = sorted(table[name].dropna().astype(str).unique())
            if value not in known:
                raise UserError(f"no {name} {value!r} was measured", field=f"--{name}",
                                remedy="Measured: " + ", ".join(known))
            table = table[table[name].astype(str).eq(value)]
        if table.empty:
            asked = ", ".join(f"{name} {value}" for name, value in where)
            raise UserError(f"nothing was measured with {asked} together", field="--device")
        return table


def best(table: pd.DataFrame, ms: float, size: float) -> pd.DataFrame:
    """The measured model that validation chooses among those whose interval of the latency ends within the budget, in
    its fastest setting; and after it the foretold one that is better still, with the `probability` of that."""
    paid = table[table["ms_high"].fillna(table["ms"]).le(ms) & table["bytes"].le(size)]
    order = paid.sort_values(["log_y", "ms"], kind="stable")
    own, ahead = (order[order["kind"].eq(kind)].head(1) for kind in ("measured", "foretold"))
    if len(own) and len(ahead):
        gain = own["log_y"].iloc[0] - ahead["log_y"].iloc[0]
        ahead = ahead.assign(probability=norm.cdf(gain / ahead["sd"].iloc[0])).head(int(gain > 0))
    return pd.concat([own, ahead])


def answer(options: Options, question: Question) -> pd.DataFrame:
    """DEPLOYMENT: for each device the best models within the budget; no row for a device where nothing fits."""
    table = options.only(question.where)
    rows = [best(group, question.ms, question.bytes) for _, group in table.groupby(DEVICE, sort=True)]
    return lines_of(options, rows, [question.ms] * len(rows), question.bytes, "device")


def staircase(options: Options, question: Question) -> pd.DataFrame:
    """DEPLOYMENT: what each device and each setting buys, a row for each round latency from which another model is the
    best, measured and foretold."""
    rows, limits, of = [], [], []
    table = options.only(question.where)
    for by, keys in (("device", DEVICE), ("setting", SETTING)):
        for _, group in table.groupby(keys, dropna=False, sort=True):
            before: dict[str, str] = {}
            for ms in steps(group["ms_high"].fillna(group["ms"])):
                found = best(group, ms, question.bytes)
                new = found[[before.get(row.kind) != row.model for row in found.itertuples()]]
                before = dict(zip(found["kind"], found["model"], strict=True))
                rows, limits, of = [*rows, new], [*limits, ms], [*of, by]
    made = [lines_of(options, [one], [ms], question.bytes, by) for one, ms, by in zip(rows, limits, of, strict=True)
            if len(one)]
    return pd.concat(made, ignore_index=True) if made else DEPLOYMENT.empty()


def steps(ms: pd.Series) -> list[float]:
    """Round latencies from the first that the fastest keeps to the first that all keep."""
    decades = range(int(np.floor(np.log10(ms.min()))), int(np.ceil(np.log10(ms.max()))) + 1)
    every = [float(f"{step}e{decade}") for decade in decades for step in STEPS]
    first = next(place for place, step in enumerate(every) if step >= ms.min())
    last = next(place for place, step in enumerate(every) if step >= ms.max())
    return every[first : last + 1]


def lines_of(options: Options, rows: list[pd.DataFrame], limits: list[float], size: float, asked: str) -> pd.DataFrame:
    full = [one.assign(budget_ms=ms) for one, ms in zip(rows, limits, strict=True) if len(one)]
    if not full:
        return DEPLOYMENT.empty()
    made = pd.concat(full, ignore_index=True).assign(
        asked=asked, budget_bytes=size, response=options.scores.judged.column, synthetic=options.synthetic,
        chosen_by=options.scores.chosen.column)
    whole = {"threads": "Int64", "repeats": "Int64", "calls": "Int64"}
    return made.reindex(columns=[*DEPLOYMENT.columns, "synthetic"]).astype(whole)


# ----------------------------------------------------------------------------------------- what became of the foretold


def read_promised(files: Iterable[Path]) -> pd.DataFrame:
    """DEPLOYMENT of several files. Raises UserError where the score of a foretold model lies outside its interval."""
    tables = []
    for file in files:
        rows = DEPLOYMENT.read(file).fillna(dict.fromkeys(("option", "note"), ""))    # empty text, saved elsewhere
        ahead = rows[rows["kind"].eq("foretold")]
        if (outside := ahead[ahead["score"].lt(ahead["low"]) | ahead["score"].gt(ahead["high"])]).size:
            raise UserError(f"of {outside['model'].iloc[0]} it lies outside its interval", file=file, field="score",
                            remedy="Give the table as ecg-deploy wrote it")
        tables.append(rows)
    return joined(DEPLOYMENT, tables)


def confirmed(told: pd.DataFrame, options: Options) -> pd.DataFrame:
    """CONFIRMED: each promise of a model that an earlier call foretold (`told`: DEPLOYMENT) beside what was found of
    it: the scores of all runs of its network on as many recordings and windows, and the latency of those that are
    measured in its setting. Another call may have promised otherwise of the same model: that is another row."""
    rows = []
    own = options.table[options.table["kind"].eq("measured")]
    ahead = told[told["kind"].eq("foretold") & told["asked"].eq("device")].drop_duplicates(PROMISE)
    for row in ahead.itertuples():
        scores = same(options.trained, row).get(row.response, pd.Series(dtype=float)).dropna()
        here = same(own, row)
        for name in SETTING:
            here = here[here[name].astype(str).eq(str(getattr(row, name)))]
        found = {
            "runs": len(scores), "inside": int(scores.between(row.low, row.high).sum()), "found": scores.mean(),
            "found_ms": here["ms"].median(), "found_ms_low": here["ms_low"].min(),
            "found_ms_high": here["ms_high"].max(), "found_bytes": here["bytes"].max()}
        inside = bool(row.low <= found["found"] <= row.high), bool(row.ms_low <= found["found_ms"] <= row.ms_high)
        paid = bool(here["ms_high"].fillna(here["ms"]).max() <= row.budget_ms
                    and found["found_bytes"] <= row.budget_bytes)
        rows.append({name: getattr(row, name) for name in CONFIRMED.columns if hasattr(row, name)} | found | {
            "verdict": verdict(len(scores), len(here) > 0, inside, paid)})
    whole = {"threads": "Int64", "runs": "Int64", "inside": "Int64"}
    return pd.DataFrame(rows, columns=list(CONFIRMED.columns)).astype(whole)


def same(table: pd.DataFrame, row) -> pd.DataFrame:
    """The rows of a network of the same size, on as many recordings and windows."""
    if {*OF_A_RUN} - {*table}:
        return table.iloc[:0]
    return table[np.logical_and.reduce([table[name].eq(getattr(row, name)) for name in OF_A_RUN])]


def verdict(runs: int, there: bool, inside: tuple[bool, bool], paid: bool) -> str:
    """In words: confirmed, what was refuted, or what is not there yet."""
    if not (runs and there):
        return f"waits: {runs} such runs are trained, {'one or more' if there else 'none'} measured in this setting"
    wrong = [what for what, right in zip(("score", "latency"), inside, strict=True) if not right]
    wrong += [] if paid else ["budget"]
    return f"refuted: {' and '.join(wrong)}" if wrong else "confirmed"


# ---------------------------------------------------------------------------------------------------------- for people


def told_of(row) -> str:
    """A model in one line."""
    score = f"{row.response} {row.score:.3f}" + ends(row.low, row.high, "{:.3f}".format, row.level)
    time = f"{number(row.ms)} ms" + ends(row.ms_low, row.ms_high, number,
                                           0.95 if row.kind == "measured" else row.level)
    setting = f"{row.runtime} {row.option or row.precision}, {counted(row.threads, 'thread')}"
    extra = f"; better with probability {row.probability:.2f}" if pd.notna(row.probability) else ""
    how = f"{row.repeats} repeats, {row.calls} calls" if row.kind == "measured" else "not measured"
    note = f" ({row.note})" if row.note else ""
    return (f"{row.kind}: {row.model} on {setting}: {score}, {time} a window ({how}), "
            f"{number(row.bytes / 1e6)} MB by {row.bytes_from}{extra}{note}")


def ends(low: float, high: float, write: Callable[[float], str], level: float) -> str:
    return f" [{write(low)}, {write(high)}] ({percent(level)})" if np.isfinite([low, high]).all() else " (no interval)"


def judged_of(row) -> list[str]:
    """What was promised of a model beside what was found, a line a quantity."""
    def found(value: float, text: str) -> str:
        return text if pd.notna(value) else "nothing yet"

    score = found(row.found, f"{row.found:.3f} in the mean of {row.runs} runs, {row.inside} of them inside")
    ms = found(row.found_ms, number(row.found_ms) + ends(row.found_ms_low, row.found_ms_high, number, 0.95))
    size = found(row.found_bytes, number(row.found_bytes / 1e6))
    return [f"{row.model} on {row.machine} {row.device} {row.runtime} {row.precision}: {row.verdict}",
            f"  {row.response}: promised {row.score:.3f}{ends(row.low, row.high, '{:.3f}'.format, 0.9)}, found {score}",
            f"  ms a window: promised {number(row.ms)}{ends(row.ms_low, row.ms_high, number, 0.9)}, found {ms}; "
            f"at most {row.budget_ms:g}",
            f"  MB: promised {number(row.bytes / 1e6)}, found {size}; at most {row.budget_bytes / 1e6:g}"]


@dataclass(frozen=True)
class Recommendation:
    """answer, stairs: DEPLOYMENT; memory: MEMORY; judged: CONFIRMED; studies: texts by file name, one for each foretold
    model; told: lines for people."""

    answer: pd.DataFrame
    stairs: pd.DataFrame
    memory: pd.DataFrame
    judged: pd.DataFrame
    studies: dict[str, str]
    told: list[str]

    def write(self, folder: Path) -> None:
        """deployment.csv (answer), devices.csv (stairs), memory.csv, confirmed.csv, and a study file for each foretold
        model."""
        signed = marked(SIGNED.encode())
        refuse_foreign(folder, FILES | dict.fromkeys(self.studies, signed))
        DEPLOYMENT.write(self.answer, folder / "deployment.csv")
        DEPLOYMENT.write(self.stairs, folder / "devices.csv")
        MEMORY.write(self.memory, folder / "memory.csv")
        CONFIRMED.write(self.judged, folder / "confirmed.csv")
        for name, text in self.studies.items():
            write_text(folder / name, f"{SIGNED}\n{text}", signed)


def recommend(runs: Path, latency: Iterable[Path], models: Iterable[Path] = (), question: Question = Question(), *,
              told: Iterable[Path] = (), study: Path | None = None, statistic: str = "p50") -> Recommendation:
    """runs: run table; latency: folders of ecg-bench; models: of ecg-export; told: deployment.csv of earlier calls;
    study: whose data and split the runs that confirm keep. Raises UserError."""
    for value, name in ((question.ms, "ms"), (question.bytes, "megabytes")):
        if not value > 0:
            raise UserError(f"{value} is no budget", field=f"--{name}", remedy="Give a number above 0")
    measured_there = read_measured(folder / "latency.parquet" for folder in latency)
    table, exports = read_telling(runs).frame, read_exports(models)
    options = Options.of(table, measured_there, exports, statistic)
    asked = options.only(question.where)        # refused before laws are fitted
    memory = small_devices.beside_devices(table, exports, options.scores)
    made, stairs = answer(options, question), staircase(options, question)
    told = list(told)
    judged = confirmed(read_promised(told), options)
    studies = {}
    for row in made[made["kind"].eq("foretold")].itertuples():
        spec = options.runs[row.model].spec
        studies[f"{spec.study}.yaml"] = study_of(spec, SEEDS, study, {"runtimes": [row.runtime]}, (
            f"{told_of(row)}. Foretold for at most {question.told()} on {row.machine} {row.device}."))
    lines = [*options.notes, *(["The score that is told chose the model, too: it is flattered"]
                               if options.scores.flattered else [])]
    for (machine, device), _ in asked.groupby(DEVICE, sort=True):
        own = made[made["machine"].eq(machine) & made["device"].eq(device)]
        lines += [f"At most {question.told()} on {machine} {device}:" + ("" if len(own) else " nothing fits"),
                  *(f"  {told_of(row)}" for row in own.itertuples())]
    lines += small_devices.told(memory)
    lines += [f"{name} trains what is foretold; afterwards give --told deployment.csv" for name in studies]
    lines += [line for row in judged.itertuples() for line in judged_of(row)]
    lines += ["--told foretells no model: there is nothing to confirm"] if told and judged.empty else []
    return Recommendation(made, stairs, memory.drop(columns="log_y"), judged, studies, lines)
