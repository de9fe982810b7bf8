"""Predictions and metrics: what EVALUATE writes, one folder a run (run_id)/."""

from __future__ import annotations

from typing import Literal

from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.tables import REAL, SYNTHETIC, TEXT, WHOLE, Table

PREDICTIONS = Table("predictions", 1, "evaluated/<run_id>/predictions.parquet", "A recording of validation or test", {
    "record": TEXT("as in records"), "part": TEXT("valid or test"),
}, optional={
    "synthetic": SYNTHETIC,
    "patient": TEXT("as in records"),
    "loss": REAL("the run's own loss, mean over windows and classes", "1"),
    "gained": REAL("Challenge score at 0.5: of any recordings it is sum(gained) / sum(possible)", "1"),
    "possible": REAL("what a perfect answer would gain", "1"),
}, prefixes={"p_": REAL("probability of the class, by its code, for the whole recording", "1")})

METRICS = Table("metrics", 1, "evaluated/<run_id>/metrics.csv, table/scores.parquet, table/chosen/metrics.csv",
                "A metric of one part, group and threshold", {
    "run_id": TEXT("digest of the run's specification"),
    "part": TEXT("valid or test"),
    "threshold": TEXT("0.5, tuned or specificity 0.95 (a class, on validation); empty where none is used"),
    "group": TEXT("all, or the kind: class, source, sex, age"),
    "value": TEXT("which class code, source, ...; empty for all"),
    "metric": TEXT("name of the metric"),
    "estimate": REAL("null where undefined", "of the metric"),
    "low": REAL("lower end of the 95 % bootstrap interval; null where none", "of the metric"),
    "high": REAL("upper end of the 95 % bootstrap interval; null where none", "of the metric"),
    "n": WHOLE("recordings it is of", "recordings"),
    "positives": WHOLE("recordings of the class, where the group is a class", "recordings"),
    "note": TEXT("what to know of it"),
}, filled=("run_id", "part", "group", "metric"))

RELIABILITY = Table("reliability", 1, "evaluated/<run_id>/reliability.csv, table/chosen/reliability.csv",
                    "A bin of predicted probabilities", {
    "run_id": TEXT("as in metrics"), "part": TEXT("valid or test"),
    "value": TEXT("class code; empty for all classes together"),
    "bin": WHOLE("number of the bin", "1"),
    "low": REAL("lower end of the bin", "1"), "high": REAL("upper end of the bin", "1"),
    "n": WHOLE("predictions in it", "predictions"),
    "probability": REAL("mean prediction of the bin", "1"),
    "share": REAL("share of positives", "1"),
}, optional={
    "share_low": REAL("lower end of its 95 % Wilson interval, patients counted for what they are worth", "1"),
    "share_high": REAL("upper end of it", "1"),
})

RECALIBRATION = Table("recalibration", 1, "evaluated/<run_id>/recalibration.csv",
                      "A knot of the isotonic fit on validation: linear between the rows of a class", {
    "run_id": TEXT("as in metrics"), "value": TEXT("class code"),
    "probability": REAL("as predicted", "1"), "calibrated": REAL("as recalibrated", "1"),
})

STRIPS = Table("strips", 1, "evaluated/<run_id>/strips.parquet, table/chosen/strips.parquet",
               "A sample of the recordings of examples.json", {
    "record": TEXT("as in records"),
}, prefixes={"uv_": WHOLE("a lead, by its name: as prepared, before it was normalized", "uV")})


class ScoredClass(Part):
    """A class of the label set, and the probability from which on it counts as predicted."""

    code: str
    """Its code."""
    abbreviation: str
    """Its abbreviation."""
    name: str
    """Its name."""
    critical: bool
    """Whether to overlook it is dangerous."""
    threshold: float
    """Tuned on validation; 0.5 where there is none."""


class Example(Part):
    """A test recording to be looked at."""

    record: str
    """As in records."""
    kind: Literal["right", "wrong", "least sure"]
    """Why it was taken: surely right, surely wrong, or closest to a threshold."""
    source: str
    """Name of the source."""
    age: float | None
    """Years."""
    sex: str | None
    """Female or male."""
    seconds: float
    """Length of the whole recording."""
    truth: tuple[str, ...]
    """Codes of its classes."""
    predicted: tuple[str, ...]
    """Codes of the predicted ones."""
    probabilities: dict[str, float]
    """Of those classes, and of the one closest to its threshold."""


class Examples(Document):
    """Classes of a run, and the few test recordings whose signals stand in strips.parquet beside it."""

    NAME = "examples"
    PLACE = "evaluated/<run_id>/examples.json, table/chosen/examples.json"
    run_id: str
    """As in metrics."""
    synthetic: bool
    """Synthetic recordings."""
    rate: float
    """Of the strips, in Hz."""
    classes: tuple[ScoredClass, ...]
    """In the order of the label set."""
    recordings: tuple[Example, ...] = ()
    """In the order of strips.parquet."""
    reason: str = ""
    """Why there are none."""
