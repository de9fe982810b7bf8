"""What a report is made of: every input but the run table may be missing, and its section then says so."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.analysis.deployment import read_promised
from ecgscale.analysis.frontier import parse
from ecgscale.analysis.prices import Prices
from ecgscale.contracts import (
    AXES,
    CLASS_COUNTS,
    DEPLOYMENT,
    DIFFERENCES,
    EFFECTS,
    FRONTIER,
    HISTORIES,
    IMPORTANCE,
    LATENCY,
    METRICS,
    NOISE,
    OPTIMA,
    PREDICTED,
    RATES,
    REJECTS,
    RELIABILITY,
    ROUNDS,
    SOURCES,
    STRIPS,
    TUNING,
    ContractError,
    Control,
    Decision,
    Document,
    Environment,
    Examples,
    Export,
    Laws,
    Plan,
    Predictor,
    Shard,
    Speed,
    SplitInfo,
    file_digest,
    joined,
)
from ecgscale.contracts.reading import MEBI, plain_file, reading
from ecgscale.deploy import elsewhere
from ecgscale.ecg.corpus import Corpus, read_rejects
from ecgscale.errors import UserError
from ecgscale.report.charts import paletted
from ecgscale.report.ecg_paper import file_name
from ecgscale.report.possible import Ends
from ecgscale.tables.roles import score_of
from ecgscale.tables.runs import read_runs

SCORE = "test_challenge_score"
PNG, LARGEST_PICTURE, MOST_PIXELS = b"\x89PNG\r\n\x1a\n", 4 * MEBI, 16_000_000     # of one: first bytes, most bytes
PAPER_SHADES = 16
FITTED = ("frontier.csv", "predictor.json", "importance.csv", "effects.parquet", "predicted.csv", "optima.csv",
          "rates.csv")      # that ecg-fit always writes beside laws.json


@dataclass(frozen=True)
class Inputs:
    """The tables and documents of one run of the pipeline; None or empty where not given."""

    runs: pd.DataFrame
    laws: Laws | None = None
    frontier: pd.DataFrame = field(default_factory=FRONTIER.empty)
    predictor: Predictor | None = None
    importance: pd.DataFrame = field(default_factory=IMPORTANCE.empty)
    effects: pd.DataFrame = field(default_factory=EFFECTS.empty)
    predicted: pd.DataFrame = field(default_factory=PREDICTED.empty)
    latency: pd.DataFrame = field(default_factory=LATENCY.empty)
    environments: tuple[Environment, ...] = ()
    speeds: tuple[Speed, ...] = ()
    controls: tuple[Control, ...] = ()
    exports: tuple[Export, ...] = ()
    split: SplitInfo | None = None
    plan: Plan | None = None
    shards: tuple[Shard, ...] = ()
    rejects: pd.DataFrame = field(default_factory=REJECTS.empty)
    classes: pd.DataFrame = field(default_factory=CLASS_COUNTS.empty)
    corpus: Corpus | None = None    # its records and `rejects`; the signals may be elsewhere
    drawn: dict[str, bytes] = field(default_factory=dict)   # record -> PNG of the data card
    differences: pd.DataFrame = field(default_factory=DIFFERENCES.empty)
    axes: pd.DataFrame = field(default_factory=AXES.empty)
    noise: pd.DataFrame = field(default_factory=NOISE.empty)
    sources: pd.DataFrame = field(default_factory=SOURCES.empty)
    optima: pd.DataFrame = field(default_factory=OPTIMA.empty)
    rates: pd.DataFrame = field(default_factory=RATES.empty)          # laws of them
    tuning: pd.DataFrame = field(default_factory=TUNING.empty)
    histories: pd.DataFrame = field(default_factory=HISTORIES.empty)
    chosen: pd.DataFrame = field(default_factory=METRICS.empty)       # of the run that validation chose
    reliability: pd.DataFrame = field(default_factory=RELIABILITY.empty)
    examples: Examples | None = None
    strips: pd.DataFrame = field(default_factory=STRIPS.empty)
    rounds: pd.DataFrame = field(default_factory=ROUNDS.empty)        # of scaling
    decision: Decision | None = None
    promised: pd.DataFrame = field(default_factory=DEPLOYMENT.empty)    # by earlier calls of ecg-deploy
    prices: Prices = field(default_factory=Prices)      # of devices, as the user gave them
    files: dict[str, str] = field(default_factory=dict)   # name -> digest of what was read
    missing: dict[str, str] = field(default_factory=dict)  # name -> what was not given
    command: str = ""       # that makes this report
    so_far: str = ""        # of a run that goes on: how much of it this is
    notices: tuple[str, ...] = ()   # of how the tables were read, which the laws do not tell
    cut: str = ""           # which intervals ended beyond what their quantity can be

    @property
    def synthetic(self) -> bool:
        tables = any(bool(frame["synthetic"].fillna(False).any()) for frame in (self.runs, self.latency)
                     if "synthetic" in frame)
        return tables or any(one is not None and one.synthetic for one in (self.laws, self.split, *self.shards))

    @property
    def explained(self) -> tuple[str, ...]:
        """The responses that the laws were asked for by name."""
        columns = self.laws.columns if self.laws else None
        return tuple(columns.responses) if columns and self.laws.reading.responses else ()

    @property
    def asked(self) -> str:
        """The score that the analyses were asked to look at."""
        return self.predictor.target if self.predictor else SCORE

    @property
    def target(self) -> str:
        """The score that is shown."""
        return score_of(self.runs, self.asked)

    @property
    def losses(self) -> tuple[str, ...]:
        """The columns that the laws explain in a table without a score."""
        columns = self.laws.columns if self.laws and self.target not in self.runs else None
        return tuple(name for name in columns.responses if name in self.runs) if columns else ()

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """Every run, best first, those without a score last; the index is a run's place in the page's table. Without
        scores those of the lowest loss come first."""
        if self.target not in self.runs:
            return self.runs.sort_values(list(self.losses[:1]), na_position="last", kind="stable",
                                         ignore_index=True) if self.losses else self.runs.reset_index(drop=True)
        return self.runs.sort_values(self.target, ascending=False, na_position="last", kind="stable", ignore_index=True)

    @property
    def scored(self) -> pd.DataFrame:
        """Finished runs with a score."""
        if self.target not in self.runs:
            return self.runs.iloc[:0]
        ended = self.runs["status"].eq("finished") if "status" in self.runs else True
        return self.runs[ended & self.runs[self.target].notna()]


def beside(kind: type[Document], folders: Iterable[Path], pattern: str) -> tuple:
    """The documents of each folder; a folder of latency results may lack some."""
    return tuple(kind.read(path) for folder in folders for path in sorted(folder.glob(pattern)))


def drawn(card: Path | None, records: Iterable[str]) -> dict[str, bytes]:
    """The pictures of these recordings that lie in the folder of the data card, in the few colours of ECG paper. Raises
    ContractError for one that is no PNG or too large."""
    found = {}
    for record in records:
        path = card and card / "figures" / f"{file_name(record)}.png"
        if path and path.is_file():
            png = plain_file(path, LARGEST_PICTURE).read_bytes()
            wide, high = (int.from_bytes(png[place : place + 4], "big") for place in (16, 20))      # as its header says
            if not png.startswith(PNG) or wide * high > MOST_PIXELS:
                raise ContractError(f"not a PNG picture of at most {MOST_PIXELS:,} pixels", file=path,
                                    remedy="Make the data card again: ecg-card")
            with reading(path, "PNG picture"):
                found[record] = paletted(png, record, PAPER_SHADES)
    return found


def check_latency(files: Iterable[Path], exports: tuple[Export, ...]) -> pd.DataFrame:
    """LATENCY of several files. Raises UserError for a machine that two of them name, a runtime that is none of ours,
    or (given `exports`) for rows of other models."""
    machines: set[str] = set()
    tables = []
    for file in files:
        rows = LATENCY.read(file).fillna({"option": ""})
        tables.append(rows)
        elsewhere.check_machines(rows, machines, file)
        elsewhere.check_rows(rows, file)
        if exports:
            elsewhere.check_models(rows, exports, file)
    return joined(LATENCY, tables)


def check_fitted(runs: pd.DataFrame, fit: Path, laws: Laws | None, predictor: Predictor | None,
                 predicted: pd.DataFrame) -> None:
    """Raises UserError where `fit` is of another run table: of other rows, or of other scores."""
    remedy = "Run ecg-fit on this table, and give what it writes as --fit"
    if laws and laws.runs != len(runs):
        raise UserError(f"is of a run table of {laws.runs} rows, and this one has {len(runs)}", file=fit / "laws.json",
                        remedy=remedy)
    if predictor is None or predictor.target not in runs:
        return
    scores = dict(zip(runs["run_id"].astype(str), runs[predictor.target], strict=True))
    told = predicted.drop_duplicates("run_id")
    differ = ~np.isclose(told["run_id"].map(scores).astype(float), told["truth"], rtol=1e-9)
    if differ.any():
        run = told[differ].iloc[0]
        raise UserError(f"{predictor.target} of run {run['run_id']} is {run['truth']:g} here, and not so in the run "
                        "table: that is another one", file=fit / "predicted.csv", remedy=remedy)


def check_known(runs: pd.DataFrame, rows: pd.DataFrame, file: Path) -> None:
    """Raises UserError where a table of ecg-fit names a run that the run table has not."""
    foreign = rows.loc[~rows["run_id"].isin(set(runs["run_id"].astype(str))), "run_id"]
    if len(foreign):
        raise UserError(f"run {foreign.iloc[0]} is not in the run table: that is another one", file=file,
                        field="run_id", remedy="Run ecg-fit on this table, and give what it writes as --fit")


def strangers(runs: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    """In words: runs of tables of ecg-collect, by name, that the run table has not."""
    known = set(runs["run_id"].astype(str))
    named = {name: set(rows["run_id"].dropna()) for name, rows in tables.items()}
    return tuple(f"{name}: {len(ids - known)} of {len(ids)} runs are not in the run table"
                 for name, ids in named.items() if ids - known)


def read(runs: Path, fit: Path, latency: Iterable[Path] = (), split: Path | None = None, plan: Path | None = None,
         shards: Iterable[Path] = (), comparisons: Path | None = None, card: Path | None = None,
         models: Iterable[Path] = (), command: str = "", rounds: Path | None = None,
         promised: Iterable[Path] = (), prices: Path | None = None) -> Inputs:
    """Read what is there. A file that is there but of another version is an error (ContractError), never skipped.

    Latencies must be of `models` (folders of ecg-export), where given, and each folder's of a machine of its own; `fit`
    must be of this run table: UserError otherwise.
    """
    files, missing = {}, {}

    def found(path: Path | None, name: str, option: str) -> Path | None:
        if path is None or not path.is_file():
            missing[name] = f"no {path or option} was given"
            return None
        files[name] = file_digest(path)
        return path

    def table(contract, name, folder=fit, option="--fit"):
        path = found(folder / name if folder else None, name, option)
        return contract.read(path) if path else contract.empty()

    def document(kind, path, name, option):
        path = found(path, name, option)
        return kind.read(path) if path else None

    files["runs"] = file_digest(runs)
    latency, shards, promised = list(latency), list(shards), list(promised)
    measured = [path for folder in latency if (path := found(folder / "latency.parquet", str(folder), "--latency"))]
    exports = tuple(elsewhere.read_exports(models))
    checked = check_latency(measured, exports)
    if not latency:
        missing["latency"] = "no --latency was given"
    if not shards:
        missing["shards"] = "no --shards were given"
    info = document(SplitInfo, split / "split.json" if split else None, "split.json", "--split")
    shards, corpus = of_first_recipe(shards, info)
    prepared, rejects = [Shard.read(path) for path in shards], []
    for path, shard in zip(shards, prepared, strict=True):
        if path.with_name("rejects.csv").is_file():
            rejects.append(read_rejects(path.parent, shard))
    files |= {str(path): file_digest(path) for path in promised}
    laws = document(Laws, fit / "laws.json", "laws.json", "--fit")
    read = read_runs(runs, laws.reading if laws else None)
    frame = read.frame
    said = laws.columns.notices if laws and laws.columns else ()
    predictor = document(Predictor, fit / "predictor.json", "predictor.json", "--fit")
    predicted = table(PREDICTED, "predicted.csv")
    check_fitted(frame, fit, laws, predictor, predicted)
    frontier, best, effects = (table(contract, name) for contract, name in (
        (FRONTIER, "frontier.csv"), (OPTIMA, "optima.csv"), (EFFECTS, "effects.parquet")))
    check_known(frame, frontier[frontier["group"].ne("published")], fit / "frontier.csv")
    check_known(frame, best, fit / "optima.csv")
    check_known(frame, effects, fit / "effects.parquet")
    paired, epochs = (table(contract, name, comparisons, "--comparisons") for contract, name in (
        (DIFFERENCES, "differences.csv"), (HISTORIES, "histories.parquet")))
    said_now = (*(one for one in read.columns.notices if one not in said),
                *strangers(frame, {"differences.csv": paired, "histories.parquet": epochs}))
    for axes in frontier["axes"].unique():
        parse(axes, fit / "frontier.csv")
    made = Inputs(
        runs=frame, laws=laws, notices=said_now,
        frontier=frontier,
        predictor=predictor,
        importance=table(IMPORTANCE, "importance.csv").fillna({"note": ""}),      # empty text, saved elsewhere
        effects=effects, predicted=predicted,
        latency=checked,
        environments=beside(Environment, latency, "environment*.json"),
        speeds=beside(Speed, latency, "speed.json"), controls=beside(Control, latency, "control*.json"),
        exports=exports,
        split=info,
        plan=document(Plan, plan, "plan.json", "--plan"),
        shards=tuple(sorted(prepared, key=lambda one: (one.source, one.shard))),
        rejects=joined(REJECTS, rejects),
        classes=table(CLASS_COUNTS, "counts.csv", card, "--card"),
        corpus=corpus,
        drawn=drawn(card, [shard.example for shard in prepared if shard.example is not None]),
        differences=paired,
        axes=table(AXES, "axes.csv", comparisons, "--comparisons"),
        noise=table(NOISE, "noise.csv", comparisons, "--comparisons"),
        sources=table(SOURCES, "sources.csv", comparisons, "--comparisons"),
        optima=best, rates=table(RATES, "rates.csv"),
        tuning=table(TUNING, "tuning.csv", comparisons, "--comparisons"),
        histories=epochs,
        chosen=table(METRICS, "chosen/metrics.csv", comparisons, "--comparisons"),
        reliability=table(RELIABILITY, "chosen/reliability.csv", comparisons, "--comparisons"),
        examples=document(Examples, comparisons / "chosen/examples.json" if comparisons else None,
                          "chosen/examples.json", "--comparisons"),
        strips=table(STRIPS, "chosen/strips.parquet", comparisons, "--comparisons"),
        rounds=table(ROUNDS, "rounds.csv", rounds, "--rounds"),
        decision=document(Decision, rounds / "decision.json" if rounds else None, "decision.json", "--rounds"),
        promised=read_promised(promised),
        prices=document(Prices, prices, "prices", "--prices") or Prices(),
        files=files, missing=missing, command=command,
    )
    if laws and (lost := [name for name in FITTED if name in missing]):
        print(f"{fit}: no {', '.join(lost)} beside laws.json, so the report lacks what ecg-fit wrote there",
              file=sys.stderr)
    return within_the_possible(made)


def of_first_recipe(shards: list[Path], split: SplitInfo | None) -> tuple[list[Path], Corpus | None]:
    """The shard.json files of the recipe that the split is of, where a study prepared its recordings by several, and
    their corpus; all of them and None where records are not at hand."""
    if not shards or not all(path.with_name(name).is_file()
                             for path in shards for name in ("records.parquet", "rejects.csv")):
        return shards, None
    corpus = Corpus.open_all((path.parent for path in shards), split.corpus_digest if split else "")[0]
    return [path for path in shards if path.parent in corpus.folders], corpus


def within_the_possible(inputs: Inputs) -> Inputs:
    """The same with intervals that end where their quantity does, and what was cut."""
    ends = Ends()
    return replace(inputs, runs=ends.runs(inputs.runs), chosen=ends.metrics(inputs.chosen),
                   sources=ends.metrics(inputs.sources),
                   frontier=ends.of(inputs.frontier, "y", "y_low", "y_high", inputs.target), cut=ends.told())
