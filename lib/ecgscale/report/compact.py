"""Rows as the page holds them: columns in few letters, and of large figures and tables no more than there is room for.

A column is a list, or {"all": value, "rows": n} where all are equal, {"of": values, "at": places} where few values
repeat, {"as": name} where it tells what the table of runs tells of the row's `run`.
"""

from __future__ import annotations

import json
from typing import Any

from ecgscale.report.charts import THINNED, Chart, by_column, rounded, script_safe

REPEATED = 4            # times that values of a column must stand in it, in the mean, to be numbered
LIMITS = ((10_000, 20_000), (THINNED, 20_000), (1000, 20_000), (500, 10_000), (250, 5000), (125, 2000), (60, 500))
# rows of a set, and runs of the table, best first: the first pair that fits into the page is taken


def fitting(facts: dict[str, list], charts: list[Chart], room: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The table of runs and the rows of each figure, compact, of the first LIMITS that fit into `room` bytes of JSON,
    or of the last."""
    for points, runs in LIMITS:
        held = {name: [rounded(value) for value in values[:runs]] for name, values in facts.items()}
        drawn = {one.name: rows_of(one, held, points) for one in charts}
        table = {name: compact(values) for name, values in held.items()}
        if weight([table, drawn]) <= room:
            break
    return table, drawn


def weight(part: Any) -> int:
    """Bytes in the page."""
    return len(script_safe(part).encode())


def rows_of(chart: Chart, runs: dict[str, list], most: int) -> dict[str, Any]:
    """Columns of each set of rows of a figure, and in words what of them is left out."""
    made, steps, count = {}, [1], len(next(iter(runs.values()), ()))
    for name, rows in chart.rows.items():
        step = -(-len(rows) // most)
        steps.append(step)
        columns = by_column(every_so_many(rows, step) if step > 1 else rows)
        if "run" in columns:        # a run that the page's table does not hold is drawn, without its facts
            columns["run"] = [run if run is not None and run < count else None for run in columns["run"]]
        made[name] = {key: as_runs_tell(values, columns.get("run"), runs) or compact(values)
                      for key, values in columns.items()}
    less = f"The page holds one in {max(steps)} of these, and fronts whole; those of figures/ are drawn with all."
    return {"rows": made, "less": less if max(steps) > 1 else ""}


def every_so_many(rows: list[dict], step: int) -> list[dict]:
    """What the page has room for: all rows of one run in `step`, or where there are few runs, one row in `step`; and
    those on a front."""
    runs = list(dict.fromkeys(row.get("run") for row in rows))
    chosen = set(runs[::step]) if len(runs) > step else set()
    return [row for place, row in enumerate(rows)
            if row.get("front") or (row.get("run") in chosen if chosen else place % step == 0)]


def as_runs_tell(values: list, places: list | None, runs: dict[str, list]) -> dict | None:
    """The column of the table of runs that says the same of every row's run, if there is one."""
    if not places or None in places:
        return None
    return next(({"as": name} for name, told in runs.items()
                 if all(told[place] == value and type(told[place]) is type(value)
                        for place, value in zip(places, values, strict=True))), None)


def compact(values: list) -> list | dict[str, Any]:
    kinds = {json.dumps(value): value for value in values}      # 1 and true differ
    if len(kinds) == 1:
        return {"all": values[0], "rows": len(values)}
    if not values or len(kinds) > len(values) / REPEATED:
        return values
    place = {kind: number for number, kind in enumerate(kinds)}
    numbered = {"of": list(kinds.values()), "at": [place[json.dumps(value)] for value in values]}
    return min(values, numbered, key=lambda one: len(json.dumps(one, ensure_ascii=False)))
