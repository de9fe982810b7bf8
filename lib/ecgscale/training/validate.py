"""How good a network in training is on the validation part: on whole recordings, of each the mean over its windows."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ecgscale.contracts import RunSpec
from ecgscale.training import device as hardware
from ecgscale.training.data import fixed_batches
from ecgscale.training.job import Job
from ecgscale.training.layout import for_inference
from ecgscale.training.loss import terms
from ecgscale.training.score import macro_auroc

BATCH = 64       # windows


def validate(network: nn.Module, job: Job, positions: np.ndarray, spec: RunSpec, precision: str
             ) -> tuple[float, float | None]:
    """Mean loss over recordings and classes, and macro AUROC, of the recordings at `positions` of the corpus, computed
    at the precision of the training. Of several processes each takes its share, and has the result of all."""
    corpus, device = job.corpus, job.device
    network = for_inference(network, device)
    mine = positions[job.ranks.share()]
    labels = corpus.labels[mine].astype(np.float32)
    total, count = np.zeros((len(mine), 1 + labels.shape[1])), np.zeros((len(mine), 1))  # loss, probabilities
    with torch.inference_mode(), hardware.autocast(device, precision):
        for x, owner in fixed_batches(corpus, mine, spec.leads, spec.window, BATCH):
            logits = network(torch.from_numpy(x).to(device))
            loss = terms(spec.loss, logits, torch.from_numpy(labels[owner]).to(device)).mean(dim=1, keepdim=True)
            both = torch.cat([loss, torch.sigmoid(logits.float())], dim=1)
            np.add.at(total, owner, both.cpu().double().numpy())
            np.add.at(count, owner, 1)
    found = torch.zeros(len(positions), total.shape[1], dtype=torch.float64)
    found[job.ranks.share()] = torch.from_numpy(total / count)
    found = job.ranks.total(found.to(device, torch.float32 if device.type == "mps" else torch.float64))
    found = found.cpu().double().numpy()
    return float(found[:, 0].mean()), macro_auroc(corpus.labels[positions], found[:, 1:])
