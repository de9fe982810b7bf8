"""Which models are exported, what lies in their folders, and what a broken format leaves of the others."""

import json
import re
from types import SimpleNamespace
from typing import get_args

import numpy as np
import onnx
import openvino
import pandas as pd
import pytest
import torch
import yaml
from scipy.special import expit

from ecgscale.contracts import Export, SplitInfo, read_tensors, write_tensors
from ecgscale.deploy import export
from ecgscale.deploy.export import choose, export_models, judge, kinds_of, licence
from ecgscale.deploy.export.check import Reference, auroc_difference
from ecgscale.deploy.export.formats import Exporter
from ecgscale.design.study import Deploy
from ecgscale.errors import UserError
from ecgscale.evaluation.bootstrap import draws
from tests.tiny_models import (
    LABELS,
    computes_bfloat16,
    export_one,
    exported_model,
    recordings,
    run_table,
    trained_run,
)


def table(**columns):
    families = ["r", "r", "r", "c", "c", "v"]
    networks = {name: range(6) for name in ("params", "forward_flops", "activations")}
    return pd.DataFrame({"run_id": list("abcdef"), "status": "finished", "family": families, **networks, **columns})


def test_files_that_are_checked_by_another_split_are_told(tmp_path, capsys):
    """The network may have seen the recordings of that test fold. Found by a command called with the wrong folder."""
    split, result = recordings()[1], trained_run(tmp_path)
    export.tell_other_split(result, split)
    assert f"{result.spec.run_id} was trained with another split" in capsys.readouterr().err
    export.tell_other_split(result.model_copy(update={"split_digest": SplitInfo.digest_of(split)}), split)
    assert not capsys.readouterr().err


def test_the_best_of_each_family_comes_first_then_the_next_best():
    runs = table(valid_challenge_score=[0.5, 0.6, 0.4, 0.3, 0.45, 0.1], test_challenge_score=[0.9, 0, 0, 0.9, 0, 0])
    chosen = choose(runs, 5)
    assert [run for run, _ in chosen] == ["b", "e", "f", "a", "c"]
    assert chosen[0][1] == "best r by challenge score on validation"
    assert chosen[3][1] == "next best by challenge score on validation"
    assert [run for run, _ in choose(runs, 2)] == ["b", "e"]
    assert choose(runs, 0) == []


def test_of_several_runs_of_a_network_the_best_alone_is_taken():
    """Seeds and rates of one network: a, b and d, e."""
    runs = table(valid_challenge_score=[0.5, 0.6, 0.4, 0.3, 0.45, 0.1], params=[1, 1, 2, 3, 3, 4])
    runs = runs.assign(forward_flops=runs["params"], activations=runs["params"])
    assert [run for run, _ in choose(runs, 9)] == ["b", "e", "f", "c"]
    untold = runs.drop(columns="activations")       # as in tables from before this column: no run may be dropped
    unknown = runs.assign(activations=None)
    for table_of_runs in (untold, unknown):
        assert len(choose(table_of_runs, 9)) == 6


def test_the_test_fold_has_no_say():
    runs = table(valid_challenge_score=[0.5, 0.6, 0.4, 0.3, 0.45, 0.1])
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert choose(runs.assign(test_challenge_score=rng.random(6)), 6) == choose(runs, 6)


def test_failed_runs_and_missing_scores_are_passed_over():
    runs = table(valid_challenge_score=[0.9, 0.1, None, 0.3, 0.2, None])
    runs.loc[0, "status"] = "diverged"
    assert [run for run, _ in choose(runs, 9)] == ["d", "b", "e"]
    with_auroc = table(valid_challenge_score=[None] * 6, valid_auroc=[0.5, 0.6, 0.7, 0.8, 0.9, 0.4])
    assert choose(with_auroc, 1) == [("e", "best c by auroc on validation")]
    with pytest.raises(UserError, match="no run has a validation score"):
        choose(table(), 3)


