"""Rounds of scaling: what each was foretold to be and what was found, and the next one, foretold before its training.

A round is one run of the pipeline: SAMPLE adds the runs of all earlier rounds to the study's, and after they are
trained the next round is written. Its file is never written again, so that what was foretold stays what it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgscale.analysis.next_scale import Family, NextScale, family_of, next_scale
from ecgscale.analysis.proposal import best_of_cells
from ecgscale.analysis.trained import COLLECTED, read_trained
from ecgscale.analysis.transferred import rate_for
from ecgscale.contracts import ROUNDS, Decision, Foretold, Round, RunResult, SplitInfo, file_digest, refuse_foreign
from ecgscale.contracts.run_table import SCORES, finished, judged_by
from ecgscale.design.ladder import climbed, ladder
from ecgscale.design.scale import Scale
from ecgscale.design.study import read_study
from ecgscale.errors import UserError
from ecgscale.laws.columns import Response, explains, response, responses
from ecgscale.laws.kriging import HALF_WIDTH
from ecgscale.laws.table import is_synthetic
from ecgscale.models.complexity import SIZES as NETWORKS
from ecgscale.numbers import number
from ecgscale.tables.names import SCORES as SCORED
from ecgscale.tables.runs import read_runs

USED = ("params", "train_records", "samples_seen")
REPEATED = {"params": 1e15, "train_records": 1e15, "samples_seen": 1e18, "train_flops": 1e30, "data_fraction": 1.0,
            "epochs": 1e6, "lr": 1e6}       # what a rung says of a run, and the most of it
DIGITS = 5          # of what is foretold: the same on every machine


@dataclass(frozen=True)
class Outcome:
    """table: ROUNDS, of every round with the next one; decision; next: the new round, None where there is none;
    notes: what is to be known of the run table, in words."""

    table: pd.DataFrame
    decision: Decision
    next: Round | None
    notes: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """rounds.csv, decision.json and, of a new round, round-<number>.json. Raises UserError where that is there."""
        refuse_foreign(folder, {"rounds.csv": ROUNDS.wrote, "decision.json": Decision.wrote})
        if self.next:
            path = folder / f"round-{self.next.number:02d}.json"
            if path.exists():
                raise UserError("this round was foretold before", file=path,
                                remedy="Give it to the command as --rounds, or write to another folder")
            self.next.write(path)
        ROUNDS.write(self.table, folder / "rounds.csv")
        self.decision.write(folder / "decision.json")

    def text(self) -> str:
        """For the terminal."""
        return "\n".join([*(f"note: {note}" for note in self.notes),
                          *(told_of(rows) for _, rows in self.table.groupby("round")), verdict(self.decision)])


def advance(table: Path, trained: list[Path], study: Path, rounds: list[Round], split: SplitInfo) -> Outcome:
    """Judge the rounds by the run table; foretell the next, where the last is trained and nothing speaks against it.

    trained: run folders, for the settings of runs; study: the file with the section `scale`; split: what they were
    trained on. Raises UserError.
    """
    asked = read_study(study)
    scale, records = asked.scale, split.train_records
    if scale is None:
        raise UserError("is missing", file=study, field="scale", remedy="Give what rounds may cost: scale: "
                        "{train_flops: 1e16}")
    check_study(rounds, asked.name)
    read = read_runs(table)
    frame = read.frame
    results, lost = read_trained(frame, trained, split)
    told = [*read.columns.notices, *lost]
    check_responses(rounds, frame)
    rows = [row for one in rounds for row in judged(one, frame)]
    done = [one for one in rounds if ended(one, frame) == len(one.runs)]
    own = pd.DataFrame(rows, columns=list(ROUNDS.columns))
    first = own[own["inside"].notna()].drop_duplicates("round")     # of what chose the round (Round.foretold)
    spent = sum(one.train_flops for one in done)
    synthetic = is_synthetic(frame)
    so_far = {"budget": scale.train_flops, "spent": spent, "judged": len(first), "inside": int(first["inside"].sum()),
              "synthetic": synthetic}
    new = None
    if len(done) < len(rounds):
        decision = Decision(go_on=True, reason=f"round {len(done) + 1} waits to be trained", **so_far)
    elif failed := [one.number for one in done if not own[own["round"].eq(one.number)]["finished"].all()]:
        decision = Decision(go_on=False, stop="failed", reason=f"no run of round {failed[-1]} finished",
                            remedy=(f"see why in {table.name}; what was foretold cannot be judged",), **so_far)
    else:
        found, notes = proposed(frame, results, scale, records, errors(first), spent)
        decision = Decision(go_on=not found.stop, stop=found.stop, reason=found.reason, remedy=found.remedy, **so_far)
        if not found.stop:
            new = foretold(found, frame, results, [*lost, *notes], scale, records, number=len(rounds) + 1,
                           synthetic=synthetic, made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                           table_digest=file_digest(table))
            own = pd.DataFrame(rows + judged(new, frame), columns=list(ROUNDS.columns))
    return Outcome(own.assign(synthetic=synthetic), decision, new, tuple(told))


def check_study(rounds: list[Round], name: str) -> None:
    """Raises UserError for rounds of another study."""
    for one in rounds:
        if (of := one.runs[0].spec.study) != name:
            raise UserError(f"round {one.number} is of the study {of!r}, not of {name!r}", field="--rounds",
                            remedy="Give each study a results folder of its own")


def check_responses(rounds: list[Round], frame: pd.DataFrame) -> None:
    """Raises UserError where the run table lacks numbers that a round was foretold of, or has some that none can be:
    no run would seem to have finished."""
    for one in rounds:
        own = frame[frame["run_id"].isin([run.spec.run_id for run in one.runs])]
        for name in (told.response for told in one.foretold):
            if not explains(frame, name):
                raise UserError(f"the run table has no such column, or no numbers in it, and round {one.number} was "
                                "foretold of it", field=name, remedy=COLLECTED)
            wrong = own[name].notna() & ~np.isfinite(response(own, name).y)
            if wrong.any():
                raise UserError(f"run {own.loc[wrong, 'run_id'].iloc[0]} has {own.loc[wrong, name].iloc[0]}, which "
                                "nothing was foretold to be", field=name, remedy=COLLECTED)


# ------------------------------------------------------------------------------------------------------ what was found


def ended(one: Round, frame: pd.DataFrame) -> int:
    """How many of its runs are in the run table, however they ended."""
    return int(frame["run_id"].isin([run.spec.run_id for run in one.runs]).sum())


def judged(one: Round, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A row of ROUNDS for each quantity: foretold and, where the round is trained, found. A round of which no run
    finished fell outside."""
    own = frame[frame["run_id"].isin([run.spec.run_id for run in one.runs])]
    trained, spec = len(own) == len(one.runs), one.runs[0].spec
    rows = []
    for told in one.foretold:
        good = finished(own, told.response) if told.response in own else own.iloc[:0]
        found = mean_of(good, told.response) if trained and len(good) else None
        rows.append({
            "round": one.number, "made": one.made, "family": spec.model.family, "model": one.model,
            "params": one.runs[0].ledger.params, "train_records": one.train_records, "epochs": spec.epochs,
            "optimizer": spec.optimizer.name, "lr": spec.optimizer.lr, "settings": one.settings_from,
            "seeds": len(one.runs), "finished": len(good), "train_flops": one.train_flops,
            "response": told.response, "foretold": told.value, "low": told.low, "high": told.high, "found": found,
            "inside": (found is not None and told.low <= found <= told.high) if trained else None})
    return rows


