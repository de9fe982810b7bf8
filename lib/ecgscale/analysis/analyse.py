"""Everything that follows from a run table alone: laws, frontier, predictor. No data, no GPU, no network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgscale.analysis.frontier import fronts
from ecgscale.analysis.optima import optima
from ecgscale.analysis.out_of_source import out_of_source
from ecgscale.analysis.predictor import predict
from ecgscale.analysis.rate_laws import rate_laws
from ecgscale.analysis.rate_laws import summary as told_rates
from ecgscale.contracts import (
    DIFFERENCES,
    EFFECTS,
    FRONTIER,
    IMPORTANCE,
    LAW_TABLE,
    METRICS,
    OPTIMA,
    PREDICTED,
    RATES,
    SOURCES,
    Laws,
    Predictor,
    Reading,
    refuse_foreign,
)
from ecgscale.contracts.run_table import judged_by
from ecgscale.deploy.elsewhere import read_measured
from ecgscale.design.study import Spending, Study, TableColumns, read_study
from ecgscale.errors import UserError
from ecgscale.laws.columns import with_latency
from ecgscale.laws.summary import summary
from ecgscale.laws.table import fit_run_table
from ecgscale.machine.processes import fresh_pool
from ecgscale.tables.roles import score_of
from ecgscale.tables.runs import read_runs

NOTHING_ASKED = 3       # exit code: files are written, and no law could be asked
WORTH_STARTING = 20     # runs from which the predictor has a process of its own, and who waits is told for what
FIT_FILES = {
    "laws.json": Laws.wrote, "laws.csv": LAW_TABLE.wrote, "frontier.csv": FRONTIER.wrote,
    "predictor.json": Predictor.wrote, "importance.csv": IMPORTANCE.wrote, "predicted.csv": PREDICTED.wrote,
    "effects.parquet": EFFECTS.wrote, "optima.csv": OPTIMA.wrote, "rates.csv": RATES.wrote,
}


def analyse(runs: Path, latency: list[Path], study: Path | None, out: Path, cpus: int = 1,
            comparisons: Path | None = None, budgets: tuple[Spending, ...] = (), reading: Reading | None = None,
            places: tuple[dict[str, float], ...] = (), losses: tuple[float, ...] = (),
            huber: float | None = None) -> int:
    """Read a run table (ours or a foreign CSV) and write laws.json, laws.csv, frontier.csv, predictor.json,
    importance.csv, predicted.csv, optima.csv and rates.csv into `out`. `comparisons` (a folder of ecg-collect) tells
    the error that models share, and the scores by source and class; `budgets` come before those of the study;
    `reading`: what the user says of the columns, before the study's words; `places` and `losses`: asked of the laws
    (laws/fitted.py); `huber`: threshold of the robust loss. Gives the exit code: 0, or NOTHING_ASKED where the table
    allows no law at all. Raises UserError for a table without score or size.
    """
    if huber is not None and not 0 < huber < np.inf:
        raise UserError(f"{huber:g} is no threshold", field="--huber", remedy="Give an error of log y above 0: 1e-3")
    refuse_foreign(out, FIT_FILES)
    asked = (read_study(study) if study else Study(name="table")).analysis
    reading = as_asked(asked.columns, reading or Reading())
    read = read_runs(runs, reading)
    table = read.frame
    measured = read_measured(latency) if latency else None
    by_group = comparisons / "scores.parquet" if comparisons else None
    scores = METRICS.read(by_group) if by_group and by_group.exists() else None
    by_source = comparisons / "sources.csv" if comparisons else None
    sources = SOURCES.read(by_source) if by_source and by_source.exists() else None
    for line in (*strangers("latencies", measured, table), *strangers("scores by source and class", scores, table)):
        print(line, file=sys.stderr)
    target, shown = judged_by(table, asked.target), score_of(table, asked.target)
    if shown != asked.target:
        print(f"{asked.target} is not in the table: {shown} is looked at"
              + ("" if shown == target else " for fronts and predictor"), file=sys.stderr)
    if len(table) >= WORTH_STARTING:
        print(f"fitting laws, fronts and predictor to {len(table):,} runs: minutes from some hundred on",
              file=sys.stderr)
    paired = DIFFERENCES.read(comparisons / "differences.csv") if comparisons else None
    frontier = (fronts(table, measured, bootstrap=asked.bootstrap, target=shown, differences=paired)
                if shown in table else FRONTIER.empty())
    timed = with_latency(table, measured)
    del measured  # a million rows are half a gigabyte, and what follows takes long and several processes
    apart = cpus > 1 and len(table) >= WORTH_STARTING
    with beside(apart, predict, tested_on(table, sources), shown, bootstrap=asked.bootstrap) as predicting:
        laws = fit_run_table(timed, target=target, replicates=asked.bootstrap, cpus=cpus,
                             scores=scores, budgets=(*budgets, *asked.budgets), reading=reading, columns=read.columns,
                             places=places, losses=losses, huber=huber)
        slopes, ratios, untold = out_of_source(table, sources)
        laws = laws.model_copy(update={"loss_to_loss": slopes, "efficiency": ratios,
                                       "disabled": laws.disabled | untold})
        predictor, importance, predicted, effects = predicting()
    write(out, laws, frontier, predictor, importance, predicted, effects)
    tuned = {"lr", "family", "optimizer", "valid_loss"} <= set(table)
    best = optima(table) if tuned else OPTIMA.empty()
    OPTIMA.write(best.assign(synthetic=laws.synthetic), out / "optima.csv")
    rates = rate_laws(table) if tuned else RATES.empty()
    RATES.write(rates.assign(synthetic=laws.synthetic), out / "rates.csv")
    fits = [fit for fit in laws.fits if fit.law != "average"]
    told = sum(fit.verdict == "identified" for fit in fits)
    skipped = ", ".join(laws.disabled) or "nothing"
    print(summary(laws))
    if len(rates):
        print("", *told_rates(rates), sep="\n")
    print(f"{len(fits)} fits, {told} identified; not done: {skipped}", file=sys.stderr)
    return 0 if laws.fits else NOTHING_ASKED


@contextmanager
def beside(apart: bool, function: Callable, *arguments: Any, **options: Any) -> Iterator[Callable[[], Any]]:
    """What gives the function's result: worked on meanwhile in another process, or only then, here."""
    if not apart:
        yield lambda: function(*arguments, **options)
        return
    with fresh_pool("predicting", 1, threads=1) as pool:
        yield pool.submit(function, *arguments, **options).result


