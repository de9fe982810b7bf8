"""From trained runs to files another project can use, each checked against the network it came from."""

from __future__ import annotations

import itertools
import json
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from ecgscale.contracts import (
    Artefact,
    Export,
    RunResult,
    SplitInfo,
    file_digests,
    read_results,
    refuse_foreign,
    whole_folder,
    write_array,
    write_tensors,
    write_text,
)
from ecgscale.contracts.labels import LabelSet
from ecgscale.contracts.run_table import CHOOSING, best_of_networks, chosen_by, ranked
from ecgscale.deploy.export.check import RUNNERS, Reference, differences, reference, run_file, windows_of
from ecgscale.deploy.export.formats import DIRECTML_OPSET, NEWEST_OPSET, NOT_ON_APPLE, Exporter
from ecgscale.deploy.export.memory import peak_activations
from ecgscale.deploy.export.model_card import NAME as CARD
from ecgscale.deploy.export.model_card import model_card, wrote_card
from ecgscale.deploy.runtimes import SAMPLE, DeployedModel, one_line, tree_digest, tree_files
from ecgscale.design.study import Deploy
from ecgscale.ecg.corpus import Corpus
from ecgscale.errors import UserError
from ecgscale.machine import provenance
from ecgscale.machine.processes import fresh_pool
from ecgscale.models.networks import load

CALIBRATION_WINDOWS = 300
ANY_BATCH = 32           # windows a call where the file leaves it open
TORCH_MODES = ("frozen", "compiled")
ENDINGS = {"onnx": ".onnx", "openvino": ".xml", "coreml": ".mlpackage", "executorch": ".pte",
           "executorch-coreml": ".pte", "tflite": ".tflite"}
EXPORT_FILES = {"export.json": Export.wrote, CARD: wrote_card, "weights.safetensors": None, **dict.fromkeys(SAMPLE),
                "onnx-*/*.onnx*": None, "openvino-*/*.xml": None, "openvino-*/*.bin": None,
                "coreml-*/*.mlpackage/*": None, "executorch-*/*.pte": None,
                "tflite-*/*.tflite": None}


# ---------------------------------------------------------------------------------------------------- which models


def choose(runs: pd.DataFrame, top: int) -> list[tuple[str, str]]:
    """(run_id, why) of the runs to export, one a network, its best on validation: the best of each family, then the
    next best of all.

    The test fold has no say. Raises UserError when no run has a validation score.
    """
    score = chosen_by(runs)
    if score is None:
        raise UserError("no run has a validation score", field=" or ".join(CHOOSING),
                        remedy="Give the table that ecg-collect made of evaluated runs")
    networks = best_of_networks(runs)
    best = networks.drop_duplicates("family")
    rest = networks[~networks["run_id"].isin(best["run_id"])]
    name = score.removeprefix("valid_").replace("_", " ")
    why = [f"best {family} by {name} on validation" for family in best["family"]]
    why += [f"next best by {name} on validation"] * len(rest)
    return list(zip([*best["run_id"], *rest["run_id"]], why, strict=True))[:top]


def label_of(result: RunResult) -> str:
    """A short name for people: regnet-116k-adamw-1a2b3c. Raises UserError where it would be no file's name."""
    if not re.fullmatch(r"[0-9A-Za-z]+", result.spec.run_id):
        raise UserError(f"{result.spec.run_id!r} is not the name of a run", field="spec.run_id",
                        remedy="Train it again: a run is named by the digest of its spec")
    params = result.ledger.params
    size = next((f"{params / unit:.3g}{letter}" for unit, letter in ((1e6, "m"), (1e3, "k")) if params >= unit),
                str(params))
    return f"{result.spec.model.family}-{size}-{result.spec.optimizer.name}-{result.spec.run_id[:6]}"


def check_labels(results: Iterable[RunResult]) -> None:
    """Raises UserError for two runs of one label, in capitals or not: the second one's folder would replace the
    first one's."""
    seen: dict[str, str] = {}
    for result in results:
        run_id = result.spec.run_id
        if (other := seen.setdefault(label_of(result).lower(), run_id)) != run_id:
            raise UserError(f"{run_id} and {other} would both be {label_of(result)}", field="spec.run_id",
                            remedy="Export them one by one, each into an --out of its own")


# ---------------------------------------------------------------------------------------------------------- exports


