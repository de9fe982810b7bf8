"""ecg-deploy from files: the answer for a budget, the stairs, the study that confirms; and what it refuses."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from ecgscale.analysis.deployment import Question, recommend
from ecgscale.contracts import CONFIRMED, DEPLOYMENT, LATENCY
from ecgscale.design.study import read_study
from ecgscale.errors import UserError
from tests.commands import run_command
from tests.lib.analysis.test_deployment import study_tables

ecg_deploy = partial(run_command, "ecg-deploy")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deploy")
    runs, latency, exports = study_tables(families=("resnet",))
    runs.to_parquet(folder / "runs.parquet")
    LATENCY.write(latency, folder / "latency" / "latency.parquet")
    for one in exports:
        one.write(folder / one.label / "export.json")
    return ["--runs", folder / "runs.parquet", "--latency", folder / "latency", "--models",
            *(folder / one.label for one in exports)]


def test_a_budget_is_answered_and_asked_again(given, tmp_path):
    done = ecg_deploy(*given, "--ms", "3", "--megabytes", "4", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    made = DEPLOYMENT.read(tmp_path / "deployment.csv")
    assert made["model"].tolist() == ["resnet-600k", "resnet-2m"]
    assert made["kind"].tolist() == ["measured", "foretold"]
    assert (made["ms_high"] <= 3).all()
    assert (made["bytes"] <= 4e6).all()
    assert "At most 3 ms and 4 MB on box cpu:" in done.stdout
    assert "measured: resnet-600k on openvino precision=int8, 2 threads: test_auroc 0." in done.stdout
    assert read_study(tmp_path / "confirm-resnet-2m.yaml").runs[0].models == ("resnet-2m",)
    again = ecg_deploy(*given, "--ms", "3", "--told", tmp_path / "deployment.csv", "--out", tmp_path)
    assert again.returncode == 0, again.stderr
    assert CONFIRMED.read(tmp_path / "confirmed.csv")["verdict"].str.startswith("waits").all()
    assert set(DEPLOYMENT.read(tmp_path / "devices.csv")["asked"]) == {"device", "setting"}


def test_what_cannot_be_answered_is_refused(given, tmp_path):
    done = ecg_deploy(*given, "--device", "npu", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no device 'npu' was measured" in done.stderr
    assert "Measured: cpu" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("question", [Question(ms=0.0), Question(ms=np.nan), Question(bytes=-1e6)])
def test_a_budget_is_a_number_above_0(given, question):
    with pytest.raises(UserError, match="no budget"):
        recommend(given[1], [given[3]], question=question)


def test_an_empty_table_is_told(given, tmp_path):
    pd.DataFrame({"run_id": [], "test_auroc": []}).to_csv(tmp_path / "runs.csv", index=False)
    done = ecg_deploy("--runs", tmp_path / "runs.csv", *given[2:], "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def foretold(given, tmp_path_factory):
    """Of a first call: its deployment.csv, as others save it."""
    out = tmp_path_factory.mktemp("foretold")
    done = ecg_deploy(*given, "--ms", "3", "--out", out)
    assert done.returncode == 0, done.stderr
    return DEPLOYMENT.read(out / "deployment.csv")


def test_each_promise_of_a_model_is_judged_whatever_comes_first(given, foretold, tmp_path):
    """Of two files that promise one model otherwise the first alone was judged, without a word. A promise that stands
    in both is one."""
    other = foretold.assign(**{name: foretold[name] - 0.1 for name in ("score", "low", "high")})
    files = []
    for name, table in (("one", foretold), ("two", other), ("again", foretold)):
        DEPLOYMENT.write(table, tmp_path / name / "deployment.csv")
        files.append(tmp_path / name / "deployment.csv")
    judged = [recommend(given[1], [given[3]], given[5:], Question(ms=3.0), told=told).judged["score"].tolist()
              for told in (files, files[::-1])]
    own = foretold.loc[foretold["kind"].eq("foretold"), "score"].item()
    assert sorted(judged[0]) == sorted(judged[1]) == pytest.approx([own - 0.1, own])


def test_a_promise_whose_columns_were_scaled_alone_is_refused(given, foretold, tmp_path):
    """Times in us beside an interval in ms, percent beside an interval of shares."""
    for name, factor, said in (("ms", 1000, "ms: is above ms_high"), ("score", 100, "score: of resnet-2m it lies")):
        foretold.assign(**{name: factor * foretold[name]}).to_csv(tmp_path / "told.csv", index=False)
        with pytest.raises(UserError, match=said):
            recommend(given[1], [given[3]], given[5:], told=[tmp_path / "told.csv"])


def test_a_table_that_foretells_nothing_is_told(given, foretold, tmp_path):
    foretold[foretold["kind"].eq("measured")].to_csv(tmp_path / "told.csv", index=False)
    found = recommend(given[1], [given[3]], given[5:], told=[tmp_path / "told.csv"])
    assert found.told[-1] == "--told foretells no model: there is nothing to confirm"


def test_a_promise_without_an_option_is_found_after_another_program_saved_it(given, foretold, tmp_path):
    """Its empty text is an empty cell then, which was another option: the model waited for ever."""
    latency = LATENCY.read(given[3] / "latency.parquet")
    float32 = latency["option"].eq("precision=float32")
    LATENCY.write(latency.assign(option=latency["option"].mask(float32, "")), tmp_path / "latency/latency.parquet")
    known = latency[float32 & latency["model"].eq("resnet-600k")].iloc[0]
    promise = foretold[foretold["kind"].eq("foretold")].assign(
        runtime=known["runtime"], precision="float32", option="", family="resnet", params=known["params"])
    found = {}
    for name, option in (("ours", ""), ("saved", None)):
        DEPLOYMENT.write(promise.assign(option=option), tmp_path / name / "told.csv")
        found[name] = recommend(given[1], [tmp_path / "latency"], given[5:], told=[tmp_path / name / "told.csv"]).judged
    assert found["ours"]["found_ms"].notna().all()
    pd.testing.assert_frame_equal(found["ours"], found["saved"])
