"""The runs of a plan that tell most of a larger scale for their cost, from the runs that are trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import NEXT, PlannedRun, Reading, refuse_foreign
from ecgscale.contracts.run_table import finished
from ecgscale.design.plan import records_used, train_flops
from ecgscale.errors import UserError
from ecgscale.laws.answer import OF_SEVERAL
from ecgscale.laws.columns import Response, explains, responses
from ecgscale.laws.forms import LAWS
from ecgscale.laws.kriging import HALF_WIDTH, MOST, Kriged, krige
from ecgscale.laws.next_batch import batch_size, next_batch, pilot, within
from ecgscale.numbers import number, percent
from ecgscale.tables.runs import read_telling

LAW_OF = {(name,): "floor" for name in ("params", "train_records", "samples_seen", "train_flops")} | OF_SEVERAL
CHOSEN_BY = "valid_loss"        # of the rates of one network, size of data and seed: the best stands for them
CELL = ("family", "params", "train_records", "samples_seen", "seed")


@dataclass(frozen=True)
class Proposal:
    """table: NEXT. runs: the plan's lines in its order. told: what people read first."""

    table: pd.DataFrame
    runs: list[PlannedRun]
    told: list[str]

    def write(self, folder: Path) -> None:
        """next.csv, and runs.jsonl for ecg-train."""
        refuse_foreign(folder, {"next.csv": NEXT.wrote, "runs.jsonl": PlannedRun.wrote})
        NEXT.write(self.table, folder / "next.csv")
        PlannedRun.write_lines(self.runs, folder / "runs.jsonl")

    def text(self) -> str:
        shown = self.table.drop(columns=["family", "response"]).to_string(index=False, float_format=number, na_rep="")
        return "\n".join([*self.told[:-1], shown, self.told[-1]])


def propose(table: Path, plan: Path, records: int, at: dict[str, float], budget: float, *, family: str | None = None,
            reading: Reading | None = None) -> Proposal:
    """At most SHARE of the budget (FLOPs), as runs of the plan that are not in the run table yet; `at`: the sizes where
    the response is wanted; records: training recordings of the whole corpus. Raises UserError.

    Runs that differ in rate, optimizer or the like alone are one cell: its best on validation is what the law follows,
    and a cell is proposed with all its runs.
    """
    if not (np.isfinite(budget) and budget > 0):
        raise UserError(f"{budget} FLOPs are no budget", field="--budget", remedy="Give a number above 0: 1e16")
    names = next((names for names in LAW_OF if set(names) == set(at)), None)
    if names is None:
        raise UserError(f"no law of {', '.join(at)}", field="--at",
                        remedy="Give " + "; or ".join(" and ".join(one) for one in LAW_OF))
    law, read = LAWS[LAW_OF[names]], read_telling(table, reading)
    wanted = reading.responses[0] if reading and reading.responses else ""
    response = chosen_response(read.frame, wanted)
    frame = finished(read.frame.assign(y=response.y), response.column)
    cells = planned_cells(PlannedRun.read_lines(plan), set(read.frame["run_id"].astype(str)), records)
    family = only_family(family, cells)
    cells = cells[cells["family"].eq(family)].reset_index(drop=True)
    seen, notes = best_of_cells(frame, names, response.name, family)
    if cells.empty:
        raise UserError(f"every run of {family} in the plan is in the run table", file=plan,
                        remedy="Plan more runs: larger networks, more data, more seeds")
    log_x, costs = np.log(cells[list(names)].to_numpy(float).T), cells["train_flops"].to_numpy(float)
    log_at = np.log([[float(at[name])] for name in names])
    if len(seen) <= len(law.parameters):
        places, made = pilot(law, log_x, costs, budget), None
        notes.append(f"{len(seen)} runs are too few for the law of {len(law.parameters)} parameters: these come first")
        spreads = [np.nan] * (len(places) + 1)
    else:
        made = krige(law, *seen[list(names)].to_numpy(float).T, y=seen["y"].to_numpy(float))
        batch = next_batch(made, log_x, costs, log_at, budget, batch_size(len(seen)))
        if not batch.places:
            raise UserError(f"no run of the plan costs less than {number(budget)} FLOPs", field="--budget",
                            remedy=f"The cheapest costs {number(costs.min())}")
        places, spreads = within(batch, costs, budget), batch.spread
    rows = cells.iloc[places].assign(half_width=HALF_WIDTH * np.array(spreads[1 : len(places) + 1]))
    ahead = predicted(made, np.exp(log_x[:, places]), response.most)
    proposal = lines_of(rows.assign(**ahead), response.name)
    runs = [run for cell in rows["runs"] for run in cell]
    expected = spreads[len(places)] if made else None
    notes.append(f"{len(runs)} runs of {len(places)} cells, {number(proposal['train_flops'].sum())} FLOPs")
    return Proposal(proposal, runs, [read.columns.explaining((response.column,)).told(), *notes,
                                     at_target(made, names, at, response, expected)])


