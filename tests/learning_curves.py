"""Learning curves to extrapolate: planted ones in ten regimes, those of public classifiers and of pre-trained language
models, of vision networks, and public curves of language models cut short inside their training part.

Rules of extrapolation are chosen on these, so that the language curves' held-out part is looked at only once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

PUBLIC = Path("data/scaling/learning_curves_language.csv")
CLASSIFIERS = Path(__file__).parent / "public/lcdb.parquet"
FEW_SHOT = ("arc_challenge", "arc_easy", "lambada_openai", "piqa", "sciq", "winogrande")
PRETRAINING = Path(__file__).parent / "public/scan_bench.parquet"
VISION = Path(__file__).parent / "public/few_shot_vision.parquet"


@dataclass(frozen=True)
class Curve:
    """Points to fit (x, y) and the points beyond them to predict (at, truth). group: domain or regime."""

    group: str
    name: str
    x: np.ndarray
    y: np.ndarray
    at: np.ndarray
    truth: np.ndarray


def public_curves(shared: Path) -> list[Curve]:
    """The 20 curves with the file's own held-out part, without its repeated rows."""
    table = pd.read_csv(shared / PUBLIC).drop_duplicates()
    out = []
    for (domain, task, model), rows in table.groupby(["Domain", "Task", "Model"]):
        parts = [rows[rows["Training"].eq(one)].sort_values("Seen Examples") for one in (1, 0)]
        columns = [part[name].to_numpy(float) for part in parts for name in ("Seen Examples", "Loss")]
        out.append(Curve(domain, f"{task} {model}", *columns))
    return out


def classifier_curves(fresh: bool) -> list[Curve]:
    """300 curves of scikit-learn's classifiers (public/README.md), of datasets that nothing was chosen on if fresh."""
    table = pd.read_parquet(CLASSIFIERS)
    table = table[table["openml_id"] % 2 == int(fresh)]
    out = []
    for (metric, dataset, learner), rows in table.groupby(["metric", "openml_id", "learner"]):
        parts = [rows[rows["fitted"].eq(one)] for one in (1, 0)]
        columns = [part[name].to_numpy(float) for part in parts for name in ("training_points", "y")]
        out.append(Curve(metric, f"{learner} on {dataset}", *columns))
    return out


def pretraining_curves(fresh: bool) -> list[Curve]:
    """Losses of language models at constant learning rate (public/README.md): 43 runs, or 50 that nothing was chosen on
    if fresh."""
    table = pd.read_parquet(PRETRAINING)
    out = []
    for run, rows in table[table["run"] % 2 == int(fresh)].groupby("run"):
        parts = [rows[rows["fitted"].eq(one)] for one in (1, 0)]
        columns = [part[name].to_numpy(float) for part in parts for name in ("tokens", "y")]
        out.append(Curve("pre-training", f"run {run}", *columns))
    return out


def vision_curves(best: bool = False) -> list[Curve]:
    """Few-shot error rates of eight small vision networks against images seen (tests/benchmarks/few_shot_vision.py),
    from where they have left the plateau that random features have, by a tenth. Fitted is the first half of a training,
    kept are curves whose first half has eight points and falls by a tenth or more. best: of each size the best so
    far."""
    table, out = pd.read_parquet(VISION), []
    for key, rows in table.groupby(["network", "task", "shots"]):
        x, y = rows["seen"].to_numpy(float), rows["y"].to_numpy(float)
        y = np.minimum.accumulate(y) if best else y
        left = np.minimum.accumulate(y) < 0.9 * y[0]
        out += half_known(key[1], " ".join(map(str, key)), x[left], y[left], least=8, fall=0.1)
    return out


def half_known(group: str, name: str, x: np.ndarray, y: np.ndarray, *, least: int, fall: float,
               half: float = 0.5) -> list[Curve]:
    """The curve whose first half is given, if that has the least number of points and falls by a share; else none."""
    given = x <= half * x.max(initial=0.0)
    enough = given.sum() >= least and y[given][-1] <= (1 - fall) * y[0]
    return [Curve(group, name, x[given], y[given], x[~given], y[~given])] if enough else []


def few_shot_curves(checkout: Path, best: bool = False) -> list[Curve]:
    """Error rates of the language models of EleutherAI/pythia against training steps, of the six tasks of a thousand
    questions or more, from a checkout of that repository. Fitted is the first half of a training, kept are curves whose
    first half falls by a tenth or more and rises in at most 30 % of its steps. best: of each checkpoint the best so
    far, as many curves are published."""
    rows = []
    for file in sorted(checkout.glob("evals/pythia-v[01]/*/*-shot/*.json")):
        step = re.search(r"step-?_?(\d+)", file.name)
        results = json.loads(file.read_text())["results"] if step else {}
        rows += [(*file.parts[-4:-1], task, int(step[1]), 1 - results[task]["acc"])
                 for task in FEW_SHOT if "acc" in results.get(task, {})]
    keys = ["version", "model", "shots", "task"]
    table = pd.DataFrame(rows, columns=[*keys, "step", "y"]).drop_duplicates([*keys, "step"])
    out = []
    for key, own in table[table["step"].ge(1000)].sort_values("step", kind="stable").groupby(keys):
        x, y = own["step"].to_numpy(float), own["y"].to_numpy(float)
        y = np.minimum.accumulate(y) if best else y
        out += [curve for curve in half_known(key[-1], " ".join(key), x, y, least=6, fall=0.1, half=0.515)
                if np.mean(np.diff(curve.y) > 0) <= 0.3]
    return out


