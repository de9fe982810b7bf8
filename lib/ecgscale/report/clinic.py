"""For a cardiologist: what the chosen model finds and misses, by diagnosis and person, and recordings to judge it by.

Everything is what EVALUATE measured on the test part; nothing is measured here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd

from ecgscale.contracts.labels import read_label_set
from ecgscale.evaluation.shares import wilson
from ecgscale.numbers import number, percent
from ecgscale.report import ecg_paper
from ecgscale.report.charts import Chart, View, axis, layered
from ecgscale.report.headlines import best_run
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import COLOURS, interval
from ecgscale.report.tables import DataTable, table

TUNED = "tuned"
MEASURES = {"sensitivity": (TUNED, "recall"), "specificity": (TUNED, "specificity"), "AUROC": ("", "auroc"),
            "AUPRC": ("", "auprc")}
GROUPS = {"sex": "sex", "age": "age (years)", "source": "source"}
OPEN = 60               # classes up to which the table is not folded away
SIGNALS_SHOWN = ("This page shows signals of single recordings with age and sex. Before it goes to others, ask "
                 "whether they may see them; evaluation.examples: 0 in the study leaves them out.")
KINDS = {"right": "Surely right", "wrong": "Surely wrong", "least sure": "Least sure"}


def words(inputs: Inputs) -> list[str]:
    """Which model, on what, and how often it overlooks what must not be overlooked."""
    rows = test_rows(inputs)
    if rows.empty:
        return []
    whole = rows[rows["group"].eq("all")]
    told = [f"Run {rows['run_id'].iloc[0]}, the best on validation, on the {int(whole['n'].max())} recordings of the "
            "test part. Sensitivity and specificity are at thresholds that validation tuned for each class; intervals "
            "are 95 %, patients drawn with replacement."]
    missed = value(whole, TUNED, "critical_miss_rate")
    if missed is not None and pd.notna(missed.estimate):
        codes = [one.abbreviation for one in inputs.examples.classes if one.critical] if inputs.examples else []
        told.append("Of the recordings with a critical diagnosis" + (f" ({', '.join(codes)})" if codes else "")
                    + f", {missed_share(missed)} had one overlooked.")
    return told


def notices(inputs: Inputs) -> list[str]:
    found = []
    best, rows = best_run(inputs), test_rows(inputs)
    if best is not None and len(rows) and "run_id" in best and str(best["run_id"]) != rows["run_id"].iloc[0]:
        found.append(f"The answers above are of another run, {best['run_id']}: the study's target chose it.")
    if inputs.examples and inputs.examples.reason:
        found.append(f"No recordings to look at: {inputs.examples.reason}.")
    if inputs.examples and inputs.examples.recordings and not inputs.examples.synthetic:
        found.append(SIGNALS_SHOWN)
    return found


def test_rows(inputs: Inputs) -> pd.DataFrame:
    """METRICS of the test part. Where a class's recordings were all found or none, drawing them again finds the same:
    Wilson's interval stands there, which knows how few they are."""
    rows = inputs.chosen[inputs.chosen["part"].eq("test")].copy()
    for metric, count in (("recall", rows["positives"]), ("specificity", rows["n"] - rows["positives"])):
        flat = (rows["group"].eq("class") & rows["metric"].eq(metric) & rows["estimate"].isin([0.0, 1.0])
                & rows["low"].eq(rows["high"]) & count.gt(0))
        rows.loc[flat, "low"], rows.loc[flat, "high"] = wilson(rows.loc[flat, "estimate"], count[flat])
    return rows


def value(rows: pd.DataFrame, threshold: str, metric: str):
    """The row of METRICS, or None."""
    found = rows[rows["threshold"].eq(threshold) & rows["metric"].eq(metric)]
    return next(found.itertuples(), None)


def told(row) -> str:
    return "–" if row is None or pd.isna(row.estimate) else interval(row.estimate, row.low, row.high)


def missed_share(row) -> str:
    return interval(row.estimate, row.low, row.high, partial(percent, decimals=1))


def names(inputs: Inputs) -> dict[str, tuple[str, str]]:
    """Code -> abbreviation and name: as the run's label set has them, else the data card, else the Challenge."""
    if inputs.examples:
        return {one.code: (one.abbreviation, one.name) for one in inputs.examples.classes}
    if len(inputs.classes):
        return {row[1]: (row[2], row[3]) for row in inputs.classes[
            ["class", "abbreviation", "name"]].itertuples()}
    labels = read_label_set()
    return dict(zip(labels.codes, zip(labels.abbreviations, labels.names, strict=True), strict=True))


