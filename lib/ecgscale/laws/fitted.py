"""Small answers of a fitted law: the loss at chosen sizes, the cheapest sizes for a loss, the best sizes for a budget.

    >>> law = ecgscale.laws.fit("runs.csv")
    >>> law.predict(params=1e9, samples_seen=2e10)      # {"y": 2.3, "y_low": ..., "run_low": ...}
    >>> law.optimal(1e21)                               # best params and samples, exponents, price of being off
    >>> law.sizes_for(2.2)                              # cheapest params and samples that reach it
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ecgscale.contracts import LawFit
from ecgscale.errors import UserError
from ecgscale.laws.allocation import POOLED, best_foretold, cost_line, optimum, with_ends
from ecgscale.laws.answer import Answer
from ecgscale.laws.counted import shortfalls, told_shortfalls
from ecgscale.laws.fit import finite
from ecgscale.laws.foretold import Outlook
from ecgscale.laws.optimum import samples_on_contour, sizes_for
from ecgscale.laws.summary import preferred
from ecgscale.laws.uncertainty import Bootstrap
from ecgscale.numbers import number
from ecgscale.tables.names import understand
from ecgscale.tables.numbers import one_number

GRID = 241          # sizes of an iso-FLOP line
CONTOUR = 25        # sizes of an iso-loss contour


@dataclass(frozen=True)
class FittedLaw:
    """One law of a table with what it takes to ask it. `fit`: estimates, intervals, verdict and reason; clusters
    (run,): its runs' configurations; frame: the table; most: the largest value that the response can have."""

    fit: LawFit
    boot: Bootstrap
    clusters: np.ndarray
    frame: pd.DataFrame
    most: float = np.inf

    @cached_property
    def ahead(self) -> Outlook:
        return Outlook(self.boot.fit, self.clusters)

    @property
    def sizes(self) -> tuple[str, ...]:
        """The columns that it is a law of, by our names."""
        return self.fit.x

    def predict(self, **sizes: float) -> dict[str, Any]:
        """y at one place, with the 90 % interval of the law there (y_low, y_high) and of a new run (run_low, run_high).

        Of several sizes y is that of the law with what it misses (foretold.py); law_y is what the equation alone says.
        Sizes go by our names or their aliases. Raises UserError where one is missing or unknown.
        """
        given = {understand(name).role or name: value for name, value in sizes.items()}
        given = {"train_records" if name == "samples_seen" and "train_records" in self.sizes
                 and name not in self.sizes else name: value for name, value in given.items()}
        if set(given) != set(self.sizes):
            raise UserError(f"a law of {', '.join(self.sizes)} is asked at {', '.join(given) or 'no size'}", field="at",
                            remedy="Give each of its sizes")
        given = {name: above_0(value, name) for name, value in given.items()}
        place = np.log([[given[name]] for name in self.sizes])
        fitted = self.boot.fit
        found = self.ahead.at(place)
        told = {"y": self.possible(found.y[0]), "law_y": self.possible(found.law[0])}
        for name, (low, high) in (("y", found.curve[0]), ("run", found.run[0])):
            told |= {f"{name}_low": self.possible(low) if np.isfinite(low) else None,
                     f"{name}_high": self.possible(high)}
        beyond = [name for name, at, seen in zip(self.sizes, place[:, 0], fitted.log_x, strict=True)
                  if not seen.min() - 1e-9 <= at <= seen.max() + 1e-9]
        counted = (shortfalls(self.fit.law, fitted.points, of="foretold") if self.ahead.missed else
                   [row for row in self.fit.statistics.get("counted", ()) if row["of"] != "parameters"])
        notes = [f"beyond the table's {' and '.join(beyond)}"] if beyond else []
        if not beyond and len(self.sizes) > 1 and place.sum() > fitted.log_x.sum(axis=0).max() + 1e-9:
            notes.append("no run has as much of all sizes together")
        if self.ahead.widened > 1:
            notes.append(f"intervals {number(self.ahead.widened, 2)} times as wide: the cheaper half of the runs "
                         "foretells the others that badly")
        notes += [told_shortfalls(self.fit.law, counted)] if counted else []
        return given | told | {"note": self.note("; ".join(notes))}

    def possible(self, log_y: float) -> float | None:
        """A value that the response can have; None where there is no end."""
        with np.errstate(over="ignore"):
            return finite(min(np.exp(log_y), self.most))

    def optimal(self, budget: float) -> dict[str, Any]:
        """Best size and samples for FLOPs, with intervals; exponents of both in the budget; samples a parameter; what
        it costs to be off by 2. Raises UserError for a law of one size."""
        frame, cost = self.joint("a budget")
        budget = above_0(budget, "budget")
        log_n = np.linspace(*np.log(frame["params"].agg(["min", "max"])), GRID)
        log_t = np.log(budget) - cost[0] - cost[1] * log_n
        theta = np.vstack([self.boot.fit.theta, self.boot.theta])
        log_budget = float(np.log(budget))
        (told,) = best_foretold(self.ahead, np.array([log_budget]), cost, self.most)
        row = optimum(self.boot, self.boot.fit.law.log_curve(theta, np.array([log_n, log_t])), log_n, log_t, frame,
                      log_budget, cost, told)
        return {"budget_flops": budget} | row | {"note": self.note(row["note"])}

    def sizes_for(self, loss: float) -> dict[str, Any]:
        """The cheapest params and samples that reach a loss, and their FLOPs, with intervals; None where the law, or a
        replicate at that end, never reaches it. Raises UserError for a law of one size."""
        frame, cost = self.joint("a loss")
        loss = above_0(loss, "loss")
        found = sizes_for(np.vstack([self.boot.fit.theta, self.boot.theta]), loss, cost)
        row: dict[str, Any] = {"y": loss}
        with np.errstate(all="ignore"):
            for name, values in zip(("params", "samples", "flops"), found, strict=True):
                row |= with_ends(self.boot, name, np.exp(values))
        floor = self.boot.fit.values["E"]
        notes = [] if "train_flops" in frame else ["FLOPs taken as 6 N D: the table counts none"]
        notes += [f"not told: below the law's floor of {number(floor, 4)}"] if row["params"] is None else []
        return row | {"note": self.note("; ".join(notes))}

    def contour(self, loss: float, params: Iterable[float]) -> np.ndarray:
        """(size,) samples with which models of these sizes reach the loss; infinite where none do."""
        self.joint("a contour")
        theta = self.boot.fit.theta[None]
        return np.array([np.exp(samples_on_contour(theta, np.array([loss]), np.log([n]))[0]) for n in params])

    def joint(self, asked: str) -> tuple[pd.DataFrame, tuple[float, float]]:
        """The table and its line of cost, for the joint law alone."""
        if self.fit.law != "joint":
            raise UserError(f"{asked} needs a law of model size and samples", field="law",
                            remedy=f"This table has a law of {', '.join(self.sizes)}")
        frame = self.frame
        if "samples_seen" not in frame:
            frame = frame.assign(samples_seen=frame["train_records"])
        return frame, cost_line(frame)

    def note(self, note: str) -> str:
        weak = "" if self.fit.verdict == "identified" else f"the law is {self.fit.verdict}: {self.fit.reason}"
        return "; ".join(filter(None, (note, weak)))


