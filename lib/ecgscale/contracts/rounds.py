"""Rounds of scaling: what was foretold before a round was trained, what was found, and whether to go on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.plan import PlannedRun
from ecgscale.contracts.reading import ContractError
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table

Stop = Literal["", "budget", "floor", "not identifiable", "no larger network", "failed"]


class Foretold(Part):
    """A column of the run table foretold for a round: the mean over its seeds, with its 90 % interval."""

    response: str
    """Column of the run table."""
    value: float
    """Of the mean."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end."""


class Round(Document):
    """A round of scaling as it was foretold, before any of its runs was trained. Never written twice."""

    NAME = "round"
    PLACE = "rounds/round-<number>.json"
    number: int = Field(ge=1)
    """From 1."""
    made: str
    """When it was foretold, UTC."""
    table_digest: str
    """Of the run table that it was foretold from."""
    based_on: int
    """Runs that the law follows."""
    law: str
    """Name of the law; beside it stands what it misses (docs/explanation/next-runs.md)."""
    sizes: tuple[str, ...]
    """Columns of the run table that it is a law of."""
    response: str
    """Column that chose the round: none of the test part."""
    model: str
    """Named size of the network."""
    settings_from: str
    """Where learning rate, optimizer and the other settings come from, in words."""
    train_records: int
    """Unique recordings that each run sees."""
    samples_seen: int
    """Windows of all epochs of a run."""
    train_flops: float
    """Of all its runs."""
    foretold: tuple[Foretold, ...]
    """First that of `response`."""
    contenders: list[dict[str, Any]] = []
    """The best of each family at this scale: family, model, train_flops, value, low, high, note."""
    notes: tuple[str, ...] = ()
    """What was left out of the law's runs, in words."""
    runs: tuple[PlannedRun, ...] = Field(min_length=1)
    """What is to be trained: one network and setting, several seeds."""
    synthetic: bool
    """Foretold from runs of synthetic recordings."""

    @model_validator(mode="after")
    def check(self) -> Self:
        """What chose the round is judged first: in another order a round would be judged by another quantity."""
        told = [one.response for one in self.foretold]
        if told[:1] != [self.response] or len(set(told)) < len(told):
            raise ValueError(f"foretold is of {', '.join(told) or 'nothing'}, and begins with {self.response}, each "
                             "once")
        for one in self.foretold:
            if not one.low <= one.value <= one.high:
                raise ValueError(f"{one.response} is foretold to be {one.value}, which is not from {one.low} to "
                                 f"{one.high}")
        if len({run.spec.run_id for run in self.runs}) < len(self.runs):
            raise ValueError("a run stands in runs twice")
        return self


def read_rounds(files: Iterable[Path]) -> list[Round]:
    """In their order. Raises ContractError where one is missing or given twice."""
    rounds = sorted(map(Round.read, files), key=lambda one: one.number)
    for number, one in enumerate(rounds, start=1):
        if one.number != number:
            raise ContractError(f"round {number} is missing or given twice", field="--rounds",
                                remedy="Give every round-*.json of one results folder")
    return rounds


class Decision(Document):
    """Whether there is a next round, and why not."""

    NAME = "decision"
    PLACE = "rounds/decision.json"
    go_on: bool
    """A round is proposed: the same command again trains it."""
    stop: Stop = ""
    """Why there is none."""
    reason: str = ""
    """The same in words."""
    remedy: tuple[str, ...] = ()
    """What would make a prediction that can be trusted."""
    budget: float
    """FLOPs that all rounds may cost."""
    spent: float
    """FLOPs of the rounds that are trained."""
    judged: int
    """Rounds that are trained."""
    inside: int
    """Of them, those whose `response` fell into its interval."""
    synthetic: bool
    """Any run is of synthetic recordings."""


ROUNDS = Table("rounds", 1, "rounds/rounds.csv", "A quantity of a round of scaling, foretold and found", {
    "round": WHOLE("from 1", "1"), "made": TEXT("when it was foretold, UTC"),
    "family": TEXT("of the network"), "model": TEXT("named size of the network"),
    "params": REAL("parameters", "parameters"), "train_records": REAL("unique recordings", "recordings"),
    "epochs": WHOLE("passes over them", "epochs"), "optimizer": TEXT("as in runs"), "lr": REAL("learning rate", "1"),
    "settings": TEXT("where rate, optimizer and the other settings come from"),
    "seeds": WHOLE("runs of the round", "runs"), "finished": WHOLE("of them, in the run table", "runs"),
    "train_flops": REAL("of all its runs", "FLOP"), "response": TEXT("column of the run table"),
    "foretold": REAL("of the mean over seeds", "of the response"),
    "low": REAL("lower end of its 90 % interval", "of the response"),
    "high": REAL("upper end of its 90 % interval", "of the response"),
    "found": REAL("mean over the seeds that finished; null before the round is trained", "of the response"),
    "inside": FLAG("whether the found mean lies in the interval; null before the round is trained"),
})
