"""How far an exported file is from the trained network, on recordings of the test fold.

The file is run by the same runtime class that measures its latency. Probabilities of a recording are the mean over its
fixed windows, as in evaluation, so a sign flip is a label that a user would see change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ecgscale.contracts import Artefact
from ecgscale.contracts.labels import LabelSet
from ecgscale.deploy.runtimes import DeployedModel, Ran, Runtime, infer, runtime_class
from ecgscale.ecg.corpus import Corpus
from ecgscale.evaluation.bootstrap import challenge_difference, clusters_of, draws, interval
from ecgscale.evaluation.metrics import Ranking, decide, macro
from ecgscale.training.data import fixed_batches

# How each kind of file is run here: runtime and option. Core ML files cannot be run off Apple hardware.
RUNNERS = {
    ("torch", "float32"): ("torch", "mode=eager"),
    ("onnx", "float32"): ("onnxruntime", ""),
    ("onnx", "float16"): ("onnxruntime", "precision=float16"),
    ("onnx", "int8"): ("onnxruntime", "precision=int8"),
    ("openvino", "float32"): ("openvino", "precision=float32"),
    ("openvino", "float16"): ("openvino", "precision=float32;weights=float16"),
    ("openvino", "bf16"): ("openvino", "precision=bf16"),
    ("openvino", "int8"): ("openvino", "precision=int8"),
    ("executorch", "float32"): ("executorch", ""),
    ("executorch", "int8"): ("executorch", "precision=int8"),
    ("tflite", "float32"): ("litert", ""),
    ("tflite", "int8"): ("litert", "precision=int8"),
}


@dataclass(frozen=True)
class Reference:
    """What the trained network says of the checked recordings, and the truth."""

    batches: Callable[[int], Iterator[np.ndarray]]      # windows, so many a batch, read anew: a fold's are gigabytes
    owners: np.ndarray                          # (windows,) place of the recording
    logits: np.ndarray                          # (windows, classes)
    labels: np.ndarray                          # (recordings, classes) bool, classes in the network's order
    patients: np.ndarray                        # (recordings,) patient or null
    part: str

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """(recordings, classes): mean over the windows of a recording."""
        with np.errstate(over="ignore"):
            each = 1 / (1 + np.exp(-logits.astype(np.float64)))
        counts = np.bincount(self.owners, minlength=len(self.labels))
        sums = np.zeros((len(self.labels), logits.shape[1]))
        np.add.at(sums, self.owners, each)
        return sums / counts[:, None]


def windows_of(corpus: Corpus, positions: np.ndarray, leads: tuple[str, ...], window: int) -> np.ndarray:
    """(windows, leads, samples): all fixed windows of a few recordings."""
    return np.concatenate([x for x, _ in fixed_batches(corpus, positions, leads, window, 256)])


def reference(network: nn.Module, corpus: Corpus, positions: np.ndarray, classes: tuple[str, ...],
              leads: tuple[str, ...], window: int, part: str) -> Reference:
    def batches(size: int) -> Iterator[np.ndarray]:
        return (x for x, _ in fixed_batches(corpus, positions, leads, window, size))

    order = [list(corpus.classes).index(code) for code in classes]
    with torch.inference_mode():
        found = [(network(torch.from_numpy(x)).numpy(), owner)
                 for x, owner in fixed_batches(corpus, positions, leads, window, 64)]
    logits, owners = map(np.concatenate, zip(*found, strict=True))
    return Reference(batches, owners, logits, corpus.labels[positions][:, order],
                     corpus.records["patient"].to_numpy()[positions], part)


def run_file(model: DeployedModel, artefact: Artefact, truth: Reference, batch: int,
             threads: int) -> tuple[np.ndarray, Ran, float]:
    """Logits (windows, classes) of the exported file, what really ran, and the seconds it took to be compiled.

    Raises Unavailable.
    """
    name, option = RUNNERS[artefact.format, artefact.precision]
    runtime: Runtime = runtime_class(name)()
    runtime.load(model, "cpu", f"mode={artefact.mode}" if artefact.mode else option, batch, threads)
    start = time.perf_counter()
    runtime.compile()
    compiling = time.perf_counter() - start
    request, logits = runtime.request(), []
    for windows in truth.batches(batch):
        rest = np.zeros((batch - len(windows), *windows.shape[1:]), np.float32)
        logits.append(infer(request, np.concatenate([windows, rest]))[: len(windows)])
    return np.concatenate(logits), runtime.ran(), compiling


def differences(truth: Reference, logits: np.ndarray, label_set: LabelSet, classes: tuple[str, ...],
                replicates: int, seed: int) -> dict[str, float | int | None]:
    """Members of an Artefact: file against network. The score's interval is a paired bootstrap over patients."""
    gap = np.abs(logits - truth.logits)
    one, other = (decide(truth.probabilities(values)) for values in (logits, truth.logits))
    found: dict[str, float | int | None] = {
        "max_logit_difference": float(gap.max()), "mean_logit_difference": float(gap.mean()),
        "sign_flips": int((one != other).sum()), "checked_records": len(truth.labels),
    }
    if truth.part == "test" and label_set.weights is not None and replicates:
        order = label_set.order_of(classes)
        difference = challenge_difference(truth.labels[:, order], one[:, order], other[:, order], label_set,
                                          truth.patients, replicates, seed)
        found |= named("score_difference", difference)
    if truth.part == "test" and replicates:
        pair = [truth.probabilities(values) for values in (logits, truth.logits)]
        found |= named("auroc_difference", auroc_difference(truth.labels, *pair, truth.patients, replicates, seed))
    return found


def named(name: str, values: tuple[float, float, float]) -> dict[str, float | None]:
    """Estimate, low and high as members of an Artefact; undefined ones are null."""
    return {f"{name}{end}": float(value) if np.isfinite(value) else None
            for end, value in zip(("", "_low", "_high"), values, strict=True)}


def auroc_difference(labels: np.ndarray, one: np.ndarray, other: np.ndarray, patients: np.ndarray, replicates: int,
                     seed: int) -> tuple[float, float, float]:
    """Paired difference of macro AUROC of two predictions, with a 95 % bootstrap interval over patients.

    A class counts in a replicate where it has both positives and negatives in that draw.
    """
    rankings = [[Ranking(truth, scores) for truth, scores in zip(labels.T, columns.T, strict=True)]
                for columns in (one, other)]
    clusters = clusters_of(patients, len(labels))

    def difference(weights: np.ndarray) -> np.ndarray:
        """(replicate,) for weights (recording, replicate)."""
        first, second = (macro([ranking.areas(weights)[0] for ranking in each], axis=0) for each in rankings)
        return first - second

    counts = np.array(list(draws(int(clusters.max()) + 1, replicates, seed)))       # (replicate, cluster) uint8
    chunks = np.array_split(counts, -(-replicates // 100))                          # bounds the memory of the weights
    low, high = interval(np.concatenate([difference(chunk[:, clusters].T.astype(float)) for chunk in chunks]))
    return float(difference(np.ones((len(labels), 1)))[0]), float(low), float(high)
