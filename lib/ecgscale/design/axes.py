"""One dimension of a design space: a fixed value, equally likely choices, or a range."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from ecgscale.contracts import Part

MOST_VALUES = 10_000            # of one axis


class Range(Part):
    """Values between `low` and `high`, both included; with `step`, low, low + step, ...; with `log`, log-uniform."""

    low: float | int
    """The least value."""
    high: float | int
    """The largest."""
    step: float | int | None = Field(None, gt=0)
    """From one value to the next. null: any value between the ends."""
    log: bool = False
    """Whether equal ratios are equally likely, not equal differences."""

    @model_validator(mode="after")
    def check(self) -> Self:
        if not math.isfinite(self.low) or not math.isfinite(self.high):
            raise ValueError("low and high must be finite numbers")
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        if self.step is not None and (self.high - self.low) / self.step > MOST_VALUES:
            raise ValueError(f"a step of {self.step:g} makes more than {MOST_VALUES} values")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must start above 0, not at {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("a range is either logarithmic or has a step")
        return self

    def values(self) -> tuple[float | int, ...]:
        """Every value of a range with a step. Whole when `low` and `step` are whole."""
        count = int((self.high - self.low) / self.step * (1 + 1e-9)) + 1
        return tuple(round(self.low + place * self.step, 10) for place in range(count))


def shape_of(value: Any) -> str:
    """Which of its three shapes an axis has, so that a mistake is reported for that shape only."""
    return "range" if isinstance(value, dict | Range) else "choices" if isinstance(value, list | tuple) else "value"


def axis_of(scalar: Any) -> Any:
    """The type of one dimension of a space: a fixed value, equally likely choices, or a range."""
    several = Annotated[tuple[scalar, ...], Field(min_length=1)]
    shapes = Annotated[scalar, Tag("value")] | Annotated[several, Tag("choices")] | Annotated[Range, Tag("range")]
    return Annotated[shapes, Discriminator(shape_of)]


def one_or_more(kind: Any) -> Any:
    """The type of a dimension without ranges: a fixed value or choices."""
    several = Annotated[tuple[kind, ...], Field(min_length=1)]
    return Annotated[Annotated[kind, Tag("value")] | Annotated[several, Tag("choices")], Discriminator(shape_of)]


def within(low: float, high: float = float("inf"), open_low: bool = False) -> AfterValidator:
    """Every value of a numeric axis lies between `low` and `high`."""

    def check(axis: Any) -> Any:
        for value in ends(axis):
            if not low <= value <= high or (open_low and value == low) or value == float("inf"):
                least = f"above {low:g}" if open_low else f"at least {low:g}"
                most = f" and at most {high:g}" if high < float("inf") else ""
                raise ValueError(f"{value:g} must be {least}{most}")
        return axis

    return AfterValidator(check)


def ends(axis: Any) -> tuple:
    """The values of an axis, or the two ends of a range."""
    return (axis.low, axis.high) if isinstance(axis, Range) else axis if isinstance(axis, tuple) else (axis,)


def choices(axis: Any) -> tuple | None:
    """The values of an axis with an end; None for a continuous range."""
    if isinstance(axis, Range):
        return axis.values() if axis.step is not None else (axis.low,) if axis.low == axis.high else None
    return axis if isinstance(axis, tuple) else (axis,)


Scalar = int | float | str | None
Axis = axis_of(Scalar)
Number = axis_of(int | float)
Whole = axis_of(int)
