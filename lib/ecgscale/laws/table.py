"""All laws on a whole run table: every size, every response, all runs and each optimizer and family."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from ecgscale.contracts import Columns, Laws, Reading, digest
from ecgscale.contracts.run_table import configurations
from ecgscale.design.study import Spending
from ecgscale.laws.allocation import allocate, asked_budgets, axis_of
from ecgscale.laws.answer import OF_SEVERAL, UNIQUE, Answer, Asking, Question, answer
from ecgscale.laws.columns import AT_ONCE, AXES, GROUPS, LOSSES, SIZES, Response, responses, rows_used
from ecgscale.laws.crossing import OF_ONE_SIZE, crossings
from ecgscale.laws.differences import COMPARED, exponent_differences
from ecgscale.laws.fitted import asked_answers
from ecgscale.laws.forms import CURVES
from ecgscale.laws.groups import group_laws
from ecgscale.laws.headline import frontier_of, frontier_share, with_headlines
from ecgscale.laws.layout import layout_of
from ecgscale.laws.profile import Profile
from ecgscale.laws.uncertainty import Bootstrap
from ecgscale.machine.processes import fresh_pool
from ecgscale.machine.provenance import versions
from ecgscale.tables.names import is_response

ALLOCATION = "compute-optimal allocation"
GROUP_REPLICATES = 200              # of the bootstrap, for laws by source and class: there are many
MOST = 5000                         # runs that a law is fitted to; more would not tell it better
WORTH_STARTING = 1e5                # rows x replicates of all questions, from which processes are started
LEAST = 6                           # runs below which nothing is fitted


def fit_run_table(frame: pd.DataFrame, *, target: str = "test_challenge_score", replicates: int = 300, seed: int = 1,
                  cpus: int = 1, scores: pd.DataFrame | None = None,
                  budgets: tuple[Spending, ...] = (), reading: Reading | None = None,
                  columns: Columns | None = None, places: tuple[dict[str, float], ...] = (),
                  losses: tuple[float, ...] = (), huber: float | None = None) -> Laws:
    """Every law that the table's columns allow, with intervals and verdicts; `disabled` names what they do not.

    scores: METRICS rows of the test part by source and class; budgets: for which the laws that are
    identified name the best sizes; reading and columns: how the table was read, kept with the laws, of which the
    responses asked for are the ones explained; places and losses: where to tell the loss, and for which the cheapest
    sizes; huber: threshold on log y of the robust loss, for all laws. Raises nothing for a poor table: it says so in
    verdicts.
    """
    frame, reading = in_order(frame), reading or Reading()
    explained = responses(frame, target, asked=tuple(columns.responses) if columns and reading.responses else ())
    asked, disabled = list(questions(frame, explained)), missing(frame, target, explained)
    labels = configurations(frame)
    ended = usable(frame)
    with asking(cpus, sum(len(question.rows) for question in asked) * replicates) as ask:
        answers = ask(tasks(asked, frame, labels, replicates, seed, huber))
        grouped, compared, lacking = group_laws(frame[ended], labels[ended], scores,
                                                min(replicates, GROUP_REPLICATES), seed, ask)
    allocation, reasons = allocations(frame, answers, budgets)
    fits = with_headlines(answers, frame)
    return Laws(table_digest=table_digest(frame, explained), synthetic=is_synthetic(frame), runs=len(frame),
                fits=(*fits, *grouped), disabled=disabled | reasons | lacking,
                allocation=allocation, differences=[*differences(answers), *compared], crossings=met(answers),
                reading=reading, columns=columns and columns.explaining(
                    [one.column for one in explained], name_others=target not in frame),     # ours has dozens
                answers=asked_answers(answers, frame, places, losses, fits),
                rows=[rows_used(frame, one, ended) for one in explained], versions=versions())


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order of their values, so that how a table was sorted changes no answer: neither sums nor the
    draws of a bootstrap."""
    numbers = [name for name in sorted(frame) if pd.api.types.is_numeric_dtype(frame[name])]
    return frame.sort_values([*numbers, "run_id"], kind="stable", ignore_index=True)


@contextmanager
def asking(cpus: int, work: float) -> Iterator[Asking]:
    """Answers in processes side by side where the work (rows x replicates) is worth starting them: the steps of a fit
    are too short for threads, which would take turns."""
    if cpus <= 1 or work < WORTH_STARTING:
        yield lambda tasks: [answer(*task) for task in tasks]
        return
    with fresh_pool("fitting", cpus, threads=1) as pool:
        yield lambda tasks: [one.result() for one in [pool.submit(answer, *task) for task in tasks]]


