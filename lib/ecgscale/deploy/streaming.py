"""An exported model fed a signal as it comes: whenever another stride is there, an answer to the last window of it.

Windows overlap where the stride is shorter than a window. An answer is the one that the whole recording gives at this
place (`evaluation.evaluate` with `stride`): nothing is carried from window to window.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pandas as pd

from ecgscale.contracts import STREAMING
from ecgscale.contracts.reading import reading
from ecgscale.deploy.bench import model_folders
from ecgscale.deploy.block import Configuration, WrongAnswerError, judge_answer, opened, ran_columns, warm_up
from ecgscale.deploy.latency import summarize
from ecgscale.deploy.runtimes import DeployedModel, Request, Unavailable, infer
from ecgscale.errors import UserError
from ecgscale.machine.energy import Meter

TOLERANCE = 1e-5        # of the largest logit, at least of 1: between the stream's answers and the whole recording's


class NotTheRecordingError(Exception):
    """A stream's answers are not those of the whole recording."""


PASSING = (Unavailable, WrongAnswerError, NotTheRecordingError)


@dataclass(frozen=True)
class Answer:
    """end: samples of the signal that were there; logits (classes,); ms that computing took."""

    end: int
    logits: np.ndarray
    ms: float


class Stream:
    """Keeps the last window of a signal (leads, samples) that is fed in pieces of any length."""

    def __init__(self, request: Request, leads: int, window: int, stride: int):
        self.request, self.stride = request, stride
        self.held = np.zeros((1, leads, window), np.float32)
        self.seen, self.due = 0, window

    def feed(self, piece: np.ndarray) -> Iterator[Answer]:
        """The answers that fall due within this piece (leads, samples)."""
        while piece.shape[1]:
            taken, piece = np.split(piece, [self.due - self.seen], axis=1)
            self.held[0] = np.concatenate([self.held[0], taken], axis=1)[:, -self.held.shape[2] :]
            self.seen += taken.shape[1]
            if self.seen == self.due:
                start = perf_counter_ns()
                logits = infer(self.request, self.held)[0]
                yield Answer(self.seen, logits, (perf_counter_ns() - start) / 1e6)
                self.due += self.stride


def whole(request: Request, signal: np.ndarray, window: int, stride: int) -> np.ndarray:
    """(window, classes): logits of the windows of a whole recording (leads, samples), `stride` samples apart."""
    return np.array([infer(request, np.ascontiguousarray(signal[None, :, start : start + window]))[0].copy()
                     for start in range(0, signal.shape[1] - window + 1, stride)])


def play(wanted: Configuration, machine: str, stride_s: float, seconds: float) -> dict[str, Any]:
    """One row of STREAMING: the model's sample, again and again for so many seconds, in pieces of a quarter second.

    Raises Unavailable, WrongAnswerError, NotTheRecordingError, and UserError for a stride that is shorter than a sample
    or longer than the window, which would leave signal unseen.
    """
    model, export = wanted.model, wanted.model.export
    _, leads, window = export.input_shape
    stride, length = round(stride_s * export.rate), round(seconds * export.rate)
    if not 1 <= stride <= window:
        raise UserError(f"{stride_s:g} s are {stride} samples", field="--stride",
                        remedy=f"Between 1 and {window}, the samples of a window")
    if length < window + stride:
        raise UserError(f"{seconds:g} s are too short for two windows", field="--seconds")
    signal = np.tile(model.sample[0], -(-length // window))[:, :length]
    runtime, _, _ = opened(wanted)
    stream = Stream(runtime.request(), leads, window, stride)
    warm_up(stream.request, model.windows(1))
    piece = max(1, round(export.rate / 4))
    with Meter(wanted.device) as meter:
        answers = [answer for start in range(0, length, piece)
                   for answer in stream.feed(signal[:, start : start + piece])]
    expected = whole(runtime.request(), signal, window, stride)
    difference = float(np.abs(np.array([answer.logits for answer in answers]) - expected).max())
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise NotTheRecordingError(f"the stream's answers are {difference:.3g} off those of the whole recording")
    ran = runtime.ran()
    times = np.array([answer.ms for answer in answers])
    statistics, streamed = summarize(times), len(answers) * stride / export.rate
    judge_answer(infer(runtime.request(), model.windows(1)), model, runtime, ran)
    return {
        "run_id": export.run_id, "model": export.label, "machine": machine, "runtime": wanted.runtime,
        "device": wanted.device, "option": wanted.option, "threads": wanted.threads,
        "artefact_digest": runtime.artefact.digest, **ran_columns(ran), "window_s": window / export.rate,
        "stride_s": stride / export.rate, "answers": len(answers),
        **{name: statistics[name] for name in ("p50_ms", "p50_low_ms", "p50_high_ms", "p99_ms")},
        "longest_ms": float(times.max()), "ms_per_s": float(times.sum()) / streamed,
        "jitter_ms": None if statistics["p99_ms"] is None else statistics["p99_ms"] - statistics["p50_ms"],
        "delay_s": stride / export.rate + float(times.max()) / 1e3, "energy_source": meter.source,
        "joules_per_s": None if meter.joules is None else meter.joules / streamed, "difference": difference,
        "synthetic": export.synthetic}


def play_all(folders: Iterable[Path], runtime: str, device: str, option: str, threads: int, machine: str,
             stride_s: float, seconds: float) -> list[dict[str, Any]]:
    """Rows of STREAMING of all models in one setting. Raises UserError where that is not here, as the runtime says."""
    rows = []
    for folder in model_folders(folders):
        wanted = Configuration(DeployedModel.read(folder), runtime, device, option, "single", 1, threads)
        try:
            with reading(folder, f"model for {runtime}", passing=PASSING):      # what its libraries raise has no list
                rows.append(play(wanted, machine or platform.node(), stride_s, seconds))
        except PASSING as error:
            raise UserError(str(error), file=folder, field=f"{runtime} {device} {option}".strip()) from None
    return rows


def told(row: dict[str, Any]) -> str:
    """A row in one line."""
    return (f"{row['model']}, {row['runtime']} {row['device']} {row['option'] or 'as it comes'}: "
            f"{row['ms_per_s']:.3g} ms a second of signal, longest answer {row['longest_ms']:.3g} ms, an event is in "
            f"an answer after at most {row['delay_s']:.3g} s; {row['answers']} answers, {row['difference']:.2g} off "
            "the whole recording's")


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*STREAMING.columns, "synthetic"])


