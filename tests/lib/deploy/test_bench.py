"""The measuring loop with runtimes of planted speed, faults and fallbacks: no real runtime is needed to judge it."""

import errno
import faulthandler
import json
import os
import shutil
import signal
import time
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import LATENCY, TIMES, Environment
from ecgscale.deploy import apart, bench, block, control, runtimes, session
from ecgscale.deploy.runtimes import Device, Ran, Unavailable
from ecgscale.design.study import Deploy
from ecgscale.errors import UserError
from tests.documents import editable
from tests.tiny_models import RATE, WINDOW, copy_of_exported, exported_model

QUICK = Deploy(repeats=2, min_count=40, min_seconds=0.0)


class Planted:
    """A runtime that sleeps: `delays` seconds a call, one an opened runtime."""

    DEVICES = ("cpu", "gpu")
    OPTIONS = MappingProxyType({"precision": ("float32", "bf16"), "threads": None})
    POOLED = False
    delays = ()
    opened = 0
    precision = "float32"

    @staticmethod
    def devices(asked=()):
        return [Device("planted", "cpu", True), Device("planted", "gpu", False, reason="libOpenCL.so.1: not found")]

    @staticmethod
    def options(device, levels, scenario):
        return ("precision=float32",)

    def load(self, model, device, option, batch, threads):
        self.artefact = model.artefact("torch", "float32", batch)
        self.expected = np.repeat(model.expected, batch, axis=0)
        self.delay = self.delays[min(type(self).opened, len(self.delays) - 1)]
        type(self).opened += 1

    def compile(self):
        time.sleep(0.02)

    def request(self):
        return self

    def put(self, windows):
        pass

    def execute(self):
        time.sleep(self.delay)

    def get(self):
        return self.expected

    def ran(self):
        return Ran("cpu", self.precision, self.precision != "float32", 0.0)


def planted(monkeypatch, watched=False, **kinds):
    """Make `bench` know these runtimes and no other, warm up quickly, and (not `watched`) go without A/A control.

    The measuring process is a fork, so that it knows them too.
    """
    def find(name):
        if kinds[name] is None:
            raise Unavailable("ModuleNotFoundError: No module named 'x'")
        return kinds[name]

    monkeypatch.setattr(apart, "START", "fork")
    for name in kinds:
        monkeypatch.setitem(runtimes.MODULES, name, "tests.lib.deploy.test_bench")
    for module in (session, block):
        monkeypatch.setattr(module, "runtime_class", find)
    monkeypatch.setattr(block, "GROUP_SECONDS", 0.005)
    monkeypatch.setattr(control, "arms", {})
    if not watched:
        monkeypatch.setattr(control, "choose", lambda wanted: None)


def kind(*delays, **members):
    return type("Kind", (Planted,), {"delays": delays, "opened": 0, **members})


def measured(tmp_path, runtimes, deploy=QUICK, devices=("cpu",), **options):
    options = {"threads": 1, "name": "lab", **options}
    return bench.bench([exported_model()], runtimes, list(devices), deploy, tmp_path / "out", **options)


def test_planted_speeds_are_found_and_every_time_is_kept(tmp_path, monkeypatch):
    planted(monkeypatch, fast=kind(0.001), slow=kind(0.004))
    table = measured(tmp_path, ["fast", "slow"], tolerance=0.5).set_index(["runtime", "repeat"])
    assert list(table["status"]) == ["ok"] * 4
    for name, low in (("fast", 1.0), ("slow", 4.0)):
        row = table.loc[name, 1]
        assert low <= row["p50_low_ms"] <= row["p50_ms"] <= row["p50_high_ms"] <= 3 * low
        assert row["count"] == 40
        assert row["min_ms"] >= low
        assert row["per_recording_ms"] == pytest.approx(np.ceil(10 * RATE / WINDOW) * row["p50_ms"])
        assert row["compile_ms"] >= 20
        assert pd.isna(row["p90_ms"])          # 40 samples: fewer than 10 beyond it
        assert row["logit_difference"] == 0
        assert row["warmup"] > 0
    times = TIMES.read(tmp_path / "out/times.parquet")
    again = LATENCY.read(tmp_path / "out/latency.parquet")
    keys = ["run_id", "machine", "runtime", "device", "option", "scenario", "batch", "repeat"]
    medians = times.groupby(keys)["ms"].median()
    assert np.allclose(medians.to_numpy(), again.set_index(keys)["p50_ms"].sort_index().to_numpy())
    assert (times["copy_ms"] < times["ms"]).all()
    assert Environment.read(tmp_path / "out/environment.json").machine == "lab"


