"""A study before its training, as files: its runs, what they cost in all, and the memory of each.

Torch is imported only where steps are timed or memory is reckoned.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ecgscale.contracts import RUN_MEMORY, Plan, PlannedRun, Round, SplitInfo, refuse_foreign
from ecgscale.design.plan import Pace, as_text, with_rounds
from ecgscale.design.space import plan_study
from ecgscale.design.study import Study


def write_plan(study: Study, classes: int, records: int | None, split: SplitInfo | None, rounds: Iterable[Round],
               timed: bool, limit: float | None, cpus: int, out: Path) -> list[str]:
    """runs.jsonl and plan.json in `out`; memory.csv, too, where the plan is `timed` on this machine or one training may
    take no more than `limit` bytes. Gives what is said of them.

    records: of training, for a study that has no `split` yet. Raises UserError as `plan_study` and `with_rounds` do.
    """

    files = {"runs.jsonl": PlannedRun.wrote, "plan.json": Plan.wrote}
    refuse_foreign(out, files | ({"memory.csv": RUN_MEMORY.wrote} if timed or limit else {}))

    def calibrated(runs: list[PlannedRun]) -> Pace:
        from ecgscale.training.pace import calibrate

        return calibrate(runs, classes, cpus=cpus)

    runs, plan = plan_study(study, classes, split.train_records if split else records, calibrated, hours=timed)
    runs, plan = with_rounds(runs, plan, list(rounds))
    PlannedRun.write_lines(runs, out / "runs.jsonl")
    plan.model_copy(update={"synthetic": bool(split and split.synthetic)}).write(out / "plan.json")
    if not (timed or limit):
        return [as_text(plan)]
    from ecgscale.training.memory import write_memory

    return [as_text(plan), *write_memory(runs, classes, limit, out / "memory.csv")]
