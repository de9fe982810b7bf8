"""Tables of the analysis: findings, laws, fronts, predictor, beside the published values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from ecgscale.analysis.findings import front_order
from ecgscale.analysis.frontier import COSTS
from ecgscale.contracts import LawFit
from ecgscale.laws import LAWS
from ecgscale.laws.summary import LINES, by_question, foremost, preferred
from ecgscale.numbers import number
from ecgscale.report.figures import quantity
from ecgscale.report.inputs import Inputs
from ecgscale.report.possible import possible
from ecgscale.report.predictor_figures import published
from ecgscale.report.style import interval, label
from ecgscale.report.tables import DataTable, class_names, table

BY_GROUP = ("source=", "class=")
FAR = 100       # times the estimate


def findings(inputs: Inputs) -> DataTable | None:
    """The study's findings, asked of this table."""
    made = list(inputs.predictor.claims) if inputs.predictor else []
    if len(inputs.frontier):
        made.insert(0, front_order(inputs.frontier))
    return table("The study's findings, asked of these runs", {
        "finding": False, "here": False, "evidence (95 %)": False, "published": False},
        [(one["claim"], one["verdict"], one["evidence"], one["published"]) for one in made])


def law_answers(inputs: Inputs) -> DataTable | None:
    """One row a question: the law that the data prefer, its exponents, and what the average predicts."""
    made = inputs.laws.fits if inputs.laws else ()
    rows = []
    for fits in by_question(fit for fit in made if not fit.subset.startswith(BY_GROUP)):
        average = next((fit for fit in fits if fit.law == "average"), None)
        best = preferred([fit for fit in fits if fit.law != "average"] or fits)
        ahead = (average.statistics.get("predictions") or [{}])[-1] if average else {}
        rows.append((quantity(best.y), sizes(best), label(best.subset), best.points, best.verdict, best.law,
                     exponents(best), foretold(best.y, ahead), best.reason))
    return table("Laws, one row a question: the preferred form and its exponents (90 % profile likelihood)", {
        "of": False, "over": False, "runs": False, "n": True, "verdict": False, "form": False, "exponents": False,
        "at 10 × the largest": True, "why not": False}, rows)


def laws_that_stand(inputs: Inputs) -> DataTable | None:
    """The identified laws of what is asked first: of all runs, of the frontier, and the headlines of families."""
    made = [fit for fit in (foremost(inputs.laws) if inputs.laws else ())
            if fit.verdict == "identified" and fit.law != "average"]
    made = [fit for fit in made if fit.y == made[0].y]
    found = table("Laws that these runs identify (90 % profile likelihood)", {
        "of": False, "falls with": False, "runs": False, "n": True, "exponents": False, "form": False},
        [(quantity(fit.y), sizes(fit), runs_of(fit), fit.points, exponents(fit), fit.law) for fit in made])
    return found and replace(found, shown=LINES * 2)


def runs_of(fit: LawFit) -> str:
    return group_of(fit.subset)


def group_of(subset: str) -> str:
    """ "family=regnet, frontier" -> "RegNet, frontier"."""
    return ", ".join(map(label, subset.split(", ")))


def foretold(y: str, ahead: dict) -> str:
    """A prediction within what its quantity can be. An end very far off is none: the runs do not tell where it is."""
    if ahead.get("run_low") is None or ahead.get("run_high") is None:
        return interval(ahead.get("y"), None, None, number)
    lowest, highest = possible(y)
    high = min(ahead["run_high"], highest)
    return interval(ahead["y"], max(ahead["run_low"], lowest), high if high < FAR * ahead["y"] else np.inf, number)


def sizes(fit: LawFit) -> str:
    """ "parameters, samples seen"."""
    return ", ".join(map(label, fit.x)).replace("_", " ")


def exponents(fit: LawFit) -> str:
    """ "c = 0.12 [0.10, 0.14]", each exponent of a law that the runs tell."""
    return estimates(fit, LAWS[fit.law].exponents if fit.law in LAWS else fit.estimates)


def estimates(fit: LawFit, names: Iterable[str]) -> str:
    told = [(name, fit.estimates.get(name)) for name in names]
    return "; ".join(f"{name} = {interval(value, *fit.intervals.get(name, (None, None)), number)}"
                     for name, value in told if value is not None and np.isfinite(value)) or "–"