def test_what_is_absent_is_a_row_with_its_reason_and_no_number(tmp_path, monkeypatch):
    planted(monkeypatch, here=kind(0.0), nowhere=None)
    table = measured(tmp_path, ["here", "nowhere"], devices=("cpu", "gpu"), tolerance=9)
    absent = table[table["status"] == "unavailable"].set_index(["runtime", "device"])
    assert absent.loc[("here", "gpu"), "reason"] == "libOpenCL.so.1: not found"
    assert absent.loc[("nowhere", "cpu"), "reason"] == "ModuleNotFoundError: No module named 'x'"
    measures = [name for name in table if name.endswith(("_ms", "_us", "_per_s")) or name == "count"]
    assert absent[measures].isna().all(axis=None)
    assert (table[table["runtime"] == "here"]["status"] != "unavailable").sum() == 2


def test_one_runtimes_failure_does_not_lose_the_others(tmp_path, monkeypatch):
    class Broken(Planted):
        delays = (0.0,)

        def compile(self):
            raise RuntimeError("Exception from src/core.cpp:1:\nunsupported operation Foo")

    planted(monkeypatch, broken=Broken, good=kind(0.0))
    table = measured(tmp_path, ["broken", "good"], tolerance=9).set_index("runtime")
    assert table.loc["broken", "status"] == "failed"
    assert table.loc["broken", "reason"] == "unsupported operation Foo"
    assert list(table.loc["good", "status"]) == ["ok", "ok"]


@pytest.mark.parametrize("stage", ["devices", "load", "execute"])
def test_a_runtime_that_takes_its_process_down_costs_its_rows_only(tmp_path, monkeypatch, stage):
    """As a driver does: the process is killed by SIGSEGV, while probed, while loading, and while it computes."""
    class Crashing(Planted):
        delays = (0.0,)

    def crash(*_):
        faulthandler.disable()      # or pytest prints the trace that is asked for here
        os.kill(os.getpid(), signal.SIGSEGV)

    setattr(Crashing, stage, staticmethod(crash) if stage == "devices" else crash)
    planted(monkeypatch, crashing=Crashing, good=kind(0.0))
    table = measured(tmp_path, ["crashing", "good"], tolerance=9).set_index("runtime")
    assert table.loc["crashing", "status"] == ("unavailable" if stage == "devices" else "failed")
    assert table.loc["crashing", "reason"] == "the runtime's process died: SIGSEGV"
    assert pd.isna(table.loc["crashing", "p50_ms"])
    assert list(table.loc["good", "status"]) == ["ok", "ok"]
    listed = [d for d in Environment.read(tmp_path / "out/environment.json").devices if d["runtime"] == "crashing"]
    assert [d["reason"] for d in listed] == ["the runtime's process died: SIGSEGV"] * (stage == "devices")


def test_a_process_that_cannot_be_started_says_why(monkeypatch):
    """As where there are too many already: what stops it afterwards must not hide that."""
    def refused(*_):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(apart.multiprocessing.get_context(apart.START).Process, "start", refused)
    with pytest.raises(OSError, match="Resource temporarily unavailable"), apart.Apart() as elsewhere:
        elsewhere.call(len, "abc")


def test_options_of_the_study_are_measured_beside_the_offered_ones(tmp_path, monkeypatch):
    planted(monkeypatch, one=kind(0.0))
    deploy = Deploy.model_construct(**{**vars(Deploy(repeats=1, min_count=20, min_seconds=0)), "options": {
        "one": ("precision=bf16;threads=2", "threads=9")}})
    table = measured(tmp_path, ["one"], deploy, tolerance=9, threads=4).set_index("option")
    assert table.loc["precision=float32", "threads"] == 4
    assert table.loc["precision=bf16;threads=2", "threads"] == 2
    assert table.loc["threads=9", "reason"] == "9 threads asked, 4 given (--cpus)"
    wrong = deploy.model_copy(update={"options": {"one": ("speed=9",)}})
    with pytest.raises(UserError, match="option 'speed=9' is unknown"):
        measured(tmp_path / "wrong", ["one"], wrong, tolerance=9)


def test_a_disturbed_machine_voids_and_is_measured_again(tmp_path, monkeypatch):
    """One slow repeat of two: neither can be told from the other, and a third decides."""
    planted(monkeypatch, one=kind(0.002, 0.01, 0.002, 0.002))
    table = measured(tmp_path, ["one"], tolerance=0.5)
    assert list(table["status"]) == ["ok", "void", "ok"]
    assert "disturbed: +" in table["reason"][1]
    assert list(table["repeat"]) == [1, 2, 3]


def test_drift_within_a_run_voids_it(tmp_path, monkeypatch):
    class Heating(Planted):
        delays = (0.0,)
        calls = 0

        def execute(self):
            type(self).calls += 1
            time.sleep(0.0005 * (1 + self.calls / 40))

    planted(monkeypatch, heating=Heating)
    table = measured(tmp_path, ["heating"], Deploy(repeats=1, min_count=200, min_seconds=0))
    assert set(table["status"]) == {"void"}
    assert "drift" in table["reason"][0]
    assert table["drift"][0] > 0.1


