"""Laws: what FIT writes of them, and the commands that continue a curve and choose the next runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import TypeAdapter, field_validator

from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.tables import REAL, TEXT, WHOLE, Table
from ecgscale.contracts.written import composed


class Reading(Part):
    """How a run table is to be read, where the user says so: names of columns as they stand in the file."""

    roles: dict[str, str] = {}
    """Our name (params, status, seed, ...): column."""
    responses: tuple[str, ...] = ()
    """What is to be explained; none: the study's target, or every score and loss."""
    configuration: tuple[str, ...] = ()
    """Columns that define a run but for its seed; none: what is known of them."""
    derived: dict[str, str] = {}
    """Column to be made: arithmetic expression of others."""
    unused: tuple[str, ...] = ()
    """Columns that are not to be read."""
    where: dict[str, str] = {}
    """Column: value of the rows that are read; none: all rows."""

    @field_validator("*")
    @classmethod
    def in_one_form(cls, said: dict[str, str] | tuple[str, ...]) -> dict[str, str] | tuple[str, ...]:
        """As a table's names are."""
        if isinstance(said, dict):
            return {composed(name): composed(value) for name, value in said.items()}
        return tuple(map(composed, said))


class Columns(Part):
    """What the columns of a run table were taken for, once, before anything was fitted."""

    roles: dict[str, str]
    """Our name: column as it stands in the file."""
    responses: dict[str, str]
    """What is explained, by our name: column as it stands in the file."""
    configuration: tuple[str, ...]
    """Columns that define a run but for its seed: rows that share them are repeats."""
    seed: str | None = None
    """Column of the seed."""
    unused: tuple[str, ...] = ()
    """Columns that nothing was made of."""
    notices: tuple[str, ...] = ()
    """What was converted, guessed or left out while the table was read."""

    def explaining(self, names: Iterable[str], name_others: bool = False) -> Columns:
        """The same, with no other responses than these; the others are named as unused where that is asked for."""
        explained = {name: self.responses.get(name, name) for name in names}
        others = [written for name, written in self.responses.items() if name_others and name not in explained]
        return self.model_copy(update={"responses": explained, "unused": (*self.unused, *others)})

    def told(self) -> str:
        """ "params <- n_params, lr, response <- val/loss; configuration: params, lr; seed: none"."""
        roles = [ours if written == ours else f"{ours} <- {written}" for ours, written in self.roles.items()]
        roles += [f"response <- {written}" for written in self.responses.values()]
        return (f"{', '.join(roles)}; configuration: {', '.join(self.configuration) or 'every row its own'}; "
                f"seed: {self.seed or 'none'}" + (f"; not used: {', '.join(self.unused)}" if self.unused else ""))


class Shortfall(Part):
    """How seldom intervals like a law's held planted truths, where that was too seldom."""

    of: Literal["parameters", "curve", "run"]
    """What the intervals were of."""
    law_of: str
    """`runs`, or `frontier`."""
    share: float
    """Held, of the nominal level."""
    noise: str
    """Of the planted tables."""
    truth: str
    """The law that they follow."""
    runs: int
    """Of a planted table."""
    tables: int
    """Planted."""


class LawFit(Part):
    """One law fitted to one subset of a run table."""

    law: str
    """Name of the law."""
    subset: str
    """Runs it is fitted to: `all`, `optimizer=adamw`, ..."""
    x: tuple[str, ...]
    """Columns of the run table that it is a law of."""
    y: str
    """What it explains."""
    points: int
    """Runs it is fitted to."""
    verdict: Literal["identified", "not identifiable", "failed"]
    """Whether the runs tell its parameters."""
    reason: str = ""
    """Of the verdict."""
    formula: str
    """In the names of its parameters."""
    estimates: dict[str, float | None]
    """By parameter."""
    errors: dict[str, float | None] = {}
    """Standard errors, by parameter."""
    intervals: dict[str, tuple[float | None, float | None]] = {}
    """By parameter, of the profile likelihood."""
    bootstrap: dict[str, tuple[float | None, float | None]] = {}
    """By parameter, of the run-level bootstrap."""
    level: float = 0.9
    """Of both intervals."""
    covariance: list[list[float | None]] | None = None
    """Of the parameters, in their order."""
    statistics: dict[str, Any] = {}
    """Rmse_log, aic, weight, held_out_error, ..."""

    @field_validator("statistics")
    @classmethod
    def counted(cls, statistics: dict[str, Any]) -> dict[str, Any]:
        """`counted`, if it is there, is a list of Shortfall."""
        TypeAdapter(list[Shortfall]).validate_python(statistics.get("counted") or [])
        return statistics


