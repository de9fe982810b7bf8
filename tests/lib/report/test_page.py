"""The page: complete, offline, accessible, escaped, honest about synthetic data and missing inputs, repeatable.

References: HTML's rule of unique ids, WCAG 2.2 (text alternatives, table captions, headings), Okabe and Ito's palette.
"""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ecgscale.analysis import frontier
from ecgscale.contracts import (
    EFFECTS,
    HISTORIES,
    IMPORTANCE,
    LATENCY,
    PREDICTED,
    Control,
    Environment,
    LawFit,
    Laws,
    Plan,
    Predictor,
    Speed,
    SplitInfo,
)
from ecgscale.numbers import number
from ecgscale.report import analysis_tables, figures, law_chart, page, plots
from ecgscale.report.headlines import equation, headlines
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import COLOURS, LOOKS, interval, look
from tests.lib.report.chosen_run import chosen_run

INSIDE = ("data:image/png;base64,", "data:image/webp;base64,")
EVIL = "<script>alert(1)</script> & $\\frac$"


def run_table(synthetic: bool) -> pd.DataFrame:
    n = 24
    random = np.random.default_rng(0)
    score = random.uniform(0.2, 0.6, n)
    frame = pd.DataFrame({
        "run_id": [f"run{i:02d}" for i in range(n)], "study": "small", "status": "finished", "reason": "",
        "synthetic": synthetic, "family": "regnet", "optimizer": np.array(["adamw", "sgd", "sgdm"])[np.arange(n) % 3],
        "lr": random.uniform(1e-3, 1e-2, n), "seed": 0, "params": np.geomspace(1e5, 1e7, n),
        "forward_flops": np.geomspace(1e7, 1e9, n), "train_flops": np.geomspace(1e12, 1e14, n),
        "hp_depth": random.integers(4, 20, n).astype(float), "hp_stages": random.integers(1, 6, n).astype(float),
        "valid_challenge_score": score[::-1], "test_challenge_score": score, "test_challenge_score_low": score - 0.02,
        "test_challenge_score_high": score + 0.02, "test_loss": 1 - score,
    })
    frame.loc[0, ["status", "reason"]] = ["diverged", EVIL]
    frame.loc[0, [name for name in frame if "score" in name]] = np.nan
    return frame


def latency_table(runs: pd.DataFrame, synthetic: bool) -> pd.DataFrame:
    rows = []
    for run in runs.iloc[3:5].itertuples():
        for runtime, device, ok in (("openvino", "cpu", True), ("torch", "cpu", True), ("openvino", "npu", False)):
            base = dict.fromkeys(LATENCY.columns) | {
                "run_id": run.run_id, "model": f"regnet-1M-{run.optimizer}-{run.run_id}", "family": "regnet",
                "params": run.params, "forward_flops": run.forward_flops, "machine": "box", "runtime": runtime,
                "device": device, "option": "", "scenario": "single", "batch": 1, "threads": 1, "repeat": 1,
                "status": "ok" if ok else "unavailable", "reason": "" if ok else "Could not find an NPU device",
                "fallback": runtime == "torch", "count": 100, "synthetic": synthetic,
                "neighbour_cpus": 0.7,
                "ran_device": "cpu", "ran_precision": "float32", "fallback_share": 1.0 if runtime == "torch" else 0.0}
            times = {"p50_ms": 2.0, "p50_low_ms": 1.9, "p50_high_ms": 2.1, "p99_ms": 3.0, "first_ms": 9.0,
                     "per_recording_ms": 10.0, "records_per_s": 100.0}
            rows.append(base | (times if ok else {}))
    there = [row | {"machine": "Ann's Mac", "runtime": "coreml"} for row in rows if row["runtime"] == "openvino"]
    return LATENCY.arrow(pd.DataFrame(rows + there), "test").to_pandas()