def class_table(inputs: Inputs) -> DataTable | None:
    """Commonest class first."""
    rows = test_rows(inputs)
    of_class, known = rows[rows["group"].eq("class")], names(inputs)
    critical = {one.code for one in inputs.examples.classes if one.critical} if inputs.examples else set()
    fixed = next((name for name in rows["threshold"].unique() if name.startswith("specificity")), "specificity 0.95")
    made = []
    for code, found in of_class.groupby("value", sort=False):
        positives = int(found["positives"].max())
        short, name = known.get(code, (code, ""))
        made.append((positives, (
            f"{short}{' (critical)' if code in critical else ''}", name, positives,
            *(told(value(found, *asked)) for asked in MEASURES.values()), told(value(found, TUNED, "precision")),
            told(value(found, fixed, "recall")), told(value(found, "", "ece")),
            "; ".join(filter(None, found["note"].dropna().unique())))))
    made.sort(key=lambda row: -row[0])
    found = table("Each diagnosis on the test part, at tuned thresholds (95 % interval)", {
        "class": False, "name": False, "recordings with it": True, **dict.fromkeys(MEASURES, True),
        "positive predictive value": True, f"sensitivity at {fixed}": True, "ECE": True, "note": False},
        [row for _, row in made])
    return found and replace(found, shown=OPEN)


def group_tables(inputs: Inputs) -> list[DataTable | None]:
    """Mean over the classes for women and men, by age, by source."""
    rows, made = test_rows(inputs), []
    asked = {"Challenge score": (TUNED, "challenge_score"), **MEASURES,
             "critical misses": (TUNED, "critical_miss_rate"), "Brier score": ("", "brier")}
    for kind, title in GROUPS.items():
        groups = rows[rows["group"].eq(kind)].groupby("value", sort=True)
        made.append(table(
            f"By {title}: mean over the classes, at tuned thresholds (95 % interval)",
            {title: False, "recordings": True, **dict.fromkeys(asked, True), "note": False},
            [(name, int(found["n"].max()), *(told(value(found, *one)) for one in asked.values()),
              "; ".join(filter(None, found["note"].dropna().unique()))) for name, found in groups]))
    return made


def by_class(inputs: Inputs) -> Chart | None:
    """Every class with its interval, a view a measure."""
    rows = test_rows(inputs)
    of_class, known = rows[rows["group"].eq("class")], names(inputs)
    views, drawn, spoken = [], {}, []
    for title, (threshold, metric) in MEASURES.items():
        found = of_class[of_class["threshold"].eq(threshold) & of_class["metric"].eq(metric)
                         & of_class["estimate"].notna()].sort_values("positives", ascending=False)
        if found.empty:
            continue
        drawn[title] = [{"y": known.get(row.value, (row.value, ""))[0], "name": known.get(row.value, ("", ""))[1],
                         "x": row.estimate, "low": row.low, "high": row.high, "positives": row.positives, "of": row.n}
                        for row in found.itertuples()]
        y = axis("y", None, "nominal", sort=[row["y"] for row in drawn[title]], axis={"labelLimit": 200, "grid": True})
        x = axis("x", f"{title} (95 % interval)")
        blue = {"value": COLOURS["blue"]}
        views.append(View(title.lower(), title, layered(
            {"data": {"name": title}, "mark": {"type": "rule", "strokeWidth": 2.5, "opacity": 0.5},
             "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}, "y": y,
                          "color": blue}},
            {"data": {"name": title}, "mark": {"type": "point", "filled": True, "opacity": 1,
                                               "tooltip": {"content": "data"}},
             "encoding": {"x": x, "y": y, "color": blue,
                          "size": {"field": "positives", "type": "quantitative", "title": "recordings with it",
                                   "scale": {"type": "sqrt", "range": [25, 300]}}}},
            height=40 + 19 * len(found))))
        best, worst = found.loc[found["estimate"].idxmax()], found.loc[found["estimate"].idxmin()]
        spoken.append(f"{title} from {worst['estimate']:.3f} ({known.get(worst['value'], (worst['value'],))[0]}) to "
                      f"{best['estimate']:.3f} ({known.get(best['value'], (best['value'],))[0]})")
    return Chart("diagnoses", "How well each diagnosis is found",
                 "The chosen run on the test part, commonest class on top; larger points: more recordings with it. "
                 "Few recordings make wide intervals: what they allow is not known.",
                 "; ".join(spoken), tuple(views), drawn) if views else None


