"""The next scale, from the runs so far: which family and network, what is foretold of it, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ecgscale.contracts.rounds import Stop
from ecgscale.contracts.run_table import configurations
from ecgscale.design.scale import Scale
from ecgscale.laws.answer import OF_SEVERAL
from ecgscale.laws.foresight import Foresight, foresee
from ecgscale.laws.forms import LAWS, Law
from ecgscale.laws.kriging import HALF_WIDTH
from ecgscale.laws.next_batch import batch_size, next_batch
from ecgscale.laws.uncertainty import LEVEL
from ecgscale.numbers import number, percent

SIZES = ("params", "train_records", "samples_seen")
LEVELS = 3          # different values of a size that a law of it needs
APART = 0.95        # correlation of log sizes from which two tell no separate effects
LEAST_STEP = 1 / 3  # of the largest step: a smaller one is no next scale
PRIOR = 2.0         # rounds that the law's own standard deviation counts as
DOUBT = 0.05        # probability of so few rounds inside, were the intervals right, below which they are not trusted


@dataclass(frozen=True)
class Family:
    """What the runs of one family tell. names: sizes of its law; seen: its runs, `y` the response; reason: why nothing
    can be foretold; remedy: what would change that."""

    name: str
    seen: pd.DataFrame
    names: tuple[str, ...] = ()
    told: Foresight | None = None
    reason: str = ""
    remedy: str = ""

    @property
    def law(self) -> Law:
        return LAWS[law_of(self.names)]

    def log_at(self, rungs: pd.DataFrame) -> np.ndarray:
        return np.log(rungs[list(self.names)].to_numpy(float).T)


@dataclass(frozen=True)
class NextScale:
    """rung: what is proposed, of the ladder, with `mean`, `law` and `sd` of log y; None with `stop` and `reason`.
    contenders: the best rung of each family, with a `note` on those that were passed over."""

    stop: Stop = ""
    reason: str = ""
    remedy: tuple[str, ...] = ()
    rung: pd.Series | None = None
    family: Family | None = None
    contenders: list[dict[str, Any]] = field(default_factory=list)


def law_of(names: tuple[str, ...]) -> str:
    return OF_SEVERAL.get(names, "floor")


def family_of(name: str, seen: pd.DataFrame) -> Family:
    """The law of the sizes that the family's runs tell apart, with its miss. seen: a row a run, sizes and `y`."""
    names, reason, remedy = sizes_told(seen)
    if reason:
        return Family(name, seen, names, reason=reason, remedy=remedy)
    told = foresee(LAWS[law_of(names)], np.log(seen[list(names)].to_numpy(float).T), np.log(seen["y"].to_numpy(float)),
                   configurations(seen))
    return Family(name, seen, names, told)


def sizes_told(seen: pd.DataFrame) -> tuple[tuple[str, ...], str, str]:
    """The sizes that a law can be of, or why there is none and what would make one. Where the runs do not tell the
    effects of recordings and of samples seen apart, recordings stand for both."""
    levels = {name: seen[name].nunique() for name in SIZES}
    if levels["params"] < LEVELS:
        return (), (f"its runs have {levels['params']} size{'s' * (levels['params'] != 1)} of network, and a law needs "
                    f"{LEVELS}"), f"train {LEVELS - levels['params']} more sizes of network"
    many = [name for name in SIZES if levels[name] >= LEVELS]
    for names in (SIZES, SIZES[:2], (SIZES[0], SIZES[2]), SIZES[:1]):
        places = len(seen[list(names)].drop_duplicates())
        if set(names) <= set(many) and apart(seen, names) and places > len(LAWS[law_of(names)].parameters):
            return names, "", ""
    lacking = len(LAWS["floor"].parameters) + 1 - levels["params"]
    return (), f"its runs have {levels['params']} sizes of network, and the floor's law needs more", (
        f"train {lacking} more size{'s' * (lacking != 1)} of network")


def apart(seen: pd.DataFrame, names: tuple[str, ...]) -> bool:
    """Whether no two of these sizes rise and fall together."""
    if len(names) == 1:
        return True
    between = np.corrcoef(np.log(seen[list(names)].drop_duplicates().to_numpy(float).T))
    return bool((np.abs(between[np.triu_indices(len(names), 1)]) < APART).all())


def next_scale(families: list[Family], rungs: pd.DataFrame, scale: Scale, errors: list[float],
               spent: float) -> NextScale:
    """families: those of the study; rungs: of their ladders (design.ladder.RUNGS), none of them trained; errors: of
    each round so far, found less foretold log y in foretold standard deviations; spent: FLOPs of these rounds."""
    inside = [abs(error) <= HALF_WIDTH for error in errors]
    distrust = not_as_foretold(inside)
    dearest = max(family.seen["train_flops"].max() for family in families)
    larger = rungs[rungs["train_flops"].between(dearest, scale.times * dearest, inclusive="right")]
    steps = larger[larger["train_flops"] >= LEAST_STEP * scale.times * dearest]
    steps = steps if len(steps) else larger
    left = (scale.train_flops - spent) / len(scale.seeds)
    paid = steps[steps["train_flops"] <= left]
    if not distrust and steps.empty:
        return NextScale("no larger network", f"no network of scale.models costs more than the dearest run "
                         f"({number(dearest)} FLOPs) and at most {scale.times:g} times as much",
                         ("name larger networks as scale.models, or raise scale.times",))
    if not distrust and paid.empty:
        return NextScale("budget", f"{len(scale.seeds)} seeds of the next scale cost "
                         f"{number(len(scale.seeds) * steps['train_flops'].min())} FLOPs, and "
                         f"{number(max(scale.train_flops - spent, 0.0))} of {number(scale.train_flops)} are left")
    wider = widening(errors)
    contenders = [contender(family, steps if distrust else paid, len(scale.seeds), wider) for family in families]
    chosen = [one for one in contenders if not one["note"]]
    if distrust or not chosen:
        reasons = [distrust] if distrust else [f"{one['family']}: {one['note']}" for one in contenders]
        remedies = [what_would_tell(family, one, rungs, dearest, left * len(scale.seeds))
                    for family, one in zip(families, contenders, strict=True)]
        return NextScale("not identifiable", "; ".join(reasons), tuple(filter(None, remedies)), contenders=contenders)
    best = min(chosen, key=lambda one: one["mean"])
    family = next(one for one in families if one.name == best["family"])
    stopped = floor_reached(family, best["rung"], scale)
    if stopped and inside and not inside[-1]:       # no floor rests on a law that has just failed
        return NextScale("not identifiable", f"round {len(inside)} fell outside its interval, and since then {stopped}",
                         tuple(filter(None, [what_would_tell(family, best, rungs, dearest, left * len(scale.seeds))])),
                         contenders=contenders)
    if stopped:
        return NextScale("floor", stopped, contenders=contenders)
    return NextScale(rung=best["rung"], family=family, contenders=contenders)