def speed_document() -> Speed:
    setting = "machine=box, runtime=openvino, device=cpu, option="
    law = LawFit(law="power", subset=setting, x=("forward_flops",), y="p50_ms", points=9, verdict="identified",
                 formula="p50_ms = factor * forward_flops ^ exponent", estimates={"factor": 1e-6, "exponent": 0.8},
                 intervals={"factor": (1e-7, 1e-5), "exponent": (0.7, 0.9)}, statistics={"held_out_median_error": 0.14})
    return Speed(models=9, laws=(law,), versions={}, predictor=[
        {"model": "law", "scheme": "nets held out, 10 folds", "statistic": "held_out_median_error", "estimate": 0.123,
         "n": 9}], speedups=[
        {"model": "regnet", "machine": "box", "runtime": "openvino", "device": "cpu", "option": option, "ratio": ratio,
         "low": 0.9 * ratio, "high": 1.1 * ratio} for option, ratio in (("precision=bf16", 6.0), ("", 3.0))])


def control_document() -> Control:
    return Control(machine="Ann's Mac", run_id="run03", model="regnet", runtime="coreml", device="cpu", option="",
                   threads=1, first_ms=(1.0, 2.0), second_ms=(1.0, 2.0), ratio=1.0, ratio_low=None, ratio_high=None,
                   drift=1.0, disturbed=1, tolerance=0.1, reason="disturbed run: 50% of the looks", synthetic=True)


def history_table(runs: pd.DataFrame, epochs: int = 6) -> pd.DataFrame:
    """Losses that halve every two epochs; the first run ends after three of them."""
    run, epoch = (grid.ravel() for grid in np.meshgrid(np.arange(len(runs)), np.arange(epochs), indexing="ij"))
    loss = (1 + run) * 0.5 ** (epoch / 2)
    frame = pd.DataFrame({
        "run_id": runs["run_id"].to_numpy()[run], "epoch": epoch, "lr": 0.01 * 0.9**epoch, "train_loss": 0.9 * loss,
        "valid_loss": loss, "clipped_share": 0.5, "samples": 100, "seconds": 1.0, "data_wait_share": 0.0,
        "valid_auroc": 0.5 + 0.05 * epoch, "valid_seconds": 0.1})
    return HISTORIES.arrow(frame[(run > 0) | (epoch < 3)], "test").to_pandas()