def errors(first: pd.DataFrame) -> list[float]:
    """(round,) found less foretold log y in foretold standard deviations, from the rows of what chose each round."""
    values = first[["found", "foretold", "low", "high"]].astype(float)
    scores = [name for name in first["response"].unique() if SCORED.search(name)]
    y = np.log(values.where(~first["response"].isin(scores), 1 - values))
    return ((y["found"] - y["foretold"]) / ((y["high"] - y["low"]).abs() / (2 * HALF_WIDTH))).tolist()


def mean_of(frame: pd.DataFrame, column: str) -> float:
    """The geometric mean of a loss, or of the errors of a score: what laws are of."""
    made = response_of(frame, column)
    return made.in_column(float(np.exp(np.log(made.y).mean())))


def response_of(frame: pd.DataFrame, column: str) -> Response:
    found = responses(frame, column, asked=(column,))
    if not found:
        raise UserError("holds no loss above 0 and no score below 1", field=column, remedy=COLLECTED)
    return found[0]


# --------------------------------------------------------------------------------------------------- what is foretold


def proposed(frame: pd.DataFrame, runs: dict[str, RunResult], scale: Scale, records: int, errors: list[float],
             spent: float) -> tuple[NextScale, list[str]]:
    """The next scale, and what was left out of the law, in words. runs: by run_id."""
    if not explains(frame, scale.response):
        raise UserError(f"the run table has no column {scale.response}", field="scale.response",
                        remedy="Name a loss or score of validation that it has")
    if finished(frame, scale.response).empty:
        return NextScale("not identifiable", f"no run finished with a {scale.response}"), []
    made = response_of(frame, scale.response)
    usable = finished(frame.assign(y=made.y), scale.response)
    check_settings(usable)
    families, rungs, notes = [], [], []
    for name in sorted(set(usable["family"])):
        seen, left_out = best_of_cells(usable, USED, made.name, name)
        family = family_of(name, seen.reset_index(drop=True))
        families.append(family)
        notes += [f"{name}: {note}" for note in left_out]
        if family.told is not None and family.told.aside.any():
            wild = ", ".join(family.seen.loc[family.told.aside, "run_id"])
            notes.append(f"{name}: set aside as unlike the law and their neighbours: {wild}")
        rungs.append(ladder(scale.models or NETWORKS, shares(family), largest(family, runs).spec,
                            len(largest(family, runs).classes), records))
    left = untrained(pd.concat(rungs, ignore_index=True), usable)
    return next_scale(families, left, scale, errors, spent), notes


