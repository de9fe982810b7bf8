"""One question of a run table answered: every law of one response over its sizes, with intervals and verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from ecgscale.contracts import LawFit
from ecgscale.laws.columns import Response
from ecgscale.laws.counted import shortfalls
from ecgscale.laws.fit import Fit, diagnostics, finite, fit_law, information_weights, with_huber
from ecgscale.laws.forms import CURVES, LAWS, Law
from ecgscale.laws.heldout import held_out_errors, moved_in_better_half
from ecgscale.laws.layout import Layout
from ecgscale.laws.next_runs import would_identify
from ecgscale.laws.noise import noise_weights
from ecgscale.laws.profile import Profile, profile
from ecgscale.laws.robust import choose_loss, influential
from ecgscale.laws.together import Together, erring, of_whole_runs, together
from ecgscale.laws.uncertainty import LEVEL, Bootstrap, bootstrap, cluster_numbers
from ecgscale.laws.verdict import PRECISION, RUNS, SIMPLER, SUPPORTED, WORTH, added_p, effect_p, why_not

UNIQUE = ("params", "train_records")        # stands for samples seen in a table that counts no others
OF_SEVERAL = {("params", "samples_seen"): "joint", UNIQUE: "joint",
              ("params", "train_records", "samples_seen"): "multi_epoch"}
BAND = 9        # sizes at which the band of a curve is told
OF_FRONTIERS = ("power", "floor", "shifted")    # a tenth of the runs tells no breaks
AHEAD = (1.0, 2.0, 4.0, 10.0)       # sizes at which the average predicts, in units of the largest size


@dataclass(frozen=True)
class Question:
    """One subset of runs, one response, and the sizes that may explain it."""

    subset: str
    x: tuple[str, ...]
    response: Response
    rows: np.ndarray             # (run,) positions in the table
    quantile: float | None = None       # share of the runs better than the law, of the frontier; None: of all runs


@dataclass(frozen=True)
class Answer:
    """What was fitted to a question, as the contract has it and as it can be computed with, by law."""

    question: Question
    fits: list[LawFit]
    boots: dict[str, Bootstrap]
    profiles: dict[str, Profile]
    clusters: np.ndarray         # (run,) numbers of what the profiles count

    def identified(self, law: str) -> bool:
        return any(fit.law == law and fit.verdict == "identified" for fit in self.fits)


Asking = Callable[[list[tuple]], list[Answer]]      # answers to arguments of `answer`, here or in processes


def answer(question: Question, sizes: list[np.ndarray], clusters: np.ndarray, replicates: int, seed: int,
           alpha: float, laws: tuple[str, ...] = CURVES, runs: np.ndarray | None = None,
           huber: float | None = None, layout: Layout | None = None) -> Answer:
    """The laws that the runs of one question support, each with intervals and verdict, and for a single size the
    average of all, whose weights name the others.

    sizes: one (run,) array a size, of the question's rows; clusters (run,): runs of one configuration share a number;
    alpha: the p value that "no effect" needs, by the number of questions asked; laws: of a single size; runs (run,):
    their names, for those that exponents hang on; huber: the threshold on log y that is asked for; layout: which of the
    runs may err together, and what varies beside the sizes.
    """
    y, layout = question.response.y[question.rows], layout or Layout()
    clusters = cluster_numbers(len(y), clusters)
    laws = (laws if question.quantile is None else OF_FRONTIERS) if len(sizes) == 1 else (OF_SEVERAL[question.x],)
    names = [name for name in laws if len(LAWS[name].parameters) + 3 <= len(y)]
    weighting = noise_weights(np.log(y), clusters)
    squared = {name: fit_law(name, *sizes, y=y, weights=weighting, given=known(LAWS[name], question.response, y))
               for name in names}
    loss = choose_loss(list(squared.values()), huber, question.quantile)
    fits = {name: loss.lead(fit) for name, fit in squared.items()}
    plain = loss.lead(fit_law("constant", sizes[0], y=y, weights=weighting))
    beside = {name: {other: added_p(fits[name], np.log(values), clusters) for other, values in layout.others.items()}
              for name in fits}
    clusters, by_place, shared = counted_as([*fits.values()], clusters, layout)
    checkpoints = layout.whole is not None
    if shared and (by_place or checkpoints):
        fits, plain = {name: shared.counting(fit) for name, fit in fits.items()}, shared.counting(plain)
    alike = {} if checkpoints else erring([*fits.values()], layout.alike)
    if alike:
        fits = {name: replace(fit, crossed=(*alike.values(),)) for name, fit in fits.items()}
    places = clusters if by_place or checkpoints else None
    drawn, missed = next(iter(alike.values()), clusters), next(iter(alike.values()), places)
    weights = dict(zip(fits, information_weights([*fits.values(), plain])[:-1], strict=True))
    effect = effect_p(fits, np.log(sizes), np.log(y), clusters)
    ahead = np.log(np.max(sizes[0]) * np.array(AHEAD))[None] if len(sizes) == 1 else None
    told_of = [name for name in names if rival_weight(name, weights) >= SUPPORTED and needed(name, fits)]
    boots = {name: bootstrap(fits[name], replicates, seed, drawn) for name in told_of
             if question.quantile is None or len(sizes) > 1}
    profiles = {name: made for name, fit in fits.items() if (made := profile(fit, ahead, clusters)) is not None}
    errors = held_out_errors(names, sizes, y, missed) if question.quantile is None else {}
    moved = {name: moved_in_better_half(fits[name], loss, clusters) for name in told_of if len(sizes) > 1}
    least, what = 0 if by_place and shared else RUNS, "places" if by_place else "runs"      # of places from 5 on
    reasons = {name: why_not(fit, clusters, profiles.get(name), effect, alpha, rival_weight(name, weights),
                             fits.get(SIMPLER.get(name)), errors.get(name), least, what, moved.get(name), beside[name])
               for name, fit in fits.items() if name in told_of}
    told = {"effect_p": effect, "effect_p_needed": alpha, "runs": int(clusters.max()) + 1, "by_place": by_place,
            "together_p": shared.p if shared else None, "checkpoints": checkpoints,
            "alike": {name: int(groups.max()) + 1 for name, groups in alike.items()},
            "weighted_by": "noise between seeds" if weighting is not None else None,
            "loss": loss.name, "loss_reason": loss.reason, "huber_delta": loss.delta, "quantile": question.quantile}
    runs = np.arange(len(y)).astype(str) if runs is None else runs
    out = [describe(question, fits[name], boots.get(name), profiles.get(name), reasons[name].text,
                    told | {"weight": float(weights[name]), "held_out": errors.get(name),
                            "better_half": moved.get(name),
                            "would_identify": would_identify(fits[name], PRECISION, places)
                            if reasons[name].text and reasons[name].runs_help else [],
                            "band": None if reasons[name].text or len(sizes) > 1 else band(fits[name], clusters),
                            "losses": side_by_side(squared[name], fits[name], profiles.get(name), clusters),
                            "influential": [{"run": str(runs[one.pop("point")])} | one
                                            for one in influential(fits[name])]}) for name in told_of]
    if profiles and ahead is not None:
        out.append(average(question, profiles, weights, np.exp(ahead[0]), errors.get("average")))
    return Answer(question, out, boots, profiles, clusters)


def counted_as(fits: list[Fit], clusters: np.ndarray, layout: Layout) -> tuple[np.ndarray, bool, Together | None]:
    """(run,) numbers of what the intervals count; whether that is places of the sizes; how runs of a place miss the law
    together, where that was asked. Configurations are counted, or whole runs where rows are checkpoints of them
    (`whole`), which share the run's error, or places where another size does the same to all runs of a place
    (`observations`), or where they evidently miss the law together.
    """
    if layout.whole is not None:
        runs = cluster_numbers(len(clusters), layout.whole)
        return runs, False, of_whole_runs(fits, runs, layout.moments) if fits else None
    observations = cluster_numbers(len(clusters), layout.observations)
    if observations.max() < clusters.max():
        return observations, True, None
    found = together(fits, clusters)
    return (found.places, True, found) if found and found.evident else (clusters, False, found)


def band(fit: Fit, clusters: np.ndarray) -> dict[str, list[float | None]] | None:
    """90 % profile intervals of the curve at BAND sizes over its runs. Those of its covariance hold it half as often
    where noise grows along the size (docs/explanation/coverage-drawn.md). None where the law has no profile."""
    at = np.linspace(fit.log_x.min(), fit.log_x.max(), BAND)
    made = profile(fit, at[None], clusters)
    return None if made is None else {name: list(map(finite, np.exp(values))) for name, values in (
        ("x", at), ("low", made.curve[:, 0]), ("high", made.curve[:, 1]))}


def side_by_side(squared: Fit, lead: Fit, made: Profile | None, clusters: np.ndarray) -> dict[str, dict]:
    """Estimates by the squared and by Huber's loss, with the intervals of the one that leads, and of both where that is
    Huber's. Nothing for a frontier, which is neither's."""
    if lead.quantile is not None:
        return {}
    both = {"squared": (squared, made if lead.delta is None else profile(squared, clusters=clusters)),
            "huber": (with_huber(squared) if lead.delta is None else lead, None if lead.delta is None else made)}
    return {name: {"estimates": {one: finite(value) for one, value in fit.values.items()},
                   "intervals": {one: list(map(finite, pair))
                                 for one, pair in (ends.parameters() if ends else {}).items()}}
            for name, (fit, ends) in both.items()}


def known(law: Law, response: Response, y: np.ndarray) -> dict[str, float]:
    """The ceiling at random guessing, where the response has one and no run lies above it."""
    has = "L0" in law.names and response.ceiling is not None and y.max() < response.ceiling
    return {"L0": response.ceiling} if has else {}


def needed(name: str, fits: dict[str, Fit]) -> bool:
    """Whether no simpler form that was fitted too follows the runs as well."""
    simpler = fits.get(SIMPLER.get(name, ""))
    own = fits[name].aicc       # endless where places are fewer than parameters
    return simpler is None or (np.isfinite(own) and simpler.aicc - own >= WORTH)


def rival_weight(name: str, weights: dict[str, float]) -> float:
    """The law's information weight over that of the best law of the same runs."""
    best = max(weights.values())
    return weights[name] / best if best > 0 else 1.0


