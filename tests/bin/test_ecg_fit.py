"""ecg-fit as a command: on our run table, on a CSV of others, and on tables that it must refuse."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import LAW_TABLE, Laws

ROOT = Path(__file__).parents[2]


def ecg_fit(*arguments) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib"), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, ROOT / "bin" / "ecg-fit", *map(str, arguments)], text=True,
                          capture_output=True, env=environment, check=False)


@pytest.fixture(scope="module")
def curve(tmp_path_factory) -> Path:
    """y = 0.1 + 6 n^-0.3 with 1 % noise, 24 sizes, as somebody else would write it down."""
    n = np.geomspace(1e3, 1e8, 24)
    loss = (0.1 + 6 * n**-0.3) * np.exp(0.01 * np.random.default_rng(1).standard_normal(24))
    path = tmp_path_factory.mktemp("foreign") / "curve.csv"
    pd.DataFrame({"Parameters": n, "Loss": loss}).to_csv(path, index=False)
    return path


def test_a_foreign_table_is_enough(curve, tmp_path):
    done = ecg_fit("--runs", curve, "--out", tmp_path / "fit", "--cpus", 1)
    assert done.returncode == 0, done.stderr
    laws = Laws.read(tmp_path / "fit" / "laws.json")
    floor = next(fit for fit in laws.fits if fit.law == "floor")
    assert floor.verdict == "identified"
    assert floor.estimates["c"] == pytest.approx(0.3, abs=0.03)
    assert floor.intervals["c"][0] < 0.3 < floor.intervals["c"][1]
    assert "'train_flops' is missing" in laws.disabled["laws in train_flops"]
    rows = LAW_TABLE.read(tmp_path / "fit" / "laws.csv")
    assert set(rows["law"]) == {"power", "floor", "shifted", "saturating", "broken1", "broken2"}
    for name in ("frontier.csv", "predictor.json", "importance.csv", "predicted.csv"):
        assert (tmp_path / "fit" / name).is_file()


@pytest.mark.parametrize(("text", "problem"), [
    ("params,loss\n1000,0.5\n2000,abc\n", ":3: loss: 'abc' is not a number"),
    ("width,loss\n1,0.5\n", "no column is a size"),
    ("params,width\n1,0.5\n", "no column is a score or loss"),
    ("params,n,loss\n1,1,0.5\n", "two columns mean the same"),
    ("", "not a readable CSV"),
])
def test_bad_tables_are_refused(tmp_path, text, problem):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    done = ecg_fit("--runs", path, "--out", tmp_path / "fit")
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "fit").exists()


def test_help_shows_an_example():
    assert "ecg-fit --runs runs.parquet" in ecg_fit("--help").stdout
