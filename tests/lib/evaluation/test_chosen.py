"""The one run that is shown by class, person and recording: the best on validation, and what EVALUATE wrote of it."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import METRICS, RELIABILITY, STRIPS, Examples
from ecgscale.evaluation.chosen import chosen, write_chosen


def runs(**scores) -> pd.DataFrame:
    return pd.DataFrame({"run_id": ["a", "b", "c"], "status": ["finished", "finished", "diverged"], **scores})


def test_validation_chooses_among_finished_runs_and_the_test_part_has_no_say():
    assert chosen(runs(valid_challenge_score=[0.4, 0.3, 0.9], test_challenge_score=[0.1, 0.8, 0.9])) == "a"
    assert chosen(runs(valid_challenge_score=[np.nan] * 3, valid_auroc=[0.6, 0.7, np.nan])) == "b"
    assert chosen(runs(test_challenge_score=[0.1, 0.8, 0.9])) is None
    assert chosen(runs(valid_auroc=[np.nan, np.nan, 0.9])) is None


@pytest.fixture
def evaluated(tmp_path):
    for name in "ab":
        folder = tmp_path / name
        METRICS.write(METRICS.empty().assign(run_id=[name], part="test", group="all", metric="auroc"),
                      folder / "metrics.csv")
        RELIABILITY.write(RELIABILITY.empty().assign(run_id=[name], part="test"), folder / "reliability.csv")
        Examples(run_id=name, synthetic=True, rate=500.0, classes=()).write(folder / "examples.json")
        STRIPS.write(STRIPS.empty().assign(uv_I=pd.Series([], dtype="int64")), folder / "strips.parquet")
    return {name: tmp_path / name for name in "ab"}


def test_its_tables_are_copied_and_no_other_run_s_are_left(evaluated, tmp_path, capsys):
    out = tmp_path / "table" / "chosen"
    for name, scores in (("a", [0.4, 0.3, 0.9]), ("b", [0.4, 0.5, 0.9])):
        write_chosen(runs(valid_auroc=scores), evaluated, out)
        assert METRICS.read(out / "metrics.csv")["run_id"].tolist() == [name]
        assert RELIABILITY.read(out / "reliability.csv")["run_id"].tolist() == [name]
        assert Examples.read(out / "examples.json").run_id == name
        assert list(STRIPS.read(out / "strips.parquet")) == ["record", "uv_I"]
    (evaluated["b"] / "examples.json").unlink()
    write_chosen(runs(valid_auroc=[0.4, 0.5, 0.9]), evaluated, out)
    assert not (out / "examples.json").exists()
    assert "b: no examples.json, as of earlier versions: the report draws no ECG" in capsys.readouterr().err
    write_chosen(runs(test_auroc=[0.4, 0.5, 0.9]), evaluated, out)
    assert not out.exists()
    assert "no run has a validation score" in capsys.readouterr().err