def widening(errors: list[float]) -> float:
    """By how much intervals are to be wider than the law tells: the root mean square of the rounds' errors, drawn to 1
    by as much as PRIOR rounds would. Never narrower: a few good rounds are no proof."""
    return float(np.sqrt(max(1.0, (PRIOR + np.sum(np.square(errors))) / (PRIOR + len(errors)))))


def not_as_foretold(inside: list[bool]) -> str:
    """Why the intervals are not to be trusted any more; "" while the rounds speak for them."""
    chance = float(stats.binom.cdf(sum(inside), len(inside), LEVEL))
    return "" if chance >= DOUBT else (
        f"{sum(inside)} of {len(inside)} rounds fell into their {percent(LEVEL)} intervals, which has a probability of "
        f"{number(chance, 1)} where intervals are right: the law breaks beyond the runs")


def contender(family: Family, rungs: pd.DataFrame, seeds: int, wider: float) -> dict[str, Any]:
    """The family's best rung: rung (with mean, law and sd of log y), mean, note (why it cannot be proposed, or "")."""
    own = allowed(family, rungs)
    if family.told is None or own.empty:
        return {"family": family.name, "rung": None, "mean": np.inf,
                "note": family.reason or "none of its networks lies in reach"}
    mean, law, sd = family.told.ahead(family.log_at(own), seeds)
    own = own.assign(mean=mean, law=wider * law, sd=wider * sd)
    rung = own.loc[own["mean"].idxmin()]
    low, high = np.exp(rung["mean"] + HALF_WIDTH * rung["law"] * np.array([-1, 1]))
    vague = 2 * HALF_WIDTH * rung["law"] > family.told.seen()
    return {"family": family.name, "rung": rung, "mean": rung["mean"], "note": (
        f"at {rung['model']} its law foretells {number(low)} to {number(high)}, as wide a range as all of its runs "
        "show"
        if vague else "")}


def allowed(family: Family, rungs: pd.DataFrame) -> pd.DataFrame:
    """The family's rungs that differ from what was trained in the sizes of its law alone: most recordings where the law
    knows nothing of recordings, as many epochs as were trained with so many of them where it knows nothing of samples.
    """
    own, seen = rungs[rungs["family"].eq(family.name)], family.seen
    if "train_records" not in family.names:
        own = own[own["train_records"].eq(seen["train_records"].max())]
    if "samples_seen" not in family.names:
        epochs = seen.assign(epochs=(seen["samples_seen"] / seen["train_records"]).round()).sort_values(
            ["train_records", "epochs"])
        usual = epochs.groupby("train_records")["epochs"].last()
        own = own[own["epochs"].eq(own["train_records"].map(usual).fillna(usual.iloc[-1]))]
    return own


def floor_reached(family: Family, rung: pd.Series, scale: Scale) -> str:
    """Why a larger scale is not worth a round, or ""."""
    gain, sd = family.told.gain(family.log_at(rung.to_frame().T))
    noise = family.told.resolved(len(scale.seeds))
    high, least = gain + HALF_WIDTH * sd, max(np.log1p(scale.gain), noise)
    return "" if high >= least else (
        f"{rung['model']} is foretold to lower the response by {percent(gain, 1)} "
        f"[{percent(gain - HALF_WIDTH * sd, 1)}, {percent(high, 1)}], "
        + (f"less than {len(scale.seeds)} seeds tell from noise ({percent(noise, 1)})" if least == noise else
           f"less than scale.gain asks for ({percent(scale.gain, 1)})"))


def what_would_tell(family: Family, contender: dict[str, Any], rungs: pd.DataFrame, dearest: float,
                    budget: float) -> str:
    """The runs, none dearer than those that are trained, that narrow the contender's interval most; "" where no place
    is known to be foretold."""
    if family.told is None:
        return f"{family.name}: {family.remedy}"
    own = allowed(family, rungs)
    own = own[own["train_flops"] <= dearest]
    if contender["rung"] is None or own.empty:
        return ""
    log_at = family.log_at(contender["rung"].to_frame().T)
    batch = next_batch(family.told.made, family.log_at(own), own["train_flops"].to_numpy(float), log_at, budget,
                       batch_size(len(family.seen)))
    if not batch.places:
        return ""
    named = ", ".join(f"{rung.model} with {rung.train_records} recordings for {rung.epochs} epochs"
                      for rung in own.iloc[batch.places].itertuples())
    now, then = HALF_WIDTH * batch.spread[0], HALF_WIDTH * batch.spread[-1]
    return (f"{family.name}: train {named}: the law is then known to {percent(then)} instead of {percent(now)} to each "
            "side there")