def export_models(trained: Iterable[Path], runs: pd.DataFrame, corpus: Corpus, split: pd.DataFrame, deploy: Deploy,
                  label_set: LabelSet, out: Path, threads: int, replicates: int = 1000,
                  seed: int = 0, others: Sequence[Corpus] = ()) -> list[Export]:
    """Export the chosen runs to out/<label>/ and check every file on the test fold, as the run's recipe prepared it:
    `others` are the same recordings by further recipes.

    Converting is work of one thread, so each thread takes models of its own, in a process.
    Raises UserError for bad input. A format that cannot be written becomes an Artefact with status "failed".
    """
    trained = [Path(folder) for folder in trained]
    results = {result.spec.run_id: result for result in read_results(trained)}
    folders = dict(zip(results, trained, strict=True))
    available = runs[runs["run_id"].isin(folders)]
    rows, chosen = available.set_index("run_id"), choose(available, deploy.top)
    print(f"export: {len(chosen)} of {len(best_of_networks(available))} networks, each by its best run on validation "
          f"({len(ranked(available))} runs in all)", file=sys.stderr, flush=True)
    check_labels([results[run_id] for run_id, _ in chosen])
    refuse_foreign(out, {label_of(results[run_id]): EXPORT_FILES for run_id, _ in chosen})
    processes = max(1, min(threads, len(chosen)))
    task = Task(corpus, split, deploy, label_set, threads // processes, replicates, seed)
    tasks = {other.recipe["name"]: replace(task, corpus=other) for other in others}
    jobs = [(tasks.get(rows.loc[run_id].get("recipe"), task), folders[run_id], why, rows.loc[run_id], out)
            for run_id, why in chosen]
    if processes == 1:
        return [export_run(*job) for job in jobs]
    with fresh_pool("converting", processes, task.threads) as pool:
        return list(pool.map(export_run, *zip(*jobs, strict=True)))


@dataclass(frozen=True)
class Task:
    """What all models of one export share."""

    corpus: Corpus
    split: pd.DataFrame
    deploy: Deploy
    label_set: LabelSet
    threads: int
    replicates: int
    seed: int


def tell_other_split(result: RunResult, split: pd.DataFrame) -> None:
    """Files may be checked on recordings of anybody's, but then not unsaid: a network may have seen them."""
    if result.split_digest != SplitInfo.digest_of(split):
        print(f"export: {result.spec.run_id} was trained with another split: its files are checked on recordings that "
              "it may have seen", file=sys.stderr, flush=True)


def export_run(task: Task, trained: Path, why: str, row: pd.Series, out: Path) -> Export:
    """One run's folder as out/<label>/, whole or not at all."""
    torch.set_num_threads(task.threads)
    result, network = load(trained)
    tell_other_split(result, task.split)
    known = set(task.corpus.classes) & set(task.label_set.codes)
    if missing := [code for code in result.classes if code not in known]:
        raise UserError(f"the corpus has no class {missing[0]!r}", file=trained / "run.json", field="classes",
                        remedy="Give the corpus and the label set that the run was trained on")
    with whole_folder(out / label_of(result), EXPORT_FILES) as folder:
        return export_model(result, network, why, row, task, folder)


def licence(corpus: Corpus, synthetic: bool) -> str:
    """Of the model. What the recordings' own licences ask of it, no file of ours knows."""
    sources = ", ".join(sorted(corpus.records["source"].unique()))
    return "MIT; trained on synthetic recordings" if synthetic else (
        f"MIT as far as it is ours; trained on recordings of {sources}, whose own licences and terms hold beside it")


def export_model(result: RunResult, network: nn.Module, why: str, row: pd.Series, task: Task, folder: Path) -> Export:
    """One network in every format of the study, its sample, export.json and its card."""
    spec, label, corpus = result.spec, label_of(result), task.corpus
    folder.mkdir(parents=True)
    truth = held_out(network, result, task)
    calibration = training_windows(result, task)
    for name, values in zip(SAMPLE, (next(truth.batches(1)), truth.logits[:1]), strict=True):
        write_array(folder / name, values)
    description = Export(
        run_id=spec.run_id, label=label, chosen_for=why, spec=spec, ledger=result.ledger,
        input_shape=(1, len(spec.leads), spec.window), rate=corpus.rate, unit=corpus.unit, recipe=corpus.recipe,
        classes=result.classes, class_names=names_of(result.classes, task.label_set),
        license=licence(corpus, result.synthetic),
        synthetic=result.synthetic, valid_score=number(row, "valid_challenge_score"),
        test_score=number(row, "test_challenge_score"), artefacts=(), versions=provenance.versions(),
    )
    write_tensors(folder / "weights.safetensors", network.state_dict(), metadata(description))
    exporters = {batch: Exporter(network, (batch, *description.input_shape[1:]), metadata(description, batch),
                                 calibration) for batch in task.deploy.batch}
    artefacts = []
    for kind in kinds_of(task.deploy):
        print(f"export: {label}, {kind}", file=sys.stderr, flush=True)
        artefacts.append(make(kind, exporters.get(kind.batch), description, folder, truth, task))
    kept = file_digests(folder, SAMPLE)
    document = description.model_copy(update={"artefacts": tuple(artefacts), "digests": kept,
                                              "peak_activations": peak_of(folder, artefacts)})
    document.write(folder / "export.json")
    write_text(folder / CARD, model_card(document), wrote_card)
    return document


def peak_of(folder: Path, artefacts: Iterable[Artefact]) -> int | None:
    """Most activations alive at once in the float32 ONNX file of one window; None where it was not made."""
    import onnx

    graphs = [one.file for one in artefacts
              if (one.format, one.precision, one.batch) == ("onnx", "float32", 1) and one.file]
    return min((peak_activations(onnx.load(str(folder / file))) for file in graphs), default=None)


@dataclass(frozen=True)
class Kind:
    """One file to be made."""

    form: str
    precision: str
    batch: int | None = None          # None: any number of windows a call
    opset: int | None = None
    mode: str = ""                    # torch: how the weights are run

    def __str__(self) -> str:
        return "-".join(filter(None, (self.form, self.mode, self.precision, self.opset and f"opset{self.opset}",
                                      (self.batch or 1) > 1 and f"batch{self.batch}")))

    def file(self, label: str) -> str:
        """Where it lies below the model's folder. bf16 is a way to compute the float32 file, not a file."""
        if self.form == "torch":
            return "weights.safetensors"
        stored = replace(self, precision="float32") if self.precision == "bf16" else self
        return f"{stored}/{label}{ENDINGS[self.form]}"


def kinds_of(deploy: Deploy) -> list[Kind]:
    """The files that a study asks for. ONNX of floating numbers comes for DirectML too, and INT8 only in the operator
    set that every ONNX Runtime knows the quantized form of.

    The weights are always there, run as they are. "torch" asks for what else PyTorch makes of them.
    """
    kinds = [Kind("torch", "float32")]
    if "torch" in deploy.formats:
        kinds += [Kind("torch", "float32", batch, mode=mode) for batch in deploy.batch for mode in TORCH_MODES]
    for batch, form, precision in itertools.product(deploy.batch, deploy.formats, deploy.precisions):
        if form == "onnx":
            opsets = (DIRECTML_OPSET,) if precision == "int8" else (NEWEST_OPSET, DIRECTML_OPSET)
            kinds += [Kind(form, precision, batch, opset) for opset in opsets]
        elif form == "openvino":
            kinds += [Kind(form, p, batch) for p in ((precision, "bf16") if precision == "float32" else (precision,))]
        elif form != "torch" and ((form, precision) in RUNNERS or form == "coreml" or (
                form == "executorch-coreml" and precision != "int8")):
            kinds.append(Kind(form, precision, batch))
    return list(dict.fromkeys(kinds))       # a study may name a format twice


def make(kind: Kind, exporter: Exporter | None, description: Export, folder: Path, truth: Reference,
         task: Task) -> Artefact:
    """Write one file and check it. Whatever goes wrong is the artefact's reason."""
    start, file = time.perf_counter(), kind.file(description.label)
    artefact = Artefact(format=kind.form, precision=kind.precision, file=file, status="ok", opset=kind.opset,
                        batch=kind.batch, mode=kind.mode)
    try:
        if kind.form != "torch" and kind.precision != "bf16":
            exporter.write(kind.form, kind.precision, folder / file, kind.opset)
        if not (folder / file).exists():
            raise FileNotFoundError("the float32 file was not made")
        seconds = time.perf_counter() - start
        size = sum(part.stat().st_size for part in tree_files(folder / file))
        artefact = artefact.model_copy(update={"bytes": size, "digest": tree_digest(folder / file), "seconds": seconds})
        if (kind.form, kind.precision) not in RUNNERS:
            return artefact.model_copy(update={"reason": NOT_ON_APPLE})
        only = DeployedModel(folder, description.model_copy(update={"artefacts": (artefact,)}),
                             next(truth.batches(1)), truth.logits[:1])
        logits, ran, compiling = run_file(only, artefact, truth, kind.batch or ANY_BATCH, task.threads)
    except Exception as error:  # converters raise anything; one format must not lose the others
        return artefact.model_copy(update={"status": "failed", "file": None, "reason": one_line(error)})
    if kind.precision == "bf16" and ran.precision != "bf16":
        return artefact.model_copy(update={"reason": "this processor does not compute in bfloat16"})
    if kind.mode:
        artefact = artefact.model_copy(update={"seconds": compiling})
    found = differences(truth, logits, task.label_set, description.classes, task.replicates, task.seed)
    status, reason = judge(found, task.deploy.margin)
    runner = " ".join(filter(None, (RUNNERS[kind.form, kind.precision][0], kind.mode, ran.device, ran.precision)))
    return artefact.model_copy(update=found | {"checked_on": runner, "status": status, "reason": reason})


def judge(found: dict[str, Any], margin: float) -> tuple[str, str]:
    """Status and reason: a file that loses more than the margin of Challenge score is beyond it."""
    loss = -(found.get("score_difference") or 0.0)
    if not np.isfinite(found["max_logit_difference"]):
        return "beyond-margin", "its logits are not finite"
    if loss > margin:
        return "beyond-margin", f"loses {loss:.4f} of the Challenge score, more than the margin {margin:g}"
    return "ok", ""


# ------------------------------------------------------------------------------------------------ recordings, words


def held_out(network: nn.Module, result: RunResult, task: Task) -> Reference:
    """The network's answers on recordings it was not trained on: of the test fold, else of validation.

    Raises UserError where there are none, and where the network answers what is not a number.
    """
    part = next((p for p in ("test", "valid") if (task.split["part"] == p).any()), None)
    if part is None:
        raise UserError("no recording in the test or the validation fold", field="part",
                        remedy="An exported file is checked on recordings that were not trained on")
    positions = some(task, part, task.deploy.check_records)
    truth = reference(network, task.corpus, positions, result.classes, result.spec.leads, result.spec.window, part)
    if not np.isfinite(truth.logits).all():
        raise UserError("its network gives logits that are not finite", field=f"run {result.spec.run_id}",
                        remedy="Its weights or the recordings hold numbers that are none")
    return truth


def training_windows(result: RunResult, task: Task) -> np.ndarray:
    """(windows, leads, samples) of the training fold, drawn from as many recordings, for calibration."""
    positions = some(task, "train", CALIBRATION_WINDOWS)
    windows = windows_of(task.corpus, positions, result.spec.leads, result.spec.window)
    kept = min(len(windows), CALIBRATION_WINDOWS)
    return windows[np.sort(np.random.default_rng(task.seed).choice(len(windows), kept, replace=False))]


def some(task: Task, part: str, count: int | None) -> np.ndarray:
    """Sorted positions of up to `count` recordings of a part, drawn once and for all by the seed (None: every one)."""
    positions = np.sort(task.corpus.positions(task.split.loc[task.split["part"] == part, "record"]))
    if count and len(positions) > count:
        positions = np.sort(np.random.default_rng(task.seed).choice(positions, count, replace=False))
    return positions


def names_of(classes: tuple[str, ...], label_set: LabelSet) -> tuple[str, ...]:
    return tuple(np.array(label_set.names)[[label_set.codes.index(code) for code in classes]].tolist())


def number(row: pd.Series, column: str) -> float | None:
    return float(row[column]) if column in row and pd.notna(row[column]) else None


def metadata(export: Export, batch: int = 1) -> dict[str, str]:
    """What every format carries inside: enough to use the file without the JSON beside it."""
    shape = " x ".join(map(str, (batch, *export.input_shape[1:])))
    return {
        "description": f"{export.input_shape[1]}-lead ECG classifier {export.label}: {shape} (batch, leads, samples) "
                       "to logits"
                       + ("; trained on SYNTHETIC recordings, not for use on people" if export.synthetic else ""),
        "label": export.label, "run_id": export.run_id, "license": export.license,
        "input": f"{export.input_name}: float32, leads {' '.join(export.spec.leads)}", "input_shape": shape,
        "unit": export.unit, "rate_hz": f"{export.rate:g}", "recipe": json.dumps(export.recipe),
        "output": f"{export.output_name}: one a class", "classes": ";".join(export.classes),
        "class_names": ";".join(export.class_names), "synthetic": str(export.synthetic).lower(),
    }
