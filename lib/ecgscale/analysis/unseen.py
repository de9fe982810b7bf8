"""The score of runs that were not trained: by whichever model foretells the largest runs of the table best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ecgscale.analysis.beyond import FEWEST, Table, forecast, in_column, largest, sizes_of, tellers
from ecgscale.analysis.predictor import features, models
from ecgscale.contracts.run_table import finished
from ecgscale.errors import UserError
from ecgscale.laws.columns import response


def foretell(runs: pd.DataFrame, asked: pd.DataFrame, target: str, seed: int = 0) -> pd.DataFrame:
    """A row of `asked` each, in its order and index: prediction with its 90 % interval in the scale of `target`; the
    model, and its `error`, root mean square over the largest runs of the table as foretold from the others.

    Raises UserError where fewer than FEWEST runs are smaller than the largest, or `asked` lacks what varies in them.
    """
    kept = finished(runs, target)
    of, (sizes, _) = response(kept, target), sizes_of(kept)
    needed = [*sizes, *(name if name in kept else f"hp_{name}" for name in features(kept))]
    if lacking := [name for name in needed if name not in asked]:
        raise UserError(f"not told of the runs asked for: {', '.join(lacking)}", field="asked",
                        remedy="Give what varies among the runs of the table")
    both = pd.concat([kept, asked], ignore_index=True)
    table = Table(both, features(both), replace(of, y=np.append(of.y, np.full(len(asked), np.nan))), sizes)
    rows = np.flatnonzero(np.isfinite(of.y) & (kept[list(sizes)] > 0).all(axis=1).to_numpy())
    split = next((one for one in largest(table, rows) if len(one[0]) >= FEWEST), None)
    if split is None:
        raise UserError(f"{len(rows)} finished runs with {target}, or all of one size: no model can be tried",
                        field=target, remedy=f"{FEWEST} runs below the largest fifth are the least")
    learned, held = split
    known = tellers(table, models(seed)["random forest"])
    no_reach = np.zeros(len(held))
    errors = {name: off(in_column(of, of.y[held], tell(learned, held)[0], no_reach)) for name, tell in known.items()}
    best = min(errors, key=errors.get)
    new = len(kept) + np.arange(len(asked))
    told = in_column(of, np.full(len(asked), np.nan), *forecast(table, rows, new, largest, known[best]))
    return told.drop(columns="truth").assign(model=best, error=errors[best]).set_axis(asked.index)


def off(told: pd.DataFrame) -> float:
    return float(np.sqrt(((told["truth"] - told["prediction"]) ** 2).mean()))
