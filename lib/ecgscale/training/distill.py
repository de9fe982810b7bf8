"""Distillation: a run's answers on the training recordings, made once, and the loss of a run that learns them.

A teacher answers for a whole recording, by the mean logit of its fixed windows, so its answers do not depend on the
student's crops and are made once for all its students.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ecgscale.contracts import RunResult, Teaching, digest, file_digest, read_tensors, write_tensors
from ecgscale.ecg.corpus import Corpus
from ecgscale.errors import UserError
from ecgscale.models.networks import load
from ecgscale.training.data import fixed_batches, tile
from ecgscale.training.layout import for_inference

BATCH = 64      # windows


def answers(teacher: Path, corpus: Corpus, positions: np.ndarray, kept: Path,
            device: torch.device) -> tuple[np.ndarray, float]:
    """Logits (recording, class) float32 of the run in `teacher` on the recordings at `positions`, and the FLOPs that
    they took: from the folder `kept` where they lie for these weights and recordings, else made and kept.

    Raises UserError where the teacher did not finish, or knows other classes.
    """
    if not (teacher / "run.json").is_file():
        raise UserError(f"its teacher {teacher.name} is not among the runs trained before it", field="taught",
                        remedy="Train both from one runs.jsonl")
    result = RunResult.read(teacher / "run.json")
    if result.status != "finished" or result.classes != tuple(corpus.classes):
        problem = f"its teacher {teacher.name} is {result.status}" if result.status != "finished" else (
            f"its teacher {teacher.name} knows other classes")
        raise UserError(problem, field="taught", remedy="A student needs a trained teacher of its classes")
    lengths = corpus.records["length"].to_numpy()[positions]
    flops = float(result.ledger.forward_flops) * sum(len(tile(length, result.spec.window)) for length in lengths)
    key = digest([file_digest(teacher / "weights.safetensors"), corpus.digest, positions.tolist()])
    file = kept / f"answers-{teacher.name}-{key}.safetensors"
    if file.is_file():
        about, tensors = read_tensors(file)
        if about.get("key") == key:
            return tensors["logits"].numpy(), flops
    logits = made(teacher, corpus, positions, device)
    write_tensors(file, {"logits": torch.from_numpy(logits)}, {"key": key, "run_id": teacher.name})
    return logits, flops


def made(teacher: Path, corpus: Corpus, positions: np.ndarray, device: torch.device) -> np.ndarray:
    """The logits themselves."""
    result, network = load(teacher)
    network = for_inference(network.to(device), device)
    total, count = np.zeros((len(positions), len(corpus.classes))), np.zeros((len(positions), 1))
    with torch.inference_mode():
        for x, owner in fixed_batches(corpus, positions, result.spec.leads, result.spec.window, BATCH):
            np.add.at(total, owner, network(torch.from_numpy(x).to(device)).float().cpu().numpy())
            np.add.at(count, owner, 1)
    return (total / count).astype(np.float32)


def distilled(how: Teaching, losses: Tensor, logits: Tensor, teacher: Tensor) -> Tensor:
    """The loss of each (recording, class): (1 - w) x that of the labels + w t^2 x cross-entropy between the teacher's
    and the student's sigmoid(logit / t) (Hinton et al. 2015, section 2: t^2 keeps the gradients' size)."""
    t = how.temperature
    soft = functional.binary_cross_entropy_with_logits(logits.float() / t, torch.sigmoid(teacher / t), reduction="none")
    return (1 - how.weight) * losses + how.weight * t**2 * soft