def test_no_file_is_made_twice():
    """The network as it is comes once, whatever else is asked of PyTorch, and a format that is named twice is one."""
    every = tuple(get_args(get_args(Deploy.model_fields["formats"].annotation)[0]))
    assert "torch" in every
    made = list(map(str, kinds_of(Deploy(formats=(*every, "torch", "onnx"), batch=(1, 8)))))
    assert len(made) == len(set(made))
    assert [name for name in made if name.startswith("torch")] == [
        "torch-float32", "torch-frozen-float32", "torch-compiled-float32", "torch-frozen-float32-batch8",
        "torch-compiled-float32-batch8"]


def test_the_folder_is_complete_and_describes_itself():
    folder = exported_model()
    made = Export.read(folder / "export.json")
    assert made.label == folder.name
    assert made.label.startswith("regnet-")
    assert made.label.endswith(f"-adamw-{made.run_id[:6]}")
    assert made.class_names[made.classes.index("164889003")] == "atrial fibrillation"
    assert made.synthetic
    assert {a.status for a in made.artefacts} == {"ok"}
    kinds = [(a.format, a.precision, a.opset) for a in made.artefacts]
    assert kinds == [("torch", "float32", None), ("onnx", "float32", 23), ("onnx", "float32", 17),
                     ("onnx", "float16", 23), ("onnx", "float16", 17), ("onnx", "int8", 17),
                     ("openvino", "float32", None), ("openvino", "bf16", None), ("openvino", "float16", None),
                     ("openvino", "int8", None)]
    assert {file.stat().st_mode for file in folder.iterdir() if file.is_file()} == {
        (folder / "export.json").stat().st_mode}             # all can be read by whom export.json is for
    assert np.load(folder / "sample_input.npy").shape == made.input_shape
    assert np.load(folder / "sample_output.npy").shape == (1, 26)


def test_every_file_is_checked_on_held_out_recordings():
    """Float32 files agree to rounding error; float16 to its 11 bits; INT8 roughly, and its flips are counted."""
    made = Export.read(exported_model() / "export.json")
    limits = {"float32": 1e-5, "float16": 1e-2, "bf16": 0.1, "int8": 2.0}
    for artefact in made.artefacts:
        if artefact.precision == "bf16" and not computes_bfloat16():
            assert (artefact.checked_records, "bfloat16" in artefact.reason) == (0, True)
            continue
        assert artefact.checked_records == 8                   # a third of 24
        assert artefact.checked_on.startswith(("torch cpu", "onnxruntime cpu", "openvino cpu"))
        assert 0 <= artefact.mean_logit_difference <= artefact.max_logit_difference <= limits[artefact.precision]
        assert artefact.score_difference_low <= artefact.score_difference_high
        if artefact.precision == "float32":
            assert artefact.sign_flips == 0
            assert artefact.score_difference == artefact.score_difference_low == artefact.score_difference_high == 0
    quantized = [artefact for artefact in made.artefacts if artefact.precision == "int8"]
    assert all(artefact.max_logit_difference > 1e-3 for artefact in quantized)
    assert [artefact.checked_on for artefact in quantized] == ["onnxruntime cpu int8", "openvino cpu int8"]


def test_onnx_files_name_what_goes_in_and_out():
    folder = exported_model()
    for opset in (17, 23):
        model = onnx.load(str(next((folder / f"onnx-float32-opset{opset}").glob("*.onnx"))))
        assert {item.domain: item.version for item in model.opset_import}[""] == opset
        ends = [*model.graph.input, *model.graph.output]
        assert [end.name for end in ends] == ["ecg", "logits"]
        shapes = [[size.dim_value for size in end.type.tensor_type.shape.dim] for end in ends]
        assert shapes == [[1, 12, 256], [1, 26]]
        said = {p.key: p.value for p in model.metadata_props}
        assert said["classes"].split(";") == list(LABELS.codes)
        assert said["rate_hz"] == "100"
        assert "SYNTHETIC" in said["description"]
        assert said["license"].startswith("MIT")


def test_openvino_files_name_what_goes_in_and_out():
    for precision in ("float32", "float16", "int8"):
        model = openvino.Core().read_model(next((exported_model() / f"openvino-{precision}").glob("*.xml")))
        assert model.inputs[0].any_name == "ecg"
        assert model.outputs[0].any_name == "logits"
        assert model.inputs[0].get_shape() == [1, 12, 256]
        assert model.inputs[0].element_type == openvino.Type.f32
        assert model.get_rt_info(["ecgscale", "class_names"]).astype(str).split(";") == list(LABELS.names)


