"""The latency protocol driven by pytest-benchmark, and held against OpenVINO's own benchmark_app.

Nothing here fails on a slow machine: times stand in the benchmark table, ratios in its extra columns.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ecgscale.deploy import block, session, tabulate
from ecgscale.deploy.runtimes import DeployedModel, Unavailable, runtime_class
from ecgscale.design.study import Deploy
from tests.tiny_models import exported_model

ONE_THREAD = ("-api", "sync", "-hint", "none", "-nstreams", "1", "-nthreads", "1", "-infer_precision", "f32")
CASES = [("torch", "mode=eager"), ("torch", "mode=frozen"), ("onnxruntime", ""), ("openvino", "precision=float32"),
         ("openvino", "precision=bf16"), ("openvino", "precision=int8")]


@pytest.fixture(scope="module")
def model() -> DeployedModel:
    """The smallest golden net of the study (1.4 M parameters, untrained), exported."""
    return DeployedModel.read(exported_model("regnet-golden", window=1024))


def opened(model: DeployedModel, name: str, option: str):
    runtime = runtime_class(name)()
    try:
        runtime.load(model, "cpu", option, 1, 1)
        runtime.compile()
    except Unavailable as error:
        pytest.skip(str(error))
    return runtime


@pytest.mark.parametrize(("name", "option"), CASES)
def test_single_stream(benchmark, model, name, option):
    """Hot path: one call of each runtime; torch eager is the baseline."""
    request = opened(model, name, option).request()
    block.warm_up(request, model.sample)

    def call():
        request.put(model.sample)
        request.execute()
        request.get()

    benchmark.group = "one window, one thread"
    benchmark.pedantic(call, rounds=100, iterations=1, warmup_rounds=5)
    eager = opened(model, "torch", "mode=eager").request()
    block.warm_up(eager, model.sample)
    baseline, _ = block.time_calls(eager, model.sample, 50, 0.2)
    ratio = float(np.median(baseline)) / 1e3 / benchmark.stats["median"]
    benchmark.extra_info["times_as_fast_as_eager"] = round(ratio, 2)


DEPLOY = Deploy(levels="all", scenarios=("stream", "throughput"), batch=(1, 8), min_count=100, min_seconds=0.5,
                options={"openvino": ("hint=latency;precision=float32", "streams=2;precision=float32")})


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime", "openvino"])
def test_protocol(benchmark, model, runtime):
    """ecg-bench's own plan and blocks, one round of pytest-benchmark a runtime; the blocks' medians stand beside."""
    wanted, _, _ = session.plan(runtime, [model], ["cpu"], DEPLOY, 1)
    found = {}

    def suite():
        for one in wanted:
            try:
                measured = block.measure(one, DEPLOY)
                columns = measured.columns | tabulate.statistics(one, measured)
            except Unavailable as error:
                found[session.describe(one)] = str(error)
                continue
            found[session.describe(one)] = {name: columns[name] for name in (
                "p50_ms", "p99_ms", "load_ms", "compile_ms", "first_ms", "records_per_s", "ran_precision", "fallback")}

    benchmark.group = "the protocol, every option"
    benchmark.pedantic(suite, rounds=1, iterations=1)
    benchmark.extra_info |= found
    assert any(isinstance(one, dict) for one in found.values())


def test_loop(benchmark, model):
    """Cost of one turn of the timing loop, against the shortest call of any runtime."""
    benchmark.group = "timing loop, 1000 turns"
    benchmark(block.time_calls, block.NoOp(), model.sample, 1000, 0)
    benchmark.extra_info["microseconds_a_turn"] = round(block.loop_cost(model.sample), 3)


def test_against_benchmark_app(benchmark, model, tmp_path):
    """Five interleaved pairs: our median over benchmark_app's, beside ours over ours of the next pair; minima too."""
    request = opened(model, "openvino", "precision=float32").request()
    file = model.path(model.artefact("openvino", "float32"))
    ours, theirs = [], []      # (median, minimum) in ms

    def pair():
        block.warm_up(request, model.sample)
        times, _ = block.time_calls(request, model.sample, 100, 2)
        ours.append((float(np.median(times)), float(times.min())))
        theirs.append(benchmark_app(file, tmp_path, seconds=2))

    benchmark.group = "against benchmark_app"
    benchmark.pedantic(pair, rounds=5, iterations=1)
    ratios, drifts = np.array(ours) / theirs, np.array(ours[1:]) / ours[:-1]
    benchmark.extra_info |= {
        "ours_ms": ours, "theirs_ms": theirs, "own_drift": np.abs(drifts - 1).max(axis=0).round(4).tolist(),
        "ratio_of_medians": round(float(np.median(ratios[:, 0])), 4),
        "ratio_of_minima": round(float(np.median(ratios[:, 1])), 4)}


def benchmark_app(file: Path, folder: Path, seconds: int) -> tuple[float, float]:
    """Median and minimum latency in ms by OpenVINO's benchmark_app: one stream, one thread, float32."""
    program = Path(sys.executable).parent / "benchmark_app"
    subprocess.run([program, "-m", file, "-d", "CPU", *ONE_THREAD, "-t", str(seconds), "-report_type", "no_counters",
                    "-report_folder", folder, "-json_stats"], check=True, capture_output=True, env=os.environ)
    found = json.loads((folder / "benchmark_report.json").read_text())["execution_results"]
    return float(found["latency (ms)"]), float(found["min latency"])
