"""The law of a table in one call."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ecgscale.contracts import Reading
from ecgscale.contracts.run_table import configurations
from ecgscale.errors import UserError
from ecgscale.laws.answer import answer
from ecgscale.laws.columns import responses
from ecgscale.laws.fitted import FittedLaw, of_answer
from ecgscale.laws.layout import layout_of
from ecgscale.laws.table import questions
from ecgscale.tables.names import understand
from ecgscale.tables.runs import read_any


def fit(table: Path | str | pd.DataFrame, *, response: str | None = None, over: tuple[str, ...] | None = None,
        reading: Reading | None = None, replicates: int = 300, seed: int = 1) -> FittedLaw:
    """The law of a table's response (default: its first score or loss) over all runs: the joint law of model size and
    samples where it has both, else the preferred one of its first size; `over` names other sizes.

    table: a CSV or Parquet file of anyone's, or a frame. Raises UserError where no law can be asked.
    """
    reading = reading or Reading()
    if response:
        reading = reading.model_copy(update={"responses": (response,)})
    read = read_any(table, reading)
    found = responses(read.frame, "test_challenge_score", asked=tuple(read.columns.responses) if response else ())
    asked = [one for one in questions(read.frame, found) if one.subset == "all" and one.response is found[0]
             and one.x != ("params", "train_records", "samples_seen")]
    asked.sort(key=lambda one: -len(one.x))
    over = over and tuple(understand(name).role or name for name in over)
    if asked and over and not any(set(one.x) == set(over) for one in asked):
        raise UserError(f"no law over {', '.join(over)} can be asked", field="over",
                        remedy=f"Of this table there are: {'; '.join(', '.join(one.x) for one in asked)}")
    asked = [one for one in asked if over is None or set(one.x) == set(over)]
    if not asked:
        raise UserError("no law can be asked", field=response or "response",
                        remedy=f"The table was read as: {read.columns.told()}; six runs of two sizes are the least")
    question, labels = asked[0], configurations(read.frame)
    made = answer(question, [read.frame[name].to_numpy(float)[question.rows] for name in question.x],
                  labels[question.rows], replicates, seed, 0.05,
                  layout=layout_of(read.frame.iloc[question.rows], question.x, labels[question.rows]))
    return of_answer(made, read.frame)
