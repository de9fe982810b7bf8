"""An A/A control: one configuration opened twice, and timed as two arms between all other measurements.

The arms are the same file in the same runtime, so any difference between them is the measuring's own, and their level
is a clock that stands still on a quiet machine. They are called in turn, who is first drawn for every pair of calls;
the judgement sees two arrays and not which is which. It is apart from the repeats: those compare a configuration with
itself rounds later, the control tells what the machine did before and after each block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter_ns

import numpy as np

from ecgscale.deploy.block import Configuration, opened, warm_up

SECONDS, CALLS = 0.1, 15        # a look at the control takes as long, and has as many calls of each arm
COLD = 5                        # of these the first are left out: they fill the caches that the block before emptied
QUIET = 0.25                    # the quantile of the levels that counts as undisturbed: disturbances only slow down
SCATTERS, FEWEST = 4, 8         # a look within as many of the looks' own scatter is not disturbed; fewest to tell it
MOST_DISTURBED = 0.5            # a larger share of disturbed looks leaves nothing to trust


@dataclass(frozen=True)
class Look:
    """Median of each arm in ms, at one moment of the run."""

    first: float
    second: float

    @property
    def level(self) -> float:
        return (self.first + self.second) / 2


arms: dict[tuple, list] = {}      # of this process: which control, and two requests on two copies of it


def choose(wanted: Sequence[Configuration]) -> Configuration | None:
    """The cheapest single stream, on the processor where there is one."""
    single = [one for one in wanted if one.scenario == "single"]
    return min(single, key=lambda one: (one.device != "cpu", one.model.export.ledger.forward_flops), default=None)


def look(control: Configuration, seed: int) -> Look:
    """Time both arms now; they are opened at the first look of a process at this control. Raises Unavailable."""
    windows = control.model.windows(control.batch)
    generator = np.random.default_rng(seed)
    which = (control.model.folder, control.runtime, control.device, control.option, control.batch, control.threads)
    if which not in arms:
        arms.clear()                            # another control's copies would keep their memory
        runtimes = [opened(control)[0] for _ in range(2)]
        pair = [runtimes[place].request() for place in generator.permutation(2)]
        for request in pair:
            warm_up(request, windows)
        arms[which] = pair
    times: tuple[list[int], list[int]] = ([], [])
    deadline = perf_counter_ns() + SECONDS * 1e9
    while len(times[0]) < CALLS or perf_counter_ns() < deadline:
        for arm in generator.permutation(2):
            request, start = arms[which][arm], perf_counter_ns()
            request.put(windows)
            request.execute()
            request.get()
            times[arm].append(perf_counter_ns() - start)
    return Look(*(float(np.median(arm[COLD:])) / 1e6 for arm in times))


def deviations(looks: Sequence[Look]) -> np.ndarray:
    """(look,): how far its level is from the quiet one, relative."""
    levels = np.array([one.level for one in looks])
    return levels / np.quantile(levels, QUIET, method="lower") - 1 if len(levels) else levels


def limit(looks: Sequence[Look], tolerance: float) -> float:
    """How far a look may be from the quiet level: `tolerance`, or what the control can resolve where that is more.

    Its scatter is estimated from differences of neighbours (median, normal-consistent), which a disturbance of many
    looks in a row, or a drift, hardly touches.
    """
    if len(looks) < FEWEST:
        return tolerance
    scatter = float(np.median(np.abs(np.diff(deviations(looks))))) / 0.6745 / 2 ** 0.5
    return max(tolerance, SCATTERS * scatter)


def around(looks: Sequence[Look]) -> list[float]:
    """Of each block: the larger deviation of the looks before and after it."""
    found = deviations(looks)
    return [float(max(pair, key=abs)) for pair in pairwise(found)]


def verdict(looks: Sequence[Look], tolerance: float) -> str:
    """Why the whole run is void; "" where it stands."""
    if not looks:
        return ""
    share = float(np.mean(np.abs(deviations(looks)) > limit(looks, tolerance)))
    if share > MOST_DISTURBED:
        return f"disturbed run: {share:.0%} of the looks at the A/A control differ from its quiet level"
    ratio = float(np.median([one.second / one.first for one in looks]))
    if abs(ratio - 1) > tolerance:
        return f"disturbed run: the two arms of the A/A control differ by {ratio - 1:+.0%}"
    return ""
