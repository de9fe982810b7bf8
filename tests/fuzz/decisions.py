"""What decides with what others measured: streams of exported models, answers for a budget, rounds of scaling."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from ecgscale.contracts import LATENCY
from ecgscale.design.study import read_study
from tests.bin.test_ecg_scale import Pipeline
from tests.fuzz import models
from tests.fuzz.commands import main, run
from tests.fuzz.stages import damaged, exported, to_measure
from tests.fuzz.target import Files, Target, written
from tests.lib.analysis.test_deployment import study_tables

# ------------------------------------------------------------------------------------------------------------- streams


def stream(folder: Path) -> None:
    models.digest_again(folder / "model")
    main("ecg-stream")(["--models", str(folder / "model"), "--stride", "0.01", "--seconds", "0.2", "--machine", "toy",
                        "--cpus", "1", "--out", str(folder / "out/streaming.csv")])


# ------------------------------------------------------------------------------------------------- answers for a budget


@cache
def to_deploy() -> Files:
    def write(folder: Path) -> None:
        runs, latency, exports = study_tables(families=("resnet",))
        runs.to_csv(folder / "runs.csv", index=False)
        LATENCY.write(latency, folder / "latency/latency.parquet")
        for place, one in enumerate(exports):
            one.write(folder / f"model-{place}/export.json")
        ask(folder)
        (folder / "out/deployment.csv").rename(folder / "told.csv")

    return {name: content for name, content in written(write).items() if not name.startswith("out/")}


def ask(folder: Path, *more: str | Path) -> None:
    run("ecg-deploy", "--runs", folder / "runs.csv", "--latency", folder / "latency", "--models",
        *sorted(file.parent for file in folder.glob("*/export.json")), "--ms", "3", *more, folder=folder)


def deploy(folder: Path) -> None:
    ask(folder, "--told", folder / "told.csv")


# --------------------------------------------------------------------------------------------------- rounds of scaling


SCALE = ("scale.json", "runs.csv", "split.json", "rounds/round-01.json", "trained/run.json")


@cache
def to_scale() -> Files:
    """A study of few runs, and the first round, which is trained. trained/run.json is that of one of them."""
    def write(folder: Path) -> None:
        made = Pipeline(folder)
        made.round()
        for step in (made.sample, made.train, made.collect):
            step()
        section = read_study(made.study).scale.model_dump(mode="json")
        (folder / "scale.json").write_text(json.dumps(section))
        first = min((folder / "trained").iterdir())
        (first / "run.json").rename(folder / "trained/run.json")
        first.rmdir()

    made = written(write)
    return {name: made[name] for name in made if name in (*SCALE, "study.yaml") or name.startswith("trained/")}


def scale(folder: Path) -> None:
    """The study's section `scale` is scale.json, as JSON is YAML."""
    study = (folder / "study.yaml").read_text()
    section = (folder / "scale.json").read_bytes()
    (folder / "study.yaml").write_bytes(study[: study.index("scale:")].encode() + b"scale: " + section + b"\n")
    trained = sorted({file.parent for file in folder.glob("trained/**/run.json")})
    run("ecg-scale", "--runs", folder / "runs.csv", "--trained", *trained, "--study", folder / "study.yaml", "--split",
        folder, "--rounds", folder / "rounds/round-01.json", folder=folder)


TARGETS = {
    "ecg-stream": Target(exported, stream, share=0.2, seconds=10),
    "ecg-deploy": Target(damaged(to_deploy, "runs.csv", "told.csv", "latency/latency.parquet",
                                 "model-0/export.json"), deploy, share=0.05, seconds=20),
    "ecg-scale": Target(damaged(to_scale, *SCALE), scale, share=0.05, seconds=20),
}
UNDAMAGED = {"ecg-stream": to_measure, "ecg-deploy": to_deploy, "ecg-scale": to_scale}
