"""Laws and predictor of latency on planted cost models; the real features on an exported network."""

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from ecgscale.contracts import Speed
from ecgscale.deploy import speed
from ecgscale.deploy.runtimes import DeployedModel
from tests.tiny_models import exported_model

PLANTED = {"torch": (0.5, 0.05, 2e6), "openvino": (0.02, 0.002, 5e7)}      # ms, ms a layer, FLOPs a ms


def rows(count=30, noise=0.03, repeats=2, seed=0):
    """LATENCY's columns for nets of planted cost, and what costs_of would say of them."""
    rng = np.random.default_rng(seed)
    costs = pd.DataFrame({
        "run_id": [f"r{i}" for i in range(count)], "layers": rng.integers(8, 80, count),
        "activations": rng.integers(1e4, 1e6, count), "params": 10 ** rng.uniform(4, 6, count),
        "forward_flops": 10 ** rng.uniform(6, 9, count)})
    found = []
    for runtime, (overhead, layer, flops) in PLANTED.items():
        option = "mode=eager" if runtime == "torch" else "precision=float32"
        for net in costs.itertuples():
            truth = overhead + layer * net.layers + net.forward_flops / flops
            for repeat in range(repeats):
                median = truth * np.exp(noise * rng.standard_normal())
                found.append({"run_id": net.run_id, "model": net.run_id, "family": "regnet", "machine": "lab",
                              "runtime": runtime, "device": "cpu", "option": option, "scenario": "single",
                              "status": "ok", "params": net.params, "forward_flops": net.forward_flops,
                              "repeat": repeat,
                              "p50_ms": median, "p50_low_ms": 0.99 * median, "p50_high_ms": 1.01 * median})
    return pd.DataFrame(found), costs[["run_id", "activations", "layers"]]


def analysed(latency, costs):
    return speed.analyse(latency.merge(costs, on="run_id"))


def test_planted_coefficients_are_found_within_their_intervals():
    made = analysed(*rows())
    for law in (law for law in made.laws if law.law == "cost-model"):
        runtime = law.subset.split("runtime=")[1].split(",")[0]
        assert law.verdict == "identified"
        for name, truth in zip(("overhead_ms", "ms_per_layer", "flops_per_ms"), PLANTED[runtime], strict=True):
            low, high = law.intervals[name]
            assert low * 0.97 <= truth <= high * 1.03, (runtime, name)
            assert low <= law.estimates[name] <= high
        assert law.estimates["flops_per_ms"] == pytest.approx(PLANTED[runtime][2], rel=0.05)
        assert law.statistics["held_out_median_error"] < 0.05


def test_the_predictor_is_judged_on_nets_it_has_not_seen():
    """Where the truth has a term that the law lacks, the forest on its residuals must do better than the law."""
    latency, costs = rows(count=60)
    wide = latency.merge(costs, on="run_id")
    factor = np.where(wide["activations"] > 5e5, 2.0, 1.0)
    latency[["p50_ms", "p50_low_ms", "p50_high_ms"]] *= factor[:, None]
    found = {(r["model"].split()[0], r["statistic"]): r["estimate"] for r in analysed(latency, costs).predictor}
    assert found["forest", "held_out_median_error"] < 0.6 * found["law", "held_out_median_error"]
    assert found["forest", "held_out_median_error"] < 0.1


def test_few_models_say_nothing():
    made = analysed(*rows(count=4))
    assert {law.verdict for law in made.laws} == {"not identifiable"}
    assert made.laws[0].reason == "4 models; 8 are needed"
    assert made.predictor == []
    assert "predictor" in made.disabled


def test_speed_up_over_torch_eager():
    latency, costs = rows(count=2, noise=0, repeats=1)
    made = analysed(latency, costs)
    by_model = latency.set_index(["model", "runtime"])["p50_ms"]
    assert len(made.speedups) == 2
    for one in made.speedups:
        assert one["ratio"] == pytest.approx(by_model[one["model"], "torch"] / by_model[one["model"], "openvino"])
        assert one["low"] == pytest.approx(one["ratio"] * 0.99 / 1.01)
        assert one["low"] < one["ratio"] < one["high"]


def test_void_and_failed_rows_count_for_nothing():
    latency, costs = rows(count=12)
    spoiled = latency.assign(p50_ms=1e3, status="void")
    both = pd.concat([latency, spoiled], ignore_index=True)
    assert analysed(both, costs).laws == analysed(latency, costs).laws


def test_no_row_stands(tmp_path):
    latency, costs = rows(count=3)
    made = analysed(latency.assign(status="unavailable", p50_ms=None), costs)
    assert (made.laws, made.speedups) == ((), [])
    made.write(tmp_path / "speed.json")
    assert Speed.read(tmp_path / "speed.json") == made


def test_layers_are_the_tensors_that_multiply():
    folder = exported_model()
    weights = load_file(folder / "weights.safetensors")
    assert DeployedModel.read(folder).layers == sum(tensor.ndim > 1 for tensor in weights.values())


def test_a_power_law_of_one_cost_is_found_and_refused_where_there_is_none():
    latency, costs = rows(count=40, noise=0.02)
    flops, noise = latency["forward_flops"].to_numpy(float), np.random.default_rng(1).normal(size=len(latency))
    latency["p50_ms"] = 3e-6 * flops ** 0.7 * np.exp(0.05 * noise)
    laws = {(law.subset.split("runtime=")[1].split(",")[0], law.x): law for law in analysed(latency, costs).laws
            if law.law == "power"}
    found = laws["openvino", ("forward_flops",)]
    low, high = found.intervals["exponent"]
    assert found.verdict == "identified"
    assert low <= 0.7 <= high
    assert high - low < 0.05
    assert found.estimates["factor"] == pytest.approx(3e-6, rel=0.5)
    latency["params"] = latency["run_id"].str[1:].astype(float) % 7 + 1          # has nothing to do with the time
    laws = {law.x: law for law in analysed(latency, costs).laws if law.law == "power"}
    assert laws[("params",)].verdict == "not identifiable"


def test_what_fell_back_is_not_called_a_speed_up():
    latency, costs = rows(count=2, repeats=1)
    latency["fallback"] = latency["runtime"].eq("openvino")
    assert analysed(latency, costs).speedups == []


def test_rows_of_an_older_file_take_the_counts_of_the_same_network():
    latency, costs = rows(count=10)
    wide = latency.merge(costs, on="run_id")
    older = wide.assign(machine="old", layers=np.nan, activations=np.nan)
    both = speed.medians(pd.concat([wide, older], ignore_index=True))
    assert both.groupby("machine").size().to_dict() == {"lab": 20, "old": 20}
    assert both["layers"].notna().all()
    assert speed.medians(older).empty