def strangers(what: str, rows: pd.DataFrame | None, table: pd.DataFrame) -> list[str]:
    """In words: rows that come with the run table and are of other runs, as those of another study are."""
    runs = set() if rows is None else set(rows["run_id"].dropna())
    unknown = runs - set(table["run_id"].astype(str))
    return [f"{what}: {len(unknown)} of {len(runs)} runs are not in the run table, and not used"] if unknown else []


def tested_on(table: pd.DataFrame, sources: pd.DataFrame | None) -> pd.DataFrame:
    """The same with `source`, the one that a run's training did not know and its test part is, where there are such."""
    if sources is None:
        return table
    known = sources[sources["left_out"].eq(True)].drop_duplicates("run_id").set_index("run_id")["source"]
    source = table["run_id"].map(known)
    return table.assign(source=source) if source.notna().any() else table


def as_asked(columns: TableColumns, given: Reading) -> Reading:
    """What the study says of the columns, and what was given beside it in its place."""
    roles = columns.map | ({"seed": columns.seed_column} if columns.seed_column else {})
    return Reading(roles=roles | given.roles, responses=given.responses or columns.response,
                   configuration=given.configuration or columns.configuration,
                   derived=columns.derive | given.derived, unused=given.unused or columns.unused,
                   where=columns.where | given.where)


def write(out: Path, laws: Laws, frontier: pd.DataFrame, predictor: Predictor, importance: pd.DataFrame,
          predicted: pd.DataFrame, effects: pd.DataFrame) -> None:
    laws.write(out / "laws.json")
    LAW_TABLE.write(law_rows(laws).assign(synthetic=laws.synthetic), out / "laws.csv")
    FRONTIER.write(frontier.assign(synthetic=laws.synthetic), out / "frontier.csv")
    predictor.write(out / "predictor.json")
    IMPORTANCE.write(importance.assign(synthetic=laws.synthetic), out / "importance.csv")
    PREDICTED.write(predicted.assign(synthetic=laws.synthetic), out / "predicted.csv")
    EFFECTS.write(effects.assign(synthetic=laws.synthetic), out / "effects.parquet")


def law_rows(laws: Laws) -> pd.DataFrame:
    """LAW_TABLE: one row a parameter of a fit."""
    rows = []
    for fit in laws.fits:
        held_out = fit.statistics.get("held_out") or {}
        for name in fit.estimates:
            low, high = fit.intervals.get(name, (None, None))
            bootstrap_low, bootstrap_high = fit.bootstrap.get(name, (None, None))
            rows.append({
                "law": fit.law, "subset": fit.subset, "x": ",".join(fit.x), "y": fit.y, "points": fit.points,
                "verdict": fit.verdict, "reason": fit.reason, "parameter": name, "estimate": fit.estimates[name],
                "error": fit.errors.get(name), "low": low, "high": high,
                "bootstrap_low": bootstrap_low, "bootstrap_high": bootstrap_high,
                "weight": fit.statistics.get("weight"), "rmse_log": fit.statistics.get("rmse_log"),
                "held_out_rmse_log": held_out.get("rmse_log"),
            })
    return pd.DataFrame(rows, columns=[*LAW_TABLE.columns, *LAW_TABLE.optional])