def make_inputs(synthetic: bool = True) -> Inputs:
    runs = run_table(synthetic)
    latency = latency_table(runs, synthetic)
    scored = runs[runs["status"].eq("finished")]
    importance = pd.DataFrame([
        {"group": group, "model": "random forest", "feature": feature, "measure": measure, "estimate": 0.4, "low": 0.3,
         "high": 0.5, "spearman": 0.6, "note": EVIL}
        for group in ("all", "optimizer=adamw", "optimizer=sgd") for feature in ("depth", "stages")
        for measure in ("gini", "permutation", "shap")], columns=list(IMPORTANCE.columns))
    effects = pd.DataFrame([
        {"group": group, "model": "random forest", "feature": feature, "run_id": run, "value": float(place),
         "shap": size * (place - 11)} for group in ("all", "optimizer=sgd")
        for feature, size in (("stages", 0.001), ("depth", 0.004)) for place, run in enumerate(scored["run_id"])])
    predicted = pd.DataFrame({
        "model": "random forest", "scheme": "3-fold", "fold": np.arange(len(scored)) % 3, "run_id": scored["run_id"],
        "group": "optimizer=" + scored["optimizer"], "truth": scored["test_challenge_score"],
        "prediction": scored["test_challenge_score"] + 0.01})[list(PREDICTED.columns)]
    predictor = Predictor(
        table_digest="d", synthetic=synthetic, runs=23, target="test_challenge_score", features=("depth", "stages"),
        warning="23 runs are too few", results=[
            {"model": "random forest", "scheme": scheme, "statistic": "pearson", "group": group, "estimate": 0.5,
             "low": 0.3, "high": 0.7, "n": 23}
            for group in ("all", "within") for scheme in ("3-fold", "grouped 3-fold")],
        correlated=[{"first": "depth", "second": "stages", "spearman": 0.7}],
        dependence=[{"group": "all", "model": "random forest", "feature": "depth", "grid": [4.0, 9.0],
                     "estimate": [0.3, 0.4], "low": [0.2, 0.3], "high": [0.4, 0.5]}],
        claims=[{"claim": "stages first", "verdict": "cannot be told", "evidence": "few", "published": "stages"}],
        versions={"numpy": "2"})
    laws = Laws(table_digest="d", synthetic=synthetic, runs=23, versions={}, disabled={"laws in energy": "no column"},
                fits=(LawFit(law="power", subset="all", x=("params",), y="1 - test_challenge_score", points=23,
                             verdict="identified", formula="y = b x^(-c)", estimates={"b": 1.0, "c": 0.05},
                             intervals={"c": (0.03, 0.07)}),
                      LawFit(law="floor", subset="all", x=("params",), y="1 - test_challenge_score", points=23,
                             verdict="not identifiable", reason="the interval of c holds 0",
                             formula="y = E + b x^(-c)", estimates={"E": 0.1, "b": 1.0, "c": None})))
    environment = Environment(machine="box", cpu="a processor", cores=2, threads=2, memory_bytes=None, os="Linux",
                              container=None, devices=[{"runtime": "openvino", "device": "npu", "available": False,
                                                        "reason": "Could not find an NPU device"}],
                              state={}, versions={"openvino": "1"}, started="2026-01-01T00:00:00Z")
    return Inputs(
        runs=runs, laws=laws, frontier=frontier.fronts(runs, latency, 10, 1), predictor=predictor,
        importance=importance, effects=EFFECTS.arrow(effects, "test").to_pandas(), predicted=predicted,
        latency=latency, environments=(environment,),
        split=SplitInfo(method="patients", seed=1, counts={"train": 60, "valid": 30, "test": 30},
                        audit={"patient_overlap": 0, "by_source": {"ptb": {"train": 6}}}, corpus_digest="c", digest="d",
                        synthetic=synthetic),
        plan=Plan(study="small", seed=1, runs=24, rejected={"stages": 2}, duplicates=0, forward_flops={}, params={},
                  train_flops=None, hours=[]),
        speeds=(speed_document(),), controls=(control_document(),), histories=history_table(runs),
        **chosen_run(str(runs.loc[runs["valid_challenge_score"].idxmax(), "run_id"]), synthetic),
        missing={"shards": "no --shards were given"})


