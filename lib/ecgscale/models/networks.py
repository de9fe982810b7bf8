"""From a spec to a network, and from a run's folder to a trained one."""

from pathlib import Path

import torch
from torch import nn

from ecgscale.contracts import ModelSpec, RunResult, read_tensors
from ecgscale.errors import UserError
from ecgscale.models.complexity import architecture


def build(model: ModelSpec, leads: int, window: int, classes: int, seed: int) -> nn.Module:
    """An untrained network: input (batch, leads, window) float32, output logits (batch, classes).

    The weights depend on `seed` only; torch's global generator is left as it was. Raises UserError or
    architecture.RejectedError for hyperparameters that make no network.
    """
    made = architecture(model)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)     # not torch.manual_seed: it would seed the accelerators too
        return made.network(leads, window, classes)


def load(run_dir: Path | str) -> tuple[RunResult, nn.Module]:
    """A trained run: its run.json, and its network with weights.safetensors in evaluation mode.

    Raises UserError when the weights are missing, changed since they were written, or of another run.
    """
    run_dir = Path(run_dir)
    result = RunResult.read(run_dir / "run.json")
    spec, weights = result.spec, run_dir / "weights.safetensors"
    network = build(spec.model, len(spec.leads), spec.window, len(result.classes), spec.seed)
    if not weights.is_file():
        raise UserError("no such file", file=weights, remedy=f"The run ended as {result.status!r}")
    about, tensors = read_tensors(weights)
    if about.get("run_id") != spec.run_id:
        raise UserError(f"the weights of run {about.get('run_id')!r}, not of {spec.run_id!r}", file=weights)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"not the weights of this run ({str(error).splitlines()[0]})", file=weights) from None
    return result, network.eval()