def test_what_ran_is_flagged_where_it_is_not_what_was_asked(tmp_path, monkeypatch):
    planted(monkeypatch, honest=kind(0.0), silent=kind(0.0, precision="bf16"))
    table = measured(tmp_path, ["honest", "silent"], tolerance=9).drop_duplicates("runtime").set_index("runtime")
    assert not table.loc["honest", "fallback"]
    assert table.loc["silent", "fallback"]
    assert table.loc["silent", "ran_precision"] == "bf16"


def test_rounds_are_in_random_order_and_repeatable(tmp_path, monkeypatch):
    orders = []
    for seed in (1, 1, 2):
        log: list[str] = []
        monkeypatch.setattr(session, "say", lambda line, log=log: log.append(line.split(", ")[2].split()[0]))
        planted(monkeypatch, **{name: kind(0.0) for name in "abcdef"})
        measured(tmp_path, list("abcdef"), Deploy(repeats=2, min_count=20, min_seconds=0), tolerance=99, seed=seed)
        orders.append(log)
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0][:6]) == sorted(orders[0][6:]) == list("abcdef")
    assert orders[0][:6] != orders[0][6:]


def test_batches_count_by_recording(tmp_path, monkeypatch):
    planted(monkeypatch, one=kind(0.002))
    table = measured(tmp_path, ["one"], Deploy(batch=(1, 4), repeats=1, min_count=20, min_seconds=0), tolerance=9)
    one, four = (table[table["batch"] == b].iloc[0] for b in (1, 4))
    assert (one["scenario"], four["scenario"]) == ("single", "batch")
    assert one["per_recording_ms"] == pytest.approx(4 * one["p50_ms"])      # ceil(1000 / 256) windows
    assert four["per_recording_ms"] == pytest.approx(four["p50_ms"])        # all in one call
    assert four["records_per_s"] == pytest.approx(1000 / four["mean_ms"], rel=0.1)


def test_throughput_runs_requests_at_once(tmp_path, monkeypatch):
    """Calls that sleep 4 ms, four at a time: four times as many recordings a second, each as slow as before."""
    class Concurrent(Planted):
        delays = (0.004,)

        def load(self, model, device, option, batch, threads):
            super().load(model, device, option, batch, threads)
            self.threads = threads

        def ran(self):
            return Ran("cpu", "float32", False, 0.0, f"{self.threads} threads a request")

    planted(monkeypatch, one=Concurrent)
    deploy = Deploy(repeats=1, min_count=80, min_seconds=0, scenarios=("stream", "throughput"))
    table = measured(tmp_path, ["one"], deploy, tolerance=9, threads=4).set_index("scenario")
    single, many = table.loc["single"], table.loc["throughput"]
    assert (single["requests"], many["requests"]) == (1, 4)
    assert many["count"] == 80
    assert many["p50_ms"] == pytest.approx(single["p50_ms"], rel=0.5)
    assert many["records_per_s"] == pytest.approx(4 * single["records_per_s"], rel=0.4)
    assert single["ran_detail"] == "4 threads a request"
    assert many["ran_detail"] == "1 threads a request"          # four requests share the four threads


def test_minimum_duration_and_count():
    windows = np.zeros((1, 12, 64), np.float32)
    assert len(block.time_calls(block.NoOp(), windows, 500, 0)[0]) == 500
    start = time.perf_counter()
    times, copies = block.time_calls(block.NoOp(), windows, 1, 0.05)
    assert 0.05 <= time.perf_counter() - start < 1
    assert len(times) > 100
    assert (copies <= times).all()


def test_bad_names_and_folders(tmp_path, monkeypatch):
    planted(monkeypatch, one=kind(0.0))
    with pytest.raises(UserError, match="knows the device 'tpu'"):
        measured(tmp_path, ["one"], devices=("tpu",))
    with pytest.raises(UserError, match="no exported model here"):
        bench.bench([tmp_path], ["one"], ["cpu"], QUICK, tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fault", ["changed file", "path outside", "link to itself", "sample shape", "pickled sample"])
def test_a_tampered_export_is_refused(tmp_path, fault):
    folder = copy_of_exported(tmp_path)
    document = editable(folder / "export.json")
    if fault == "changed file":
        with open(folder / "weights.safetensors", "ab") as stream:
            stream.write(b"0")
    elif fault == "path outside":
        shutil.copy(folder / "weights.safetensors", tmp_path)
        document["artefacts"][0]["file"] = "../weights.safetensors"
        (folder / "export.json").write_text(json.dumps(document))
    elif fault == "link to itself":
        (folder / "weights.safetensors").unlink()
        (folder / "weights.safetensors").symlink_to("weights.safetensors")
    elif fault == "sample shape":
        np.save(folder / "sample_input.npy", np.zeros((1, 12, 7), np.float32))
    else:
        np.save(folder / "sample_output.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError) as caught:
        bench.bench([folder], ["torch"], ["cpu"], QUICK, tmp_path / "out", 1)
    assert str(folder) in str(caught.value)