def checkpoint_curves(folder: Path, best: bool = False) -> list[Curve]:
    """Losses, bits per byte, error rates and negative log probabilities of language models at checkpoints of a training
    at constant learning rate, from CSVs by allenai/OLMo (its branches' scripts/scaling/data/peteish-moreeval-const, a
    file a model). Fitted is the first half of a training, kept are curves whose first half falls by a twentieth or
    more. best: of each checkpoint the best so far."""
    kinds = {"CrossEntropyLoss": ("loss", lambda y: y), "_bpb": ("bits per byte", lambda y: y),
             "_soft_log": ("log probability", abs), "_len_norm": ("error rate", lambda y: 1 - y),
             "_acc": ("error rate", lambda y: 1 - y)}
    out = []
    for file in sorted(folder.glob("*.csv")):
        table = pd.read_csv(file).sort_values("_step", kind="stable")
        for column in table.filter(regex="^eval/"):
            group, loss = next((kind for end, kind in kinds.items() if column.endswith(end)), (None, None))
            known = table.loc[table[column].notna(), ["_step", column]].to_numpy(float)
            if group is None or len(known) < 20:
                continue
            x, y = known[:, 0], loss(known[:, 1])
            y = np.minimum.accumulate(y) if best else y
            out += half_known(group, f"{file.stem} {column}", x, y, least=1, fall=0.05)
    return out


def rolling_cuts(curves: list[Curve], least: int = 5, ahead: float = 2.0) -> Iterator[Curve]:
    """Each training part cut at 50 to 85 % of its points; the points up to `ahead` times the last size are predicted,
    or the next point where there is none so near. That is the way ahead which the curves' held-out parts have."""
    for one in curves:
        cuts = {max(least, round(share * len(one.x))) for share in (0.5, 0.6, 0.7, 0.8, 0.85)}
        for cut in sorted(cut for cut in cuts if cut < len(one.x)):
            stop = max(np.searchsorted(one.x, ahead * one.x[cut - 1], side="right"), cut + 1)
            yield Curve(one.group, f"{one.name} to {cut}", one.x[:cut], one.y[:cut], one.x[cut:stop], one.y[cut:stop])


def planted_curves(count: int, seed: int) -> Iterator[Curve]:
    """`count` noisy curves, regimes in turn. Half of the regimes are no candidate's own equation, so that no law is
    favoured by its being simulated.

    5 to 60 points over 1 to 4 decades; predicted are points up to 2 (half of the curves) or 2 to 10 times the last
    size, as noisy as the others; noise of 0.1 to 5 %, of the measurement or, for rates, also of a finite test set.
    """
    regimes = list(REGIMES)
    for i in range(count):
        random = np.random.default_rng([seed, i])
        regime = regimes[i % len(regimes)]
        points = int(np.exp(random.uniform(np.log(5), np.log(60))))
        decades = random.uniform(1.0, 4.0)
        ahead = 2.0 if i // len(regimes) % 2 else np.exp(random.uniform(np.log(2), np.log(10)))
        u = spaced(random, points, decades * np.log(10))
        beyond = u[-1] + np.log(ahead) * np.sort(random.uniform(0, 1, random.integers(1, 12)))
        beyond[-1] = u[-1] + np.log(ahead)
        curve = REGIMES[regime](random)
        position = np.concatenate([u, beyond]) / u[-1]                      # 0 at the first, 1 at the last fitted size
        y = noisy(random, curve(position), rate=regime in RATES)
        base = np.log(10 ** random.uniform(3, 9))
        x, at = np.exp(base + u), np.exp(base + beyond)
        yield Curve(regime, f"{regime} {i}", x, y[:points], at, y[points:])


def spaced(random, points: int, width: float) -> np.ndarray:
    """Logarithms of sizes from 0 to width: evenly in log, evenly in x (checkpoints of one training), or doubling."""
    if random.random() < 0.5:
        return np.linspace(0, width, points)
    return np.log(np.linspace(1, np.exp(min(width, np.log(6.0 * points))), points))


