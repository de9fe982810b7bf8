"""Trained runs on whole recordings: deterministic probabilities, and every metric of the validation and test fold.

A recording is cut into fixed windows (`data.tile`, or a study's `stride` apart); the probabilities of its windows are
averaged (or their maximum is taken). Nothing is drawn at random but the bootstrap. Validation chose the epoch and
chooses the thresholds; the test fold decides nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from ecgscale.contracts import (
    METRICS,
    PREDICTIONS,
    RECALIBRATION,
    RELIABILITY,
    STRIPS,
    Examples,
    RunSpec,
    SplitInfo,
    read_results,
    refuse_foreign,
    whole_folder,
)
from ecgscale.contracts.labels import LabelSet
from ecgscale.design.study import Evaluation
from ecgscale.ecg.corpus import Corpus
from ecgscale.errors import UserError
from ecgscale.evaluation.examples import examples, thresholds_of
from ecgscale.evaluation.fold import Judged, age_bands
from ecgscale.evaluation.metrics import challenge_terms, decide, has_challenge_score
from ecgscale.evaluation.protocol import LEFT_OUT, measure
from ecgscale.models.networks import load
from ecgscale.training import device as hardware
from ecgscale.training.data import fixed_batches, tile
from ecgscale.training.layout import for_inference
from ecgscale.training.loss import terms

BATCH = {"cpu": 64, "mps": 256, "cuda": 1024}  # windows
JUDGED_PARTS = ("valid", "test")
EVALUATED_FILES = {"predictions.parquet": PREDICTIONS.wrote, "metrics.csv": METRICS.wrote,
                   "reliability.csv": RELIABILITY.wrote, "recalibration.csv": RECALIBRATION.wrote,
                   "examples.json": Examples.wrote, "strips.parquet": STRIPS.wrote}


@dataclass(frozen=True)
class Evaluated:
    """One run's tables; those of a run without weights are empty."""

    predictions: pd.DataFrame
    metrics: pd.DataFrame
    reliability: pd.DataFrame
    recalibration: pd.DataFrame
    examples: Examples | None
    strips: pd.DataFrame

    def write(self, folder: Path) -> None:
        with whole_folder(folder, EVALUATED_FILES) as temporary:
            temporary.mkdir()
            PREDICTIONS.write(self.predictions, temporary / "predictions.parquet")
            METRICS.write(self.metrics, temporary / "metrics.csv")
            RELIABILITY.write(self.reliability, temporary / "reliability.csv")
            RECALIBRATION.write(self.recalibration, temporary / "recalibration.csv")
            if self.examples:
                self.examples.write(temporary / "examples.json")
                STRIPS.write(self.strips, temporary / "strips.parquet")


def evaluate_runs(run_dirs: list[Path], corpus: Corpus, split: pd.DataFrame, split_info: SplitInfo,
                  label_set: LabelSet, evaluation: Evaluation, out: Path, device: str = "auto", cpus: int = 1,
                  others: Sequence[Corpus] = ()) -> None:
    """Write the tables of each run into `out`/<run_id>/; empty ones for a run that diverged or failed. `others`: the
    same recordings by further recipes; a run is judged on the corpus that it was trained with."""
    corpora = {one.digest: one for one in others}
    hardware.begin(cpus)
    chosen = hardware.choose(device)
    results = read_results(run_dirs)
    refuse_foreign(Path(out), {result.spec.run_id: EVALUATED_FILES for result in results})
    for number, (run_dir, result) in enumerate(zip(run_dirs, results, strict=True), 1):
        started = time.perf_counter()
        told = f"{result.status}, nothing to evaluate"
        done = Evaluated(PREDICTIONS.empty(), METRICS.empty(), RELIABILITY.empty(), RECALIBRATION.empty(),
                         None, STRIPS.empty())
        if result.status == "finished":
            done = evaluate_run(run_dir, corpora.get(result.corpus_digest, corpus), split, split_info, label_set,
                                evaluation, chosen)
            told = headline(done.metrics)
            if done.examples.reason:
                told += f"; no recordings to look at: {done.examples.reason}"
        done.write(Path(out) / result.spec.run_id)
        print(f"run {number}/{len(run_dirs)} {result.spec.run_id} {told} ({time.perf_counter() - started:.1f} s)",
              file=sys.stderr, flush=True)