def test_float32_weights_are_not_compressed_in_silence():
    """OpenVINO stores float16 unless told otherwise. Batch norms are folded, which saves a few percent."""
    params = Export.read(exported_model() / "export.json").ledger.params
    sizes = {p: next((exported_model() / f"openvino-{p}").glob("*.bin")).stat().st_size for p in ("float32", "float16")}
    assert 3.7 * params < sizes["float32"]
    assert sizes["float16"] < 3 * params


def test_a_broken_format_does_not_lose_the_others(tmp_path, monkeypatch):
    def broken(self, precision, path):
        raise RuntimeError("Exception from src/frontends/x.cpp:3:\nNo conversion rule for aten::foo")

    monkeypatch.setattr(Exporter, "write_openvino", broken)
    folder, made = export_one(tmp_path, Deploy(formats=("openvino", "onnx"), precisions=("float32",)))
    states = [(a.format, a.precision, a.status, a.file is None, a.reason) for a in made.artefacts]
    assert ("openvino", "float32", "failed", True, "No conversion rule for aten::foo") in states
    assert ("openvino", "bf16", "failed", True, "the float32 file was not made") in states
    assert states.count(("onnx", "float32", "ok", False, "")) == 2
    assert json.loads((folder / "export.json").read_text())["schema"] == "ecgscale.export/1"


def test_a_foreign_weight_file_is_refused(tmp_path):
    result, (corpus, split) = trained_run(tmp_path / "runs"), recordings()
    run = tmp_path / "runs" / result.spec.run_id
    (run / "weights.safetensors").write_bytes(b"\x80\x04pickled")
    with pytest.raises(UserError, match=r"weights\.safetensors"):
        export_models([run], run_table([result], [0.5]), corpus, split, Deploy(), LABELS, tmp_path / "out", threads=1)
    assert not list((tmp_path / "out").glob("*/export.json"))


def broken_run(tmp_path, change):
    """Export of a run whose weights were changed."""
    result, (corpus, split) = trained_run(tmp_path / "runs"), recordings()
    run = tmp_path / "runs" / result.spec.run_id
    about, weights = read_tensors(run / "weights.safetensors")
    change(weights)
    write_tensors(run / "weights.safetensors", weights, about)
    deploy = Deploy(formats=("onnx",), precisions=("float32",))
    export_models([run], run_table([result], [0.5]), corpus, split, deploy, LABELS, tmp_path / "out", threads=1)


