"""A stream's answers are those of the whole recording, however the signal comes in; and what is told of its time."""

from importlib import import_module

import numpy as np
import onnx
import pytest
import torch

from ecgscale.contracts import STREAMING
from ecgscale.deploy.block import Configuration
from ecgscale.deploy.runtimes import DeployedModel
from ecgscale.deploy.streaming import Stream, play, play_all
from ecgscale.errors import UserError
from ecgscale.evaluation.evaluate import window_starts
from tests.commands import run_command
from tests.fuzz import models
from tests.tiny_models import RATE, WINDOW, compiled, exported_model

STRIDE = 64


@pytest.fixture(scope="module")
def signal() -> np.ndarray:
    """(leads, samples), as long as windows a stride apart fill."""
    return np.random.default_rng(0).normal(size=(12, WINDOW + 9 * STRIDE)).cumsum(axis=1).astype(np.float32) / 5


@pytest.mark.parametrize("pieces", [1, 7, WINDOW, 5000])
@pytest.mark.parametrize(("name", "option"), [("onnxruntime", ""), ("openvino", "precision=float32"),
                                              ("onnxruntime", "precision=int8")])
def test_answers_are_those_of_the_whole_recording(signal, name, option, pieces):
    """Against the windows that evaluation cuts of a recording, by torch's network: to rounding in float32; in INT8
    against the same runtime, to the bit."""
    judge = compiled(name, option) if "int8" in option else compiled("torch", "mode=eager")
    request, expected = judge.request(), []
    starts = window_starts(signal.shape[1], WINDOW, STRIDE)
    for start in starts:
        request.put(np.ascontiguousarray(signal[None, :, start : start + WINDOW]))
        request.execute()
        expected.append(request.get()[0].copy())
    stream = Stream(compiled(name, option).request(), 12, WINDOW, STRIDE)
    answers = [answer for start in range(0, signal.shape[1], pieces)
               for answer in stream.feed(signal[:, start : start + pieces])]
    assert [answer.end - WINDOW for answer in answers] == starts.tolist()
    difference = np.abs(np.array([answer.logits for answer in answers]) - expected).max()
    assert difference <= (0 if "int8" in option else 1e-5)


@pytest.mark.parametrize(("size", "seen"), [("regnet-20k", 47), ("resnet-20k", 195)])
def test_what_lies_further_from_a_windows_ends_than_the_network_sees_could_be_carried(size, seen):
    """The figures of docs/how-to/stream.md: how far a feature sees, by its gradient; and features of two windows that
    overlap, from where that no longer reaches an end."""
    module = import_module(f"ecgscale.models.{size.split('-')[0]}")
    network, kept = module.SIZES[size].network(12, 1000, 26).eval(), []
    network.mean.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    signal = torch.randn(8, 12, 2000, generator=torch.Generator().manual_seed(0), requires_grad=True)
    network(signal)
    step = 2 ** round(np.log2(2000 / kept[0].shape[-1]))          # samples a feature
    kept[0][..., kept[0].shape[-1] // 2].sum().backward()
    touched = signal.grad.abs().sum((0, 1)).nonzero()
    assert int(touched.max() - touched.min()) + 1 == seen
    with torch.no_grad():
        for start in (0, 6 * step):
            network(signal[..., start : start + 1000])
    one, other = kept[1][..., 6:], kept[2][..., : kept[1].shape[-1] - 6]
    ends = seen // step // 2 + 1
    assert (one - other)[..., ends:-ends].abs().max() < 1e-5
    assert (one - other)[..., 0].abs().max() > 1e-3


def test_a_row_says_what_a_second_of_signal_costs():
    model = DeployedModel.read(exported_model())
    row = play(Configuration(model, "openvino", "cpu", "precision=float32", "single", 1, 1), "lab", 0.5, 30)
    assert row["answers"] == (30 * RATE - WINDOW) // 50 + 1
    assert row["p50_ms"] < row["ms_per_s"] <= 2 * row["longest_ms"]          # two answers a second
    assert row["p50_ms"] <= row["longest_ms"]
    assert row["delay_s"] == pytest.approx(0.5 + row["longest_ms"] / 1e3)
    assert row["difference"] == 0
    assert (row["ran_precision"], row["fallback"]) == ("float32", False)


def test_a_model_that_its_runtime_cannot_run_is_named(tmp_path):
    """Found by fuzzing: an ONNX file of another batch loads, and only its first call fails."""
    folder = tmp_path / "model"
    for name, content in models.model_files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    other = onnx.load(folder / "model.onnx")
    other.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1 << 31
    onnx.save(other, folder / "model.onnx")
    models.digest_again(folder)
    with pytest.raises(UserError, match=r"model: not a readable model for onnxruntime \(.*invalid dimensions"):
        play_all([folder], "onnxruntime", "cpu", "", 1, "lab", 0.01, 0.2)


@pytest.mark.parametrize(("stride", "seconds", "words"), [
    (0.001, 30, "0.001 s are 0 samples"), (3.0, 30, "Between 1 and 256"), (1.0, 2.0, "too short for two windows")])
def test_what_cannot_be_streamed_is_refused(stride, seconds, words):
    model = DeployedModel.read(exported_model())
    with pytest.raises(UserError, match=words):
        play(Configuration(model, "onnxruntime", "cpu", "", "single", 1, 1), "lab", stride, seconds)


def test_the_command(tmp_path):
    done = run_command("ecg-stream", "--models", exported_model(), "--seconds", 20, "--cpus", 1, "--out",
                       tmp_path / "streaming.csv")
    assert done.returncode == 0, done.stderr
    assert "ms a second of signal" in done.stdout
    assert len(STREAMING.read(tmp_path / "streaming.csv")) == 1
    done = run_command("ecg-stream", "--models", exported_model(), "--device", "cuda", "--out", tmp_path / "none.csv")
    assert (done.returncode, (tmp_path / "none.csv").exists()) == (2, False)
    assert "CUDAExecutionProvider" in done.stderr


class Sees:
    """A request that alarms (logit 1) where at least `least` samples of its window are part of the planted event."""

    def __init__(self, least: int):
        self.least = least

    def put(self, windows: np.ndarray) -> None:
        self.windows = windows

    def execute(self) -> None:
        self.logits = np.array([[float(self.windows[0, 0].sum() >= self.least)]], np.float32)

    def get(self) -> np.ndarray:
        return self.logits


@pytest.mark.parametrize(("length", "least"), [(1, 1), (40, 40), (40, 10), (3 * WINDOW, WINDOW)])
def test_an_alarm_comes_after_a_planted_event_by_at_most_a_stride(length, least):
    """An event that begins at any sample of a stride: from the sample that completes what the model needs to see to the
    answer that alarms passes less than a stride, the mean of it being half of one; before that sample none alarms."""
    delays = []
    for begin in range(2 * WINDOW, 2 * WINDOW + STRIDE):
        signal = np.zeros((1, 8 * WINDOW), np.float32)
        signal[:, begin : begin + length] = 1
        stream = Stream(Sees(least), 1, WINDOW, STRIDE)
        alarms = [answer.end for start in range(0, signal.shape[1], 25)
                  for answer in stream.feed(signal[:, start : start + 25]) if answer.logits[0] > 0.5]
        delays.append(alarms[0] - (begin + least))
    assert sorted(delays) == list(range(STRIDE))