def tasks(asked: list[Question], frame: pd.DataFrame, labels: np.ndarray, replicates: int, seed: int,
          huber: float | None = None) -> list[tuple]:
    """Arguments of `answer`, question by question."""
    names = frame["run_id"].astype(str).to_numpy()
    return [(question, [frame[name].to_numpy(float)[question.rows] for name in question.x], labels[question.rows],
             replicates, seed + number, 0.05 / len(asked), CURVES, names[question.rows], huber,
             layout_of(frame.iloc[question.rows], question.x, labels[question.rows]))
            for number, question in enumerate(asked)]


def differences(answers: list[Answer]) -> list[dict[str, Any]]:
    """Differences of exponents and floors between the subsets of each response, sizes and law."""
    return [row for (_, x, y), ends in by_subset(answers, COMPARED).items() for row in exponent_differences(ends, x, y)]


def met(answers: list[Answer]) -> list[dict[str, Any]]:
    """Where the laws of two subsets meet, for the laws of one size that both identify."""
    rows = []
    for (_, x, y), ends in by_subset(answers, OF_ONE_SIZE, identified=True).items():
        rows += crossings({subset: one.fit for subset, one in ends.items()}, x, y)
    return rows


def by_subset(answers: list[Answer], laws: tuple[str, ...],
              identified: bool = False) -> dict[tuple[str, tuple[str, ...], str], dict[str, Profile]]:
    """Profiles of the parts of the runs ("optimizer=adamw"), by law, sizes and response."""
    grouped: dict[tuple, dict[str, Profile]] = {}
    for one in answers:
        for law, ends in one.profiles.items():
            if law in laws and "=" in one.question.subset and (one.identified(law) or not identified):
                key = (law, one.question.x, one.question.response.name)
                grouped.setdefault(key, {})[one.question.subset] = ends
    return grouped


