"""Few-shot error rates of small vision networks against images seen: tests/public/few_shot_vision.parquet.

    python -m tests.benchmarks.few_shot_vision FOLDER NETWORK:IMAGES ...    # mlp-small:2e6, minutes a network
    python -m tests.benchmarks.few_shot_vision FOLDER --gather              # all that FOLDER holds, in one table

The kind of curve that published estimators are compared on, small enough for a laptop: networks are trained to tell
383 letters (Latin, Cyrillic, Armenian) in six fonts, shifted, turned, sheared and noisy, each image new. At every
quarter of an octave of images seen, a ridge regression on the network's features of 5, 10 or 25 images a class tells
classes of other tasks: Greek, Georgian and 96 symbols in six other fonts, 96 of the letters in those fonts, and
scikit-learn's scanned digits. The fonts are those that come with matplotlib. Measured on one thread of a CPU.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from torch import nn

SIDE, BATCH, WARMUP, DECAY_FROM = 20, 64, 200, 2000     # pixels; images; steps of warm-up, then of constant rate
RIDGE, MOST_SHOTS, SHOTS, SEEN = 10.0, 25, (5, 10, 25), 2500
LETTERS = [*range(0x41, 0x5B), *range(0x61, 0x7B), *range(0xC0, 0xD7), *range(0xD8, 0xF7), *range(0xF8, 0x180),
           *range(0x410, 0x450), *range(0x531, 0x557), *range(0x561, 0x588)]
TASKS = {"Greek": [*range(0x391, 0x3A2), *range(0x3A3, 0x3CA)], "Georgian": [*range(0x10D0, 0x10F1)],
         "symbols": [*range(0x2190, 0x21F0)], "letters": LETTERS[::4]}
NETWORKS = {"mlp-small": (lambda: perceptron(128, 2), 1e-3), "mlp-large": (lambda: perceptron(384, 3), 5e-4),
            "cnn-small": (lambda: convolutions(8, 1), 2e-3), "cnn-large": (lambda: convolutions(16, 2), 2e-3),
            "mixer-small": (lambda: Patches(48, 2, mixer=True), 1e-3),
            "mixer-large": (lambda: Patches(96, 3, mixer=True), 7e-4),
            "vit-small": (lambda: Patches(48, 2), 1e-3), "vit-large": (lambda: Patches(96, 3), 7e-4)}


def fonts(held_out: bool) -> list[str]:
    every = sorted(Path(matplotlib.get_data_path(), "fonts/ttf").glob("DejaVuS*.ttf"))
    return [str(file) for file in every if "Display" not in file.name][held_out::2]


def glyphs(codes: list[int], files: list[str]) -> torch.Tensor:
    """(class, font, 32, 32) ink from 0 to 1."""
    drawn = np.zeros((len(codes), len(files), 32, 32), np.float32)
    for column, file in enumerate(files):
        font = ImageFont.truetype(file, 20)
        for row, code in enumerate(codes):
            image = Image.new("L", (32, 32))
            ImageDraw.Draw(image).text((16, 16), chr(code), fill=255, font=font, anchor="mm")
            drawn[row, column] = np.asarray(image, np.float32) / 255
    return torch.from_numpy(drawn)


def scene(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """(image, 1, SIDE, SIDE): turned, stretched, sheared, shifted, in another contrast, with noise."""
    def either(most: float) -> torch.Tensor:
        return (2 * torch.rand(len(images), generator=random) - 1) * most

    angle, wide, high, shear, right, down = (either(most) for most in (0.15, 0.12, 0.12, 0.12, 0.08, 0.08))
    rows = ([(1 + wide) * angle.cos(), shear - angle.sin(), right], [angle.sin(), (1 + high) * angle.cos(), down])
    place = F.affine_grid(torch.stack([torch.stack(row, 1) for row in rows], 1), [len(images), 1, SIDE, SIDE],
                          align_corners=False)
    ink = F.grid_sample(images[:, None], place, align_corners=False)
    contrast = 0.7 + 0.3 * torch.rand(len(images), 1, 1, 1, generator=random)
    return ink * contrast + 0.1 * torch.randn(ink.shape, generator=random)


def perceptron(width: int, depth: int) -> nn.Module:
    layers, inputs = [nn.Flatten()], SIDE * SIDE
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU()]
        inputs = width
    return nn.Sequential(*layers)


def convolutions(width: int, depth: int) -> nn.Module:
    layers, inputs = [], 1
    for stage in range(3):
        for layer in range(depth):
            layers += [nn.Conv2d(inputs, width << stage, 3, 1 if layer else 2, 1, bias=False),
                       nn.BatchNorm2d(width << stage), nn.ReLU()]
            inputs = width << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Patches(nn.Module):
    """A vision Transformer on 25 patches of 4 x 4; with mixer=True patches are mixed by a perceptron."""

    def __init__(self, width: int, depth: int, *, mixer: bool = False):
        super().__init__()
        count, self.mixer = (SIDE // 4) ** 2, mixer
        self.embed = nn.Conv2d(1, width, 4, 4)
        self.place = nn.Parameter(0.02 * torch.randn(1, count, width))
        self.blocks = nn.ModuleList(nn.ModuleList([
            nn.LayerNorm(width),
            two_layers(count) if mixer else nn.MultiheadAttention(width, 4, batch_first=True),
            nn.LayerNorm(width), two_layers(width)]) for _ in range(depth))
        self.last = nn.LayerNorm(width)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.embed(images).flatten(2).transpose(1, 2) + self.place
        for before, mix, between, each in self.blocks:
            y = before(x)
            x = x + (mix(y.transpose(1, 2)).transpose(1, 2) if self.mixer else mix(y, y, y, need_weights=False)[0])
            x = x + each(between(x))
        return self.last(x).mean(1)


def two_layers(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def tasks() -> dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Images and classes to learn from (the first MOST_SHOTS of each class in turn) and to be told."""
    random, out = torch.Generator().manual_seed(5), {}
    for name, codes in TASKS.items():
        ink = glyphs(codes, fonts(held_out=True))

        def drawn(count: int, ink: torch.Tensor = ink) -> tuple[torch.Tensor, torch.Tensor]:
            classes = torch.arange(len(ink)).repeat_interleave(count)
            return scene(ink[classes, torch.randint(ink.shape[1], classes.shape, generator=random)], random), classes

        out[name] = (*drawn(MOST_SHOTS), *drawn(max(SEEN // len(codes), 1)))
    digits = load_digits()
    scans = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    images = F.interpolate(scans, (SIDE, SIDE), mode="bilinear")
    classes = torch.tensor(digits.target, dtype=torch.long)
    learnt = torch.cat([(classes == digit).nonzero()[:MOST_SHOTS, 0] for digit in range(10)])
    told = torch.ones(len(classes), dtype=torch.bool)
    told[learnt] = False
    out["digits"] = images[learnt], classes[learnt], images[told], classes[told]
    return out


def few_shot_errors(network: nn.Module, task: tuple[torch.Tensor, ...]) -> Iterator[tuple[int, float]]:
    """Shots and the share told wrongly by a ridge regression on standardised features."""
    features = [torch.cat([network(part) for part in task[at].split(500)]).double() for at in (0, 2)]
    mean, deviation = features[0].mean(0), features[0].std(0) + 1e-6
    learnt, told = (torch.cat([(x - mean) / deviation, torch.ones(len(x), 1)], 1) for x in features)
    classes, turn = task[1], torch.arange(len(task[1])) % MOST_SHOTS
    for shots in SHOTS:
        x, y = learnt[turn < shots], 2 * F.one_hot(classes[turn < shots]).double() - 1
        weights = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1]), x.T @ y)
        yield shots, float(((told @ weights).argmax(1) != task[3]).double().mean())