class Laws(Document):
    """laws.json."""

    NAME = "laws"
    PLACE = "fit/laws.json"
    table_digest: str
    """Of what was read of the run table."""
    synthetic: bool
    """Any run is of synthetic recordings."""
    runs: int
    """Rows of the run table."""
    fits: tuple[LawFit, ...]
    """One for each law, response and subset."""
    disabled: dict[str, str] = {}
    """Analysis: the column it misses or why it says nothing."""
    allocation: list[dict[str, Any]] = []
    """Best sizes for budgets of compute."""
    answers: list[dict[str, Any]] = []
    """To what was asked: the loss at sizes, the cheapest sizes for a loss."""
    differences: list[dict[str, Any]] = []
    """Exponents of two groups: law, x, y, exponent, groups, estimate, low, high."""
    crossings: list[dict[str, Any]] = []
    """Where the laws of two groups meet: law, x, y, groups, estimate, low, high, within, first (better below)."""
    loss_to_loss: list[dict[str, Any]] = []
    """Error on a left-out source as a power of that on known ones: subset, source, estimate, low, high, gap at, ..."""
    efficiency: list[dict[str, Any]] = []
    """How many times a family's size counts in another's law: families, size, in, out (of the source), apart, ..."""
    reading: Reading = Reading()
    """As the user asked; the report reads the table in the same way."""
    columns: Columns | None = None
    """What the columns were taken for; null where a frame was fitted that nobody read from a file."""
    rows: list[dict[str, Any]] = []
    """One for each response: y, rows, used, left_out (reason: rows), lacking (size: rows)."""
    versions: dict[str, str]
    """Of the packages."""


LAW_TABLE = Table("law-table", 2, "fit/laws.csv", "A parameter of a law: laws.json as rows", {
    "law": TEXT("name of the law"), "subset": TEXT("runs it is fitted to: all, optimizer=adamw, ..."),
    "x": TEXT("columns of the run table that it is a law of, joined by a comma"), "y": TEXT("what it explains"),
    "points": WHOLE("runs it is fitted to", "runs"),
    "verdict": TEXT("identified, not identifiable or failed"), "reason": TEXT("of the verdict"),
    "parameter": TEXT("name in the formula"),
    "estimate": REAL("null where there is none", "of the parameter"),
    "error": REAL("standard error", "of the parameter", endless=True),
    "low": REAL("lower end of the 90 % interval of the profile likelihood", "of the parameter", endless=True),
    "high": REAL("upper end of the 90 % interval of the profile likelihood", "of the parameter", endless=True),
    "weight": REAL("information weight among the laws of the same points", "1"),
    "rmse_log": REAL("root mean square error of log y", "1"),
    "held_out_rmse_log": REAL("the same on runs held out", "1"),
}, optional={
    "bootstrap_low": REAL("lower end of the 90 % interval of the run-level bootstrap", "of the parameter",
                          endless=True),
    "bootstrap_high": REAL("upper end of the 90 % interval of the run-level bootstrap", "of the parameter",
                           endless=True),
})


class Speed(Document):
    """speed.json, beside latency.parquet: what the measured latencies say of nets that were not measured."""

    NAME = "speed"
    PLACE = "latency/speed.json"
    models: int
    """Models that were measured."""
    laws: tuple[LawFit, ...]
    """Of latency; subset: "machine=..., runtime=..., device=..., option=..."; y: p50_ms."""
    predictor: list[dict[str, Any]]
    """Error on networks held out: model, scheme, statistic, estimate, n."""
    speedups: list[dict[str, Any]]
    """A setting against torch eager on the CPU: model, ..., ratio, low, high."""
    disabled: dict[str, str] = {}
    """Analysis: why it says nothing."""
    synthetic: bool = False
    """The models were trained on synthetic data."""
    versions: dict[str, str]
    """Of the packages."""


AHEAD = Table("ahead", 1, "of ecg-extrapolate --out", "A size at which one learning curve is continued", {
    "x": REAL("size", "of the curve"), "y": REAL("the average's prediction", "of the curve"),
    "low": REAL("lower end of its interval", "of the curve", endless=True),
    "high": REAL("upper end of its interval", "of the curve", endless=True),
    "level": REAL("of the interval", "1"),
}, prefixes={
    "y_": REAL("prediction of the law of this name", "of the curve", endless=True),
    "weight_": REAL("of the law of this name in the average", "1"),
})

NEXT = Table("next", 1, "of ecg-next: next.csv", "A run that is worth its cost, in order of choice", {
    "order": WHOLE("of the choice, from 1; runs that differ in rate or optimizer alone share it", "1"),
    "run_id": TEXT("as in the plan"), "family": TEXT("of the network"), "optimizer": TEXT("as in the plan"),
    "lr": REAL("learning rate", "1"), "seed": WHOLE("as in the plan", "1"),
    "params": REAL("parameters", "parameters"), "train_records": REAL("unique recordings", "recordings"),
    "samples_seen": REAL("windows, all epochs", "windows"), "train_flops": REAL("of the run", "FLOP"),
    "response": TEXT("what is predicted"), "y": REAL("predicted for this run", "of the response"),
    "run_low": REAL("lower end of the 90 % interval of a run", "of the response", endless=True),
    "run_high": REAL("upper end of the 90 % interval of a run", "of the response", endless=True),
    "half_width": REAL("of the 90 % interval of log y at the sizes asked for, expected after this choice", "1",
                       endless=True),
})