class Reader(HTMLParser):
    """Collects what the tests look at."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.headings, self.tags, self.svg, self.images, self.scripts = [], [], [], [], [], [], []
        self.feed(text)
        self.tables = self.tags.count("table")

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [value for name, value in attrs if name in ("href", "src", "xlink:href") and value]
        self.headings += [int(tag[1])] if tag in ("h1", "h2", "h3") else []
        self.svg += [attributes] if tag == "svg" else []
        self.images += [attributes] if tag == "img" else []
        self.scripts += [attributes] if tag == "script" else []


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    page.write(make_inputs(), out)
    return out, (out / "report.html").read_text(encoding="utf-8")


def test_one_file_that_needs_nothing_else(written):
    _, text = written
    read = Reader(text)
    assert not {"link", "iframe", "object", "base", "form"} & set(read.tags)
    assert [one.get("type") for one in read.scripts] == ["application/json", None, None]
    assert all(link.startswith(("#", *INSIDE)) for link in read.links)
    assert not re.findall(r"url\((?!#)|@import", text[:text.index('<script type="application/json"')])


def test_no_script_but_the_page_s_own_may_run_nor_ask_the_network(written):
    """The policy names each script by its digest, and allows neither eval nor any address."""
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', written[1])[1].replace("&#39;", "'")
    rules = dict(one.split(" ", 1) for one in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "connect-src" not in rules
    bodies = re.findall(r"<script>(.*?)</script>", written[1], flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies]
    assert rules["script-src"].split() == [f"'sha256-{one}'" for one in digests]


def test_ids_are_unique_and_every_link_leads_somewhere(written):
    read = Reader(written[1])
    assert len(read.ids) == len(set(read.ids))
    assert {link[1:] for link in read.links if not link.startswith(INSIDE)} <= set(read.ids)


def test_headings_alternatives_and_captions(written):
    read = Reader(written[1])
    shown = [one for one in (make(make_inputs()) for make in page.SECTIONS) if not one.bare()]
    assert len(shown) < len(page.SECTIONS)
    assert read.headings == [1] + [2] * (1 + len(shown) + 1)        # answers, chapters, what is not shown
    assert len(read.images) >= 5
    assert len(read.svg) + len(read.images) >= 10
    assert all(one["role"] == "img" and len(one["aria-label"]) > 20 for one in read.svg)
    assert all(len(one["alt"]) > 20 for one in read.images)
    assert read.tags.count("caption") == read.tables > 10
    assert read.tags.count("figcaption") == read.tags.count("figure") == len(read.svg) + len(read.images)


def test_synthetic_is_said_once_a_page_and_in_every_figure(written):
    out, text = written
    assert text.index("Synthetic data.") < text.index("<h1>")
    for part in re.findall(r"<figcaption>.*?</figcaption>", text, flags=re.DOTALL):
        assert "synthetic data" in part or "published, not of these runs" in part
    assert not [part for part in re.findall(r"<caption>.*?</caption>", text, flags=re.DOTALL) if "synthetic" in part]
    for png in (out / "figures").glob("*.png"):
        assert Image.open(png).text["Title"].startswith("SYNTHETIC DATA") != png.name.startswith("published")


def test_real_data_is_not_called_synthetic(tmp_path):
    page.write(Inputs(runs=run_table(synthetic=False)), tmp_path)
    assert "ynthetic" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_text_of_others_stays_text(written):
    assert "<script>alert" not in written[1]
    assert len(Reader(written[1]).scripts) == 3
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in written[1]


def test_every_run_is_there_however_it_ended(written):
    assert all(f"<td>run{i:02d}</td>" in written[1] for i in range(24))
    assert "1 of 24 runs have no score" in written[1]


def test_what_is_missing_unavailable_or_not_identified_is_said(written):
    text = written[1]
    for words in ("no --shards were given", "Could not find an NPU device", "not identifiable",
                  "the interval of c holds 0", "23 runs are too few", "depth and stages (+0.70)",
                  "2 measurements fell back", "PyTorch on box: asked cpu, ran cpu float32 (100 % of compute layers)",
                  "FELL BACK: asked cpu", "Ann&#39;s Mac was disturbed, and nothing measured on it stands",
                  "laws in energy (no column)", "cannot be told"):
        assert words in text, words


def test_rows_of_another_machine_stand_beside_ours_under_its_name(written):
    assert "<td>Ann&#39;s Mac</td>" in written[1]
    assert "Nothing is known of the machine Ann&#39;s Mac: no environment.json" in written[1]
    assert "Nothing is known of the machine box" not in written[1]
    names = {row["y"] for row in plots.latency_by_setting(make_inputs()).rows["latency"]}
    assert "Core ML · cpu float32 · Ann's Mac" in names
    assert "OpenVINO · cpu float32 · box" in names


def test_a_busy_machine_is_named(written):
    assert "Other programs kept 0.7 processors of box busy" in written[1]


def test_a_fallback_has_a_marker_of_its_own():
    """Hollow, and crossed in ink: of two models on three runtimes, those on torch."""
    chart = plots.latency_by_setting(make_inputs())
    layers = chart.views[0].spec["layer"]
    assert sum(row["fell"] for row in chart.rows["latency"]) == 2
    crosses = next(one for one in layers if one.get("transform") == [{"filter": "datum.fell"}])
    assert crosses["mark"]["color"] == "currentColor"
    filled = [one["encoding"]["fillOpacity"]["condition"]["test"] for one in layers if "fillOpacity" in one["encoding"]]
    assert filled == ["!datum.fell"]


def test_laws_of_latency_are_drawn_where_they_are_identified(written):
    rows = plots.latency_by_size(make_inputs()).rows
    x, y = np.array([[row["x"], row["y"]] for row in rows["forward_flops laws"]]).T
    assert len(x) == 2
    assert np.allclose(y, 1e-6 * x**0.8)
    assert rows["params laws"] == []                           # none of parameters was fitted
    assert "exponent = 0.800 [0.700, 0.900]" in written[1]
    assert "<td>median error</td><td class=\"n\">12 %</td>" in written[1]


def test_the_same_inputs_give_the_same_bytes(written, tmp_path):
    page.write(make_inputs(), tmp_path)
    for path in sorted(written[0].rglob("*.*")):
        assert path.read_bytes() == (tmp_path / path.relative_to(written[0])).read_bytes(), path.name


def test_published_scores_have_axes_of_their_own():
    drawing = figures.front(make_inputs(), "score~forward_flops")
    ours, published = drawing.figure.axes
    assert "another scale" in published.get_ylabel()
    assert ours.get_shared_y_axes().joined(ours, published) is False
    assert "never heights" in drawing.caption


def test_front_is_drawn_as_the_best_score_to_be_had():
    inputs = make_inputs()
    ours = figures.front(inputs, "score~params").figure.axes[0]
    line = next(line for line in ours.lines if str(line.get_label()).startswith("AdamW"))
    rows = inputs.frontier.query("axes == 'score~params' and group == 'optimizer=adamw' and on_front").sort_values("x")
    assert line.get_drawstyle() == "steps-post"
    np.testing.assert_array_equal(line.get_ydata(), rows["y"])


def test_names_of_laws_stand_beside_each_other_and_not_on_other_lines():
    """Four power laws, two of them equal, over two decades: no two names share a place, and none stands on a curve."""
    x = np.geomspace(1e2, 1e4, law_chart.GRID)
    curves = [np.column_stack([x, height * x**-0.1]) for height in (1.0, 1.0, 0.8, 0.6)]
    names = ["law of all runs", "law of AdamW", "law of SGD-momentum", "law of the frontier"]
    ends = np.array([[1e2, 0.2], [1e4, 0.65]])
    found = law_chart.name_sides(curves, names, np.array([[1e4, 0.65]]), ends)
    boxes = []
    for curve, name, (place, side) in zip(curves, names, found, strict=True):
        left, line = np.log(curve[place] / ends[0]) / np.log(ends[1] / ends[0])
        boxes.append((left, line + side * 0.04, left + len(name) * law_chart.LETTER))
    for i, (left, height, right) in enumerate(boxes):
        assert 0 <= left < right <= 1
        for other, at, end in boxes[:i]:
            assert right <= other or end <= left or abs(height - at) >= law_chart.HIGH
        for curve in curves:
            x, y = (np.log(curve / ends[0]) / np.log(ends[1] / ends[0])).T
            assert not ((left < x) & (x < right) & (abs(y - height) < law_chart.HIGH / 2)).any()


def test_an_interval_of_many_decades_does_not_flatten_the_runs():
    """Twelve runs can leave the average an upper end of 6e10: the axis follows the runs, and the table says the end."""
    inputs = make_inputs()
    ahead = {"x": 1e9, "y": 0.4, "run_low": 0.3, "run_high": 6.2e10}
    average = LawFit(law="average", subset="all", x=("params",), y="1 - test_challenge_score", points=12, level=0.9,
                     formula="", verdict="not identifiable", estimates={}, statistics={"predictions": [ahead]})
    inputs = replace(inputs, laws=inputs.laws.model_copy(update={"fits": (*inputs.laws.fits, average)}))
    (view,) = law_chart.law(inputs).views
    low, high = next(one for one in view.spec["layer"] if "params" in one)["encoding"]["y"]["scale"]["domain"]
    errors = 1 - inputs.scored["test_challenge_score"]
    assert errors.min() / 10 < low <= errors.min() < errors.max() <= high < 10 * errors.max()
    assert "0.4 [0.3, no end]" in {row[7] for row in analysis_tables.law_answers(inputs).rows}


def test_best_model_is_chosen_on_validation_not_on_test():
    inputs = make_inputs()
    best = inputs.scored.loc[inputs.scored["valid_challenge_score"].idxmax()]
    answer = next(one for one in headlines(inputs) if "Which model" in one.question)
    assert f": {best['test_challenge_score']:.3f} [" in answer.answer
    assert best["run_id"] in answer.detail
    assert "30 recordings" in answer.detail


def test_a_table_without_family_optimizer_and_interval_is_told_in_a_whole_sentence():
    """What a table of someone else's lacks is not mentioned, and no interval is claimed."""
    inputs = make_inputs()
    bare = inputs.scored[["run_id", "params", "test_challenge_score"]]
    answer = next(one for one in headlines(replace(inputs, runs=bare)) if "Which model" in one.question)
    assert re.match(r"run\d+, [\d.]+ [kM] parameters: 0\.\d{3}$", answer.answer)
    assert re.match(r"Challenge score \(test\), run \w+\. Chosen by the same score", answer.detail)
    assert answer.detail.endswith("no interval: the table has none.")


