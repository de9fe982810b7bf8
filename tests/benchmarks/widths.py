"""Does the best learning rate stay when a network is made wider? The standard parameterization against muP.

    PYTHONPATH=lib python -m tests.benchmarks.widths --corpus prepared/* --split split --out widths

muP for Adam (Yang et al. 2022, arXiv:2203.03466, table 8) on our families: of a weight whose inputs are `r` times those
of the narrow network, rate / r; the head starts r times smaller; ViT and ConvNeXt, whose weights start alike at any
width, start sqrt(r) times smaller elsewhere. Depthwise and grouped convolutions keep their inputs, so r is 1 there, as
it is for biases, norms and the first layer. At the narrow width both are the same network.

coordinates.csv: how far some steps at one rate move what is computed, a row a family, way, width and seed. trials.csv:
validation loss after a training, a row a family, way, width, rate and seed. Some six minutes of a core with two seeds.
"""

import argparse
import csv
import itertools
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ecgscale.contracts import LossSpec, ModelSpec, ScheduleSpec
from ecgscale.contracts.corpus import SPLIT
from ecgscale.ecg.corpus import Corpus
from ecgscale.models.blocks import Residual
from ecgscale.models.networks import build
from ecgscale.training import device as hardware
from ecgscale.training.data import part_of
from ecgscale.training.layout import channels_last
from ecgscale.training.loss import terms
from ecgscale.training.optim import AdamW, learning_rate

CROP, POOL, BATCH = 1024, 4, 32         # windows of 256 samples at 125 Hz
NARROW = {
    "resnet": {"width": 8, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1},
    "regnet": {"depth": 4, "w_0": 8, "w_a": 8.0, "w_m": 2.0, "w_init": 8, "group_width": 8},
    "convnext": {"width": 4, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1, "layer_scale": 0.1,
                 "stochastic_depth": 0.0},
    "vit": {"dim": 32, "depth": 3, "heads": 2, "patch": 16},
}
WIDER = ("width", "w_0", "w_a", "w_init", "dim", "heads")           # a head keeps its size
STARTS_ALIKE = ("convnext", "vit")
WAYS = ("standard", "muP")
RATES = tuple(2e-3 * 2.0**power for power in range(7))
COORDINATES, STEPS, TRIED = (3e-3, 5), 100, 4       # rate and steps of a check; steps of a trial, at so many times
SCHEDULE, LOSS = ScheduleSpec(name="cosine", warmup=0.1), LossSpec(name="bce")


