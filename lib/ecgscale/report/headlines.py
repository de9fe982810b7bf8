"""What was asked and what came out: one answer a question, with its interval, n and protocol."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ecgscale.analysis.beyond import PROCESS
from ecgscale.analysis.deployable import promised
from ecgscale.analysis.findings import FEWEST
from ecgscale.analysis.frontier import configuration_points
from ecgscale.analysis.pairs import optimizer_pairs
from ecgscale.contracts import LawFit
from ecgscale.contracts.run_table import on_part
from ecgscale.laws.allocation import LARGEST, by_family
from ecgscale.laws.summary import by_question, preferred
from ecgscale.numbers import counted, number
from ecgscale.report.analysis_tables import HYPERVOLUME, exponents, runs_of, sizes
from ecgscale.report.figures import quantity
from ecgscale.report.inputs import Inputs
from ecgscale.report.latency_figures import setting
from ecgscale.report.predictor_figures import statistic
from ecgscale.report.style import interval, label, network


@dataclass(frozen=True)
class Headline:
    question: str
    answer: str
    detail: str


def headlines(inputs: Inputs) -> list[Headline]:
    """The answers that these inputs can give."""
    asked = (size, best, optimizer, family, laws, rounds, largest, predictor, latency)
    return [made for ask in asked if (made := ask(inputs))]


def spoken(answers: list[Headline]) -> str:
    """For a terminal: a line each, beginning with what was asked."""
    return "\n".join(f"{one.question} {one.answer}" for one in answers) + "\n"


def size(inputs: Inputs) -> Headline:
    counts = inputs.runs["status"].value_counts() if "status" in inputs.runs else pd.Series({"rows": len(inputs.runs)})
    planned = f"{inputs.plan.runs} planned; " if inputs.plan else ""
    return Headline("How many runs is this?", f"{len(inputs.runs)} runs",
                    planned + ", ".join(f"{count} {name}" for name, count in counts.items()) + ".")


def best(inputs: Inputs) -> Headline | None:
    """The model chosen on validation, scored on test."""
    run, target = best_run(inputs), inputs.target
    if run is None:
        return None
    low = run.get(f"{target}_low")
    chance = ""
    if "challenge" in target and low is not None and pd.notna(low):
        chance = ("Clearly" if low > 0 else "Not clearly") + " above the classifier that always says sinus rhythm (0). "
    n = f", {inputs.split.counts['test']} recordings" if inputs.split and "test" in inputs.split.counts else ""
    chosen = f"Chosen on the validation part, scored once on the test part{n}" if chosen_by(inputs) != target else \
        "Chosen by the same score that is reported, so it is flattered"
    certainty = "95 % interval over recordings" if pd.notna(low) else "no interval: the table has none"
    named = network(run) if "family" in run or not network(run) else f"{run['run_id']}, {network(run)}"
    return Headline(
        "Which model is best, and how good?", f"{named or run['run_id']}: "
        f"{interval(run[target], low, run.get(f'{target}_high'))}{over_seeds(inputs, run)}",
        f"{label(target)}, run {run['run_id']}. {chance}{chosen}; {certainty}.")


def over_seeds(inputs: Inputs, run: pd.Series) -> str:
    """What the budgets tell of the run's configuration, where repeats tell how much a seed moves the score: another
    training of it is not this model. "" without an interval over recordings."""
    if "run_id" not in run or pd.isna(run.get(f"{inputs.target}_low")):
        return ""
    for one in configuration_points(inputs.scored, inputs.target).itertuples():
        if run["run_id"] in one.members and one.between > 0 and pd.notna(one.y_low):
            return f"; over seeds, too: {interval(one.y, one.y_low, one.y_high)}"
    return ""


def chosen_by(inputs: Inputs) -> str:
    """The column that chooses the best model: the target on validation, for choosing on test would flatter it."""
    valid = on_part(inputs.target, "validation")
    return valid if valid in inputs.scored and inputs.scored[valid].notna().any() else inputs.target


def best_run(inputs: Inputs) -> pd.Series | None:
    return None if inputs.scored.empty else inputs.scored.loc[inputs.scored[chosen_by(inputs)].idxmax()]


def optimizer(inputs: Inputs) -> Headline | None:
    """By fronts where each optimizer has configurations enough, else by pairs of runs that differ in nothing else."""
    rows = inputs.frontier
    rows = rows[rows["axes"].eq("score~forward_flops") & rows["group"].str.startswith("optimizer=")]
    if not {*HYPERVOLUME} <= {*rows} or rows["group"].nunique() < 2:
        return None
    fewest = rows.groupby("group").size().min()
    rows = rows.drop_duplicates("group").sort_values("hypervolume", ascending=False)
    first, second = rows.iloc[0], rows.iloc[1]
    apart = pd.notna(first["hypervolume_low"]) and first["hypervolume_low"] > second["hypervolume_high"]
    volumes = ", ".join(f"{label(row.group)} {interval(row.hypervolume, row.hypervolume_low, row.hypervolume_high)}"
                        for row in rows.itertuples())
    published = "Published order: AdamW > SGD-momentum > SGD, at untuned learning rates."
    if fewest >= FEWEST:
        return Headline("Which optimizer has the best front?", label(first["group"]) if apart else "not told apart",
                        f"Hypervolume of score against forward FLOPs: {volumes}. {published}")
    pairs = optimizer_pairs(inputs.runs, inputs.target)
    caution = f"For fronts, as few as {fewest} configurations of an optimizer are too few, {FEWEST} would do."
    if pairs.empty:
        return Headline("Which optimizer has the best front?", "too few runs to tell",
                        f"{caution} Hypervolume of score against forward FLOPs: {volumes}. {published}")
    gains = "; ".join(f"{label(row.better)} over {label(row.worse)} by {interval(row.gain, row.low, row.high)} "
                      f"(n = {row.pairs})" for row in pairs.itertuples())
    best = pairs["better"].iloc[0]
    ahead = pairs[pairs["better"].eq(best)]
    sure = len(ahead) == len(set(pairs["better"]) | set(pairs["worse"])) - 1 and (ahead["low"] > 0).all()
    return Headline(
        "Which optimizer is best, all else equal?", label(best) if sure else "not told apart",
        f"{label(inputs.target)}, each at the best of its rates by validation, 95 % by Student's t over n pairs "
        f"of runs that differ in nothing else: {gains}. {caution} {published}")


def family(inputs: Inputs) -> Headline | None:
    """The family whose best size each budget would go to, where families have laws of size and samples of their own."""
    found = by_family(inputs.laws.allocation) if inputs.laws else {}
    first = next(iter(found), None)
    told = [(key[0], *rows) for key, rows in found.items() if key[1:] == first[1:]]
    if not told:
        return None
    won: dict[str, list[str]] = {}
    for budget, best, *_ in told:
        won.setdefault(label(best["subset"]), []).append(budget)
    budget, best, *others = next((one for one in told if one[0] == LARGEST), told[0])
    values = ", ".join(f"{label(one['subset'])} {interval(one['y'], one['y_low'], one['y_high'])}"
                       for one in (best, *others))
    return Headline(
        "Which family for a budget of training?", "; ".join(f"{name} for {', '.join(of)}" for name, of in won.items()),
        f"Each at its best size by its own {best['law']} law. For {budget}'s FLOPs ({number(best['budget_flops'])}) "
        f"{number(best['params'])} parameters of {label(best['subset'])}, best in {best['probability_best']:.2f} of "
        f"the draws; {quantity(best['y_column'])}, 90 %: {values}.")


def laws(inputs: Inputs) -> Headline | None:
    if inputs.laws is None:
        return None
    fits = [fit for fit in inputs.laws.fits if fit.law != "average"]
    found = [fit for fit in fits if fit.verdict == "identified"]
    # of the same runs, a law of several sizes first: that of one lumps the others together
    told = sorted(map(preferred, by_question(found)),
                  key=lambda fit: (not fit.statistics.get("headline"), -fit.points, -len(fit.x)))[:3]
    if not told:
        return Headline("Is there a scaling law in these runs?",
                        f"none of {len(fits)} fits identified" if fits else "nothing to fit",
                        "The data cannot tell the laws' parameters: more runs, or a wider range of sizes, would.")
    first, *others = told
    more = "; ".join(f"with {sizes(fit)} {exponents(fit)}" if (fit.y, fit.subset) == (first.y, first.subset)
                     else equation(fit) for fit in others)
    return Headline("Is there a scaling law in these runs?", equation(first),
                    f"{first.law.capitalize()} law, n = {first.points}, 90 % interval. {len(found)} of {len(fits)} "
                    f"fits are identified{more and ', among them '}{more}.")


def equation(fit: LawFit) -> str:
    """ "1 − Challenge score ∝ training FLOPs^−c, c = 0.19 [0.15, 0.23] (RegNet)", where one exponent tells it."""
    y, of = quantity(fit.y).replace(" (test)", ""), "" if fit.subset == "all" else f" ({runs_of(fit)})"
    told = exponents(fit)
    if len(fit.x) == 1 and told.startswith("c = "):
        joined = f" ∝ {sizes(fit)}^−c," if fit.law == "power" else f" falls with {sizes(fit)},"
        return f"{y}{joined} {told}{of}"
    return f"{y} over {sizes(fit)}: {told}{of}"


def rounds(inputs: Inputs) -> Headline | None:
    """What was foretold of larger scales, and what became of it."""
    if inputs.decision is None:
        return None
    one, rows = inputs.decision, inputs.rounds
    ahead = rows[rows["found"].isna() & rows["inside"].isna()].head(1)
    following = "".join(
        f"round {row.round}: {row.model} ({row.seeds} seeds), {label(row.response)} foretold "
        f"{interval(row.foretold, row.low, row.high, number)}; the same command again trains it"
        for row in ahead.itertuples()) if one.go_on else f"stop, {one.stop}: {one.reason}"
    judged = f"{one.inside} of {one.judged} rounds inside their intervals; " if one.judged else ""
    return Headline("Does the next scale come out as foretold?", judged + following,
                    f"{number(one.spent)} of {number(one.budget)} FLOPs spent. {'; '.join(one.remedy)}".strip())


def largest(inputs: Inputs) -> Headline | None:
    """Whether the dearest runs came out as the others foretold by a law."""
    results = inputs.predictor.results if inputs.predictor else ()
    asked = {(entry["model"], entry["statistic"]): entry for entry in results
             if entry["scheme"] == "largest held out" and entry["group"] == "all"}
    told, error, width = (asked.get((PROCESS, name)) for name in ("inside_90", "rmse", "width_90"))
    if told is None or error is None or width is None:
        return None
    forest = asked.get(("random forest", "rmse"))
    return Headline(
        "Do the smaller runs foretell the largest?",
        f"{round(told['estimate'] * told['n'])} of {told['n']} inside their 90 % interval, error "
        f"{number(error['estimate'])}",
        f"{quantity(inputs.predictor.target)} of the dearest fifth of the runs, by each family's law of the others "
        f"with a Gaussian process for what it misses; half of the intervals are {number(width['estimate'])} wide or "
        "more."
        + (f" Random forest: error {number(forest['estimate'])}." if forest else ""))


def predictor(inputs: Inputs) -> Headline | None:
    asked = "random forest", "grouped 3-fold", "pearson"
    pooled, within = (statistic(inputs, *asked, group) for group in ("all", "within"))
    if pooled == "–":
        return None
    warning = f"{inputs.predictor.warning}. " if inputs.predictor.warning else ""
    return Headline("Do hyperparameters predict the score?",
                    "too few runs to tell" if warning else
                    f"r = {pooled}" if within == "–" else f"r = {within} within optimizers",
                    f"{warning}Pooled r = {pooled}. Random forest, three folds by architecture, "
                    f"n = {inputs.predictor.runs}. Published: 0.94, pooled.")


def latency(inputs: Inputs) -> Headline | None:
    rows, _ = promised(inputs.latency, "p50")
    if rows.empty:
        return None
    run = best_run(inputs)
    of_best = rows[rows["run_id"].eq(str(run["run_id"]))] if run is not None else rows.iloc[:0]
    which = "How fast does the best model run here?" if len(of_best) else "How fast do the measured models run here?"
    rows = of_best if len(of_best) else rows
    best = rows.loc[rows["p50_ms"].idxmin()]
    return Headline(which,
                    interval(best["p50_ms"], best["p50_low_ms"], best["p50_high_ms"], number) + " ms",
                    f"Fastest median of one window: {best['model']}, {setting(best)}, "
                    f"{counted(best['threads'], 'thread')}, {best['count']} timed calls; "
                    f"{number(best['per_recording_ms'])} ms for a 10-second recording.")
