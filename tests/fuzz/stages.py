"""The commands that train, evaluate, export, measure, report and fetch, each given one file that is not as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.numpy
from hypothesis import strategies as st

from ecgscale.contracts import LATENCY, RUNS, OptimizerSpec, PlannedRun, Tuning
from ecgscale.deploy import session
from ecgscale.deploy.runtimes import Unavailable, one_line
from ecgscale.ecg import download
from ecgscale.errors import UserError
from tests import tiny_corpus, tiny_folders
from tests.documents import editable
from tests.fuzz import models, tables
from tests.fuzz.commands import run
from tests.fuzz.mutations import WORDS, binary, json_of, text
from tests.fuzz.structures import arrays, csv_of, json_parts_of, parquet_of, tensors_of
from tests.fuzz.target import Files, Target, one, written

Made = st.SearchStrategy[Files]


def damaged(held: Callable[[], Files], *names: str) -> Callable[[], Made]:
    """What a command is given, with one of these files damaged by bytes or in its structure."""
    return lambda: st.one_of(*(one(name, other(name, held()[name]), **held()) for name in names))


def other(name: str, content: bytes) -> st.SearchStrategy[bytes]:
    form = Path(name).suffix
    if form == ".csv":
        return csv_of(content)
    if form in (".json", ".jsonl"):
        body = {name: value for name, value in json.loads(content).items() if name != "sha256"}
        return json_of(body) | json_parts_of(body)
    structure = {".parquet": parquet_of, ".safetensors": tensors_of, ".npy": lambda _: arrays(), ".yaml": text}[form]
    return binary(content) | structure(content)


# ------------------------------------------------------------------------------------------------ training, evaluating


def undigested(folder: Path) -> None:
    """As shards of earlier versions are: else a damaged file is refused before anybody reads on."""
    document = folder / "shard.json"
    document.write_text(json.dumps(editable(document) | {"digests": {}, "signals_sum": None}))


@cache
def to_train() -> Files:
    def write(folder: Path) -> None:
        corpus = tiny_corpus.write_corpus(folder / "shard", count=12, longest=300)
        undigested(folder / "shard")
        tiny_corpus.write_split(corpus, folder / "split")
        tuning = Tuning(group="g", low=1e-4, high=0.1, trials=2, epochs=1)
        plan = tiny_corpus.planned(epochs=1, augment=(), optimizer=OptimizerSpec(name="sgd", lr=1e-2))
        PlannedRun.write_lines([plan], folder / "runs.jsonl")
        PlannedRun.write_lines([plan.model_copy(update={"tuning": tuning})], folder / "tune.jsonl")

    return written(write)


def train(name: str, runs: str) -> Callable[[Path], None]:
    return lambda folder: run(name, "--runs", folder / runs, "--corpus", folder / "shard", "--split", folder / "split",
                              "--checkpoints", folder / "kept", "--device", "cpu", "--cpus", "1", folder=folder)


SHARD = ("shard/shard.json", "shard/records.parquet", "shard/signals.npy", "split/split.json", "split/split.parquet")


@cache
def trained() -> Files:
    def write(folder: Path) -> None:
        made = tiny_folders.tiny_folders(folder, count=18)
        made.runs[0].rename(folder / "trained" / "run")
        made.study.unlink()
        body = {"name": "toy", "evaluation": {"bootstrap": 10},
                "deploy": {"top": 1, "formats": ["onnx"], "precisions": ["float32"], "check_records": 2}}
        (folder / "study.json").write_text(json.dumps(body))
        run_id = json.loads((folder / "trained/run/run.json").read_text())["spec"]["run_id"]
        RUNS.write(pd.DataFrame([dict.fromkeys(RUNS.columns) | {
            "run_id": run_id, "status": "finished", "family": "regnet", "synthetic": True,
            "valid_challenge_score": 0.5}]), folder / "runs.parquet")

    return written(write)


RUN = ("trained/run/run.json", "trained/run/weights.safetensors", "study.json")


def runs_of(folder: Path) -> list[Path]:
    return sorted((folder / "trained").iterdir(), reverse=True)


def evaluate(folder: Path) -> None:
    run("ecg-evaluate", "--trained", *runs_of(folder), "--corpus", folder / "shard", "--split", folder / "split",
        "--study", folder / "study.json", "--device", "cpu", "--cpus", "1", folder=folder)


def export(folder: Path) -> None:
    run("ecg-export", "--trained", *runs_of(folder), "--runs", folder / "runs.parquet", "--corpus",
        folder / "shard", "--split", folder / "split", "--study", folder / "study.json", "--cpus", "1", folder=folder)


# ----------------------------------------------------------------------------------------------------------- measuring


class Here:
    """As `Apart`, in this process: what a runtime does with a file is seen by the judge."""

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_) -> None:
        pass

    def call(self, function: Callable, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (UserError, Unavailable):
            raise
        except Exception as error:
            raise RuntimeError(one_line(error)) from None


@cache
def to_measure() -> Files:
    study = {"name": "toy", "deploy": {"runtimes": ["onnxruntime"], "repeats": 1, "min_count": 2, "min_seconds": 0.0}}
    weights = safetensors.numpy.save({"w": np.ones((24, 2), np.float32)})
    held = {f"model/{name}": content for name, content in models.model_files().items()}
    return held | {"model/weights.safetensors": weights} | {"study.json": json.dumps(study).encode()}


def exported() -> Made:
    folders = models.onnx_files().map(lambda files: to_measure() | {f"model/{name}": one for name, one in
                                                                    files.items()})
    return folders | one("study.json", other("study.json", to_measure()["study.json"]), **to_measure())


def measure(folder: Path) -> None:
    """A study may ask for minutes of measuring: here a case takes none, whatever number it was given."""
    models.digest_again(folder / "model")
    study = folder / "study.json"
    study.write_bytes(re.sub(rb'("(?:repeats|min_count|min_seconds)": )\d{2,}', rb"\g<1>2", study.read_bytes()))
    apart, session.Apart = session.Apart, Here
    try:
        run("ecg-bench", "--models", folder / "model", "--study", folder / "study.json", "--machine", "toy", "--cpus",
            "1", folder=folder)
    finally:
        session.Apart = apart


# ----------------------------------------------------------------------------------------------------------- reporting


@cache
def to_report() -> Files:
    """What ecg-fit leaves of a small table, latencies, a split."""
    def write(folder: Path) -> None:
        (folder / "runs.csv").write_bytes(tables.RUN_TABLES[0])
        (folder / "study.json").write_text(json.dumps({"name": "toy", "analysis": {"bootstrap": 10}}))
        run("ecg-fit", "--runs", folder / "runs.csv", "--study", folder / "study.json", "--cpus", "1", folder=folder)
        (folder / "out").rename(folder / "fit")
        example = tables.frame_of(LATENCY).assign(machine="toy", runtime="onnxruntime", synthetic=False)
        LATENCY.write(example, folder / "latency/latency.parquet")

    files = {name: content for name, content in written(write).items() if "figures" not in name}
    split = {name: content for name, content in to_train().items() if name == "split/split.json"}
    return files | split


def reported() -> Made:
    names = [name for name in to_report() if Path(name).suffix in (".csv", ".json", ".parquet")]
    return damaged(to_report, *names)()


def report(folder: Path) -> None:
    run("ecg-report", "--runs", folder / "runs.csv", "--fit", folder / "fit", "--latency", folder / "latency",
        "--split", folder / "split", folder=folder)


# ------------------------------------------------------------------------------------------- making up, and fetching


def asked() -> Made:
    """What may be written behind the options of ecg-synth."""
    words = st.sampled_from([word.decode("utf-8", "replace") for word in WORDS if b"\0" not in word]) | st.floats().map(
        str) | st.integers().map(str)
    options = st.sampled_from(["--seed", "--difficulty", "--sources", "--cpus"])
    sizes = st.sampled_from(["1", "2", "7", "0", "-1", "x", "1e3", ""])
    return st.builds(lambda records, option, word, more: {"options.json": json.dumps(
        ["--records", records, f"{option}={word}", "--holter-seconds", more]).encode()},
        sizes, options, words, st.sampled_from(["10", "11", "0", "nan"]))


def make_up(folder: Path) -> None:
    run("ecg-synth", "--cpus", "1", *json.loads((folder / "options.json").read_text()), folder=folder)


SUMS = b"".join(b"%064x  training/georgia/g1/E0000%d.%s\n" % (number, number, ending) for number in (1, 2)
                for ending in (b"hea", b"mat"))


class Answer:
    """What a server sends: the next of answers.json, its body as often as it says."""

    def __init__(self, status: Any, headers: Any, body: bytes):
        self.status, self.headers, self.left = status, headers, body

    def read1(self, size: int) -> bytes:
        block, self.left = self.left[:size], self.left[size:]
        return block

    def drain_conn(self) -> None: ...

    release_conn = drain_conn


class Nobody(download.Server):
    """A server that is a folder: no request leaves the process."""

    def pool(self) -> Any:
        folder = Path(self.base.removeprefix("http://").rstrip("/"))
        answers = json.loads((folder / "answers.json").read_text())

        class Pool:
            def request(self, *_, **__) -> Answer:
                status, headers, body = answers.pop(0) if answers else (404, {}, "")
                return Answer(status, headers, body.encode("utf-8", "surrogatepass"))

        return Pool()


def answers() -> Made:
    ranges = st.sampled_from([{}, {"Content-Range": "bytes 0-"}, {"Content-Range": "bytes 5-9/3"},
                              {"Content-Range": "bytes */0"}, {"Content-Range": "x" * 400}])
    bodies = st.text(max_size=20)
    answer = st.tuples(st.sampled_from([200, 206, 416, 404, 503, 301]), ranges, bodies)
    return st.builds(lambda sums, others: {"answers.json": json.dumps(
        [[200, {}, sums.decode("utf-8", "replace")], *others]).encode()}, text(SUMS), st.lists(answer, max_size=6))


def fetch(folder: Path) -> None:
    download.download(folder / "out", ["georgia"], Nobody(f"http://{folder}/", workers=1, attempts=2, pause=0))


TARGETS = {
    "ecg-train": Target(damaged(to_train, *SHARD, "runs.jsonl"), train("ecg-train", "runs.jsonl"), share=0.1,
                        seconds=10),
    "ecg-tune": Target(damaged(to_train, "tune.jsonl", "split/split.json"), train("ecg-tune", "tune.jsonl"), share=0.05,
                       seconds=10),
    "ecg-evaluate": Target(damaged(trained, *SHARD, *RUN), evaluate, share=0.1, seconds=10),
    "ecg-export": Target(damaged(trained, *SHARD, *RUN, "runs.parquet"), export, share=0.02, seconds=30),
    "ecg-bench": Target(exported, measure, share=0.2, seconds=10),
    "ecg-report": Target(reported, report, share=0.02, seconds=60),
    "ecg-synth": Target(asked, make_up, share=0.1, seconds=10),
    "ecg-download": Target(answers, fetch, share=0.5),
}
UNDAMAGED = {"ecg-train": to_train, "ecg-tune": to_train, "ecg-evaluate": trained, "ecg-export": trained,
             "ecg-bench": to_measure, "ecg-report": to_report}
