"""How fast this machine trains: a few real steps of a few of a study's networks."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from ecgscale.contracts import PlannedRun
from ecgscale.design.plan import Pace
from ecgscale.models.networks import build
from ecgscale.training import device as hardware
from ecgscale.training.loss import terms
from ecgscale.training.optim import make_optimizer

NETWORKS = 3            # of each family, from its cheapest to its dearest
STEPS = 5               # timed, after one that is not
SECONDS = 3.0           # of a network; a slower one is timed on fewer steps
LARGEST_STEP = 60e9     # FLOPs: a dearer step is timed with a smaller batch


def calibrate(planned: list[PlannedRun], classes: int = 26, device: str = "auto", cpus: int = 1) -> Pace:
    """Time training steps of the cheapest, the dearest and the middle network of each family. Seconds in all."""
    torch.set_num_threads(cpus)
    chosen = hardware.choose(device)
    measured = {}
    for family in sorted({run.spec.model.family for run in planned}):
        by_cost = {run.ledger.step_flops: run for run in planned if run.spec.model.family == family}
        ranked = [by_cost[flops] for flops in sorted(by_cost)]
        places = sorted({round(place) for place in np.linspace(0, len(ranked) - 1, NETWORKS)})
        measured[family] = [(float(ranked[k].ledger.step_flops), measure(ranked[k], chosen, classes)) for k in places]
    timed = sum(map(len, measured.values()))
    return Pace(name=f"this machine ({hardware.name(chosen)}, {cpus} thread{'s' * (cpus > 1)})", measured=measured,
                source=f"timed steps of {timed} of these networks; one run after the other, with validation")


def measure(run: PlannedRun, device: torch.device, classes: int) -> float:
    """FLOP/s of a run's training steps: forward, loss, backward, clipping and update."""
    spec = run.spec
    batch = int(max(1, min(spec.batch_size, LARGEST_STEP // run.ledger.step_flops)))
    network = build(spec.model, len(spec.leads), spec.window, classes, spec.seed).to(device).train()
    optimizer = make_optimizer(spec.optimizer, network)
    precision = hardware.precision(spec.precision, device, run.ledger.forward_flops)
    signal = torch.randn(batch, len(spec.leads), spec.window, generator=torch.Generator().manual_seed(0)).to(device)
    targets = torch.zeros(batch, classes, device=device)

    def step() -> float:
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with hardware.autocast(device, precision):
            logits = network(signal)
        loss = terms(spec.loss, logits, targets).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), spec.clip_norm or float("inf"))
        optimizer.step()
        loss.item()      # waits for the device
        return time.perf_counter() - started

    step()
    times = [step()]
    while len(times) < STEPS and sum(times) < SECONDS:
        times.append(step())
    return run.ledger.step_flops * batch / statistics.median(times)