def calibration(inputs: Inputs) -> Chart | None:
    """Share of positives against predicted probability: all classes together, and each class that is not rare."""
    rows = inputs.reliability[inputs.reliability["part"].eq("test")]
    if rows.empty:
        return None
    metrics, known = test_rows(inputs), names(inputs)
    views, drawn, spoken = [], {"equal": [{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}]}, []
    bounded = {"share_low", "share_high"} <= set(rows)      # not in tables of earlier versions
    rare = metrics[metrics["group"].eq("class") & metrics["note"].eq("few cases")]["value"].unique()
    left = 0
    for place, (code, found) in enumerate(rows.fillna({"value": ""}).groupby("value", sort=False)):
        if code in rare:
            left += 1
            continue
        title = known.get(code, (code, ""))[0] if code else "all classes"
        error = value(metrics[metrics["group"].eq("class" if code else "all") & metrics["value"].fillna("").eq(code)],
                      "", "ece")
        drawn[title] = [{"x": row.probability, "y": row.share, "n": row.n} | (
            {"low": row.share_low, "high": row.share_high} if bounded else {}) for row in found.itertuples()]
        bars = [{"data": {"name": title}, "mark": {"type": "rule", "color": COLOURS["blue"], "opacity": 0.6},
                 "encoding": {"x": {"field": "x", "type": "quantitative"},
                              "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}}] * bounded
        x = axis("x", "predicted probability (mean of the bin)", scale={"domain": [0, 1]})
        y = axis("y", "share of recordings that have it", scale={"domain": [0, 1]})
        views.append(View(f"c{place}" if code else "all", f"{title}: ECE {told(error)}", layered(
            {"data": {"name": "equal"}, "mark": {"type": "line", "color": "currentColor", "opacity": 0.5,
                                                 "strokeDash": [2, 3]}, "encoding": {"x": x, "y": y}},
            {"data": {"name": title}, "mark": {"type": "line", "color": COLOURS["blue"]}, "encoding": {"x": x, "y": y}},
            *bars,
            {"data": {"name": title}, "mark": {"type": "point", "filled": True, "opacity": 1, "color": COLOURS["blue"],
                                               "tooltip": {"content": "data"}},
             "encoding": {"x": x, "y": y, "size": {"field": "n", "type": "quantitative", "title": "predictions",
                                                   "scale": {"type": "sqrt", "range": [15, 300]}}}})))
        spoken += [f"expected calibration error {told(error)}"] if not code else []
    return Chart("calibration", "Calibration",
                 "Predictions of the test part in ten bins of equal width; on the dotted line a probability of 0.3 "
                 "comes true three times in ten. ECE: expected calibration error with its 95 % interval, which allows "
                 "for what chance adds to it and so may lie below it."
                 + (" Bars: 95 % interval of a bin's share (Wilson's; a patient's recordings count for less than as "
                    "many patients')." if bounded else "")
                 + (f" {left} classes of fewer than 10 recordings are not drawn." if left else ""),
                 "; ".join(spoken) or "Calibration by class", tuple(views), drawn) if views else None


def electrocardiograms(inputs: Inputs) -> list[ecg_paper.Sheet]:
    """The examples on paper of 25 mm/s and 10 mm/mV, with what is true and what was predicted."""
    if inputs.examples is None:
        return []
    known, made = names(inputs), []
    leads = [name.removeprefix("uv_") for name in inputs.strips if name.startswith("uv_")]
    for one in inputs.examples.recordings:
        strip = inputs.strips[inputs.strips["record"].eq(one.record)]
        signal = strip[[f"uv_{lead}" for lead in leads]].to_numpy(float) / 1000
        person = ", ".join(filter(None, (f"{one.age:g} years" if one.age is not None else "age unknown",
                                         one.sex or "sex unknown", one.source)))
        true, predicted = (", ".join(known.get(code, (code,))[0] for code in codes) or "none of the classes"
                           for codes in (one.truth, one.predicted))
        sure = ", ".join(f"{known.get(code, (code,))[0]} {share:.2f}" for code, share in one.probabilities.items())
        length = f" The first {len(signal) / inputs.examples.rate:.3g} s of {number(one.seconds)} s." if (
            one.seconds * inputs.examples.rate > len(signal) + 1) else ""
        made.append(ecg_paper.draw(
            signal, inputs.examples.rate, one.record,
            f"{person}. Probabilities: {sure}.{length}",
            "Filtered for the network, not normalized.", leads,
            title=f"{KINDS[one.kind]}: {one.record}. True: {true}. Predicted: {predicted}"))
    return made