def chosen_response(frame: pd.DataFrame, wanted: str) -> Response:
    """The one asked for, else the loss of validation: the test part chooses nothing."""
    name = wanted or (CHOSEN_BY if explains(frame, CHOSEN_BY) else "")
    found = responses(frame, name, asked=(name,) if name else ())
    if not found:
        raise UserError(f"no column {name or 'of a score or loss'}", field="--response")
    return found[0]


def planned_cells(planned: list[PlannedRun], trained: set[str], records: int) -> pd.DataFrame:
    """A row a cell of the plan whose runs are not all trained: sizes, FLOPs and lines of those that are left."""
    rows = []
    for run in planned:
        if run.spec.run_id in trained:
            continue
        used = records_used(run, records)
        rows.append({"family": run.spec.model.family, "params": run.ledger.params, "train_records": used,
                     "samples_seen": used * run.spec.epochs, "seed": run.spec.seed,
                     "train_flops": train_flops(run, records), "runs": run})
    frame = pd.DataFrame(rows, columns=[*CELL, "train_flops", "runs"])
    return frame.groupby(list(CELL), sort=False).agg({"train_flops": "sum", "runs": list}).reset_index()


def only_family(asked: str | None, cells: pd.DataFrame) -> str:
    found = sorted(set(cells["family"]))
    if asked is None and len(found) == 1:
        return found[0]
    if asked not in found:
        raise UserError(f"the plan has runs of {', '.join(found) or 'no family'} left" + (
            f", none of {asked}" if asked else ""), field="--family", remedy="A law is one family's: name it")
    return asked


def best_of_cells(frame: pd.DataFrame, names: tuple[str, ...], response: str,
                  family: str) -> tuple[pd.DataFrame, list[str]]:
    """The run of each cell that validation chose; and what was left out, for people. `y` holds the response."""
    own = frame[frame["family"].eq(family)] if "family" in frame else frame
    missing = [name for name in names if name not in own]
    if missing:
        raise UserError(f"the run table has no {', '.join(missing)}", field="--at")
    usable = own[np.isfinite(own[[*names, "y"]].astype(float)).all(axis=1) & own[list(names)].gt(0).all(axis=1)]
    cell = [name for name in CELL if name in usable]
    order = usable.sort_values(CHOSEN_BY if CHOSEN_BY in usable else "y", kind="stable")
    best = order.drop_duplicates(cell) if {"optimizer", "lr"} & set(usable) else order
    notes = [f"{len(best)} of {len(frame)} finished runs are used: {len(frame) - len(own)} of other families, "
             f"{len(own) - len(usable)} without a size or {response}, {len(usable) - len(best)} at rates or "
             f"optimizers that validation did not choose"]
    if len(best) > MOST:
        notes.append(f"of these the {MOST} largest are used")
        best = best.assign(size=best[list(names)].astype(float).prod(axis=1)).nlargest(MOST, "size")
    return best, notes


def predicted(made: Kriged | None, sizes: np.ndarray, most: float) -> dict[str, np.ndarray]:
    """y and the interval of a run, none beyond what the response can be; NaN where nothing is fitted yet."""
    told = made.predict(*sizes) if made else {}
    return {name: np.minimum(told[name], most) if made else np.full(sizes.shape[1], np.nan)
            for name in ("y", "run_low", "run_high")}


def lines_of(cells: pd.DataFrame, response: str) -> pd.DataFrame:
    """NEXT: a row a run, in order of choice; a cell's runs share what is told of it."""
    rows = []
    for place, cell in enumerate(cells.itertuples(), start=1):
        rows += [{"order": place, "run_id": run.spec.run_id, "family": cell.family,
                  "optimizer": run.spec.optimizer.name, "lr": run.spec.optimizer.lr, "seed": cell.seed,
                  "params": cell.params, "train_records": cell.train_records, "samples_seen": cell.samples_seen,
                  "train_flops": cell.train_flops / len(cell.runs), "response": response, "y": cell.y,
                  "run_low": cell.run_low, "run_high": cell.run_high, "half_width": cell.half_width}
                 for run in cell.runs]
    return pd.DataFrame(rows)[list(NEXT.columns)]


def at_target(made: Kriged | None, names: tuple[str, ...], at: dict[str, float], response: Response,
              expected: float | None) -> str:
    place = f"{response.name} at {', '.join(f'{name}={number(at[name])}' for name in names)}"
    if made is None or expected is None:
        return f"{place}: not told yet"
    told = made.predict(*([float(at[name])] for name in names))
    y, low, high = (min(float(told[name][0]), response.most) for name in ("y", "y_low", "y_high"))
    return (f"{place}: {number(y, 4)} [{number(low, 4)}, {number(high, 4)}] now; after these runs within "
            f"{percent(HALF_WIDTH * expected, 1)} to each side, as far as can be foretold (90 %)")
