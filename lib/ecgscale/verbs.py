"""What most users of the Python side need, as few verbs: frames in, frames out. `import ecgscale` has them all.

    >>> import ecgscale
    >>> runs = ecgscale.read_runs("assets/examples/ptbxl/runs.csv")
    >>> runs["family"].unique().tolist()
    ['regnet', 'resnet', 'convnext', 'vit']

Each does what its command does, by the same code, and loads what it needs when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ecgscale.errors import UserError
from ecgscale.tables.names import understand
from ecgscale.tables.runs import read_any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ecgscale.laws import FittedLaw


def read_runs(table: Path | str | pd.DataFrame, **columns: str) -> pd.DataFrame:
    """A run table of anyone's under our names: a row a run, sizes and responses as numbers, how it ended in `status`.

    table: CSV or Parquet file, or a frame, whose named index counts as columns. columns: our name = the table's, where
    it cannot be told (`params="width"`, `score="Wert"`). What the columns were taken for stands in `attrs["read"]`,
    what was noticed in `attrs["notices"]`. Raises UserError with line and field, and with what was understood where
    that is in doubt.

        >>> runs = ecgscale.read_runs(pd.DataFrame({"Model Size": ["1.4B", "300 M"], "val/loss": [2.1, 2.4]}))
        >>> runs["params"].tolist()
        [1400000000.0, 300000000.0]
        >>> runs.attrs["read"]
        'params <- Model Size, response <- val/loss; configuration: params; seed: none'
    """
    from ecgscale.contracts import Reading

    reading = Reading(roles=columns)
    read = read_any(table, reading)
    frame = read.frame.copy()
    frame.attrs |= {"read": read.columns.told(), "notices": list(read.columns.notices)}
    return frame


def fit(table: Path | str | pd.DataFrame, response: str | None = None, over: str | tuple[str, ...] | None = None,
        replicates: int = 300, seed: int = 1) -> FittedLaw:
    """The law of a table's response (default: its first score or loss) over the sizes `over`: the joint law of model
    size and samples where it has both, else the preferred one of its first size.

    `.fit` has estimates, intervals and verdict; `.predict(params=1e9)`, `.optimal(flops)` and `.sizes_for(loss)` answer
    with intervals. Raises UserError where no law can be asked.

        >>> law = ecgscale.fit(runs[runs["family"] == "resnet"], response="test_loss", over="train_records")
        >>> law.fit.verdict
        'identified'
    """
    from ecgscale import laws

    return laws.fit(table, response=response, over=(over,) if isinstance(over, str) else over, replicates=replicates,
                    seed=seed)


def frontier(runs: pd.DataFrame, cost: str = "forward_flops", target: str | None = None) -> pd.DataFrame:
    """The runs that no other beats in score and cost, the cheapest first: run_id, cost, score with its 95 % interval,
    and the probability that it belongs there.

    cost: one of `ecgscale.analysis.frontier.COSTS` that the table has. target: the score (default: the first that it
    has). Raises UserError for others.

        >>> best = ecgscale.frontier(runs, cost="params", target="test_auroc")
        >>> bool(best["score"].is_monotonic_increasing)
        True
    """
    from ecgscale.analysis.frontier import fronts

    runs, target = scored(runs, target)
    rows = fronts(runs, target=target, axes=(f"score~{cost}",))
    if rows.empty:
        raise UserError(f"no finished run has {cost} and {target}", field="cost",
                        remedy=f"The table has: {', '.join(runs)}")
    rows = rows[rows["group"].eq("all") & rows["on_front"]].sort_values("x")
    return rows[["run_id", "x", "y", "y_low", "y_high", "probability"]].set_axis(
        ["run_id", cost, "score", "low", "high", "probability"], axis=1).reset_index(drop=True)


def predict(runs: pd.DataFrame, asked: pd.DataFrame, target: str | None = None) -> pd.DataFrame:
    """The score of runs that were not trained, from their hyperparameters and sizes: prediction, low and high (90 %).

    asked: columns as those of `runs` that vary there. The model is the one of `analysis/beyond.py` (forest, law, law
    and trees, law and miss) that foretells the largest fifth of `runs` from the others best; `model` names it,
    `error` is how far it was off there. Raises UserError where runs are too few or a column is missing.

        >>> resnets = runs[runs["family"].eq("resnet") & runs["lr"].eq(0.01)]
        >>> large = resnets[resnets["params"] > 5e4]
        >>> told = ecgscale.predict(resnets.drop(large.index), large, target="test_auroc")
        >>> bool((told["low"] < told["prediction"]).all())
        True
    """
    from ecgscale.analysis.unseen import foretell

    runs, target = scored(runs, target)
    known = [str(name) if name in runs else understand(str(name)).role or str(name) for name in asked]
    return foretell(runs, asked.set_axis(known, axis=1), target)


def extrapolate(x: np.ndarray, y: np.ndarray, x_new: np.ndarray, level: float = 0.9) -> pd.DataFrame:
    """One curve y at sizes x continued to x_new, with the interval of a new measurement: x, y, low, high.

    Raises UserError for fewer than 5 points or 3 sizes and for values without a logarithm.

        >>> size = np.array([1e3, 3e3, 1e4, 3e4, 1e5])
        >>> ahead = ecgscale.extrapolate(size, 2.0 * size**-0.3, [1e6])
        >>> float(ahead["y"].round(3).iloc[0])
        0.032
    """
    from ecgscale import laws

    x, y, x_new = numbers(x, "x"), numbers(y, "y"), numbers(x_new, "x_new")
    made = laws.extrapolate(x, y, x_new, level=level)
    return pd.DataFrame({"x": x_new, "y": made.y, "low": made.low, "high": made.high})


def score(truth: pd.DataFrame, predictions: pd.DataFrame, labels: str | Path | None = None, replicates: int = 1000,
          valid: tuple[pd.DataFrame, pd.DataFrame] | None = None) -> pd.DataFrame:
    """Challenge score, AUROC, AUPRC, F1, calibration, ... with 95 % intervals, a row a metric and class.

    truth (0 and 1) and predictions (probabilities): indexed by record, columns named by class code, in any order.
    labels: a label set's name or folder (default: PhysioNet 2021). valid: truth and predictions of other recordings, to
    tune thresholds and recalibrate on. Raises UserError when recordings differ or a class is missing.

        >>> truth = pd.DataFrame(np.eye(5, dtype=int), columns=["NORM", "MI", "STTC", "CD", "HYP"])
        >>> rows = ecgscale.score(truth, truth.astype(float), labels="ptb-xl/superclasses", replicates=10)
        >>> float(rows[rows["metric"].eq("auroc") & rows["group"].eq("all")]["estimate"].iloc[0])
        1.0
    """
    from ecgscale.contracts.labels import read_label_set
    from ecgscale.evaluation import scoring

    for name, table in (("truth", truth), ("predictions", predictions)):
        if not isinstance(table, pd.DataFrame):
            raise UserError(f"{type(table).__name__} is no frame", field=name,
                            remedy="Give a pandas frame: a row a recording, by its name, and a column a class, by its "
                                   "code")
    return scoring.score(truth, predictions, read_label_set(labels), replicates, valid=valid)


def prepare(folder: Path | str, out: Path | str, *, source: str | None = None, dataset: str = "wfdb-headers",
            recipe: str = "study-100", labels: str | Path | None = None) -> pd.DataFrame:
    """Recordings below `folder` read, checked, filtered and collected in `out`: the table of those accepted.

    out/signals.npy holds (samples of all, leads) float16, out/rejects.csv says what was left out and why. source: its
    name, the first part of every record's (default: the folder's). Raises UserError where nothing can be read.
    """
    from ecgscale.contracts import RECORDS
    from ecgscale.design.study import Data
    from ecgscale.ecg.source import Source, prepare_source

    folder, out = Path(folder), Path(out)
    asked = Source(source or folder.resolve().name, folder, dataset)
    prepare_source(asked, "1/1", Data(recipe=recipe), labels, out)
    return RECORDS.read(out / "records.parquet")


def figure(law: FittedLaw) -> Figure:
    """A law of one size with its runs and its 90 % band: a matplotlib figure, to show or to save. Raises UserError for
    a law of several sizes."""
    from ecgscale.report.law_figure import draw_law

    return draw_law(law)


def scored(runs: pd.DataFrame, target: str | None) -> tuple[pd.DataFrame, str]:
    """The runs under our names, read where they were not yet, and the score to look at. Raises UserError for one that
    they do not have."""
    from ecgscale.tables.roles import score_of

    runs = runs if isinstance(runs, pd.DataFrame) and "run_id" in runs else read_runs(runs)
    if target is None:
        return runs, score_of(runs, "test_challenge_score")
    found = target if target in runs else understand(target).plain
    if found not in runs:
        raise UserError("no such column", field=target, remedy=f"There are: {', '.join(map(str, runs))}")
    return runs, found


def numbers(values: object, name: str) -> np.ndarray:
    """(point,) floats of what somebody has as a list, series or array. Raises UserError."""
    try:
        made = np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError):
        raise UserError("holds something that is no number", field=name, remedy="Give numbers, without gaps") from None
    if made.ndim > 1:
        raise UserError(f"has {made.ndim} dimensions, not one", field=name, remedy="Give one curve's points in a row")
    return made