def allocations(frame: pd.DataFrame, answers: list[Answer],
                budgets: tuple[Spending, ...]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Compute-optimal rows for the laws that are identified, and why there are none."""
    if "samples_seen" not in frame and UNIQUE[1] in frame:      # each seen once, as far as the table tells
        frame = frame.assign(samples_seen=frame[UNIQUE[1]])
    rows, reasons = [], {}
    asked, unpriced = asked_budgets(budgets, frame)
    lacking = [name for name in ("params", "samples_seen") if name not in frame]
    if lacking:
        return [], unpriced | unanswered(asked, f"column {lacking[0]!r} is missing")
    by_law: dict[tuple[str, str], dict[str, Answer]] = {}
    for one in answers:
        law = OF_SEVERAL.get(one.question.x)
        if law in one.boots:
            by_law.setdefault((law, one.question.response.name), {})[one.question.subset] = one
    for (law, response), found in by_law.items():
        boots = {subset: one.boots[law] for subset, one in found.items() if one.identified(law)}
        boots = of_one_kind(boots)
        first = next(iter(found.values()))
        if boots:
            runs = frame.iloc[np.unique(np.concatenate([found[subset].question.rows for subset in boots]))]
            clusters = {subset: found[subset].clusters for subset in boots}
            found_rows = allocate(boots, clusters, runs, asked, first.question.response.most)
            rows += [{"y_column": response, **row} for row in found_rows]
        else:
            reasons.setdefault(law, first.fits[0].reason)
    told = "; ".join(f"{law}: {reason}" if len(reasons) > 1 else reason for law, reason in reasons.items())
    why = f"no law of model size and samples is identifiable ({told})" if told else \
        "too few runs for a law of model size and samples"
    return rows, unpriced | ({} if rows else unanswered(asked, why))


def of_one_kind(boots: dict[str, Bootstrap]) -> dict[str, Bootstrap]:
    """By subset: the frontier's law instead of that of all runs where there is one; of families, which are compared,
    the frontiers' of all or of none: what more of them have."""
    apart = [subset for subset in boots if axis_of(subset) == "family"]
    fronts = [subset for subset in apart if subset.endswith(frontier_of(""))]
    plain = [subset for subset in apart if subset not in fronts]
    dropped = plain if len(fronts) >= len(plain) else fronts
    return {subset: boot for subset, boot in boots.items()
            if subset not in dropped and (subset in apart or frontier_of(subset) not in boots)}


def unanswered(asked: dict[str, float], reason: str) -> dict[str, str]:
    return {ALLOCATION: reason} | {f"budget of {name}": reason for name in asked}


def usable(frame: pd.DataFrame) -> np.ndarray:
    """(row,) runs that ended well."""
    return frame["status"].eq("finished").to_numpy() if "status" in frame else np.ones(len(frame), dtype=bool)


def is_synthetic(frame: pd.DataFrame) -> bool:
    return bool(frame["synthetic"].fillna(False).any()) if "synthetic" in frame else False


def table_digest(frame: pd.DataFrame, explained: list[Response]) -> str:
    """Of what the laws read, whatever the order of rows and columns."""
    read = {*SIZES, *GROUPS, *AXES, *(one.column for one in explained)}
    names = sorted(name for name in frame if name in read or name.startswith(("test_", "valid_")))
    rows = frame.sort_values("run_id")[["run_id", *names]].astype(str).fillna("").to_numpy().tolist()
    return digest([names, rows])


def subsets(frame: pd.DataFrame, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "all", rows
    for column in (*GROUPS, *AXES):
        groups = frame.iloc[rows].groupby(column).indices if column in frame else {}
        if len(groups) > 1:
            named = "{:.10g}" if pd.api.types.is_number(next(iter(groups))) else "{}"      # window=256 of whole floats
            yield from ((f"{column}={named.format(value)}", rows[positions]) for value, positions in groups.items())


def questions(frame: pd.DataFrame, explained: list[Response]) -> Iterator[Question]:
    ended = usable(frame)
    for response in explained:
        for x in (*((size,) for size in SIZES), *OF_SEVERAL):
            if not set(x) <= set(frame) or (x == UNIQUE and "samples_seen" in frame):
                continue
            sizes = frame[list(x)].to_numpy(float)
            rows = np.flatnonzero(ended & np.isfinite(response.y) & (np.isfinite(sizes) & (sizes > 0)).all(axis=1))
            for subset, chosen in subsets(frame, rows):
                chosen = drawn(chosen)
                if len(chosen) < LEAST or any(len(np.unique(size[chosen])) < 2 for size in sizes.T):
                    continue
                share = frontier_share(frame.iloc[chosen], x)
                if share is not None:
                    yield Question(frontier_of(subset), x, response, chosen, share)
                yield Question(subset, x, response, chosen)


def drawn(rows: np.ndarray) -> np.ndarray:
    """All rows, or as many as a fit takes, drawn at random and the same each time."""
    return rows if len(rows) <= MOST else np.sort(np.random.default_rng(len(rows)).choice(rows, MOST, replace=False))


def missing(frame: pd.DataFrame, target: str, found: list[Response]) -> dict[str, str]:
    """Analyses that the table does not allow, by name, with the reason."""
    out = {f"laws in {size}": f"column {size!r} is missing" for size in SIZES if size not in frame}
    ended = usable(frame)
    for size in (size for size in SIZES if size in frame):
        values = frame[size].where(ended & (frame[size] > 0) & np.isfinite(frame[size]))
        runs = max((int((values.notna() & np.isfinite(one.y)).sum()) for one in found), default=LEAST)
        if values.dropna().nunique() < 2:
            out[f"laws in {size}"] = f"column {size!r} has fewer than two values above 0"
        elif runs < LEAST:
            out[f"laws in {size}"] = f"{runs} runs have both {size} and a score or loss; {LEAST} are needed"
    if not found:
        there = [name for name in frame if name in (target, *LOSSES) or is_response(name)]
        out["laws"] = (f"{there[0]!r} holds no value that has a logarithm: give losses above 0, scores below 1" if there
                       else f"neither {target!r} nor a loss is in the table")
    elif target not in frame and not any(one.column == target for one in found):
        out[f"laws of {target}"] = f"column {target!r} is missing"
    if ended.sum() > MOST:
        out[AT_ONCE] = f"each is fitted to {MOST:,} runs drawn at random of those it has"
    for x in (x for x in OF_SEVERAL if x != UNIQUE):
        lacking = [name for name in x if name not in frame]
        if lacking:
            out[f"law of {', '.join(x)}"] = f"column {lacking[0]!r} is missing"
    out |= {f"laws by {group}": f"column {group!r} is missing" for group in GROUPS if group not in frame}
    return out
