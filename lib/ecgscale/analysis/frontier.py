"""Pareto fronts of score against cost: which models nothing else beats, and how sure that is.

A point is a configuration: runs that differ only in the seed count as one, at their mean (a maximum over seeds would be
optimistic). A point is on the front when no other is at least as good on every axis and better on one.

The probability of membership is a parametric bootstrap of the scores: normal errors with the standard error over the
recordings (from the table's interval) and the pooled standard deviation between seeds. Models are scored on the same
recordings and share much of that error; how much, paired differences tell. Without them the errors are drawn
independently, and the probabilities are cautious: drawn towards each other. Costs are counted and carry no error;
latencies carry theirs.

Hypervolume: the volume between the front and a reference point: score zero, and ten times the table's highest cost,
with costs in decades (log10). Larger is better; only fronts of one table compare (Zitzler & Thiele, IEEE TEC 1999).
Its interval is that of the drawn fronts, moved to the estimate: error lifts every drawn front, the observed one has
it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import FRONTIER
from ecgscale.contracts.run_table import SCORES, Z95, configurations, finished, recording_deviation, seed_deviation
from ecgscale.errors import UserError
from ecgscale.machine.compiled import compiled
from ecgscale.paths import ASSETS


@dataclass(frozen=True)
class Cost:
    """An axis to be kept small: its column in the points, its unit, what it is."""

    column: str
    unit: str
    title: str


COSTS = {
    "forward_flops": Cost("forward_flops", "FLOPs", "forward FLOPs of one window"),
    "params": Cost("params", "", "parameters"),
    "train_flops": Cost("train_flops", "FLOPs", "training FLOPs"),
    "train_memory": Cost("peak_memory_bytes", "bytes", "peak memory of training"),
    "train_energy": Cost("energy_joules", "J", "energy of training"),
    "latency": Cost("latency", "ms", "median latency of one window"),
    "memory": Cost("memory", "bytes", "peak memory of inference"),
    "energy": Cost("energy", "J", "energy of one inference"),
}
MEASURED = ("latency", "memory", "energy")  # made from LATENCY; the others are columns of RUNS
OF_POINT = ("run_id", "family", "optimizer", "y", "y_low", "y_high", "deviation", "seeds")  # what a front tells of it
DEFAULT_AXES = (
    "score~forward_flops", "score~params", "score~train_flops", "score~latency", "score~memory", "score~energy",
    "score~train_memory", "score~train_energy", "score~params,latency", "score~forward_flops,train_flops",
)


def fronts(runs: pd.DataFrame, latency: pd.DataFrame | None = None, bootstrap: int = 300, seed: int = 0,
           target: str = "test_challenge_score", axes: tuple[str, ...] = DEFAULT_AXES,
           differences: pd.DataFrame | None = None) -> pd.DataFrame:
    """Every point of a run table on each pair or triple of axes, per optimizer and over all (FRONTIER).

    `axes` are "score~cost" or "score~cost,cost" with the names of COSTS; axes without data give no rows. On the axes of
    latency x is that of the fastest setting of a run, and a group per runtime and device is added. The published points
    stand in the group "published": their score is on another scale. `differences` (DIFFERENCES) tells how much of the
    recordings' error the models share.
    """
    points = configuration_points(finished(runs, target), target)
    if points.empty:
        return FRONTIER.empty()
    random = np.random.default_rng(seed)
    scores = draw(points, bootstrap, random, shared_error(runs, target, differences))
    settings = latency_settings(latency)
    parts = []
    for name in axes:
        costs = parse(name)
        located = locate(points, settings, costs)
        if located is None:
            continue
        reference = 10 * located[[COSTS[cost].column for cost in costs]].max().to_numpy(float)
        for group, chosen in groups(located):
            parts.append(front_rows(name, group, chosen, costs, reference, scores, random))
        parts.append(published_rows(name, costs) if target in SCORES else FRONTIER.empty())
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else FRONTIER.empty()


def parse(axes: str, file: Path | None = None) -> list[str]:
    """ "score~params,latency" -> ["params", "latency"]. Raises UserError, of the file where one is named."""
    first, _, rest = str(axes).partition("~")
    costs = rest.split(",")
    if first != "score" or not 1 <= len(costs) <= 2 or any(cost not in COSTS for cost in costs):
        raise UserError(f"no such axes: {str(axes)[:80]!r}", file=file, field="axes",
                        remedy=f"Write score~cost or score~cost,cost with costs from {', '.join(COSTS)}")
    return costs


def configuration_points(runs: pd.DataFrame, target: str) -> pd.DataFrame:
    """One row a configuration: run_id of its first run, y the mean score, `deviation` its standard error or NaN."""
    number = configurations(runs)
    noise, _ = seed_deviation(runs[target].to_numpy(float), number)
    runs = runs.assign(y=runs[target].astype(float), recordings=recording_deviation(runs, target), number=number)
    by = runs.groupby("number", sort=False)
    points = runs.drop_duplicates("number").set_index("number")
    points = points.assign(y=by["y"].mean(), seeds=by.size(), members=by["run_id"].agg(list))
    recordings = by["recordings"].mean()  # the seeds share the recordings: their mean has the same error
    unknown = noise is not None and recordings.isna().all()
    points["recordings"] = recordings.fillna(0.0) if unknown else recordings
    points["between"] = 0.0 if noise is None else noise / np.sqrt(points["seeds"])
    points["deviation"] = np.hypot(points["recordings"], points["between"])
    for name, sign in (("low", -1), ("high", 1)):  # the table's own interval, widened by what seeds add
        end = runs[f"{target}_{name}"] if f"{target}_{name}" in runs else runs["y"] + sign * Z95 * runs["recordings"]
        reach = ((end - runs["y"]).abs()).groupby(number).mean().fillna(0.0 if unknown else np.nan)
        points[f"y_{name}"] = points["y"] + sign * np.hypot(reach, Z95 * points["between"])
    return points.reset_index(drop=True)


def shared_error(runs: pd.DataFrame, target: str, differences: pd.DataFrame | None) -> float:
    """Correlation of the recordings' errors of two models, from paired differences: their median; 0 where unknown.

    Var(a - b) = Var(a) + Var(b) - 2 Cov(a, b), with the single errors of the run table.
    """
    if differences is None:
        return 0.0
    error = pd.Series(recording_deviation(runs, target), index=runs["run_id"])
    rows = differences[differences["run_id"].ne(differences["reference"])
                       & ("test_" + differences["metric"]).eq(target)]
    one, other = (rows[name].map(error).to_numpy(float) for name in ("run_id", "reference"))
    paired = ((rows["high"] - rows["low"]) / (2 * Z95)).to_numpy(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (one ** 2 + other ** 2 - paired ** 2) / (2 * one * other)
    correlation = correlation[np.isfinite(correlation)]
    return float(np.clip(np.median(correlation), 0.0, 1.0)) if len(correlation) else 0.0


def locate(points: pd.DataFrame, settings: pd.DataFrame | None, costs: list[str]) -> pd.DataFrame | None:
    """The points that have these costs, `place` telling which point; a row a setting where a cost is measured.

    None where the tables have no such data.
    """
    points = points.assign(place=np.arange(len(points)), setting=None)
    columns = [COSTS[cost].column for cost in costs]
    if set(costs) & set(MEASURED):
        if settings is None:
            return None
        place = points.explode("members").set_index("members")["place"]
        measured = settings[["runtime", "device", "setting", "latency_deviation", *MEASURED]].assign(
            place=settings["run_id"].map(place[~place.index.duplicated()]))
        told = ["place", *OF_POINT, *(name for name in columns if name not in MEASURED)]  # a row has many settings
        points = points[[name for name in told if name in points]].merge(measured, on="place")
    if not set(columns) <= set(points):
        return None
    points = points[(points[columns].astype(float) > 0).all(axis=1)]
    return points if len(points) else None


def draw(points: pd.DataFrame, count: int, random: np.random.Generator, shared: float = 0.0) -> np.ndarray:
    """(count, point) scores with normal errors, `shared` the correlation of those of the recordings; NaN if unknown."""
    values, recordings, between = (points[name].to_numpy(float) for name in ("y", "recordings", "between"))
    common, own, seeds = (random.standard_normal((count, n)) for n in (1, len(values), len(values)))
    return values + recordings * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own) + between * seeds


def latency_settings(latency: pd.DataFrame | None) -> pd.DataFrame | None:
    """One row a run, machine, runtime, device and option: medians over repeats. None when nothing was measured.

    Only single windows count, and only what ran where it was asked to run, at 16 bits or more and within its margin of
    score: the score belongs to the network as it was trained, and an 8-bit copy has another one.
    """
    if latency is None or latency.empty:
        return None
    lossy = latency.get("artefact_status", pd.Series(index=latency.index, dtype=object)).eq("beyond-margin")
    keys = ["run_id", "machine", "runtime", "device", "option"]
    kept = latency.loc[latency["status"].eq("ok") & latency["scenario"].eq("single") & ~latency["fallback"].eq(True)
                       & ~lossy & latency["p50_ms"].notna()
                       & ~latency["ran_precision"].fillna("").str.contains("int8|i8|u8")
                       & ~latency["option"].fillna("").str.contains("int8"),
                       [*keys, "p50_ms", "p50_low_ms", "p50_high_ms", "peak_memory_bytes", "energy_joules"]]
    if kept.empty:
        return None
    kept = kept.assign(low=kept["p50_low_ms"].fillna(kept["p50_ms"]), high=kept["p50_high_ms"].fillna(kept["p50_ms"]))
    medians = kept.groupby(keys, dropna=False).agg(
        latency=("p50_ms", "median"), low=("low", "median"), high=("high", "median"),
        memory=("peak_memory_bytes", "median"), energy=("energy_joules", "median")).reset_index()
    medians["latency_deviation"] = (medians["high"] - medians["low"]) / (2 * Z95)
    option = medians["option"].fillna("")
    medians["setting"] = (medians["runtime"] + " on " + medians["device"] + " of " + medians["machine"]
                          + option.where(option.eq(""), " (" + option + ")"))
    return medians


def groups(located: pd.DataFrame):
    """(name, points) of each group: all, each optimizer, each runtime on each device where a cost is measured, and each
    family where there are several."""
    best = fastest(located)
    yield "all", best
    for optimizer, chosen in best.groupby("optimizer") if "optimizer" in best else ():
        yield f"optimizer={optimizer}", chosen
    if located["setting"].notna().any():
        for (runtime, device), chosen in located.groupby(["runtime", "device"]):
            yield f"runtime={runtime},device={device}", fastest(chosen)
    for family, chosen in best.groupby("family") if "family" in best and len(set(best["family"].dropna())) > 1 else ():
        yield f"family={family}", chosen


def fastest(located: pd.DataFrame) -> pd.DataFrame:
    """One row a point: that of the setting with the lowest latency, where there are several."""
    if located["setting"].isna().all():
        return located
    return located.sort_values(["place", "latency", "setting"]).drop_duplicates("place")


def front_rows(axes: str, group: str, points: pd.DataFrame, costs: list[str], reference: np.ndarray,
               scores: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    """The FRONTIER rows of one group on one set of axes. `scores`: (draw, all points)."""
    columns = [COSTS[cost].column for cost in costs]
    cost = points[columns].to_numpy(float)
    score = points["y"].to_numpy(float)
    deviation = points["deviation"].to_numpy(float)
    on = on_front(score, cost)
    rows = pd.DataFrame({
        "axes": axes, "group": group, "run_id": points["run_id"].to_numpy(), "x": cost[:, 0], "y": score,
        "probability": np.nan, "on_front": on,
        "z": cost[:, 1] if len(costs) > 1 else np.nan,
        "y_low": points["y_low"].to_numpy(float), "y_high": points["y_high"].to_numpy(float),
        "seeds": points["seeds"].to_numpy(), "setting": points["setting"].to_numpy(),
        "hypervolume": hypervolume(score[on], cost[on], reference),
        "hypervolume_low": np.nan, "hypervolume_high": np.nan,
    })
    if not np.isfinite(deviation).all() or len(scores) < 2:
        return rows
    drawn = scores[:, points["place"].to_numpy()]
    drawn_costs = draw_costs(points, costs, cost, len(scores), random)
    members = np.array([on_front(y, c) for y, c in zip(drawn, drawn_costs, strict=True)])
    volumes = np.array([hypervolume(y[on], c[on], reference)
                        for y, c, on in zip(drawn, drawn_costs, members, strict=True)])
    rows["probability"] = members.mean(axis=0)
    low, high = np.percentile(volumes - volumes.mean(), [2.5, 97.5])
    rows["hypervolume_low"] = (rows["hypervolume"] + low).clip(lower=0.0)
    rows["hypervolume_high"] = rows["hypervolume"] + high
    return rows


def draw_costs(points: pd.DataFrame, costs: list[str], cost: np.ndarray, count: int, random: np.random.Generator):
    """(draw, point, cost): latencies with their error, everything else as counted."""
    drawn = np.broadcast_to(cost, (count, *cost.shape))
    if "latency" in costs:
        drawn, place = drawn.copy(), costs.index("latency")
        noise = random.standard_normal((count, len(points))) * points["latency_deviation"].to_numpy(float)
        drawn[:, :, place] = np.maximum(drawn[:, :, place] + noise, np.finfo(float).tiny)
    return drawn


def on_front(score: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """(point,) bool: not dominated. `score` (point,) is to be large, `cost` (point, axis) small. Ties both stay."""
    values = np.column_stack([-score, cost]).astype(float)
    order = np.lexsort(values.T[::-1])  # best score first, then lowest cost: nothing dominates what stands before it
    member = np.empty(len(values), dtype=bool)
    member[order] = undominated(values[order])
    return member


@compiled
def undominated(values):
    """(point,) bool of values (point, axis), all to be small and in lexicographic order. Whatever dominates a point
    stands before it, and is on the front or dominated by what is."""
    member, front, size = np.ones(len(values), np.bool_), np.empty(len(values), np.int64), 0
    for i in range(len(values)):
        for j in front[:size]:
            no_worse, better = True, False
            for axis in range(values.shape[1]):
                no_worse = no_worse and values[j, axis] <= values[i, axis]
                better = better or values[j, axis] < values[i, axis]
            if no_worse and better:
                member[i] = False
                break
        if member[i]:
            front[size] = i
            size += 1
    return member


def hypervolume(score: np.ndarray, cost: np.ndarray, reference: np.ndarray) -> float:
    """Volume dominated by the points up to score 0 and the cost `reference`: score times decades of each cost. Those of
    the front say all of it."""
    gain = np.column_stack([score, np.log10(reference / cost)])
    return slices(gain[(gain > 0).all(axis=1)])


def slices(gain: np.ndarray) -> float:
    """Volume of the union of boxes from the origin to each row, by slicing along the last axis."""
    if gain.shape[1] == 1:
        return float(gain.max(initial=0.0))
    order = gain[np.argsort(-gain[:, -1], kind="stable")]
    depth = order[:, -1] - np.append(order[1:, -1], 0.0)
    if gain.shape[1] == 2:
        return float((np.maximum.accumulate(order[:, 0]) * depth).sum()) if len(order) else 0.0
    return sum(float(step) * slices(order[: rank + 1, :-1]) for rank, step in enumerate(depth) if step > 0)


def published_networks() -> pd.DataFrame:
    """The published networks whose parameters and FLOPs were recomputed (assets/published/networks.csv)."""
    return pd.read_csv(ASSETS / "published" / "networks.csv")


def published_rows(axes: str, costs: list[str]) -> pd.DataFrame:
    """The published points on these axes, where their cost is known. No interval was published."""
    networks = published_networks()
    if not set(costs) <= set(networks):
        return FRONTIER.empty()
    cost, score = networks[costs].to_numpy(float), networks["score"].to_numpy(float)
    return pd.DataFrame({
        "axes": axes, "group": "published", "run_id": "published-" + networks["optimizer"],
        "x": cost[:, 0], "y": score, "probability": np.nan, "on_front": on_front(score, cost),
        "z": cost[:, 1] if len(costs) > 1 else np.nan, "seeds": 1,
    })
