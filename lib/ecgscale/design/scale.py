"""What a study asks of rounds of scaling: the `scale` section."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from ecgscale.contracts.run_table import part_of
from ecgscale.design.run_group import Section
from ecgscale.models.complexity import SIZES


class Scale(Section):
    """Rounds of scaling: each run of the pipeline foretells a larger scale than any that is trained, the same command
    again trains it, says whether it fell inside the interval, and foretells the next; see
    docs/explanation/rounds.md."""

    train_flops: float = Field(gt=0, allow_inf_nan=False)
    """Training FLOPs that all rounds together may cost. The study's own runs are not counted."""
    times: float = Field(4.0, ge=1.5, le=100)
    """A run of a round costs at most this many times the dearest run so far, and at least a third of that."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=100)] = (0, 1, 2)
    """A round is trained once for each."""
    models: tuple[str, ...] = ()
    """Networks that a round may be made of, by the names of sizes. []: all named sizes of the study's families."""
    response: str = "valid_loss"
    """Column of the run table that chooses: a loss or score of validation. The test part chooses nothing."""
    gain: float = Field(0.01, ge=0, lt=1)
    """Relative gain of the response by the next scale below which the floor is reached."""

    @field_validator("seeds")
    @classmethod
    def each_once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed is named twice")
        return seeds

    @field_validator("models")
    @classmethod
    def known(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        for model in models:
            if model not in SIZES:
                raise ValueError(f"no network is named {model!r}. Known: {', '.join(SIZES)}")
        return models

    @field_validator("response")
    @classmethod
    def of_validation(cls, response: str) -> str:
        if part_of(response) != "validation":
            raise ValueError(f"{response!r} is not measured on validation: name a column as valid_loss, valid_auroc")
        return response
