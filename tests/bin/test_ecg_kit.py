"""ecg-kit and ecg-merge as a user runs them; what a kit itself does is in tests/lib/deploy/test_kit.py."""

import json
import sys
import zipfile
from subprocess import run

from ecgscale.contracts import LATENCY
from tests.commands import run_command
from tests.tiny_models import exported_model

STUDY = {"name": "tiny", "deploy": {"precisions": ["float32"], "repeats": 1, "min_count": 20, "min_seconds": 0.01}}


def test_from_exported_models_to_a_folder_of_latencies(tmp_path):
    (tmp_path / "study.json").write_text(json.dumps(STUDY))
    made = run_command("ecg-kit", "--models", exported_model(), "--study", tmp_path / "study.json", "--out",
                       tmp_path / "kit.zip", "--formats", "onnx")
    assert made.returncode == 0, made.stderr
    zipfile.ZipFile(tmp_path / "kit.zip").extractall(tmp_path / "kit")
    done = run([sys.executable, tmp_path / "kit/measure.py", "--runtimes", "onnxruntime", "--devices", "cpu,cuda",
                "--machine", "board", "--cpus", "1"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "bundle-board.zip: send this file as it is" in done.stdout
    merged = run_command("ecg-merge", "--latency", tmp_path / "bundle-board.zip", "--models", exported_model(), "--out",
                         tmp_path / "latency")
    assert merged.returncode == 0, merged.stderr
    assert merged.stdout.startswith("board: ")
    rows = LATENCY.read(tmp_path / "latency/latency.parquet")
    assert set(rows["device"]) == {"cpu", "cuda"}
    assert set(rows["machine"]) == {"board"}


def test_what_cannot_be_packed_or_merged_is_told(tmp_path):
    done = run_command("ecg-kit", "--models", tmp_path, "--out", tmp_path / "kit.zip")
    assert done.returncode == 2
    assert done.stderr == f"ecg-kit: {tmp_path}: no exported model here. Give folders that ecg-export wrote\n"
    (tmp_path / "mine.zip").write_text("mine")
    done = run_command("ecg-kit", "--models", exported_model(), "--out", tmp_path / "mine.zip")
    assert done.returncode == 2
    assert "was not written as this result" in done.stderr
    done = run_command("ecg-merge", "--latency", tmp_path / "mine.zip", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "not a readable bundle of a kit" in done.stderr
    assert not (tmp_path / "out").exists()
