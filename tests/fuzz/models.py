"""Predictions, weights and exported models of anybody's."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import safetensors.numpy
import torch  # noqa: F401 - its import, of seconds, is no part of a case
from hypothesis import strategies as st

from ecgscale.contracts import read_tensors
from ecgscale.contracts.labels import read_label_set
from ecgscale.deploy.runtimes import DeployedModel, one_line, tree_digest
from ecgscale.deploy.runtimes.onnxruntime_runtime import OnnxRuntime
from ecgscale.errors import UserError
from ecgscale.evaluation.others import read_table
from ecgscale.paths import ASSETS
from tests.fuzz.mutations import binary, json_of, text
from tests.fuzz.structures import arrays, csv_of, json_parts_of, onnx_of, tensors_of
from tests.fuzz.target import Files, Target, one

LABELS = read_label_set()


def predictions() -> Files:
    random, names = np.random.default_rng(0), [f"r{row}" for row in range(6)]
    truth = pd.DataFrame(random.random((6, len(LABELS.codes))) < 0.5, columns=list(LABELS.codes)).astype(int)
    guessed = pd.DataFrame(random.random((6, len(LABELS.codes))).round(3), columns=list(LABELS.codes))
    return {f"{name}.csv": frame.assign(record=names)[["record", *LABELS.codes]].to_csv(index=False).encode()
            for name, frame in (("truth", truth), ("guessed", guessed))}


def npz_of(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npz_files() -> st.SearchStrategy[Files]:
    held = {"records": np.array(["a", "b"]), "classes": np.array(LABELS.codes),
            "values": np.full((2, len(LABELS.codes)), 0.5)}
    members = st.sampled_from(("records", "classes", "values", "patient", "source", "age"))
    odd = st.sampled_from([np.array([1, 2]), np.array(["x", "y"]), np.array([[1.0, 2.0]]), np.zeros(0), np.array(3),
                              np.array([b"x", b"y"]), np.array(["2020", "2021"], dtype="datetime64[Y]"),
                              np.array([1j, 2j]), np.full((2, len(LABELS.codes)), np.nan)])
    other = st.builds(lambda name, array: npz_of(**(held | {name: array})), members, odd)
    hollow = st.builds(npz_bomb, st.integers(0, 1 << 40), st.sampled_from(["<f8", "<U9999999", "|O", "<i1"]))
    headed = st.builds(npz_of_files, arrays(), arrays(), arrays())
    return one("guessed.npz", binary(npz_of(**held)) | other | hollow | headed)


def npz_of_files(*members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in zip(("records", "classes", "values"), members, strict=True):
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def npz_bomb(rows: int, kind: str) -> bytes:
    """An archive whose array announces more than it holds."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("records", "classes", "values"):
            head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({rows},), }}".ljust(117).encode() + b"\n"
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + b"\0" * 5000)
    return stream.getvalue()


def output_files() -> st.SearchStrategy[Files]:
    """A folder of the Challenge's output files."""
    seed = b"#A0001\n" + b"\n".join(b",".join(row) for row in ([code.encode() for code in LABELS.codes],
                                    [b"1"] * len(LABELS.codes), [b"0.5"] * len(LABELS.codes))) + b"\n"
    return one("out/A0001.csv", csv_of(seed), **{"out/A0002.csv": seed.replace(b"A0001", b"A0002")})


def tensor_files() -> st.SearchStrategy[Files]:
    seed = safetensors.numpy.save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.int64)},
                                  metadata={"ecgscale": json.dumps({"run_id": "x"})})
    long = struct.pack("<Q", 1 << 60) + seed[8:]
    return one("weights.safetensors", binary(seed, long)) | one("weights.safetensors", text(seed) | tensors_of(seed))


def check_tensors(found: tuple[dict, dict]) -> None:
    about, tensors = found
    assert isinstance(about, dict)
    assert all(tensor.numel() <= 10 for tensor in tensors.values())


@cache
def model_files() -> Files:
    """An exported folder of one linear layer, 24 values in, 2 out."""
    weight = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [24, 2], np.ones(48, np.float32).tobytes(), raw=True)
    shape = onnx.helper.make_tensor("s", onnx.TensorProto.INT64, [2], [1, 24])
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Reshape", ["ecg", "s"], ["flat"]),
         onnx.helper.make_node("MatMul", ["flat", "w"], ["logits"])],
        "g", [value("ecg", onnx.TensorProto.FLOAT, [1, 2, 12])], [value("logits", onnx.TensorProto.FLOAT, [1, 2])],
        [weight, shape])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    arrays = {}
    for file, array in (("sample_input.npy", np.ones((1, 2, 12), np.float32)),
                        ("sample_output.npy", np.full((1, 2), 24, np.float32))):
        stream = io.BytesIO()
        np.save(stream, array)
        arrays[file] = stream.getvalue()
    example = next(iter(sorted((ASSETS / "examples" / "exports").glob("*.json"))))
    body = json.loads(example.read_text())
    artefact = next(one for one in body["artefacts"] if one["format"] == "onnx" and one["file"])
    body |= {"schema": "ecgscale.export/1", "input_shape": [1, 2, 12], "classes": ["a", "b"],
             "class_names": ["a", "b"], "digests": {},
             "artefacts": [artefact | {"file": "model.onnx", "status": "ok", "precision": "float32", "batch": 1}]}
    return arrays | {"model.onnx": model.SerializeToString(), "export.json": json.dumps(body).encode()}


def onnx_files() -> st.SearchStrategy[Files]:
    held = model_files()
    outside = onnx.load_from_string(held["model.onnx"])
    onnx.external_data_helper.set_external_data(outside.graph.initializer[0], "../outside.dat", length=192)
    outside.graph.initializer[0].ClearField("raw_data")
    body = json.loads(held["export.json"])
    return one("model.onnx", binary(held["model.onnx"], outside.SerializeToString()), **held) | one(
        "model.onnx", onnx_of(held["model.onnx"]), **held) | one(
        "export.json", json_of(body) | json_parts_of(body), **held) | one(
        "sample_input.npy", binary(held["sample_input.npy"]) | arrays(), **held)


def digest_again(folder: Path) -> None:
    """The digest as whoever offers such a folder would write it."""
    document = folder / "export.json"
    try:
        body = json.loads(document.read_text())
        body["artefacts"][0]["digest"] = tree_digest(folder / "model.onnx")
        document.write_text(json.dumps(body))
    except (ValueError, LookupError, TypeError, RecursionError):
        pass


def read_model(folder: Path) -> np.ndarray:
    """As BENCH: a runtime's refusal is a row with its reason."""
    digest_again(folder)
    model, runtime = DeployedModel.read(folder), OnnxRuntime()
    try:
        runtime.load(model, "cpu", "", 1, 1)
        runtime.compile()
        return runtime.request().call(model.sample)
    except UserError:
        raise
    except Exception as error:
        raise UserError(one_line(error)) from None


TARGETS = {
    "predictions CSV": Target(lambda: one("guessed.csv", csv_of(predictions()["guessed.csv"])),
                              lambda folder: read_table(folder / "guessed.csv", LABELS)),
    "predictions NPZ": Target(npz_files, lambda folder: read_table(folder / "guessed.npz", LABELS)),
    "predictions folder": Target(output_files, lambda folder: read_table(folder / "out", LABELS)),
    "weights": Target(tensor_files, lambda folder: read_tensors(folder / "weights.safetensors"),
                      check_tensors),
    "exported model": Target(onnx_files, read_model),
}