def test_the_laws_that_are_told_are_told_with_their_exponents():
    """One law a question, the preferred one, in the words of the tables."""
    inputs = make_inputs()
    law, weaker = (LawFit(law=name, subset="all", x=("train_flops",), y="1 - test_challenge_score", points=23,
                          formula="", level=0.9, verdict="identified", estimates={"c": c}, intervals={"c": (0.1, 0.2)},
                          statistics={"weight": weight})
                   for name, c, weight in (("power", 0.15, 0.8), ("floor", 0.17, 0.2)))
    answer = next(one for one in headlines(replace(inputs, laws=inputs.laws.model_copy(update={"fits": (law, weaker)})))
                  if "scaling law" in one.question)
    assert answer.answer == "1 − Challenge score ∝ training FLOPs^−c, c = 0.150 [0.100, 0.200]"
    assert equation(weaker.model_copy(update={"subset": "family=vit, frontier"})) == (
        "1 − Challenge score falls with training FLOPs, c = 0.170 [0.100, 0.200] (ViT, frontier)")
    assert answer.detail == "Power law, n = 23, 90 % interval. 2 of 2 fits are identified."


def test_a_law_of_both_sizes_is_told_before_that_of_one_which_lumps_the_other():
    """18 runs in a grid, as planted in docs/tutorial/own-table.md: recordings alone have half of the exponent 0.42."""
    inputs = make_inputs()
    both, one = (LawFit(law=law, subset="all", x=sizes, y="1 - test_auroc", points=18, formula="", level=0.9,
                        verdict="identified", estimates=estimates, intervals=dict.fromkeys(estimates, (0.1, 0.5)))
                 for law, sizes, estimates in (("joint", ("params", "train_records"), {"alpha": 0.27, "beta": 0.42}),
                                               ("power", ("train_records",), {"c": 0.18})))
    answer = next(one for one in headlines(replace(inputs, laws=inputs.laws.model_copy(update={"fits": (one, both)})))
                  if "scaling law" in one.question)
    assert "0.420 [0.100, 0.500]" in answer.answer
    assert "0.180 [0.100, 0.500]" in answer.detail


