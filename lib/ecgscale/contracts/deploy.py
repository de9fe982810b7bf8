"""Kits for other machines, and which model a device and a budget allow: of ecg-kit and ecg-deploy."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ecgscale.contracts.export import Export
from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.latency import Environment
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table

# -------------------------------------------------------------------------------------------------------------- ecg-kit

PositiveInt, PositiveReal = Annotated[int, Field(ge=1)], Annotated[float, Field(gt=0)]


class KitModel(Part):
    """A model of a kit."""

    folder: str = ""
    """Below the kit."""
    export: Export
    """As its folder of ecg-export had it."""
    layers: int
    """Weights that multiply: convolutions and linear layers."""


class Kit(Document):
    """What a kit brings to another machine."""

    NAME = "kit"
    PLACE = "of ecg-kit: kit.json"
    ASKED: ClassVar[tuple[str, ...]] = ("levels", "options", "scenarios", "batch", "precisions", "repeats",
                                        "min_count", "min_seconds")
    ecgscale: str
    """Version that made it."""
    deploy: dict[str, Any]
    """How is measured: these members of the study's section `deploy`."""
    models: tuple[KitModel, ...]
    """The exported models."""
    files: dict[str, str]
    """SHA-256 of every file, by its place below the kit."""


class BundleBlock(Part):
    """Calls of one configuration that were timed one after the other."""

    place: Annotated[int, Field(ge=-1)]
    """Of the look at the A/A control before it; -1: none."""
    calls: PositiveInt
    """Rows of times.npy, which hold all blocks in order."""
    seconds: PositiveReal
    """That all calls took."""
    columns: dict[str, str | bool | int | float | None]
    """Of latency, what only the measuring process could tell."""


class BundleSetting(Part):
    """A configuration, its blocks, and what kept it from having any."""

    model: Annotated[int, Field(ge=0)]
    """Place in `models`."""
    runtime: str
    """As in latency."""
    device: str
    """As in latency."""
    option: str
    """As in latency."""
    scenario: Literal["single", "batch", "throughput"]
    """As in latency."""
    batch: PositiveInt
    """As in latency."""
    threads: PositiveInt
    """As in latency."""
    requests: PositiveInt
    """As in latency."""
    blocks: tuple[BundleBlock, ...]
    """In the order of measurement."""
    status: Literal["", "unavailable", "failed"]
    """As in latency; empty: it was measured."""
    reason: str
    """Of the status."""


class Bundle(Document):
    """What a kit measured, beside times.npy: (call, 2) ms of the call and of its copies."""

    NAME = "bundle"
    PLACE = "of a kit: bundle-NAME.zip, bundle.json"
    kit: str
    """SHA-256 of the kit's kit.json."""
    models: tuple[KitModel, ...]
    """Of the kit."""
    environment: Environment
    """The machine."""
    repeats: PositiveInt
    """Blocks of each configuration that were asked for."""
    tolerance: PositiveReal
    """Relative deviation that is allowed."""
    loop_us: PositiveReal
    """Cost of the timing loop itself."""
    control: int | None
    """Place of the A/A control in `settings`; null: there was none."""
    looks: tuple[tuple[float, float], ...]
    """Median ms of the control's two arms, before each block and after the last."""
    settings: tuple[BundleSetting, ...]
    """Every configuration."""
    times: str
    """SHA-256 of the values of times.npy."""
    digest: str
    """SHA-256 of all the above."""


# ----------------------------------------------------------------------------------------------------------- ecg-deploy

SETTING_COLUMNS = {
    "machine": TEXT("as in latency"), "device": TEXT("as in latency"), "runtime": TEXT("as in latency"),
    "option": TEXT("as in latency"), "precision": TEXT("that ran, or that was asked for where the runtime tells none"),
    "threads": WHOLE("as in latency", "threads"),
}

