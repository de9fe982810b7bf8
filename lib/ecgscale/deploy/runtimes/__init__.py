"""Inference runtimes behind one small class, each imported only when it is asked for.

`bench.py` knows nothing but this file. A runtime reads a folder that ecg-export wrote, takes windows of shape
(batch, leads, samples) float32 and gives logits (batch, classes). What it cannot do here it says with `Unavailable`,
in the words of its own library.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ecgscale.contracts.digests import check_digests, digest, file_digest
from ecgscale.contracts.names import RUNTIMES
from ecgscale.contracts.reading import plain_file, read_array, reading
from ecgscale.errors import UserError

if TYPE_CHECKING:       # a kit has neither pydantic nor the tables
    from ecgscale.contracts import Artefact, Export

MODULES = {name: f"ecgscale.deploy.runtimes.{name}_runtime" for name in RUNTIMES}


class Unavailable(Exception):  # noqa: N818 - an outcome that is a row, not a failure
    """The library, the device or the file is not here; the message is the runtime's own reason."""


@dataclass(frozen=True)
class Ran:
    """What a compiled model reports of itself, read back and never assumed."""

    device: str | None               # "cpu", "gpu:0", ...; null where the runtime does not tell
    precision: str | None            # float32, bf16, float16, int8: of most compute layers; null where it does not tell
    fallback: bool                   # device or precision differ from what was asked
    fallback_share: float | None = None    # share of compute layers that ran elsewhere or in another precision
    detail: str = ""                 # "Convolution bf16 x 21, FullyConnected bf16 x 1"


@dataclass(frozen=True)
class Device:
    """A device that a runtime knows, and why it cannot be used if it cannot."""

    runtime: str
    device: str
    available: bool
    name: str = ""                   # as the runtime names it
    reason: str = ""


class Request(Protocol):
    """One inference in three steps, so that copies to and from a device are timed apart. Not shared by threads."""

    def put(self, windows: np.ndarray) -> None: ...

    def execute(self) -> None: ...

    def get(self) -> np.ndarray: ...


def infer(request: Request, windows: np.ndarray) -> np.ndarray:
    """The three steps at once: logits of these windows."""
    request.put(windows)
    request.execute()
    return request.get()


class Runtime(Protocol):
    """One model on one device. `load` and `compile` are timed apart; both raise Unavailable."""

    DEVICES: tuple[str, ...]         # kinds that this runtime knows, present or not
    OPTIONS: dict[str, tuple[str, ...] | None]     # that it knows: values of each, None for a whole number
    POOLED: bool                     # its threads serve all requests; otherwise each request has as many

    @staticmethod
    def devices(asked: Iterable[str] = ()) -> list[Device]:
        """Those of all its kinds, and those that are asked for by number, as gpu.1."""

    @staticmethod
    def options(device: str, levels: str, scenario: str) -> tuple[str, ...]:
        """Options worth measuring on this device: `levels` "few" or "all", `scenario` "stream" or "throughput"."""

    def load(self, model: DeployedModel, device: str, option: str, batch: int, threads: int) -> None: ...

    def compile(self) -> None: ...

    def request(self) -> Request: ...

    def ran(self) -> Ran: ...

    @property
    def artefact(self) -> Artefact:
        """The file that was loaded."""


SAMPLE = ("sample_input.npy", "sample_output.npy")      # a window and its logits, beside an exported model