@pytest.mark.parametrize(("change", "message"), [
    (lambda weights: weights.update({"head.bias": torch.zeros(27)}), "not the weights of this run"),
    (lambda weights: weights.pop("head.bias"), "not the weights of this run"),
    (lambda weights: weights.update({"more": torch.zeros(1)}), "not the weights of this run"),
    (lambda weights: weights["head.bias"].fill_(float("nan")), "logits that are not finite"),
    (lambda weights: weights["head.weight"].fill_(float("inf")), "logits that are not finite"),
])
def test_weights_that_make_no_model_are_refused(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        broken_run(tmp_path, change)
    assert not list((tmp_path / "out").glob("**/export.json"))


def test_a_class_that_the_corpus_does_not_know_is_refused(tmp_path):
    result, (corpus, split) = trained_run(tmp_path / "runs"), recordings()
    run = tmp_path / "runs" / result.spec.run_id
    result.model_copy(update={"classes": ("12345", *LABELS.codes[1:])}).write(run / "run.json")
    with pytest.raises(UserError, match=r"classes: .*12345.*label set"):
        export_models([run], run_table([result], [0.5]), corpus, split, Deploy(), LABELS, tmp_path / "out", threads=1)


@pytest.mark.parametrize("name", ["../../x", "a b", "x\ny", "a/b", ""])
def test_a_run_whose_name_is_no_file_name_is_refused(tmp_path, name):
    result = trained_run(tmp_path / "runs")
    with pytest.raises(UserError, match="is not the name of a run"):
        export.label_of(result.model_copy(update={"spec": result.spec.model_copy(update={"run_id": name})}))


def test_two_runs_of_one_label_are_refused(tmp_path):
    """They begin alike; macOS and Windows take small letters and capitals for one folder."""
    result = trained_run(tmp_path / "runs")
    same, other, apart = (result.model_copy(update={"spec": result.spec.model_copy(update={"run_id": name})})
                          for name in ("abcdef000000", "ABCDEF111111", "abcdea000000"))
    export.check_labels([same, apart])
    with pytest.raises(UserError, match=r"ABCDEF111111 and abcdef000000 would both be regnet-.*-ABCDEF"):
        export.check_labels([same, apart, other])


def test_a_file_beyond_the_margin_is_marked_and_the_others_are_not(tmp_path, monkeypatch):
    """One file answers that nobody has anything: it loses the score of a network that has one."""
    from ecgscale.deploy.export import check

    def mute(model, artefact, truth, batch, threads):
        logits, ran, seconds = run_file(model, artefact, truth, batch, threads)
        return (logits - 100 if artefact.format == "openvino" else logits), ran, seconds

    run_file = check.run_file
    monkeypatch.setattr(export, "run_file", mute)
    result, (corpus, split) = trained_run(tmp_path / "runs"), recordings()
    monkeypatch.setattr(export, "load", lambda folder: (result, Oracle(corpus)))
    deploy = Deploy(formats=("openvino", "onnx"), precisions=("float32",))
    made = export_models([tmp_path / "runs" / result.spec.run_id], run_table([result], [0.5]), corpus, split, deploy,
                         LABELS, tmp_path / "out", threads=1, replicates=20)
    states = {(a.format, a.precision): (a.status, a.reason) for a in made[0].artefacts}
    assert states["onnx", "float32"] == ("ok", "")
    status, reason = states["openvino", "float32"]
    assert status == "beyond-margin"
    assert "more than the margin 0.01" in reason


class Oracle(torch.nn.Module):
    """Says the labels of the first window of a corpus's recordings, by their first sample."""

    def __init__(self, corpus):
        super().__init__()
        from ecgscale.training.data import windows

        firsts = np.array([signal[0, 0] for signal in corpus.signals])
        cut = [windows(signal, 256) for signal in corpus.signals]
        self.register_buffer("keys", torch.tensor(np.concatenate([c[:, 0, 0] for c in cut])))
        owners = np.repeat(np.arange(len(cut)), [len(c) for c in cut])
        self.register_buffer("labels", torch.tensor(corpus.labels[owners].astype(np.float32)))
        assert len(np.unique(firsts)) == len(firsts)

    def forward(self, x):
        near = torch.softmax(-1e8 * (x[:, :1, 0] - self.keys) ** 2, dim=1)
        return 20 * (near @ self.labels) - 10


@pytest.mark.parametrize(("difference", "status"),
                         [(0.0, "ok"), (-0.0099, "ok"), (-0.011, "beyond-margin"), (0.3, "ok")])
def test_the_margin_marks_what_loses_more(difference, status):
    found = {"max_logit_difference": 0.1, "score_difference": difference}
    assert judge(found, 0.01)[0] == status


def test_logits_that_are_not_finite_are_beyond_any_margin():
    assert judge({"max_logit_difference": float("nan"), "score_difference": 0.0}, 1.0)[0] == "beyond-margin"


def test_auroc_difference_is_that_of_scikit_learn_on_the_same_draws():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(3)
    labels = rng.random((40, 3)) < 0.4
    one, other = rng.random((2, 40, 3)) + 0.5 * labels
    patients = np.arange(40) // 2
    estimate, low, high = auroc_difference(labels, one, other, patients, 60, seed=5)
    assert estimate == pytest.approx(roc_auc_score(labels, one) - roc_auc_score(labels, other), abs=1e-12)
    drawn = []
    for counts in draws(20, 60, 5):
        weights = counts[patients]
        scores = [np.mean([roc_auc_score(labels[:, k], values[:, k], sample_weight=weights) for k in range(3)])
                  for values in (one, other)]
        drawn.append(scores[0] - scores[1])
    assert (low, high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])), abs=1e-12)