def evaluate_run(run_dir: Path, corpus: Corpus, split: pd.DataFrame, split_info: SplitInfo, label_set: LabelSet,
                 evaluation: Evaluation, device: torch.device | None = None) -> Evaluated:
    """One finished run on the validation and the test part, in one pass over their recordings.

    Raises UserError when the run was trained on another corpus or split (its test fold could hold training
    recordings), or when the label set does not name the run's classes.
    """
    result, network = load(run_dir)
    for given, used, field in ((corpus.digest, result.corpus_digest, "corpus"),
                               (split_info.digest, result.split_digest, "split")):
        if given != used:
            raise UserError(f"the run was trained with {field} {used}, this is {given}",
                            file=Path(run_dir) / "run.json", field=f"{field}_digest",
                            remedy=f"Give the {field} that the run was trained with")
    if lacking := set(result.classes) - set(corpus.classes):
        raise UserError(f"the corpus has no class {min(lacking)!r}", file=Path(run_dir) / "run.json", field="classes",
                        remedy="Give the corpus that the run was trained with")
    order = label_set.order_of(result.classes)
    rows = split[split["part"].isin(JUDGED_PARTS)]
    parts, positions = rows["part"].to_numpy(), corpus.positions(rows["record"])
    if not len(rows):
        raise UserError("no recording in the parts 'valid' and 'test'", field="part")
    probabilities, loss = predict(network, result.spec, corpus, positions, list(result.classes), evaluation,
                                  device or torch.device("cpu"))
    records = corpus.records.iloc[positions]
    judged = Judged(
        corpus.labels[positions][:, label_set.order_of(corpus.classes)], probabilities[:, order],
        records["patient"].to_numpy(dtype=object), loss,
        {"source": records["source"].to_numpy(dtype=object), "sex": records["sex"].to_numpy(dtype=object),
         "age": age_bands(records["age"])})
    metrics, reliability, recalibration = (
        named(table, result.spec.run_id, corpus.synthetic)
        for table in measure(judged, parts, label_set, evaluation.bootstrap, specificity=evaluation.specificity))
    foreign = metrics["group"].eq("source") & ~metrics["value"].isin(split.loc[split["part"] == "train", "source"])
    metrics.loc[foreign, "note"] = [f"{note}; {LEFT_OUT}".strip("; ") for note in metrics.loc[foreign, "note"]]
    predictions = predicted(records, parts, judged, label_set).assign(synthetic=corpus.synthetic)
    test = parts == "test"
    return Evaluated(predictions, metrics, reliability, recalibration, *examples(
        result.spec.run_id, corpus, positions[test], judged.labels[test], judged.probabilities[test],
        thresholds_of(metrics, label_set), label_set, evaluation.examples))


def named(table: pd.DataFrame, run_id: str, synthetic: bool) -> pd.DataFrame:
    """A table of `measure` with the run's name in front."""
    table = table.assign(synthetic=synthetic)
    table.insert(0, "run_id", run_id)
    return table


def predicted(records: pd.DataFrame, parts: np.ndarray, judged: Judged, label_set: LabelSet) -> pd.DataFrame:
    """PREDICTIONS rows."""
    frame = pd.DataFrame({"record": records["record"].to_numpy(), "part": parts, "patient": judged.patients,
                          "loss": judged.loss})
    if has_challenge_score(label_set):
        frame["gained"], frame["possible"] = challenge_terms(
            judged.labels, decide(judged.probabilities), label_set).T
    columns = pd.DataFrame(judged.probabilities, columns=[f"p_{code}" for code in label_set.codes])
    return pd.concat([frame, columns], axis=1)


def predict(network: nn.Module, spec: RunSpec, corpus: Corpus, positions: np.ndarray, classes: list[str],
            evaluation: Evaluation, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (recording, class) of whole recordings, in the order of `classes`, and their loss (recording,).

    A recording's probability is the mean (or maximum) of its fixed windows' sigmoid outputs; its loss is the mean over
    windows and classes of the run's own loss, as train.py's validation loss.
    """
    network = for_inference(network, device)
    labels = corpus.labels[np.ix_(positions, [corpus.classes.index(code) for code in classes])].astype(np.float32)
    join = np.maximum if evaluation.aggregation == "max" else np.add
    probabilities, loss, count = np.zeros(labels.shape), np.zeros(len(labels)), np.zeros(len(labels))
    pieces = Pieces(corpus, positions, spec.window, evaluation.stride)
    for x, piece in fixed_batches(pieces, np.arange(len(pieces.owners)), spec.leads, spec.window, BATCH[device.type]):
        owner = pieces.owners[piece]
        with torch.inference_mode():
            logits = network(torch.from_numpy(x).to(device)).float()
        losses = terms(spec.loss, logits, torch.from_numpy(labels[owner]).to(device)).mean(dim=1)
        join.at(probabilities, owner, torch.sigmoid(logits).cpu().double().numpy())
        np.add.at(loss, owner, losses.cpu().double().numpy())
        np.add.at(count, owner, 1)
    if evaluation.aggregation == "mean":
        probabilities /= count[:, None]
    return probabilities, loss / count


class Pieces:
    """The windows of recordings, each as a recording of its own: what `fixed_batches` needs of a corpus.

    `owners` (window,) is the place of each window's recording in `positions`. Windows stand `stride` samples apart
    (None: end to end); where samples remain, one more is aligned to the recording's end.
    """

    def __init__(self, corpus: Corpus, positions: np.ndarray, window: int, stride: int | None):
        self.corpus, self.leads, self.window = corpus, corpus.leads, window
        starts = [window_starts(length, window, stride) for length in corpus.records["length"].to_numpy()[positions]]
        self.owners = np.repeat(np.arange(len(positions)), [len(found) for found in starts])
        self.positions, self.starts = np.asarray(positions)[self.owners], np.concatenate(starts)

    def signal(self, piece: int) -> np.ndarray:
        start = self.starts[piece]
        return self.corpus.signal(self.positions[piece])[start : start + self.window]


def window_starts(length: int, window: int, stride: int | None) -> np.ndarray:
    """First samples of a recording's windows: those of `tile`, or `stride` apart with the last aligned to the end."""
    if stride is None or length <= window:
        return tile(length, window)
    return np.union1d(np.arange(0, length - window + 1, stride), length - window)


def headline(metrics: pd.DataFrame) -> str:
    """The test fold's Challenge score (macro AUROC where the label set has no weights) for people who watch."""
    rows = metrics[(metrics["part"] == "test") & (metrics["group"] == "all") & metrics["threshold"].isin(["", "0.5"])]
    rows = rows.set_index("metric")
    name = "challenge_score" if "challenge_score" in rows.index else "auroc"
    if name not in rows.index:
        return "no test recordings"
    return f"test {name} {rows.estimate[name]:.3f} [{rows.low[name]:.3f}, {rows.high[name]:.3f}]"