def noisy(random, y: np.ndarray, rate: bool) -> np.ndarray:
    noise = np.exp(random.uniform(np.log(0.001), np.log(0.05 if not rate else 0.02)))
    if rate:
        tested = 10 ** random.uniform(3, 5)
        noise = np.sqrt(noise**2 + (1 - y) / (np.maximum(y, 1e-3) * tested))
    wander = np.cumsum(random.standard_normal(len(y))) / np.sqrt(len(y)) if random.random() < 0.25 else 0.0
    out = y * np.exp(noise * (random.standard_normal(len(y)) + wander))
    return np.clip(out, 1e-6, 0.9999) if rate else out


# Regimes: random generator -> y(position), position 0 at the first fitted size and 1 at the last.


def floor_of(random, most: float = 0.9) -> float:
    """Share of the first value that no data remove; often none."""
    return 0.0 if random.random() < 0.3 else random.uniform(0.0, most)


def power(random):
    drop = random.uniform(0.05, 2.5)
    return lambda p: 3.0 * np.exp(-drop * p)


def power_to_floor(random):
    drop, floor = random.uniform(0.3, 5.0), floor_of(random)
    return lambda p: 3.0 * (floor + (1 - floor) * np.exp(-drop * p))


def shifted(random):
    drop, end = random.uniform(0.3, 3.0), random.uniform(0.3, 1.6)
    rate = random.uniform(2.0, 9.0)             # of log x over the fitted range
    return lambda p: 2.0 * (np.exp(-rate * p) + np.exp(-rate * end)) ** (drop / rate)


def saturating(random):
    """From random guessing down to a floor: odds of the way left are a power of the size."""
    ceiling, floor = random.uniform(0.7, 1.0), floor_of(random, 0.6)
    height, drop, alpha = random.uniform(-1.5, 5.0), random.uniform(1.0, 6.0), np.exp(random.uniform(-1.2, 0.7))

    def curve(p):
        w = np.linspace(1e-6, 1 - 1e-6, 20001)
        left = np.log(w) - alpha * np.log1p(-w)
        return ceiling * (floor + (1 - floor) * np.interp(height - drop * p, left, w))
    return curve


def probit(random):
    """Error rate of a score that grows with log x and overlaps less and less with the others: an S in log x."""
    ceiling, floor = random.uniform(0.8, 1.0), floor_of(random, 0.4)
    start, gain = random.uniform(-0.5, 2.5), random.uniform(0.5, 3.0)
    return lambda p: ceiling * (floor + (1 - floor) * norm.cdf(start - gain * p))


def few_shot(random):
    """Error 1 - (1 - e)^k and powers of odds of a representation that improves by a power law."""
    ceiling, tasks = random.uniform(0.9, 0.999), random.uniform(1.0, 6.0)
    drop, floor = random.uniform(0.5, 3.0), random.uniform(0.0, 0.3)
    first = random.uniform(0.4, 0.95)
    return lambda p: ceiling * (1 - (1 - first * (floor + (1 - floor) * np.exp(-drop * p))) ** tasks)


def one_break(random):
    place, width = random.uniform(-0.1, 1.0), random.uniform(0.02, 0.4)
    before, after, floor = random.uniform(0.0, 2.5), random.uniform(0.1, 3.0), floor_of(random, 0.5)

    def curve(p):
        bend = width * (np.logaddexp(0, (p - place) / width) - np.logaddexp(0, -place / width))
        return 2.0 * (floor + (1 - floor) * np.exp(-before * p - (after - before) * bend))
    return curve


def double_plateau(random):
    first, second = random.uniform(-0.1, 0.4), random.uniform(0.5, 1.2)
    steep = random.uniform(4, 15)
    high, low = random.uniform(0.2, 0.6), random.uniform(0.1, 0.5)
    return lambda p: 0.98 * (1 - high * expit(steep * (p - first)) - (0.9 - high) * low * expit(steep * (p - second)))


def two_skills(random):
    """Two power laws of different speed, and a floor."""
    fast, slow, share = random.uniform(1.5, 6.0), random.uniform(0.1, 1.2), random.uniform(0.2, 0.8)
    floor = floor_of(random, 0.4)
    return lambda p: 2.0 * (floor + (1 - floor) * (share * np.exp(-fast * p) + (1 - share) * np.exp(-slow * p)))


def many_skills(random):
    """Skills learnt one after the other, the frequent first: a sum of steps in log x whose heights fall as a power."""
    count = 40
    place = np.sort(random.uniform(-0.5, 2.5, count))
    height = np.exp(-random.uniform(0.3, 1.5) * place) * random.exponential(size=count)
    steep, floor = random.uniform(4, 12), floor_of(random, 0.5)
    share = height / height.sum()
    return lambda p: 1.5 * (floor + (1 - floor) * (1 - expit(steep * (p[:, None] - place)) @ share))


REGIMES = {make.__name__: make for make in (power, power_to_floor, shifted, saturating, probit, few_shot, one_break,
                                            double_plateau, two_skills, many_skills)}
RATES = ("saturating", "probit", "few_shot", "double_plateau")