def test_a_fallback_is_never_the_fastest():
    answer = next(one for one in headlines(make_inputs()) if "fast" in one.question)
    assert "OpenVINO" in answer.detail


def test_looks_differ_by_colour_and_marker_and_optimizers_keep_theirs():
    colours, markers, _ = zip(*LOOKS, strict=True)
    assert len(set(colours)) == len(set(markers)) == len(LOOKS)
    assert set(colours) == set(COLOURS.values())
    assert {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"} <= set(colours)  # Okabe and Ito 2008
    assert look("optimizer=sgd", ["optimizer=sgd"]) == look("sgd", ["adamw", "sgd"])


@pytest.mark.parametrize(("value", "text"), [
    (1_002_229_760, "1 G"), (14_676_378, "14.7 M"), (0.00146, "0.00146"), (None, "–"), (float("nan"), "–"), (26, "26"),
    (1e-6, "1 × 10⁻⁶"), (-0.000123, "-1.23 × 10⁻⁴"), (0.000_999_9, "1 × 10⁻³"), (0.066, "0.066"),
    (65_432, "65.4 k"), (0, "0"), (1234.5, "1234")])
def test_numbers_as_people_read_them(value, text):
    assert number(value) == text


def test_interval_is_left_out_where_there_is_none():
    assert interval(0.5, 0.4, 0.6) == "0.500 [0.400, 0.600]"
    assert interval(0.5, None, None) == "0.500"


def test_a_narrow_interval_has_the_digits_that_tell_its_ends_apart():
    assert interval(0.134, 0.1338, 0.1342, number) == "0.1340 [0.1338, 0.1342]"
    assert interval(0.134, 0.133, 0.135, number) == "0.134 [0.133, 0.135]"
    assert interval(1.5, 1.5, 1.5, number) == "1.50 [1.50, 1.50]"


@pytest.mark.parametrize(("values", "text"), [
    ((0.131, 0.0949, 0.166), "0.131 [0.095, 0.166]"), ((0.183, 0.15, 0.236), "0.183 [0.150, 0.236]"),
    ((1_230_000, 985_000, 1_500_000), "1.23 M [0.98 M, 1.50 M]"), ((5036, 4970, 5102), "5036 [4970, 5102]"),
    ((0.3, -0.02, 0.62), "0.300 [-0.020, 0.620]"), ((5.6e6, 1.2e4, 4e9), "5.6 M [12 k, 4 G]"),
    ((2e30, 1e30, 3e30), "2 × 10³⁰ [1 × 10³⁰, 3 × 10³⁰]"), ((0.2, 0, 0.5), "0.200 [0.000, 0.500]")])
def test_an_interval_is_written_in_one_way(values, text):
    """One unit and as many decimals in all three, unless they are too far apart for it."""
    assert interval(*values, number) == text


def test_nothing_is_less_than_nothing():
    assert interval(-0.0001, -0.0004, 0.0002) == "0.000 [0.000, 0.000]"
    assert number(-0.0) == "0"


def test_a_prediction_ends_where_its_quantity_does():
    ahead = {"y": 0.1, "run_low": -0.05, "run_high": 1.5}
    assert analysis_tables.foretold("1 - test_auroc", ahead) == "0.10 [0.00, 1.00]"
    assert analysis_tables.foretold("1 - test_challenge_score", ahead) == "0.10 [0.00, 1.50]"
    assert analysis_tables.foretold("1 - test_auroc", {}) == "–"


def test_an_estimate_that_the_runs_do_not_tell_is_left_out():
    fit = LawFit(law="floor", subset="all", x=("params",), y="loss", points=9, verdict="not identifiable", formula="",
                 estimates={"E": 0.1, "b": None, "c": None}, intervals={"E": (0.05, 0.2)})
    assert analysis_tables.exponents(fit) == "–"
    assert analysis_tables.estimates(fit, fit.estimates) == "E = 0.100 [0.050, 0.200]"


def test_only_an_identified_law_is_drawn_and_as_its_formula_says():
    inputs = make_inputs()
    chart = law_chart.law(inputs)
    (curve,) = (rows for name, rows in chart.rows.items() if name.startswith("law "))
    x, y = np.array([[row["x"], row["y"]] for row in curve]).T
    np.testing.assert_allclose(y, x**-0.05)         # y = b x^(-c), b = 1, c = 0.05
    texts = [one["mark"]["text"] for one in chart.views[0].spec["layer"] if one["mark"].get("text")]
    assert texts == ["law of all runs"]


def test_the_band_of_a_power_law_between_the_sizes_it_is_told_at():
    """Straight lines in logs from end to end, which the ends of a power law's band nearly are."""
    told = {"x": [10.0, 1e4], "low": [0.9, 0.1], "high": [1.1, 0.2]}
    fit = LawFit(law="power", subset="all", x=("params",), y="loss", points=9, verdict="identified", formula="",
                 estimates={"b": 2.0, "c": 0.3}, statistics={"band": told})
    grid = np.geomspace(10, 1e4, 4)
    drawn = pd.DataFrame(law_chart.curve(fit, grid))
    np.testing.assert_allclose(drawn["y"], 2 * grid**-0.3)
    np.testing.assert_allclose(drawn["low"], 0.9 * np.geomspace(1, 1 / 9, 4))
    np.testing.assert_allclose(drawn["high"], 1.1 * np.geomspace(1, 2 / 11, 4))
    open_end = fit.model_copy(update={"statistics": {"band": told | {"high": [1.1, None]}}})
    assert np.isnan(law_chart.curve(open_end, grid)[-1]["high"])
    assert np.isnan(law_chart.curve(fit.model_copy(update={"statistics": {}}), grid)[0]["low"])


def test_the_law_that_the_headline_tells_is_drawn_first():
    """Of two identified laws of one score the headline's, though its size stands later among the fits."""
    inputs = make_inputs()
    fits = [LawFit(law="power", subset="all", x=(x,), y="1 - test_challenge_score", points=23, formula="", level=0.9,
                   verdict=verdict, estimates={"c": 0.2, "b": 3.0}, intervals={"c": (0.1, 0.3)},
                   statistics={"weight": 1.0, "headline": x == "train_flops"})
            for x, verdict in (("params", "not identifiable"), ("forward_flops", "identified"),
                               ("train_flops", "identified"))]
    chart = law_chart.law(replace(inputs, laws=inputs.laws.model_copy(update={"fits": tuple(fits)})))
    over = [view.label.partition(" over ")[2] for view in chart.views]
    assert over == ["training FLOPs", "forward FLOPs", "parameters"]


def test_whether_the_largest_runs_were_foretold_is_an_answer():
    """Of four runs three inside: the share times n, the process's error, and the forest's beside it."""
    inputs = make_inputs()
    results = [{"model": model, "scheme": "largest held out", "statistic": statistic, "group": "all",
                "estimate": estimate, "low": None, "high": None, "n": 4}
               for model, statistic, estimate in (("law and miss", "inside_90", 0.75), ("law and miss", "rmse", 0.056),
                                                  ("law and miss", "width_90", 0.19), ("random forest", "rmse", 0.106))]
    told = replace(inputs, predictor=inputs.predictor.model_copy(update={"results": results}))
    answer = next(one for one in headlines(told) if "smaller runs" in one.question)
    assert answer.answer == "3 of 4 inside their 90 % interval, error 0.056"
    assert answer.detail.endswith("half of the intervals are 0.19 wide or more. Random forest: error 0.106.")
    without = replace(inputs, predictor=inputs.predictor.model_copy(update={"results": results[-1:]}))
    assert not any("smaller runs" in one.question for one in headlines(without))
