"""Devices that misbehave, simulated: what becomes of their rows, and that no simulated device enters a result table."""

import faulthandler
import os
import re
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import LATENCY
from ecgscale.deploy import bench, block, elsewhere, runtimes
from ecgscale.deploy.runtimes import DeployedModel, Ran
from ecgscale.deploy.speed import medians
from ecgscale.design.study import Deploy
from ecgscale.errors import UserError
from tests.lib.deploy.test_bench import Planted, kind, measured, planted
from tests.tiny_models import exported_model

ROOT = Path(__file__).parents[3]
ONCE = Deploy(repeats=1, min_count=40, min_seconds=0)


class Simulated(Planted):
    """Fast and right, until call number `until`; `fault` says what it does from then on."""

    delays = (0.0,)
    until = 30
    calls = 0
    fault = ""

    def execute(self):
        type(self).calls += 1
        self.late = type(self).calls >= self.until
        if self.late and self.fault == "dies":
            faulthandler.disable()      # or pytest prints the trace that is asked for here
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.late and self.fault == "out of memory":
            raise MemoryError("std::bad_alloc")

    def get(self):
        wrong = {"drifts off": 0.5, "no number": np.nan}.get(self.fault, 0.0) if self.late else 0.0
        return self.expected + np.float32(wrong)

    def ran(self):
        fell = self.late and self.fault == "falls back"
        return Ran("cpu" if fell else "gpu", "float32", fell, 1.0 if fell else 0.0)


def simulated(fault: str, until: int = 30) -> type:
    return type("Faulty", (Simulated,), {"fault": fault, "until": until, "calls": 0})


@pytest.mark.parametrize("until", [1, 30], ids=["from the first call", "in mid-run"])
@pytest.mark.parametrize(("fault", "reason"), [
    ("drifts off", r"wrong answer: its logits are 0\.5 off the trained network's on the sample"),
    ("no number", "wrong answer: its logits are nan off"), ("dies", "the runtime's process died: SIGSEGV"),
    ("out of memory", "std::bad_alloc")])
def test_a_device_that_fails_costs_its_row_and_gives_no_number(tmp_path, monkeypatch, fault, reason, until):
    planted(monkeypatch, faulty=simulated(fault, until), good=kind(0.0))
    table = measured(tmp_path, ["faulty", "good"], ONCE, tolerance=99).set_index("runtime")
    assert table.loc["faulty", "status"] == "failed"
    assert re.match(reason, table.loc["faulty", "reason"])
    assert pd.isna(table.loc["faulty", [name for name in table if name.endswith("_ms")]]).all()
    assert table.loc["good", "status"] == "ok"


def test_a_fallback_in_mid_run_is_flagged_and_counts_nowhere(tmp_path, monkeypatch):
    """What ran is read after the timed calls, not before them."""
    planted(monkeypatch, faulty=simulated("falls back"), good=kind(0.0))
    table = measured(tmp_path, ["faulty", "good"], ONCE, tolerance=99)
    row = table.set_index("runtime").loc["faulty"]
    assert (row["fallback"], row["ran_device"], row["fallback_share"]) == (True, "cpu", 1.0)
    assert set(medians(table)["runtime"]) == {"good"}


def test_limits_of_a_right_answer():
    """Of a file in its own precision: four times what EXPORT found. ONNX Runtime 1.24.4 computed the INT8 file of a
    ViT 0.21 off, of which EXPORT had found 0.018."""
    model = DeployedModel.read(exported_model())
    file = model.artefact("onnx", "int8").model_copy(update={"max_logit_difference": 0.018})
    runtime = type("Opened", (), {"artefact": file})
    block.judge_answer(model.expected + 0.07, model, runtime, Ran("cpu", "int8", False))
    with pytest.raises(block.WrongAnswerError, match=r"at most 0\.072 is explained by int8"):
        block.judge_answer(model.expected + 0.21, model, runtime, Ran("cpu", "int8", False))
    block.judge_answer(model.expected + 0.09, model, runtime, Ran("gpu", "float16", True))


def test_no_simulated_device_can_enter_a_result(tmp_path, monkeypatch):
    """The product names its runtimes in one place; rows of any other are refused wherever results come in, and no file
    of the product knows a simulated one."""
    with monkeypatch.context() as patch:
        planted(patch, simulated=simulated(""))
        bench.bench([exported_model()], ["simulated"], ["cpu"], ONCE, tmp_path / "there", 1, "there", tolerance=99)
    assert len(LATENCY.read(tmp_path / "there/latency.parquet"))
    assert set(runtimes.MODULES) == {"torch", "onnxruntime", "openvino", "coreml", "executorch", "litert"}
    with pytest.raises(UserError, match="'simulated' is no runtime of ours"):
        elsewhere.read([tmp_path / "there"], [], set())
    with pytest.raises(UserError, match="unknown runtime 'simulated'"):
        runtimes.runtime_class("simulated")
    sources = [path for folder in ("lib", "bin", "assets/kit") for path in (ROOT / folder).rglob("*") if path.is_file()]
    deploying = [path for path in sources if "deploy" in path.parts or path.parent.name in ("bin", "kit")]
    assert not [path for path in deploying if path.suffix != ".pyc" and "simulated" in path.read_text().lower()]
