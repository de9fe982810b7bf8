"""A prepared corpus of a few seconds a recording, its split and its runs: what the training tests start from."""

from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale import contracts
from ecgscale.contracts import (
    RECORDS,
    ModelSpec,
    OptimizerSpec,
    PlannedRun,
    RunSpec,
    Shard,
    SplitInfo,
)
from ecgscale.ecg.corpus import Corpus, sum_of
from ecgscale.models.complexity import ledger

CLASSES = ("270492004", "164889003", "426783006", "59118001|713427006")
REGNET = ModelSpec(family="regnet", params={
    "depth": 4, "w_init": 8, "w_0": 8, "w_a": 12.0, "w_m": 2.0, "group_width": 4, "bottleneck_multiplier": 1.0,
    "se_ratio": None, "init_kernel_size": 3})
CONVNEXT = ModelSpec(family="convnext", params={
    "width": 8, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1, "layer_scale": 0.5, "stochastic_depth": 0.3})
EVERY_AUGMENTATION = ("time_warp", "amplitude", "noise", "wander", "time_mask", "lead_dropout")


def write_corpus(folder: Path, count: int = 48, seed: int = 0, longest: int = 700) -> Corpus:
    """One shard of `count` recordings at 100 Hz; class c swings at 2 + 3 c Hz. Every fifth is shorter than a window."""
    rng = np.random.default_rng(seed)
    lengths = np.where(np.arange(count) % 5 == 4, 150, longest)
    labels = rng.random((count, len(CLASSES))) < 0.4
    signals = rng.normal(size=(lengths.sum(), 12))
    offsets = np.cumsum(lengths) - lengths
    for offset, length, row in zip(offsets, lengths, labels, strict=True):
        for place in np.flatnonzero(row):
            signals[offset : offset + length] += np.sin(2 * np.pi * (2 + 3 * place) * np.arange(length) / 100)[:, None]
    records = pd.DataFrame({
        "record": [f"toy/r{number:03d}" for number in range(count)], "source": "toy", "patient": None,
        "offset": offsets, "length": lengths, "rate": 100.0, "age": 50.0, "sex": "female", "flags": "", "codes": "",
        "content": [f"{number:x}" for number in range(count)], "synthetic": True,
        **{f"y_{code}": labels[:, place] for place, code in enumerate(CLASSES)}})
    folder.mkdir(parents=True)
    np.save(folder / "signals.npy", signals.astype(np.float16))
    RECORDS.write(records, folder / "records.parquet")
    Shard(source="toy", shard="1/1", found=count, accepted=count, rejected=0, synthetic=True, recipe={"name": "study"},
          recipe_digest="r", rate=100.0, unit="z", dtype="float16", classes=CLASSES, labels_digest="l",
          digest=f"toy-{count}-{seed}-{longest}", signals_sum=f"{sum_of(signals.astype(np.float16)):016x}",
          versions={}).write(folder / "shard.json")
    return Corpus.open([folder])


def split_of(corpus: Corpus) -> tuple[pd.DataFrame, SplitInfo]:
    """Every third recording validates, every twelfth tests, the others train."""
    place = np.arange(len(corpus))
    parts = np.select([place % 12 == 5, place % 3 == 1], ["test", "valid"], "train")
    split = pd.DataFrame({"record": corpus.records["record"], "source": "toy", "patient": None, "fold": 0,
                          "part": parts})
    return split, SplitInfo(method="records", seed=1, counts={}, audit={}, corpus_digest=corpus.digest,
                            digest=SplitInfo.digest_of(split), synthetic=True)


def write_split(corpus: Corpus, folder: Path) -> Path:
    split, info = split_of(corpus)
    contracts.write_split(split, info, folder)
    return folder


def planned(**changes) -> PlannedRun:
    """A run of 3 epochs with every augmentation on 256-sample windows."""
    values = {"study": "toy", "model": REGNET, "window": 256, "batch_size": 8, "epochs": 3,
              "optimizer": OptimizerSpec(name="adamw", lr=3e-3), "augment": EVERY_AUGMENTATION} | changes
    spec = RunSpec.make(**values)
    return PlannedRun(spec=spec, ledger=ledger(spec.model, len(spec.leads), spec.window, len(CLASSES)))
