"""Core ML through coremltools: it predicts on macOS only. Each set of compute units is a device."""

from __future__ import annotations

import platform

import numpy as np

from ecgscale.contracts import Artefact
from ecgscale.deploy.runtimes import DeployedModel, Device, Ran, Unavailable, one_line, read_option

UNITS = {"cpu": "CPU_ONLY", "gpu": "CPU_AND_GPU", "npu": "CPU_AND_NE", "all": "ALL"}
OPTIONS = {"precision": ("float32", "float16", "int8")}


class CoremlRuntime:
    DEVICES = tuple(UNITS)
    POOLED = True

    @staticmethod
    def devices() -> list[Device]:
        reason = why_not()
        return [Device("coreml", device, not reason, name=UNITS[device], reason=reason)
                for device in CoremlRuntime.DEVICES]

    @staticmethod
    def options(device: str, levels: str, scenario: str) -> tuple[str, ...]:
        return ("precision=float16",) if levels == "few" else ("precision=float32", "precision=float16")

    def load(self, model: DeployedModel, device: str, option: str, batch: int, threads: int) -> None:
        if reason := why_not():
            raise Unavailable(reason)
        self.device = device
        precision = read_option(option, OPTIONS).get("precision", "float16")
        self.artefact: Artefact = model.artefact("coreml", precision, batch)
        self.path = model.path(self.artefact)

    def compile(self) -> None:
        import coremltools

        units = getattr(coremltools.ComputeUnit, UNITS[self.device])
        try:
            self.model = coremltools.models.MLModel(str(self.path), compute_units=units)
        except Exception as error:  # coremltools passes on whatever Core ML says
            raise Unavailable(one_line(error)) from None

    def request(self) -> CoremlRequest:
        return CoremlRequest(self.model)

    def ran(self) -> Ran:
        return Ran(None, None, False, None, "compute units are a wish: Core ML does not tell what ran")


class CoremlRequest:
    def __init__(self, model):
        self.model = model

    def put(self, windows: np.ndarray) -> None:
        self.feed = {"ecg": windows}

    def execute(self) -> None:
        self.output = self.model.predict(self.feed)

    def get(self) -> np.ndarray:
        return np.asarray(self.output["logits"], dtype=np.float32)


def why_not() -> str:
    """Why Core ML cannot predict here; empty where it can."""
    if platform.system() != "Darwin":
        return f"Core ML runs on macOS only; this is {platform.system()}"
    try:
        import coremltools.libcoremlpython  # noqa: F401
    except ImportError as error:
        return f"{type(error).__name__}: {error}"
    return ""


RUNTIME = CoremlRuntime