def described(question: Question, **values: Any) -> LawFit:
    return LawFit(subset=question.subset, x=question.x, y=question.response.name, points=len(question.rows),
                  level=LEVEL, **values)


def describe(question: Question, fit: Fit, boot: Bootstrap | None, made: Profile | None, reason: str,
             told: dict[str, Any]) -> LawFit:
    """One law as the contract has it. An exponent that the data do not tell is null; its interval stays."""
    names = fit.law.names
    hidden = set(fit.law.exponents) if reason else set()
    covariance = natural_covariance(fit)
    percentiles, intervals = (
        {name: tuple(map(finite, pair)) for name, pair in (ends.parameters() if ends else {}).items()}
        for ends in (boot, made))
    return described(
        question, law=fit.law.name, formula=fit.law.formula,
        verdict="not identifiable" if reason else "identified", reason=reason,
        estimates={name: None if name in hidden else finite(fit.values[name]) for name in names},
        errors=dict(zip(names, map(finite, np.sqrt(np.diag(covariance))), strict=True)),
        intervals=intervals, bootstrap=percentiles,
        covariance=[[finite(value) for value in row] for row in covariance],
        statistics=diagnostics(fit) | told | {
            "aicc": finite(fit.aicc),
            "huber": {name: told["losses"]["huber"]["estimates"][name] for name in fit.law.exponents if told["losses"]},
            "at_bound": [name for name, at in zip(names, fit.at_bound, strict=True) if at],
            "counted": shortfalls(fit.law.name, fit.points, any(np.ptp(size) == 0 for size in fit.log_x),
                                  "runs" if fit.quantile is None else "frontier"),
            "source": fit.law.source, "x_low": [float(np.exp(size.min())) for size in fit.log_x],
            "x_high": [float(np.exp(size.max())) for size in fit.log_x],
        })