def check_settings(runs: pd.DataFrame) -> None:
    """Raises UserError where a run tells no family or optimizer, or a size or setting that a rung repeats is not above
    0 (of epochs, whole), which any table may have: laws are told of it all the same, and rounds are not."""
    words = ("family", "optimizer")
    for name in (*words, *REPEATED):
        if name not in runs:
            raise UserError("the run table has no such column, or no numbers in it", field=name, remedy=COLLECTED)
        values = runs[name] if name in words else pd.to_numeric(runs[name], errors="coerce")
        good = values.notna() if name in words else values.between(0, REPEATED[name], inclusive="right")
        if name == "epochs":
            good &= values % 1 == 0
        if not good.all():
            wrong = runs[~good].iloc[0]
            raise UserError(f"run {wrong['run_id']} has {wrong[name]}", field=name, remedy=COLLECTED)


def largest(family: Family, runs: dict[str, RunResult]) -> RunResult:
    return runs[family.seen.loc[family.seen["train_flops"].idxmax(), "run_id"]]


def shares(family: Family) -> list[tuple[float, int]]:
    """(data_fraction, epochs) that a rung may have: those of the runs, and the whole corpus; where the law knows of
    samples, twice the most epochs too."""
    fractions = sorted({*family.seen["data_fraction"], 1.0})
    epochs = sorted({*family.seen["epochs"].astype(int)})
    epochs += [2 * epochs[-1]] if "samples_seen" in family.names else []
    return [(fraction, count) for fraction in fractions for count in epochs]


