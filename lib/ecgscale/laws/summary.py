"""The laws of a table in a few lines: rows used, roles of columns, one line a question, what to do next."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ecgscale.contracts import LawFit, Laws
from ecgscale.laws.allocation import POOLED, by_family
from ecgscale.laws.columns import AT_ONCE, told_rows
from ecgscale.laws.counted import told_shortfalls
from ecgscale.laws.forms import LAWS
from ecgscale.laws.layout import COMPUTE
from ecgscale.numbers import number, percent

LINES = 12          # of the table of laws
NEAR = 0.95         # of the largest exponent that is looked for: an interval above tells nothing
UNEVEN = 0.01       # p value of Spearman's correlation of a size and the errors' size, below which noise is uneven
HEAD = ("law", "of", "over", "runs", "n", "exponents with 90 % interval", "verdict")


def summary(laws: Laws) -> str:
    """What a person who fitted a table wants to know first."""
    fits = foremost(laws)
    parts = [*map(told_rows, laws.rows), f"read: {laws.columns.told()}" if laws.columns else ""]
    parts += [f"note: {notice}" for notice in laws.columns.notices] if laws.columns else []
    parts += [f"note: no {AT_ONCE}: {laws.disabled[AT_ONCE]}"] if AT_ONCE in laws.disabled else []
    if fits:
        parts += ["", *aligned([HEAD, *(line(fit) for fit in fits[:LINES])])]
        parts += [f"and {len(fits) - LINES} more in laws.csv"] if len(fits) > LINES else []
        parts += [f"note: {said}" for said in notes(fits[:LINES])]
    parts += ["", *told_answers(laws)]
    if not any(fit.verdict == "identified" for fit in fits):
        parts += ["", *(todo(laws, fits))]
    return "\n".join(part for part in parts if part is not None).strip("\n")


def line(fit: LawFit) -> tuple[str, ...]:
    told = "; ".join(f"{name} = {with_interval(fit, name)}" for name in exponents(fit))
    return (fit.law, fit.y, ", ".join(fit.x), fit.subset, str(fit.points), told or "-",
            fit.verdict + (f": {fit.reason}" if fit.reason else ""))


def foremost(laws: Laws) -> list[LawFit]:
    """The law that the data prefer for each question over all runs or the frontier, the headlines first."""
    told = [fit for fit in laws.fits if "=" not in fit.subset or fit.statistics.get("headline")]
    fits = [preferred([fit for fit in fits if fit.law != "average"] or fits) for fits in by_question(told)]
    return sorted(fits, key=lambda fit: (not fit.statistics.get("headline"), fit.verdict != "identified", -len(fit.x)))


def notes(fits: list[LawFit]) -> list[str]:
    """What to know of laws beside their verdict: what they pool, why the loss is not the squared one, on which run they
    hang most, whether the noise changes along the sizes, and which intervals like theirs were counted to fall short."""
    each = [f"{fit.law} of {fit.y} over {', '.join(fit.x)}, {fit.subset}: {said}"
            for fit in fits for said in said_of(fit)]
    counted = counted_by_place(fits) + counted_by_run(fits) + counted_alike(fits)
    return each + gone_along(fits) + counted + counted_too_narrow(fits)


def gone_along(fits: Iterable[LawFit]) -> list[str]:
    """Once a size: what the identified laws over it alone have in them of the other size of the table, which goes
    along with it in the runs, or matters as much as the identified law of both says."""
    both = {name: ", ".join(other for other in fit.x if other != name) for fit in fits
            if len(fit.x) > 1 and fit.verdict == "identified" for name in fit.x}
    told = []
    for fit in fits:
        if len(fit.x) > 1 or fit.verdict != "identified":
            continue
        size, along = fit.x[0], fit.statistics.get("goes_along")
        if along:
            others = ", ".join(f"{name} ({value:+.2f})" for name, value in along.items())
            told.append(f"laws over {size} alone: in these runs it goes along with {others} (correlation of logs), so "
                        "c holds what both do; the law of both sizes holds them apart")
        elif size in both:
            told.append(f"laws over {size} alone have what {both[size]} leaves in their floor or exponent; the law of "
                        "both sizes holds them apart")
    return list(dict.fromkeys(told))


def counted_by_place(fits: Iterable[LawFit]) -> list[str]:
    """A line a reason: the laws whose intervals count places of the sizes instead of runs (answer.counted_as)."""
    ours = [fit for fit in fits if fit.statistics.get("by_place")]
    told = []
    for why, found in (("another size varies too and does the same to all settings tried at one place",
                        [fit for fit in ours if fit.statistics.get("together_p") is None]),
                       ("runs at one place of the sizes miss the law together",
                        [fit for fit in ours if fit.statistics.get("together_p") is not None])):
        if found:
            laws = "; ".join(dict.fromkeys(", ".join(fit.x) for fit in found))
            places, runs = (sorted({count(fit) for fit in found}) for count in (lambda fit: fit.statistics["runs"],
                                                                                lambda fit: fit.points))
            told.append(f"laws over {laws}: {why}; intervals count places ({between(places)}) instead of runs "
                        f"({between(runs)})")
    return told


def counted_by_run(fits: Iterable[LawFit]) -> list[str]:
    """Where rows are checkpoints: how many runs the intervals count instead."""
    ours = [fit for fit in fits if fit.statistics.get("checkpoints")]
    if not ours:
        return []
    runs, rows = (sorted({count(fit) for fit in ours}) for count in (lambda fit: fit.statistics["runs"],
                                                                      lambda fit: fit.points))
    return [f"checkpoints of a run share its error; intervals count runs ({between(runs)}) instead of rows "
            f"({between(rows)})"]


def counted_alike(fits: Iterable[LawFit]) -> list[str]:
    """A line for what runs have in common that miss a law together: how many groups the intervals allow for."""
    told: dict[str, list[LawFit]] = {}
    for fit in fits:
        for name in fit.statistics.get("alike") or ():
            told.setdefault(name, []).append(fit)
    return [f"laws over {'; '.join(dict.fromkeys(', '.join(fit.x) for fit in ours))}: runs of "
            f"{'equal compute' if name == COMPUTE else f'one {name}'} miss the law together; intervals count these "
            f"({between(sorted({fit.statistics['alike'][name] for fit in ours}))}) where that is wider"
            for name, ours in told.items()]


def between(counts: list[int]) -> str:
    """ "26", or "26 to 70"."""
    return " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))


def counted_too_narrow(fits: Iterable[LawFit]) -> list[str]:
    """Once a law and number of runs: what intervals like theirs were counted to hold, where that is too little."""
    return list(dict.fromkeys(told_shortfalls(fit.law, fit.statistics["counted"]) for fit in fits
                              if fit.statistics.get("counted")))


def said_of(fit: LawFit) -> Iterable[str]:
    told = fit.statistics
    if told.get("pooled"):
        yield f"{told['pooled']}, each has its own law"
    if told.get("loss") == "huber":
        yield told["loss_reason"]
        for most in told["influential"][:1]:
            yield f"without run {most['run']} {most['exponent']} moves by {most['shift']:+.3g}"
    half = told.get("better_half")
    if half and fit.verdict == "identified":
        yield (f"in the better half of the runs (below {number(half['below'])}) {half['exponent']} is "
               f"{number(half['value'])} [{number(half['low'])}, {number(half['high'])}]: near the best runs the law "
               "may be another")
    if told.get("quantile") is None and (told.get("spread_trend_p") or 1.0) < UNEVEN:
        yield (f"errors {'grow' if told['spread_trend'] > 0 else 'shrink'} along {fit.x[0]} (p = "
               f"{number(told['spread_trend_p'], 1)}), which the intervals allow for")


def exponents(fit: LawFit) -> tuple[str, ...]:
    return LAWS[fit.law].exponents if fit.law in LAWS else ()


def with_interval(fit: LawFit, name: str) -> str:
    """ "0.35 [0.31, 0.39]"; a "?" where the data do not tell the value or an end, as where the search for one went to
    the largest value that is looked at."""
    value, ends = fit.estimates.get(name), fit.intervals.get(name, (None, None))
    most = next((one.high for one in LAWS[fit.law].parameters if one.name == name and one.high), np.inf)
    if all(end is not None and end > NEAR * most for end in ends):
        ends = (None, None)
    ends = [None if end is not None and end >= most else end for end in ends]
    return f"{known(value)} [{', '.join(map(known, ends))}]"


def known(value: float | None) -> str:
    return "?" if value is None else number(value)


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def todo(laws: Laws, fits: list[LawFit]) -> list[str]:
    """What would help: a design from the fitted noise, or what the table lacks."""
    if not fits:
        return ["no law could be asked:", *(f"  {what}: {why}" for what, why in laws.disabled.items()
                                            if what.startswith("law"))]
    told = [f"  {fit.law} of {fit.y}, {fit.subset}: {designs(fit)}" for fit in fits
            if fit.statistics.get("would_identify")]
    return ["no law is identified; from the noise around the fits,", *told[:LINES],
            *([f"  and {len(told) - LINES} more in laws.json"] if len(told) > LINES else [])] if told else [
        "no law is identified, and the fits tell no exponent to plan by: runs at larger and smaller sizes come first"]


def designs(fit: LawFit) -> str:
    """ "40 runs with params from 1e5 to 1e8, or 20 with params to 1.6e9, would do"; places instead of runs where these
    are what intervals count."""
    told, what = [], "places" if fit.statistics.get("by_place") else "runs"
    for design in fit.statistics["would_identify"]:
        ranges = " and ".join(f"{name} from {known(low)} to {known(high)}" for name, low, high in
                              zip(fit.x, design["low"], design["high"], strict=True))
        told.append(f"{design['runs']} {what} with {ranges}")
    as_here = " with as many runs at each as here" if what == "places" else ""
    return f"{', or '.join(told)}, evenly spaced in logs{as_here}, would identify it"


def told_answers(laws: Laws) -> list[str]:
    """What was asked by name, or why it has no answer, and the best sizes for each budget of the laws over all runs."""
    told = [f"{what}: {why}" for what, why in laws.disabled.items() if what.startswith("budget of")]
    told += helped(laws) if told and not laws.allocation else []
    for row in (row | {"note": with_pooled(laws, row["of"], row)} for row in laws.answers):
        if row["asked"] == "sizes for y":
            sizes = ", ".join(f"{name} {ended(row, name)}" for name in ("params", "samples", "flops"))
            told.append(f"cheapest for {row['of']} {known(row['y'])} ({of_which(row)}): {sizes}{noted(row)}")
        else:
            place = ", ".join(f"{name} {known(row[name])}" for name in row["over"])
            alone = f", the equation alone {known(row['law_y'])}" if row["law_y"] != row["y"] else ""
            told.append(f"{row['of']} at {place}: {ended(row, 'y')}, a new run in [{known(row['run_low'])}, "
                        f"{known(row['run_high'])}] ({of_which(row)}{alone}){noted(row)}")
    rows = [row | {"note": with_pooled(laws, row["y_column"], row)} for row in laws.allocation
            if row["subset"] in POOLED]
    for row in {(row["y_column"], row["subset"]): row for row in rows if "size_exponent" in row}.values():
        told.append(f"best sizes grow as C^a and C^b, a = {ended(row, 'size_exponent')}, "
                    f"b = {ended(row, 'samples_exponent')} ({row['y_column']}, {of_which(row)})")
    for row in rows:
        price = "; " + ", ".join(f"{name} the size costs {known(off['budget_ratio'])} x" for name, off in
                                 row["off_by_2"].items()) if "off_by_2" in row else ""
        told.append(f"best for {row['budget']} ({row['y_column']}, {of_which(row)}): {best_sizes_of(row)}"
                    f"{price}{noted(row)}")
    return told + best_families(laws)


def best_sizes_of(row: dict) -> str:
    """ "params 3 M [2 M, 4 M], samples 9 M [8 M, 9.9 M], 3 [2, 4] a parameter, test_loss 0.2 [0.19, 0.22]"."""
    return (f"params {ended(row, 'params')}, samples {ended(row, 'samples')}, {ended(row, 'samples_per_param')} a "
            f"parameter, {row['y_column']} {ended(row, 'y')}")


def best_families(laws: Laws) -> list[str]:
    """A line a budget: the family whose best size is foretold best, in how many draws, and the others' response."""
    told = []
    for (budget, _, law), (best, *others) in by_family(laws.allocation).items():
        rivals = ", ".join(f"{row['subset'].partition('=')[2]} {ended(row, 'y')}" for row in others)
        told.append(f"best family for {budget}, {law} laws: {best['subset'].partition('=')[2]} in "
                    f"{percent(best['probability_best'])} of the draws, {best_sizes_of(best)}; {rivals}{noted(best)}")
    return told