def above_0(value: float, name: str) -> float:
    """One number that has a logarithm. Raises UserError for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not 0 < number < np.inf:
        raise UserError(f"{value!r} is no number above 0", field=name,
                        remedy=f"Give one number, such as {name}=1e9; for several, ask for each")
    return number


def of_answer(made: Answer, frame: pd.DataFrame) -> FittedLaw:
    told = preferred([one for one in made.fits if one.law in made.boots])
    return FittedLaw(told, made.boots[told.law], made.clusters, frame, made.question.response.most)


def asked_answers(answers: list[Answer], frame: pd.DataFrame, places: tuple[dict[str, float], ...],
                  losses: tuple[float, ...], fits: list[LawFit]) -> list[dict[str, Any]]:
    """Rows for laws.json: what was asked at places and for losses, of every law over all runs that can tell, and before
    it of the frontier's where settings vary: a loss of all runs is one of the settings as well. Where families differ,
    of each one's headline among the fits too."""
    heads = {(fit.y, fit.x, fit.subset) for fit in fits if fit.statistics.get("headline")}
    rows = []
    for made in answers if places or losses else ():
        asked = made.question
        if not made.boots or (asked.subset not in POOLED
                              and (asked.response.name, asked.x, asked.subset) not in heads):
            continue
        law = of_answer(made, frame)
        about = {"of": law.fit.y, "law": law.fit.law, "over": list(law.sizes), "subset": asked.subset}
        rows += [about | {"asked": "y at sizes"} | law.predict(**place) for place in places
                 if {understand(name).role or name for name in place} == set(law.sizes)]
        if law.fit.law == "joint":
            rows += [about | {"asked": "sizes for y"} | law.sizes_for(loss) | {"contour": contour_rows(law, loss)}
                     for loss in losses]
    return rows


def contour_rows(law: FittedLaw, loss: float) -> list[dict[str, float]]:
    """The iso-loss contour over the table's model sizes and ten times beyond them, where it exists."""
    sizes = np.exp(law.boot.fit.log_x[0])
    params = np.geomspace(sizes.min() / 10, sizes.max() * 10, CONTOUR)
    return [{"params": float(n), "samples": float(d)} for n, d in
            zip(params, law.contour(loss, params), strict=True) if np.isfinite(d)]


def place_of(text: str) -> dict[str, float]:
    """ "params=7e9,tokens=1.4T" -> sizes by name. Raises UserError."""
    found = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        number, kind = one_number(value.strip(), ".", units=True)
        if not name.strip() or kind != "number" or not number > 0:
            raise UserError(f"{part!r} is no size", field="--at", remedy="Write params=7e9,samples_seen=1.4e12")
        found[understand(name).role or name.strip()] = number
    return found

