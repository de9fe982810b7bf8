"""ecg-extrapolate on anyone's CSV: one line in, prediction and interval out; wrong input by file, line, field."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import AHEAD

ROOT = Path(__file__).parents[2]
X = np.array([1e6, 2e6, 4e6, 8e6, 16e6, 32e6, 64e6])


def run(*arguments):
    return subprocess.run([sys.executable, ROOT / "bin/ecg-extrapolate", *map(str, arguments)], text=True, check=False,
                          capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT / "lib")})


def curve(folder, y=0.2 + 40 * X**-0.35):
    """Columns in an order and with names of others."""
    pd.DataFrame({"run": "a", "tokens": X, "eval loss": y}).to_csv(folder / "curve.csv", index=False)
    return folder / "curve.csv"


def test_a_planted_law_is_continued_from_two_columns(tmp_path):
    done = run("--curve", curve(tmp_path), "--at", "1.28e8", "6.4e8", "--out", tmp_path / "ahead.csv")
    assert done.returncode == 0, done.stderr
    printed = pd.read_csv(StringIO(done.stdout))
    truth = 0.2 + 40 * np.array([1.28e8, 6.4e8]) ** -0.35
    np.testing.assert_allclose(printed["y"], truth, rtol=0.03)
    assert ((printed["low"] < truth) & (truth < printed["high"])).all()
    written = AHEAD.read(tmp_path / "ahead.csv")
    np.testing.assert_allclose(written["y"], printed["y"], rtol=1e-5)
    np.testing.assert_allclose(written.filter(like="weight_").sum(axis=1), 1.0)


def test_a_value_without_logarithm_is_named_by_line(tmp_path):
    y = 0.2 + 40 * X**-0.35
    y[3] = -1
    done = run("--curve", curve(tmp_path, y), "--out", tmp_path / "ahead.csv")
    assert done.returncode == 2
    assert "curve.csv:5: eval loss" in done.stderr
    assert not (tmp_path / "ahead.csv").exists()


def test_a_curve_whose_errors_go_along_says_so(tmp_path):
    """A wave of 2 % over 40 points: their scatter from point to point is a tenth of how far they lie off."""
    x = np.geomspace(1e3, 1e6, 40)
    for wave, said in ((np.sin(np.arange(40) / 3), True), (np.where(np.arange(40) % 2, -1, 1), False)):
        pd.DataFrame({"tokens": x, "loss": (0.2 + 40 * x**-0.5) * np.exp(0.02 * wave)}).to_csv(
            tmp_path / "curve.csv", index=False)
        done = run("--curve", tmp_path / "curve.csv")
        assert done.returncode == 0, done.stderr
        assert ("errors go along from one point to the next" in done.stderr) == said


def test_a_curve_of_best_scores_says_so_and_never_gets_worse(tmp_path):
    """Scores of which the best so far is kept, as many curves are published: what follows is no lower than the last."""
    score = [0.5, 0.6, 0.6, 0.68, 0.68, 0.68, 0.72, 0.72, 0.72, 0.75]
    pd.DataFrame({"step": np.arange(1, 11) * 1000, "accuracy": score}).to_csv(tmp_path / "curve.csv", index=False)
    done = run("--curve", tmp_path / "curve.csv")
    assert done.returncode == 0, done.stderr
    assert "it is taken for one of best values so far" in done.stderr
    assert (pd.read_csv(StringIO(done.stdout))["y"] >= 0.75).all()


def test_a_word_among_the_losses_is_named_by_line(tmp_path):
    (tmp_path / "curve.csv").write_text("x,loss\n1,0.5\n2,0.45\n4,oops\n8,0.4\n", encoding="utf-8")
    done = run("--curve", tmp_path / "curve.csv")
    assert done.returncode == 2
    assert "curve.csv:4: loss: oops is not a number" in done.stderr


def test_a_column_that_is_not_there_is_named(tmp_path):
    done = run("--curve", curve(tmp_path), "--y", "accuracy")
    assert done.returncode == 2
    assert "accuracy" in done.stderr
    assert "eval loss" in done.stderr
