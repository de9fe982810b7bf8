"""Kits of damaged models, and bundles of kits as anybody may send them: damaged, or made anew with digests that fit,
as a forger's would."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from ecgscale.contracts import LATENCY, Kit, file_digest
from ecgscale.deploy.kit import pack
from ecgscale.paths import ASSETS
from tests.fuzz import models
from tests.fuzz.commands import run
from tests.fuzz.mutations import binary, json_of
from tests.fuzz.stages import exported, to_measure
from tests.fuzz.structures import arrays, json_parts_of
from tests.fuzz.target import Files, Target, one

CALLS = 40


@cache
def document() -> dict:
    """Of one model: measured in two blocks on one runtime, missing on another."""
    example = next(iter(sorted((ASSETS / "examples" / "exports").glob("*.json"))))
    export = {name: value for name, value in json.loads(example.read_text()).items() if name not in (
        "schema", "sha256")}
    setting = {"model": 0, "device": "cpu", "option": "", "scenario": "single", "batch": 1, "threads": 1, "requests": 1}
    blocks = [{"place": place, "calls": CALLS // 2, "seconds": 0.02, "columns": {"warmup": 3, "compile_ms": 20.0}}
              for place in (0, 1)]
    right, absent = {"status": "", "reason": ""}, {"status": "unavailable", "reason": "no such wheel"}
    return {
        "schema": pack.SCHEMA, "kit": "0" * 64, "models": [{"folder": "", "layers": 3, "export": export}],
        "environment": {"machine": "toy", "cpu": "a processor", "cores": 2, "threads": 1, "memory_bytes": 1 << 33,
                        "os": "Linux", "container": None, "devices": [], "state": {}, "versions": {"numpy": "2.0"},
                        "started": "2026-11-28T10:00:00+00:00"},
        "repeats": 2, "tolerance": 0.1, "loop_us": 0.2,
        "control": 0, "looks": [[1.0, 1.0], [1.01, 1.0], [1.0, 1.0]],
        "settings": [{**setting, "runtime": "onnxruntime", "blocks": blocks, **right},
                     {**setting, "runtime": "openvino", "blocks": [], **absent}],
        "times": pack.digest_of(times())}


def times() -> np.ndarray:
    return np.column_stack([np.linspace(0.9, 1.1, CALLS), np.full(CALLS, 0.1)])


def bundle(content: bytes, values: bytes = b"", *others: tuple[str, bytes]) -> bytes:
    """A zip of this document and these times, its digests made to fit as far as it can be read."""
    values = values or pack.array_bytes(times())
    with contextlib.suppress(Exception):        # what cannot be read has no digest
        body = json.loads(content)
        with contextlib.suppress(Exception):
            body["times"] = pack.digest_of(np.load(io.BytesIO(values), allow_pickle=False))
        content = json.dumps(body | {"digest": pack.own_digest(body)}).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in ((pack.DOCUMENT, content), (pack.TIMES, values), *others):
            archive.writestr(name, member)
    return stream.getvalue()


def bundles() -> st.SearchStrategy[Files]:
    whole = json.dumps(document()).encode()
    # a setting, a block, a number of either: what the bundle's own checks look at, more often than texts elsewhere
    near = {name: document()[name] for name in ("repeats", "tolerance", "loop_us", "control", "looks", "settings")}
    measured = (json_of(near) | json_parts_of(near)).map(lambda part: merged(whole, part))
    documents = json_of(document()) | json_parts_of(document()) | measured
    extra = st.tuples(st.sampled_from(["../outside", "/outside", pack.TIMES, pack.DOCUMENT, "a/", "é"]), st.binary())
    return one("bundle.zip", documents.map(bundle) | arrays().map(lambda values: bundle(whole, values)) | extra.map(
        lambda member: bundle(whole, b"", member)) | binary(bundle(whole)))


def merged(whole: bytes, part: bytes) -> bytes:
    try:
        return json.dumps(json.loads(whole) | json.loads(part)).encode()
    except (ValueError, TypeError):
        return part


def merge(folder: Path) -> Path:
    run("ecg-merge", "--latency", folder / "bundle.zip", folder=folder)
    return folder / "out"


def check_rows(out: Path) -> None:
    rows = LATENCY.read(out / "latency.parquet")
    measured = rows[rows["status"].isin(["ok", "void"])]
    assert (measured[["count", "min_ms", "mean_ms"]] > 0).all(axis=None)


def make_kit(folder: Path) -> Path:
    models.digest_again(folder / "model")
    run("ecg-kit", "--models", folder / "model", "--study", folder / "study.json", folder=folder)
    return folder / "out"


def check_list(out: Path) -> None:
    """It vouches for every file of the kit and for no other."""
    there = {path.relative_to(out).as_posix(): file_digest(path, 64) for path in out.rglob("*") if path.is_file()}
    there.pop("kit.json")
    assert Kit.read(out / "kit.json").files == there


TARGETS = {"ecg-merge": Target(bundles, merge, check_rows, share=0.5),
           "ecg-kit": Target(exported, make_kit, check_list, share=0.2)}
UNDAMAGED = {"ecg-merge": lambda: {"bundle.zip": bundle(json.dumps(document()).encode())}, "ecg-kit": to_measure}