def train(name: str, images: float) -> pd.DataFrame:
    """network, task, shots, seen, y: a row for each quarter of an octave of images seen, task and number of shots."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    random = torch.Generator().manual_seed(1001)
    make, rate = NETWORKS[name]
    network, judged, ink, rows, step = make(), tasks(), glyphs(LETTERS, fonts(held_out=False)), [], 0
    head = nn.Linear(network(torch.zeros(2, 1, SIDE, SIDE)).shape[1], len(LETTERS))
    optimizer = torch.optim.AdamW([*network.parameters(), *head.parameters()], lr=rate, weight_decay=0.01)
    for mark in np.unique((1000 * 2 ** np.arange(0, np.log2(images / 1000), 0.25) / BATCH).astype(int)):
        network.train()
        while step < mark:
            step += 1
            optimizer.param_groups[0]["lr"] = rate * min(1, step / WARMUP) * min(1, DECAY_FROM / step) ** 0.5
            classes = torch.randint(len(LETTERS), (BATCH,), generator=random)
            seen = scene(ink[classes, torch.randint(ink.shape[1], (BATCH,), generator=random)], random)
            optimizer.zero_grad()
            F.cross_entropy(head(network(seen)), classes).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            rows += [(name, task, shots, step * BATCH, y) for task, data in judged.items()
                     for shots, y in few_shot_errors(network, data)]
    return pd.DataFrame(rows, columns=["network", "task", "shots", "seen", "y"])


def main(folder: Path, *asked: str) -> None:
    if asked == ("--gather",):
        table = pd.concat([pd.read_csv(file) for file in sorted(folder.glob("*.csv"))])
        table.to_parquet(folder / "few_shot_vision.parquet", index=False)
        return
    for one in asked:
        name, images = one.split(":")
        train(name, float(images)).to_csv(folder / f"{name}.csv", index=False)
        print(name, "done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
