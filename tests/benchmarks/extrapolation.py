"""The tables of docs/explanation/extrapolation.md.

    PYTHONPATH=lib python -m tests.benchmarks.extrapolation SHARED [GROUND ...]

Some minutes each; grounds: planted, fresh, classifiers, other, runs, other_runs, cuts, heldout, vision, vision_best;
and a checkout of EleutherAI/pythia or CSVs of allenai/OLMo, by their folder, whose curves are also judged as best
values so far.

Error of a curve: root mean square of log(prediction / truth). Groups (domains, regimes) weigh equally. "won": share of
all curves on which the average's error is below that method's; "wins": the same, groups weighing equally.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.laws import extrapolate
from ecgscale.laws.published import PUBLISHED
from tests.learning_curves import (
    Curve,
    checkpoint_curves,
    classifier_curves,
    few_shot_curves,
    planted_curves,
    pretraining_curves,
    public_curves,
    rolling_cuts,
    vision_curves,
)
from tests.stepped_estimators import STEPPED

RUNAWAY = 1.0       # errors are cut off here, so that one runaway does not decide a mean


def error(prediction: np.ndarray, truth: np.ndarray) -> float:
    known = np.isfinite(prediction).all() and (prediction > 0).all()
    return min(float(np.sqrt(np.mean(np.log(prediction / truth) ** 2))), RUNAWAY) if known else RUNAWAY


def table(curves: list[Curve]) -> tuple[pd.DataFrame, pd.Series]:
    """Errors by method and group with the mean over groups and the shares of curves won; coverage by group."""
    rows, covered = [], []
    for curve in curves:
        ahead = extrapolate(curve.x, curve.y, curve.at)
        covered.append(float(np.mean((ahead.low <= curve.truth) & (curve.truth <= ahead.high))))
        found = {"average": ahead.y, **ahead.by_law}
        with np.errstate(all="ignore"):
            found |= {name: method(curve.x, curve.y, curve.at) for name, method in (PUBLISHED | STEPPED).items()}
        rows.append({name: error(one, curve.truth) for name, one in found.items()})
    errors, groups = pd.DataFrame(rows), [curve.group for curve in curves]
    out = errors.groupby(groups).mean().T
    out.insert(0, "mean", out.mean(axis=1))
    out.insert(1, "median", errors.median())
    better = errors.gt(errors["average"], axis=0)
    out.insert(2, "won", better.mean())
    out.insert(3, "wins", better.groupby(groups).mean().mean())
    coverage = pd.Series(covered).groupby(groups).mean()
    return out, coverage


def main(shared: Path, *chosen: str) -> None:
    grounds = {
        "planted": ("planted, seed 1 (chosen on)", lambda: list(planted_curves(400, 1))),
        "fresh": ("planted, seed 2 (fresh)", lambda: list(planted_curves(400, 2))),
        "classifiers": ("classifiers (chosen on)", lambda: classifier_curves(fresh=False)),
        "other": ("classifiers on other datasets (fresh)", lambda: classifier_curves(fresh=True)),
        "runs": ("language models' pre-training (chosen on)", lambda: pretraining_curves(fresh=False)),
        "other_runs": ("language models' pre-training, other runs (fresh)", lambda: pretraining_curves(fresh=True)),
        "cuts": ("cuts inside the training parts (chosen on)", lambda: list(rolling_cuts(public_curves(shared)))),
        "heldout": ("held-out parts", lambda: public_curves(shared)),
        "vision": ("vision networks, few-shot (fresh)", vision_curves),
        "vision_best": ("vision networks, few-shot, best so far (fresh)", lambda: vision_curves(best=True)),
    }
    for folder in set(chosen) - set(grounds):
        curves_of = checkpoint_curves if any(Path(folder).glob("*.csv")) else few_shot_curves
        for name, best in ((folder, False), (f"{folder} best", True)):
            grounds[name] = name, lambda folder=folder, best=best, curves_of=curves_of: curves_of(Path(folder), best)
        chosen += (f"{folder} best",)
    for ground in chosen or grounds:
        name, curves = grounds[ground][0], grounds[ground][1]()
        errors, coverage = table(curves)
        print(f"\n{name}: {len(curves)} curves\n{errors.round(4).to_string()}\ncoverage of 90 %: "
              f"{coverage.mean():.3f} ({', '.join(f'{group} {share:.2f}' for group, share in coverage.items())})")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