def untrained(rungs: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    keys = ["family", *USED]
    known = set(seen[keys].itertuples(index=False, name=None))
    return rungs[[row not in known for row in rungs[keys].itertuples(index=False, name=None)]]


def foretold(found: NextScale, frame: pd.DataFrame, runs: dict[str, RunResult], notes: list[str], scale: Scale,
             records: int, **given: Any) -> Round:
    """The round as a document: its runs, and what is foretold of them."""
    rung, family = found.rung, found.family
    like, rate, told = rate_for(family.seen, rung, frame, scale.response)
    result = runs[like]
    optimizer = result.spec.optimizer.model_copy(update={"lr": rate})
    lines = [climbed(result.spec, rung["model"], len(result.classes), data_fraction=float(rung["data_fraction"]),
                     epochs=int(rung["epochs"]), optimizer=optimizer, seed=seed) for seed in scale.seeds]
    made = response_of(frame, scale.response)
    score = of_another(judged_by(frame, SCORES[0]), frame, family, rung, scale)
    return Round(
        based_on=len(family.seen) - int(family.told.aside.sum()), law=family.law.name, sizes=family.names,
        response=scale.response, model=rung["model"], settings_from=told, train_records=int(rung["train_records"]),
        samples_seen=int(rung["samples_seen"]), train_flops=float(rung["train_flops"]) * len(lines),
        foretold=(of_place(made, scale.response, rung), *([score] if score else [])), runs=tuple(lines),
        notes=tuple(notes), contenders=[row_of(one, made, scale.response) for one in found.contenders], **given)


def of_place(made: Response, column: str, rung: pd.Series) -> Foretold:
    """From mean and sd of log y: the interval ends where the response does."""
    ends = np.minimum(np.exp(rung["mean"] + HALF_WIDTH * rung["sd"] * np.array([-1, 0, 1])), made.most)
    low, value, high = (float(f"{made.in_column(end):.{DIGITS}g}") for end in ends)
    return Foretold(response=column, value=value, low=min(low, high), high=max(low, high))


def of_another(column: str, frame: pd.DataFrame, family: Family, rung: pd.Series, scale: Scale) -> Foretold | None:
    """A score of the test part at the place that validation chose; None where the table has none, or no law of it."""
    if not explains(frame, column):
        return None
    made = response_of(frame, column)
    known = frame.assign(y=made.y).set_index("run_id")["y"]
    seen = family.seen.assign(y=family.seen["run_id"].map(known))
    told = family_of(family.name, seen[np.isfinite(seen["y"])].reset_index(drop=True))
    if told.told is None:
        return None
    mean, _, sd = told.told.ahead(told.log_at(rung.to_frame().T), len(scale.seeds))
    return of_place(made, column, pd.Series({"mean": mean[0], "sd": sd[0]}))


def row_of(contender: dict[str, Any], made: Response, column: str) -> dict[str, Any]:
    rung = contender["rung"]
    row = {"family": contender["family"], "note": contender["note"]}
    if rung is None:
        return row
    return row | {"model": rung["model"], "train_flops": float(rung["train_flops"]),
                  **of_place(made, column, rung).model_dump(exclude={"response"})}


# ------------------------------------------------------------------------------------------------------- for people


def told_of(rows: pd.DataFrame) -> str:
    """A line a quantity of one round: "round 1 (regnet-600k, 3 seeds): valid_loss foretold ..., found ...: inside"."""
    first = rows.iloc[0]
    lines = []
    for row in rows.itertuples():
        found = "not trained yet" if row.inside is None or pd.isna(row.inside) else (
            f"{'no run finished' if pd.isna(row.found) else f'found {number(row.found, 4)}'}: "
            f"{'inside' if row.inside else 'outside'}")
        lines.append(f"round {first['round']} ({first['model']}, {first['finished'] or first['seeds']} seeds): "
                     f"{row.response} foretold {number(row.foretold, 4)} [{number(row.low, 4)}, "
                     f"{number(row.high, 4)}], {found}")
    return "\n".join(lines)


def verdict(decision: Decision) -> str:
    share = f"{decision.inside} of {decision.judged} rounds inside; " if decision.judged else ""
    spent = f"{number(decision.spent)} of {number(decision.budget)} FLOPs spent"
    if decision.go_on:
        return f"{share}{spent}. Go on: the same command again trains the next round"
    return "\n".join([f"{share}{spent}. Stop, {decision.stop}: {decision.reason}",
                      *(f"  to go on: {remedy}" for remedy in decision.remedy)])