def laws_by_group(inputs: Inputs) -> DataTable | None:
    """Exponent of each source and class, and how it differs from that of their mean: errors 1 - AUROC, power laws."""
    made = [fit for fit in (inputs.laws.fits if inputs.laws else ())
            if fit.law == "power" and fit.subset.startswith(BY_GROUP)]
    compared = {(row["groups"][0], tuple(row["x"])): row for row in inputs.laws.differences} if made else {}
    names = {f"class={code}": name for code, name in class_names().items()}
    rows = []
    for fit in made:
        row = compared.get((fit.subset, fit.x), {})
        rows.append((names.get(fit.subset) or label(fit.subset), sizes(fit), fit.points,
                     interval(fit.estimates["c"], *fit.intervals.get("c", (None, None)), number),
                     interval(row.get("estimate"), row.get("low"), row.get("high"), number),
                     "yes" if row.get("differs") else "no" if row else "–", fit.reason))
    return table("Power laws of 1 − AUROC by source and class, and the exponent less that of their mean, run by run "
                 "(90 %; “differs” allows for the number of groups)", {
        "of": False, "over": False, "n": True, "exponent": True, "difference": True, "differs": False,
        "why not": False}, rows)


def laws(inputs: Inputs) -> DataTable | None:
    rows = []
    for fit in inputs.laws.fits if inputs.laws else ():
        rows.append((fit.verdict, fit.law, fit.formula, f"{fit.y} over {', '.join(fit.x)}", fit.subset, fit.points,
                     estimates(fit, fit.estimates), fit.reason))
    return table("Every fitted law: estimates with 90 % profile-likelihood intervals", {
        "verdict": False, "law": False, "formula": False, "of": False, "runs": False, "n": True, "estimates": False,
        "why": False}, rows)


def differences(inputs: Inputs, apart: tuple[str, ...]) -> DataTable | None:
    """The exponents of two groups of runs, but for groups that begin with `apart`: those have tables of their own."""
    found = [one for one in (inputs.laws.differences if inputs.laws else ()) if not one["groups"][0].startswith(apart)]
    return table("Do the exponents of two groups differ? First less second (90 %)", {
        "of": False, "over": False, "law": False, "exponent": False, "first": False, "second": False,
        "difference": True, "differ": False},
        [(quantity(one["y"]), " and ".join(map(quantity, one["x"])), one["law"], one["exponent"],
          *map(group_of, one["groups"]), interval(one["estimate"], one["low"], one["high"], number),
          "yes" if one["differs"] else "no") for one in found])


def crossings(inputs: Inputs) -> DataTable | None:
    """Where two groups' laws meet: which is better below and above, and whether runs were there."""
    rows = []
    for entry in inputs.laws.crossings if inputs.laws else ():
        first, then = sorted(entry["groups"], key=lambda group, first=entry["first"]: group != first)
        ends = ", ".join("open" if entry[end] is None else number(entry[end]) for end in ("low", "high"))
        met = entry["estimate"] is not None
        rows.append((quantity(entry["y"]), quantity(entry["x"][0]), entry["law"], group_of(first), group_of(then),
                     f"{number(entry['estimate'])} [{ends}]" if met else "–",
                     "not seen to meet" if not met else "within the runs" if entry["within"] else "beyond the runs"))
    return table("From where on is another group better? Where their laws meet (90 % intervals)", {
        "of": False, "size": False, "law": False, "better below": False, "better above": False, "they meet at": True,
        "place": False}, rows)


def fronts(inputs: Inputs) -> DataTable | None:
    """The members of every front over all runs, cheapest first."""
    rows = inputs.frontier
    rows = rows[rows["group"].eq("all") & rows["on_front"].eq(True)]
    made = []
    for axes in dict.fromkeys(rows["axes"]):
        costs = [COSTS[cost] for cost in axes.split("~")[1].split(",")]
        for row in rows[rows["axes"].eq(axes)].sort_values("x").itertuples():
            spent = zip((row.x, getattr(row, "z", None)), costs, strict=False)
            made.append((" and ".join(cost.title for cost in costs), row.run_id,
                         ", ".join(f"{number(value)} {cost.unit}".strip() for value, cost in spent),
                         interval(row.y, getattr(row, "y_low", None), getattr(row, "y_high", None)),
                         "unknown" if np.isnan(row.probability) else f"{row.probability:.2f}",
                         getattr(row, "seeds", "–"), found if isinstance(found := getattr(row, "setting", None), str)
                         else "–"))
    found = table("Members of the fronts over all runs", {
        "cost": False, "run": False, "it costs": True, "score": True, "probability of the front": True, "seeds": True,
        "setting": False}, made)
    return found and replace(found, shown=0)


HYPERVOLUME = ("hypervolume", "hypervolume_low", "hypervolume_high")    # which an older table lacks


