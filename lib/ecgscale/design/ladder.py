"""The networks of named sizes as runs that could be trained: what they would cost, and their lines of runs.jsonl."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ecgscale.contracts import ModelSpec, PlannedRun, RunSpec
from ecgscale.design.plan import records_used, train_flops
from ecgscale.models.architecture import RejectedError
from ecgscale.models.complexity import FAMILIES, SIZES, ledger_of

RUNGS = ("family", "model", "params", "train_records", "samples_seen", "data_fraction", "epochs", "train_flops")


def ladder(names: Iterable[str], shares: Iterable[tuple[float, int]], like: RunSpec, classes: int,
           records: int) -> pd.DataFrame:
    """RUNGS: each of these sizes of `like`'s family with each (data_fraction, epochs), in all else as `like`.

    records: training recordings of the whole corpus; train_flops: of one run.
    """
    rows = []
    for name in names:
        if type(SIZES[name]) is not FAMILIES[like.model.family]:
            continue
        for fraction, epochs in shares:
            try:
                run = climbed(like, name, classes, data_fraction=fraction, epochs=epochs)
            except RejectedError:       # a window or lead set that this network cannot take
                continue
            used = records_used(run, records)
            rows.append((like.model.family, name, run.ledger.params, used, used * epochs, fraction, epochs,
                         train_flops(run, records)))
    return pd.DataFrame(rows, columns=list(RUNGS))


def climbed(like: RunSpec, name: str, classes: int, **changes: object) -> PlannedRun:
    """A run like another one, of the network of this name. Raises RejectedError where it cannot take such windows."""
    made = SIZES[name]
    values = dict(like) | {"model": ModelSpec(family=like.model.family, params=dict(vars(made)))} | changes
    values.pop("run_id")
    return PlannedRun(spec=RunSpec.make(**values), ledger=ledger_of(made, len(like.leads), like.window, classes))