def test_probabilities_are_means_over_a_recordings_windows():
    logits = np.random.default_rng(0).normal(size=(5, 26))
    truth = Reference(batches=lambda size: iter(()), owners=np.array([0, 0, 1, 1, 1]), logits=logits, part="test",
                      labels=np.zeros((2, 26), bool), patients=np.array([None, None]))
    found = truth.probabilities(logits)
    assert np.allclose(found, [expit(logits[:2]).mean(0), expit(logits[2:]).mean(0)], atol=1e-12)


@pytest.mark.parametrize(("asked", "checked"), [(None, 300), (70, 70)])
def test_the_whole_test_fold_is_compared_unless_the_study_says_otherwise(tmp_path, asked, checked):
    """Weights run as they are, on the recordings of the fold: counted by the split itself."""
    result, (corpus, split) = trained_run(tmp_path / "runs"), recordings(count=900)
    deploy = Deploy(formats=(), check_records=asked)
    made, = export_models([tmp_path / "runs" / result.spec.run_id], run_table([result], [0.5]), corpus, split, deploy,
                          LABELS, tmp_path / "out", threads=1, replicates=20)
    assert (split["part"] == "test").sum() == 300
    assert [artefact.checked_records for artefact in made.artefacts] == [checked]


def test_windows_to_compare_on_are_read_a_batch_at_a_time(monkeypatch, tmp_path):
    """A test fold of PhysioNet 2021 is 4 GB of windows: no more recordings are read than the batches asked for hold."""
    result, (corpus, split) = trained_run(tmp_path / "runs"), recordings()
    task = export.Task(corpus, split, Deploy(), LABELS, threads=1, replicates=0, seed=0)
    truth = export.held_out(Oracle(corpus), result, task)
    read, real = [], type(corpus).signal
    monkeypatch.setattr(type(corpus), "signal", lambda self, i: read.append(i) or real(self, i))
    batches = truth.batches(4)
    assert next(batches).shape == (4, 12, 256)
    assert len(read) == 1                           # 4 windows a recording
    assert sum(map(len, batches)) == 8 * 4 - 4
    assert len(truth.logits) == 8 * 4


def test_calibration_sees_the_training_fold_only(monkeypatch, tmp_path):
    result, (corpus, split) = trained_run(tmp_path / "runs"), recordings()
    asked = []
    real = type(corpus).signal
    monkeypatch.setattr(type(corpus), "signal", lambda self, i: asked.append(i) or real(self, i))
    task = export.Task(corpus, split, Deploy(), LABELS, threads=1, replicates=0, seed=0)
    windows = export.training_windows(result, task)
    assert windows.shape == (32, 12, 256)           # 8 recordings of 4 windows
    assert set(split.loc[asked, "part"]) == {"train"}


def test_the_card_says_what_the_document_says_and_its_example_runs(monkeypatch):
    """The head is the metadata of model hubs; the example is run as it stands."""
    folder = exported_model()
    made, card = Export.read(folder / "export.json"), (folder / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(card.split("---\n")[1])
    assert (head["library_name"], head["license"]) == ("ecgscale", "mit")
    assert f"{made.ledger.params:,} parameters" in card
    assert "SYNTHETIC" in card
    assert "no medical device" in card
    assert all(f"| `{one.file}` |" in card for one in made.artefacts)
    assert all(f"{code} {name}" in card for code, name in zip(made.classes, made.class_names, strict=True))
    monkeypatch.chdir(folder)
    code, = re.findall(r"^```python\n(.*?)^```$", card, flags=re.MULTILINE | re.DOTALL)
    exec(code, {})


def test_the_licence_names_the_recordings_and_claims_none_for_them():
    """A model of PTB-XL or of a hospital's own recordings is not one of the Challenge's."""
    corpus = SimpleNamespace(records=pd.DataFrame({"source": ["ptb-xl", "ours", "ptb-xl"]}))
    assert licence(corpus, synthetic=False) == (
        "MIT as far as it is ours; trained on recordings of ours, ptb-xl, whose own licences and terms hold beside it")
    assert licence(corpus, synthetic=True) == "MIT; trained on synthetic recordings"
