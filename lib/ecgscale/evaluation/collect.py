"""All runs of a study as one table: what was asked, what it cost, what it scored. Every run is a row, whatever became
of it."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ecgscale import __version__
from ecgscale.contracts import (
    AXES,
    DIFFERENCES,
    HISTORIES,
    HISTORY,
    METRICS,
    NOISE,
    REAL,
    RUNS,
    SOURCES,
    TUNING,
    RunResult,
    croissant,
    digest,
    read_all,
    read_results,
    refuse_foreign,
)
from ecgscale.errors import UserError
from ecgscale.evaluation import axes, comparisons
from ecgscale.evaluation.chosen import CHOSEN_FILES, write_chosen

ENDINGS = {"": "", "0.5": "", "tuned": "_tuned"}    # of a column, by the threshold that the value belongs to
BY_GROUP, OF_GROUP = ("source", "class"), ("auroc", "loss")     # of scores.parquet: kinds and metrics
READ = (*OF_GROUP, "challenge_score")               # by group: the last for sources.csv alone
NAMED = 5           # runs in a line of warning
CHOSEN = ("temperature", "threshold")               # on validation: no scores
TABLE_FILES = {
    "differences.csv": DIFFERENCES.wrote, "axes.csv": AXES.wrote, "noise.csv": NOISE.wrote,
    "sources.csv": SOURCES.wrote, "chosen": CHOSEN_FILES, "histories.parquet": HISTORIES.wrote,
    "scores.parquet": METRICS.wrote, "runs.csv": RUNS.wrote, "runs.parquet": RUNS.wrote,
    croissant.NAME: croissant.wrote,
}


def write_tables(trained: list[Path], evaluated: list[Path], tuning: list[Path], out: Path) -> None:
    """Every table of docs/reference/output.md below table/, into `out`, and their card; tuning.csv where rates were
    tuned."""
    refuse_foreign(out, TABLE_FILES | ({"tuning.csv": TUNING.wrote} if tuning else {}))
    metrics = read_metrics(evaluated)
    runs, folders = collect(trained, metrics), folders_of(metrics)
    DIFFERENCES.write(comparisons.differences(runs, folders), out / "differences.csv")
    AXES.write(axes.axes(runs, folders), out / "axes.csv")
    NOISE.write(comparisons.noise(runs), out / "noise.csv")
    SOURCES.write(comparisons.sources(runs, metrics), out / "sources.csv")
    if tuning:
        trials = read_all(TUNING, tuning)
        if trials.duplicated().any():
            raise UserError("a trial stands there twice", field="--tuning", remedy="Give every table of ecg-tune once")
        TUNING.write(trials.sort_values(["group", "round", "lr"], ignore_index=True), out / "tuning.csv")
    write_chosen(runs, folders, out / "chosen")
    HISTORIES.write(histories(trained), out / "histories.parquet")
    METRICS.write(scores(metrics), out / "scores.parquet")
    RUNS.write(runs, out / "runs.csv")
    RUNS.write(runs, out / "runs.parquet")
    croissant.write(out, about(runs))


def about(runs: pd.DataFrame) -> dict[str, str]:
    """What a run of the pipeline knows of its tables; licence, author and address are who publishes them."""
    study = ", ".join(runs["study"].unique())
    made_up = " Trained on synthetic recordings." if runs["synthetic"].any() else ""
    return {"name": "ecgscale-" + re.sub(r"[^a-z0-9]+", "-", study.lower()).strip("-"),
            "description": f"{len(runs)} training runs of the study {study}: hyperparameters, costs and scores with "
                           f"intervals.{made_up} Made by ecgscale {__version__}."}


def read_metrics(evaluated: Iterable[Path]) -> pd.DataFrame:
    """The METRICS rows that COLLECT's tables are made of, indexed by folder, every file read once: those of the whole
    folds, and of the test part by source and class."""
    tables = {}
    for folder in map(Path, evaluated):
        table = METRICS.read(folder / "metrics.csv")
        by_group = table["part"].eq("test") & table["group"].isin(BY_GROUP) & table["metric"].isin(READ)
        tables[folder] = table[by_group | table["group"].eq("all")]
    return pd.concat(tables, names=["folder"]).droplevel(1) if tables else METRICS.empty()


def folders_of(metrics: pd.DataFrame) -> dict[str, Path]:
    """Where each run was evaluated, by its run_id, whatever the folder is called. Raises UserError for a run that was
    evaluated in two of the folders: its scores would count twice."""
    known: dict[str, Path] = {}
    for folder, run_id in metrics.groupby([metrics.index, "run_id"], sort=False).groups:
        if run_id in known:
            raise UserError(f"metrics of the run {run_id}, which {known[run_id]} has, too", file=folder,
                            remedy="Give one evaluation of each run")
        known[run_id] = folder
    return known


def collect(trained: Iterable[Path], metrics: pd.DataFrame) -> pd.DataFrame:
    """RUNS rows, sorted by run_id, from folders with run.json and the rows of `read_metrics`.

    A finished run without metrics gets the status "unevaluated"; a run that did not finish has null numbers.
    Raises UserError when a run is given twice or metrics belong to no run.
    """
    rows: dict[str, dict] = {}
    results: dict[str, RunResult] = {}
    for result in read_results(trained):
        rows[result.spec.run_id], results[result.spec.run_id] = row_of(result), result
    with_teachers(rows, results)
    unknown = metrics[~metrics["run_id"].isin(list(rows))]
    if len(unknown):
        raise UserError(f"metrics of the run {unknown['run_id'].iloc[0]}, which is not among the trained ones",
                        file=unknown.index[0], remedy="Give its folder with --trained")
    scored = set(metrics["run_id"])
    for run_id, values in summaries(metrics).items():
        rows[run_id] = values | rows[run_id]
    for run_id, row in rows.items():
        if row["status"] == "finished" and run_id not in scored:
            row |= {"status": "unevaluated", "reason": "no metrics were given for this run"}
            print(f"{run_id}: trained but not evaluated", file=sys.stderr)
    frame = pd.DataFrame([rows[run_id] for run_id in sorted(rows)])
    return ordered(frame) if len(frame) else RUNS.empty()


def row_of(result: RunResult) -> dict:
    """What a run was and cost, as a row of RUNS."""
    spec, ledger = result.spec, result.ledger
    numbers = {name: value for name, value in spec.model.params.items() if not isinstance(value, str)}
    asked = spec.model_dump(mode="json", exclude={"run_id", "seed", "study", "taught"})
    tuning = result.tuning
    return {
        "run_id": spec.run_id, "study": spec.study, "status": result.status, "reason": result.reason,
        "synthetic": result.synthetic, "family": spec.model.family, "optimizer": spec.optimizer.name,
        "lr": spec.optimizer.lr, "weight_decay": spec.optimizer.weight_decay, "seed": spec.seed, "epochs": spec.epochs,
        "data_fraction": spec.data_fraction, "batch_size": spec.batch_size, "window": spec.window,
        "recipe": spec.recipe, "leads": len(spec.leads), "loss": f"{spec.loss.name}/{spec.loss.reduction}",
        "augment": ";".join(spec.augment), "precision": result.precision,
        "params": ledger.params, "forward_flops": ledger.forward_flops, "published_flops": ledger.published_flops,
        "train_flops": result.train_flops, "train_records": result.train_records, "samples_seen": result.samples_seen,
        "train_loss": result.train_loss, "valid_loss": result.valid_loss, "clipped_share": result.clipped_share,
        "best_epoch": result.best_epoch, "seconds": result.seconds, "device": result.device,
        "corpus_digest": result.corpus_digest, "split_digest": result.split_digest, "code_digest": result.code_digest,
        "peak_memory_bytes": result.peak_memory_bytes, "energy_joules": result.energy_joules,
        "activations": ledger.activations, "lead_names": ";".join(spec.leads), "configuration": digest(asked, 12),
        **({"tuning_group": tuning.group, "lr_low": tuning.low, "lr_high": tuning.high} if tuning else {}),
        **({"ended": result.ended} if result.ended else {}),
        "hp_stages": ledger.stages, **{f"hp_{name}": value for name, value in numbers.items()},
    }


def with_teachers(rows: dict[str, dict], results: dict[str, RunResult]) -> None:
    """What a run that another one taught owes to it, into the rows: its cost has an equal share of the teacher's
    training, and it is a repeat of those taught by repeats of that teacher. Nothing where no run is taught."""
    students = {run_id: result for run_id, result in results.items() if result.spec.taught}
    shared = Counter(result.spec.taught.teacher for result in students.values() if result.status == "finished")
    for run_id, row in rows.items() if students else ():
        row["taught"] = "alone"
        if run_id in students:
            result, teacher = students[run_id], rows.get(students[run_id].spec.taught.teacher)
            by = f"{teacher['family']}-{teacher['params']}" if teacher else "a run that is not here"
            answers = result.train_flops - float(result.ledger.step_flops) * result.samples_seen
            share = teacher["train_flops"] / max(1, shared[teacher["run_id"]]) if teacher else 0.0
            how = result.spec.taught.model_dump(exclude={"teacher"})
            row |= {"taught": by, "teacher_flops": share + answers, "train_flops": row["train_flops"] + share,
                    "configuration": digest([row["configuration"], how, by, teacher and teacher["configuration"]], 12)}


def summaries(metrics: pd.DataFrame) -> dict[str, dict[str, float]]:
    """<part>_<metric>[_tuned][_low|_high] of the whole fold, by run."""
    whole = metrics[metrics["group"].eq("all") & metrics["threshold"].isin(ENDINGS) & ~metrics["metric"].isin(CHOSEN)]
    columns = [whole[name].tolist() for name in ("run_id", "part", "metric", "threshold", "estimate", "low", "high")]
    values: dict[str, dict[str, float]] = {}
    for run_id, part, metric, threshold, estimate, low, high in zip(*columns, strict=True):
        name = f"{part}_{metric}{ENDINGS[threshold]}"
        values.setdefault(run_id, {}).update({name: estimate, f"{name}_low": low, f"{name}_high": high})
    return values


def scores(metrics: pd.DataFrame) -> pd.DataFrame:
    """METRICS rows of the test part by source and class, of every run: what the laws by group are fitted to."""
    kept = metrics[metrics["group"].isin(BY_GROUP) & metrics["metric"].isin(OF_GROUP)]
    return kept.sort_values(["run_id", "group", "value", "metric"], ignore_index=True)


def histories(trained: Iterable[Path]) -> pd.DataFrame:
    """HISTORIES rows of run folders, sorted by run_id and epoch. Folders without history.csv are named."""
    tables, without = [HISTORIES.empty()], []
    for folder in map(Path, trained):
        run_id = RunResult.read(folder / "run.json").spec.run_id
        if (folder / "history.csv").is_file():
            tables.append(HISTORY.read(folder / "history.csv"))
            tables[-1].insert(0, "run_id", run_id)
        else:
            without.append(run_id)
    if without:
        more = f" and {len(without) - NAMED} more" if len(without) > NAMED else ""
        print(f"{len(without)} runs have no history.csv, so no learning curve: {', '.join(without[:NAMED])}{more}",
              file=sys.stderr)
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled, ignore_index=True).sort_values(["run_id", "epoch"], ignore_index=True)


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns: those of the contract, then the optional ones, hyperparameters by name, and scores."""
    known = [name for name in (*RUNS.columns, *RUNS.optional) if name in frame]
    known += sorted(name for name in frame if name.startswith("hp_"))
    numbers = {name: float for name in frame if RUNS.type_of(name) is REAL}
    return frame.astype(numbers)[known + [name for name in frame if name not in known]]