def natural_covariance(fit: Fit) -> np.ndarray:
    """Covariance of the natural values, to first order."""
    logs = np.array([parameter.log for parameter in fit.law.parameters])
    rate = np.where(logs, fit.law.natural(fit.theta), 1.0)
    return fit.covariance * rate * rate[:, None]


def average(question: Question, profiles: dict[str, Profile], weights: dict[str, float], at: np.ndarray,
            held_out: dict | None) -> LawFit:
    """Prediction averaged over forms by information weight, in logs, with the spread between forms in its interval.

    The prediction is weighted by AICc, its interval by AIC, which leaves more to laws of many parameters: with AICc
    intervals from 8 runs held the truth in 69-88 %, with AIC in 89-93 %, while predictions got worse
    (docs/explanation/coverage-drawn.md). The interval is extended to the prediction where that lies outside, and ends
    at the largest value that the response can have.
    """
    most = np.log(question.response.most)
    names = list(profiles)
    share = np.array([weights[name] for name in names])
    share = share / share.sum() if share.sum() > 0 else np.full(len(names), 1 / len(names))
    spread = information_weights([one.fit for one in profiles.values()], corrected=False)
    curves = np.array([one.fit.law.log_curve(one.fit.theta, one.log_at)[0] for one in profiles.values()])
    tails = {"curve": np.array([one.curve for one in profiles.values()]),           # (law, point, 2)
             "run": np.array([one.new_run() for one in profiles.values()])}
    predictions = []
    for i, place in enumerate(at):
        center = float(share @ curves[:, i])
        row = {"x": float(place), "y": float(np.exp(min(center, most)))}
        for kind, ends in tails.items():
            low, high = mixed(curves[:, i], *ends[:, i].T, spread)
            low, high = min(low, center, most), min(max(high, center), most)
            with np.errstate(over="ignore"):        # an end beyond any number is none
                row |= {f"{kind}_low": finite(np.exp(low)), f"{kind}_high": finite(np.exp(high))}
        predictions.append(row)
    return described(question, law="average", formula="weighted geometric mean of the laws", verdict="identified",
                     estimates={}, statistics={"counted": shortfalls("average", len(question.rows)),
                                               "weights": dict(zip(names, share.tolist(), strict=True)),
                                               "interval_weights": dict(zip(names, spread.tolist(), strict=True)),
                                               "predictions": predictions, "held_out": held_out})


def mixed(center: np.ndarray, low: np.ndarray, high: np.ndarray, share: np.ndarray) -> tuple[float, float]:
    """Interval of an average: the ends beyond which the forms' tails, weighted, hold what LEVEL leaves out.

    Model-averaged tail area (Turek and Fletcher 2012, doi:10.1016/j.csda.2012.03.002), each tail normal with the width
    of its form's own side. A form without an end on one side has half of its share there: it makes the average's end
    infinite only if that is more than the tail.
    """
    tail = (1 - LEVEL) / 2

    def end(center: np.ndarray, width: np.ndarray) -> float:
        endless = ~np.isfinite(width)
        if share[endless].sum() / 2 >= tail:
            return np.inf
        scale = np.maximum(np.where(endless, 0.0, width), 1e-12) / -ndtri(tail)

        def beyond(place: float) -> float:
            return float(share @ np.where(endless, 0.5, ndtr((center - place) / scale))) - tail

        reach = (center + 40 * scale)[~endless]
        return float(brentq(beyond, center.min() - 1, reach.max() + 1))

    return -end(-center, center - low), end(center, high - center)