def hypervolumes(inputs: Inputs) -> DataTable | None:
    rows = inputs.frontier
    if not {*HYPERVOLUME} <= {*rows}:
        return None
    rows = rows[rows["group"].ne("published")].drop_duplicates(["axes", "group"])
    return table("Hypervolume of each front: larger is better; compare within one row of axes only", {
        "axes": False, "group": False, "hypervolume (score × decades)": True},
        [(row.axes.replace("~", " against "), label(row.group),
          interval(row.hypervolume, row.hypervolume_low, row.hypervolume_high)) for row in rows.itertuples()])


STATISTICS = {"pearson_fold_mean": "Pearson r, mean over folds (as published)", "pearson": "Pearson r",
              "kendall": "Kendall τ", "rmse": "RMSE", "rmse_over_group_mean": "RMSE over that of the group's mean",
              "rmse_over_seed_noise": "RMSE over seed noise", "seed_noise": "seed noise (standard deviation)",
              "recording_error": "standard error over recordings", "inside_90": "inside the 90 % interval",
              "width_90": "width of the 90 % interval (median)"}
BEYOND = ("largest held out", "newest held out", "family held out", "source held out")


def predictor(inputs: Inputs) -> DataTable | None:
    """Every statistic over all runs and within groups: a row a model and scheme."""
    found = {(entry["model"], entry["scheme"], entry["statistic"], entry["group"]): entry
             for entry in (inputs.predictor.results if inputs.predictor else ())}
    asked = (("pearson_fold_mean", "all"), ("pearson", "all"), ("pearson", "within"), ("kendall", "all"),
             ("kendall", "within"), ("rmse", "all"), ("rmse_over_group_mean", "all"), ("rmse_over_seed_noise", "all"))
    keys = dict.fromkeys((model, scheme) for model, scheme, _, _ in found if model and scheme not in BEYOND)
    asked = [one for one in asked if any((*key, *one) in found for key in keys)]
    rows = [(*key, *(told(found.get((*key, *one))) for one in asked)) for key in keys]
    heads = {f"{STATISTICS[name]}, {'pooled' if group == 'all' else 'within groups'}": True for name, group in asked}
    return table("How well hyperparameters predict the score (95 % intervals over architectures)",
                 {"model": False, "cross-validation": False} | heads, rows)


def beyond(inputs: Inputs) -> DataTable | None:
    """How well larger runs, or another family's, are told: a row a scheme and model, the best first."""
    found = {(entry["scheme"], entry["model"], entry["statistic"]): entry
             for entry in (inputs.predictor.results if inputs.predictor else ())
             if entry["scheme"] in BEYOND and entry["group"] == "all"}
    keys = sorted({key[:2] for key in found}, key=lambda key: (BEYOND.index(key[0]), found[*key, "rmse"]["estimate"]))
    return table("Scores of runs unlike those that were learned from (95 % intervals over architectures)", {
        "held out": False, "model": False, "n": True} | {
            STATISTICS[name]: True for name in ("rmse", "pearson", "inside_90", "width_90")},
        [(*key, found[*key, "rmse"]["n"], *(told(found.get((*key, name))) for name in (
            "rmse", "pearson", "inside_90", "width_90"))) for key in keys])


def told(entry: dict | None) -> str:
    return "–" if entry is None else interval(entry["estimate"], entry["low"], entry["high"])


def predictor_results(inputs: Inputs) -> DataTable | None:
    results = inputs.predictor.results if inputs.predictor else []
    return table("Every statistic of the predictor, by group", {
        "model": False, "cross-validation": False, "statistic": False, "runs": False, "value": True, "n": True},
        [(entry["model"] or "–", entry["scheme"] or "–", STATISTICS.get(entry["statistic"], entry["statistic"]),
          {"all": "all, pooled", "within": "within groups"}.get(entry["group"], label(entry["group"])),
          told(entry), entry["n"]) for entry in results])


def importance(inputs: Inputs) -> DataTable | None:
    frame = inputs.importance.sort_values(["group", "model", "measure", "estimate"],
                                          ascending=[True, True, True, False])
    return table("Importance of every hyperparameter (95 % intervals)", {
        "runs": False, "model": False, "measure": False, "hyperparameter": False, "importance": True,
        "Spearman ρ": True, "note": False},
        [(label(row.group), row.model, row.measure, row.feature, interval(row.estimate, row.low, row.high),
          "–" if np.isnan(row.spearman) else f"{row.spearman:+.2f}", row.note or "") for row in frame.itertuples()])


def published_findings(figure: int, caption: str) -> DataTable | None:
    rows = published(figure)
    counted = pd.to_numeric(rows["value"], errors="coerce").notna().all()
    return table(caption, {"quantity": False, "of": False, "value": counted, "unit": False, "grade": False,
                           "note": False},
                 [(row.quantity.replace("_", " "), label(row.group), row.value, row.unit, row.grade,
                   "" if pd.isna(row.note) else row.note) for row in rows.itertuples()], ours=False)