@dataclass(frozen=True, eq=False)
class DeployedModel:
    """A folder that ecg-export wrote."""

    folder: Path
    export: Export
    sample: np.ndarray = field(repr=False)     # (1, leads, samples) float32
    expected: np.ndarray = field(repr=False)   # (1, classes) float32 logits of the trained network

    @classmethod
    def read(cls, folder: Path) -> DeployedModel:
        """Raises UserError when the folder holds no export, or what does not fit it."""
        from ecgscale.contracts import Export

        return cls.checked(folder, Export.read(folder / "export.json"))

    @classmethod
    def checked(cls, folder: Path, export: Export) -> DeployedModel:
        """`export`: export.json of this folder. Raises UserError for a sample or a file that does not fit it."""
        check_digests(folder, export.digests, "export.json", SAMPLE)
        arrays = [read_array(folder / name) for name in SAMPLE]
        expected_shapes = (tuple(export.input_shape), (export.input_shape[0], len(export.classes)))
        for array, shape, name in zip(arrays, expected_shapes, SAMPLE, strict=True):
            if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
                raise UserError(f"{array.dtype} of shape {array.shape}, not finite numbers of shape {shape}",
                                file=folder / name, remedy="Run ecg-export again")
        model = cls(folder, export, *(array.astype(np.float32) for array in arrays))
        for artefact in export.artefacts:
            if artefact.file and tree_digest(model.path(artefact)) != artefact.digest:
                raise UserError("its digest is not the one in export.json: it was changed or cut short",
                                file=folder / artefact.file, remedy="Run ecg-export again")
        return model

    def artefact(self, form: str, precisions: str | tuple[str, ...], batch: int = 1,
                 opset: int | None = None) -> Artefact:
        """The exported file of the first of these precisions that there is, of the newest operator set.

        Raises Unavailable with the exporter's reason where there is none.
        """
        wanted = (precisions,) if isinstance(precisions, str) else precisions
        found = [a for precision in wanted for a in self.export.artefacts if a.format == form
                 and a.precision == precision and a.batch in (None, batch) and opset in (None, a.opset)]
        made = [a for a in found if a.status != "failed" and a.file]
        if not made:
            kind = f"{form} {wanted[-1]}" + (f" for batch {batch}" if batch != 1 else "")
            raise Unavailable(f"export of {kind} failed: {found[0].reason}" if found else f"no export of {kind}")
        return max((a for a in made if a.precision == made[0].precision), key=lambda a: a.opset or 0)

    def path(self, artefact: Artefact) -> Path:
        """Where an artefact lies. Raises UserError when that is not below the folder."""
        path = Path(os.path.realpath(self.folder / artefact.file))      # Path.resolve raises where links turn round
        if not path.is_relative_to(os.path.realpath(self.folder)) or not os.path.exists(path):    # Path: raises
            problem = f"{artefact.file!r} is not a file below this folder"
            raise UserError(problem, file=self.folder / "export.json", field="artefacts.file")
        return path

    @cached_property
    def layers(self) -> int:
        """Weights that multiply: tensors of more than one dimension."""
        from safetensors import safe_open

        path = self.folder / "weights.safetensors"
        with reading(plain_file(path), "tensor file"), safe_open(path, framework="np") as weights:
            return sum(len(weights.get_slice(name).get_shape()) > 1 for name in weights.keys())  # noqa: SIM118

    def windows(self, batch: int) -> np.ndarray:
        """(batch, leads, samples): the sample, repeated."""
        return np.ascontiguousarray(np.repeat(self.sample, batch, axis=0))


def tree_files(path: Path) -> list[Path]:
    """All files of an artefact: a single file, or what has its stem (x.xml and x.bin), or a package's content."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in path.parent.glob(f"{path.stem}.*") if file.is_file())


def tree_digest(path: Path) -> str:
    return digest([[file.relative_to(path.parent).as_posix(), file_digest(file)] for file in tree_files(path)])


def runtime_class(name: str) -> type[Runtime]:
    """The runtime of this name. Raises UserError for an unknown one, Unavailable when its library is missing."""
    if name not in MODULES:
        raise UserError(f"unknown runtime {name!r}", remedy=f"Known: {', '.join(MODULES)}")
    try:
        return importlib.import_module(MODULES[name]).RUNTIME
    except ImportError as error:
        remedy = f": pip install {name}" if error.name == name else ""       # the wheel is called as the runtime
        raise Unavailable(f"{type(error).__name__}: {error}{remedy}") from None


def kind_of(device: str) -> tuple[str, int]:
    """"gpu.1", the second of several alike -> ("gpu", 1); "gpu" -> ("gpu", 0)."""
    kind, _, number = device.partition(".")
    return kind, int(number) if number.isdecimal() else 0


def numbered(asked: Iterable[str], kinds: Iterable[str]) -> list[str]:
    """Devices asked for by number whose kind counts its devices: ["gpu.1", "cpu.1"], ["gpu"] -> ["gpu.1"]."""
    return [device for device in asked if re.fullmatch(rf"(?:{'|'.join(kinds)})\.[0-9]{{1,3}}", device)]


def read_option(option: str, allowed: dict[str, tuple[str, ...] | None]) -> dict[str, str]:
    """"hint=latency;precision=bf16" -> {"hint": "latency", "precision": "bf16"}; None allows a whole number."""
    settings = {}
    for part in filter(None, option.split(";")):
        key, _, value = part.partition("=")
        values = allowed.get(key, ())
        fits = value.isdigit() and int(value) > 0 if values is None else value in values
        if not fits:
            known = "; ".join(f"{k}={'|'.join(v) if v else 'N'}" for k, v in allowed.items())
            raise UserError(f"option {part!r} is unknown", remedy=f"Known here: {known or 'none'}")
        settings[key] = value
    return settings


def one_line(error: Exception, length: int = 300) -> str:
    """An exception's message as one line for a table: source positions of the library dropped, a path that is not
    UTF-8 spelled out."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith("Exception from ")] or [type(error).__name__]
    text = " ".join(kept).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= length else text[: length - 1] + "…"