DEPLOYMENT = Table("deployment", 1, "of ecg-deploy: deployment.csv, devices.csv",
                   "The best model for a budget on a device, measured or foretold", {
    "asked": TEXT("device: the best of all its settings; setting: of this one"), **SETTING_COLUMNS,
    "budget_ms": REAL("at most so long a window, the interval included", "ms", endless=True),
    "budget_bytes": REAL("at most so large a file", "byte", endless=True),
    "kind": TEXT("measured, or foretold by the laws of its family"),
    "family": TEXT("as in runs"), "model": TEXT("its name for people"), "run_id": TEXT("as in runs; empty: foretold"),
    "params": REAL("as in runs", "parameters"), "forward_flops": REAL("as in runs", "FLOP"),
    "train_records": REAL("as in runs", "recordings"), "samples_seen": REAL("as in runs", "windows"),
    "response": TEXT("the score that is told"), "chosen_by": TEXT("the response that chose"),
    "score": REAL("of the run", "of the response"),
    "low": REAL("lower end of its interval: recordings, or one run that is foretold", "of the response"),
    "high": REAL("upper end of its interval", "of the response"), "level": REAL("of the interval", "1"),
    "probability": REAL("that it is better than the best measured one, by the response that chose", "1"),
    "ms": REAL("a window: of all repeats, or foretold", "ms"),
    "ms_low": REAL("lower end: the lowest of all repeats' 95 % intervals, or of the 90 % interval foretold", "ms"),
    "ms_high": REAL("upper end, likewise", "ms"), "repeats": WHOLE("blocks that were measured", "1"),
    "calls": WHOLE("timed calls", "calls"), "bytes": REAL("of the file", "byte"),
    "bytes_from": TEXT("file, or what its size is reckoned from"),
    "file_difference": REAL("score of the file minus score of the network, on the test part", "of the score"),
    "note": TEXT("what to know of it"),
}, rising=(("ms_low", "ms", "ms_high"),))

MEMORY = Table("memory", 1, "of ecg-deploy: memory.csv", "An exported model in one precision beside a small device", {
    "device": TEXT("of assets/devices.csv"), "class": TEXT("of the device: microcontroller, watch, phone"),
    "ram_bytes": REAL("that the device has, of which firmware and others need their part", "byte"),
    "flash_bytes": REAL("that the device has, likewise", "byte"), "source": TEXT("of the device's figures"),
    "run_id": TEXT("as in runs"), "model": TEXT("its name for people"), "family": TEXT("as in runs"),
    "leads": TEXT("that it reads"), "params": REAL("as in runs", "parameters"),
    "precision": TEXT("float32 or int8, of weights and activations"),
    "weight_bytes": REAL("of its parameters", "byte"),
    "activation_bytes": REAL("alive at once, at most", "byte"),
    "fits": FLAG("weights in flash, activations in RAM, and no more score lost than the study's margin"),
    "note": TEXT("why it does not fit; empty where it does"),
    "response": TEXT("the score that is told"), "score": REAL("of the run", "of the response"),
    "low": REAL("lower end of its 95 % interval", "of the response"),
    "high": REAL("upper end of its 95 % interval", "of the response"),
    "file_difference": REAL("score of the INT8 file minus score of the network, on the test part", "of the score"),
    "file_low": REAL("lower end of its 95 % interval", "of the score"),
    "file_high": REAL("upper end of its 95 % interval", "of the score"),
})

CONFIRMED = Table("confirmed", 1, "of ecg-deploy: confirmed.csv", "A model that was foretold, and what was found", {
    **SETTING_COLUMNS, "family": TEXT("as in runs"), "model": TEXT("its name for people"),
    "params": REAL("as in runs", "parameters"), "budget_ms": DEPLOYMENT.columns["budget_ms"],
    "budget_bytes": DEPLOYMENT.columns["budget_bytes"], "response": TEXT("the score that was foretold"),
    "score": REAL("as foretold", "of the response"), "low": REAL("lower end of its 90 % interval", "of the response"),
    "high": REAL("upper end of its 90 % interval", "of the response"), "ms": REAL("as foretold", "ms"),
    "ms_low": REAL("lower end of its 90 % interval", "ms"), "ms_high": REAL("upper end of its 90 % interval", "ms"),
    "bytes": REAL("of the file, as foretold", "byte"),
    "runs": WHOLE("that are trained so and have the score", "runs"),
    "inside": WHOLE("of them with a score inside the 90 % interval, which is one of a run", "runs"),
    "found": REAL("their mean score", "of the response"),
    "found_ms": REAL("median latency of those that are measured so", "ms"),
    "found_ms_low": REAL("the lowest of all repeats' 95 % intervals", "ms"),
    "found_ms_high": REAL("the highest", "ms"), "found_bytes": REAL("of the largest file", "byte"),
    "verdict": TEXT("confirmed; refuted: which of score, latency, budget; waits: what is not there yet"),
})