def network_of(family: str, times: int, way: str, leads: int, classes: int, seed: int) -> tuple[nn.Module, list[dict]]:
    """The network `times` as wide, and its weights with `share`, the factor of the rate."""
    def made(times: int) -> nn.Module:
        params = {name: value * times if name in WIDER else value for name, value in NARROW[family].items()}
        return channels_last(build(ModelSpec(family=family, params=params), leads, CROP // POOL, classes, seed)).train()

    network, narrow = made(times), dict(made(1).named_modules())
    groups = []
    for name, layer in network.named_modules():
        for key, weight in layer.named_parameters(recurse=False):
            ratio = 1.0
            if isinstance(layer, nn.Conv1d | nn.Linear) and key == "weight" and way == "muP":
                ratio = weight[0].numel() / narrow[name].weight[0].numel()
                start = ratio if name.endswith("head") else ratio**0.5 if family in STARTS_ALIKE else 1.0
                with torch.no_grad():
                    weight /= start
            groups.append({"params": [weight], "share": 1 / ratio})
    return network, groups


class Windows:
    """Crops of a part of the corpus, in memory: x (recording, lead, time), y (recording, class)."""

    def __init__(self, corpus: Corpus, split, part: str):
        places = [place for place in part_of(corpus, split, part) if len(corpus.signal(place)) >= 2 * CROP]
        self.x = torch.from_numpy(np.stack([corpus.signal(place)[: 2 * CROP].T for place in places])).float()
        self.y = torch.from_numpy(np.asarray(corpus.labels[places])).float()

    def batch(self, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        rows, first = random.integers(len(self.x), size=BATCH), int(random.integers(CROP))
        return pooled(self.x[rows, :, first : first + CROP]), self.y[rows]


def pooled(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.avg_pool1d(x, POOL)


def trained(network: nn.Module, groups: list[dict], rate: float, steps: int, windows: Windows, seed: int,
            schedule: ScheduleSpec = SCHEDULE) -> None:
    optimizer = AdamW(groups, lr=rate, weight_decay=0.0, fused=True)
    random = np.random.default_rng(seed)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(rate, schedule, step, steps, steps) * group["share"]
        x, y = windows.batch(random)
        network.zero_grad(set_to_none=True)
        terms(LOSS, network(x), y).mean().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()


def computed(network: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Output of the middle block, input of the head, logits."""
    found = {}
    blocks = [layer for layer in network.modules() if isinstance(layer, Residual)]
    hooks = [blocks[len(blocks) // 2].register_forward_hook(lambda _, __, made: found.update(middle=made.detach())),
             network.get_submodule("head").register_forward_hook(
                 lambda _, given, made: found.update(features=given[0].detach(), logits=made.detach()))]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return found


def rms(x: torch.Tensor) -> float:
    return float(x.square().mean().sqrt())


def coordinates(windows: Windows, leads: int, classes: int, seeds: int):
    """Root mean square of the change of what is computed for one batch: of the middle block and the features as a share
    of what it was."""
    rate, steps = COORDINATES
    x, _ = windows.batch(np.random.default_rng(99))
    for family in NARROW:
        for way in WAYS:
            for times in (1, 2, 4, 8):
                for seed in range(seeds):
                    network, groups = network_of(family, times, way, leads, classes, seed)
                    before = computed(network, x)
                    trained(network, groups, rate, steps, windows, seed, ScheduleSpec(name="constant"))
                    after = computed(network, x)
                    moved = {name: rms(after[name] - before[name]) for name in before}
                    yield {"family": family, "way": way, "times": times, "seed": seed,
                           "params": sum(each.numel() for each in network.parameters()),
                           "middle": moved["middle"] / rms(before["middle"]),
                           "features": moved["features"] / rms(before["features"]), "logits": moved["logits"]}


def trials(windows: Windows, valid: Windows, leads: int, classes: int, seeds: int):
    """Validation loss after a whole training. At the narrow width the two ways are one."""
    for seed in range(seeds):
        for family in NARROW:
            for times, ways in ((1, WAYS[:1]), (TRIED, WAYS)):
                for way, rate in itertools.product(ways, RATES):
                    network, groups = network_of(family, times, way, leads, classes, seed)
                    trained(network, groups, rate, STEPS, windows, seed)
                    with torch.inference_mode():
                        network.eval()
                        losses = [terms(LOSS, network(pooled(valid.x[:, :, first : first + CROP])), valid.y).mean()
                                  for first in (0, CROP)]
                    yield {"family": family, "way": way, "times": times, "rate": rate, "seed": seed,
                           "params": sum(each.numel() for each in network.parameters()),
                           "valid_loss": float(sum(losses) / 2)}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--corpus", type=Path, nargs="+", required=True)
    made.add_argument("--split", type=Path, required=True)
    made.add_argument("--seeds", type=int, default=2)
    made.add_argument("--out", type=Path, required=True)
    args = made.parse_args()
    torch.set_num_threads(1)
    hardware.begin(1)
    corpus, split = Corpus.open(args.corpus), SPLIT.read(args.split / "split.parquet")
    windows, valid = Windows(corpus, split, "train"), Windows(corpus, split, "valid")
    shape = len(corpus.leads), windows.y.shape[1]
    args.out.mkdir(parents=True, exist_ok=True)
    for name, rows in (("coordinates", coordinates(windows, *shape, args.seeds)),
                       ("trials", trials(windows, valid, *shape, args.seeds))):
        with open(args.out / f"{name}.csv", "w", newline="") as stream:
            writer = None
            for row in rows:
                writer = writer or csv.DictWriter(stream, list(row))
                if stream.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
                stream.flush()


if __name__ == "__main__":
    main()