def with_pooled(laws: Laws, response: str, row: dict) -> str:
    """The row's note, and "families differ (p = 0.001)" of an answer by a law that pools such families."""
    pooled = next((fit.statistics["pooled"] for fit in laws.fits if fit.statistics.get("pooled")
                   and (fit.law, fit.y, fit.subset) == (row["law"], response, row["subset"])), "")
    return "; ".join(filter(None, (row["note"], pooled)))


def of_which(row: dict) -> str:
    """ "joint", "joint of the frontier", or "joint of family=vit"."""
    subset = row.get("subset", "all")
    return row["law"] + {"all": "", "frontier": " of the frontier"}.get(subset, f" of {subset}")


def helped(laws: Laws) -> list[str]:
    """What runs would identify the law that budgets need, where a fit of it tells."""
    pairs = [fit for fit in laws.fits if fit.law == "joint" and fit.subset == "all"
             and fit.statistics.get("would_identify")]
    return [f"  joint of {fit.y}: {designs(fit)}" for fit in pairs]


def ended(row: dict, name: str) -> str:
    return f"{known(row[name])} [{known(row.get(f'{name}_low'))}, {known(row.get(f'{name}_high'))}]"


def noted(row: dict) -> str:
    return f" ({row['note']})" if row.get("note") else ""


def by_question(fits: Iterable[LawFit]) -> list[list[LawFit]]:
    """The fits of one response of one subset over the same sizes together, in the order of the table."""
    asked: dict[tuple, list[LawFit]] = {}
    for fit in fits:
        asked.setdefault((fit.y, fit.x, fit.subset), []).append(fit)
    return list(asked.values())


def preferred(fits: list[LawFit]) -> LawFit:
    """Of one question: an identified law before the others, then the one of the largest information weight."""
    return max(fits, key=lambda fit: (fit.verdict == "identified", fit.statistics.get("weight") or 0))
