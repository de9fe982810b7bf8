"""ecg-bench as a user runs it, on one exported random network."""

import json
import sys

import numpy as np

from ecgscale.contracts import LATENCY, TIMES, Environment
from ecgscale.deploy.runtimes import runtime_class
from tests.commands import run_command
from tests.tiny_models import RATE, WINDOW, exported_model

STUDY = {"name": "tiny", "deploy": {"precisions": ["float32"], "runtimes": ["onnxruntime", "openvino"], "repeats": 1,
                                    "min_count": 20, "min_seconds": 0.01}}


def command(*arguments, code=0):
    done = run_command("ecg-bench", *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_latency_of_what_was_exported(tmp_path):
    (tmp_path / "study.json").write_text(json.dumps(STUDY))
    out = tmp_path / "latency"
    command("--models", exported_model(), "--study", tmp_path / "study.json", "--devices", "cpu,cuda",
            "--machine", "lab", "--scenarios", "stream,throughput", "--out", out, "--cpus", 1)
    table = LATENCY.read(out / "latency.parquet")
    measured = table[table["status"].isin(["ok", "void"])]
    stream = measured[measured["scenario"] == "single"]
    assert set(zip(stream["runtime"], stream["option"].fillna(""), strict=True)) == {
        ("onnxruntime", ""), ("openvino", "precision=float32"), ("openvino", "precision=bf16")}
    assert (measured["count"] >= 20).all()
    assert (measured["threads"] == 1).all()
    assert (measured["logit_difference"] < 0.1).all()
    assert np.allclose(measured["per_recording_ms"] / measured["p50_ms"], np.ceil(10 * RATE / WINDOW))
    assert set(measured.loc[measured["scenario"] == "throughput", "requests"]) == {2}
    if not next(d for d in runtime_class("onnxruntime").devices() if d.device == "cuda").available:
        absent = table[table["device"] == "cuda"]
        assert list(absent["status"]) == ["unavailable"]
        assert absent["p50_ms"].isna().all()
    assert TIMES.read(out / "times.parquet").groupby("runtime").size().min() >= 20
    assert Environment.read(out / "environment.json").machine == "lab"


def test_list_names_every_device_and_why_it_is_missing():
    lines = command("--list", "--runtimes", "onnxruntime,openvino,coreml").stdout.splitlines()
    assert len(lines) == 6 + 4 + 4
    assert all(" available " in line or " missing " in line for line in lines)
    assert any(line.startswith("openvino cpu") and " available " in line for line in lines)
    if sys.platform != "darwin":
        assert any(line.startswith("coreml npu") and "runs on macOS only" in line for line in lines)


def test_mistakes_end_with_one_clear_message(tmp_path):
    wrong = command("--models", tmp_path, "--out", tmp_path / "out", code=2)
    assert wrong.stderr == f"ecg-bench: {tmp_path}: no exported model here. Give folders that ecg-export wrote\n"
    assert "give --models and --out, or --list" in command(code=2).stderr
    wrong = command("--models", exported_model(), "--runtimes", "tflite", "--out", tmp_path / "out", code=2)
    assert ("--runtimes: 'tflite': Input should be 'torch', 'onnxruntime', 'openvino', 'coreml', 'executorch' or "
            "'litert'" in wrong.stderr)
    assert not (tmp_path / "out").exists()
