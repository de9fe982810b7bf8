"""ONNX Runtime with its execution providers. A provider that is missing is never replaced by the CPU in silence."""

from __future__ import annotations

import numpy as np
import onnxruntime

from ecgscale.contracts import Artefact
from ecgscale.runtimes import DeployedModel, Device, Ran, Unavailable, one_line, read_option

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
OPTIONS = {"weights": ("float32", "float16")}
DIRECTML_OPSET = 17    # newer operator sets fall back to the CPU node by node under DirectML


class OnnxRuntime:
    DEVICES = tuple(PROVIDERS)
    POOLED = False

    @staticmethod
    def devices() -> list[Device]:
        present = onnxruntime.get_available_providers()
        return [Device("onnxruntime", device, provider in present, name=provider,
                       reason="" if provider in present else missing(provider))
                for device, provider in PROVIDERS.items()]

    @staticmethod
    def options(device: str, levels: str, scenario: str) -> tuple[str, ...]:
        return ("",) if levels == "few" and device == "cpu" else ("", "weights=float16")

    def load(self, model: DeployedModel, device: str, option: str, batch: int, threads: int) -> None:
        self.settings = read_option(option, OPTIONS)
        self.device, self.threads = device, threads
        if PROVIDERS[device] not in onnxruntime.get_available_providers():
            raise Unavailable(missing(PROVIDERS[device]))
        opset = DIRECTML_OPSET if device == "directml" else None
        self.artefact: Artefact = model.artefact("onnx", self.settings.get("weights", "float32"), batch, opset)
        self.content = model.path(self.artefact).read_bytes()

    def compile(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3
        provider = PROVIDERS[self.device]
        providers = [provider] if self.device == "cpu" else [provider, PROVIDERS["cpu"]]
        try:
            self.session = onnxruntime.InferenceSession(self.content, options, providers=providers)
        except Exception as error:  # onnxruntime raises its own untyped exceptions
            raise Unavailable(one_line(error)) from None

    def request(self) -> OnnxRequest:
        return OnnxRequest(self.session)

    def ran(self) -> Ran:
        """The providers that the session was really given, first the preferred one."""
        used = self.session.get_providers()
        names = {provider: device for device, provider in PROVIDERS.items()}
        device = names.get(used[0], used[0])
        return Ran(device, None, device != self.device, None, ", ".join(used))


class OnnxRequest:
    def __init__(self, session: onnxruntime.InferenceSession):
        self.session = session
        self.input = session.get_inputs()[0].name
        self.outputs = [session.get_outputs()[0].name]

    def put(self, windows: np.ndarray) -> None:
        self.feed = {self.input: windows}

    def execute(self) -> None:
        self.logits = self.session.run(self.outputs, self.feed)[0]

    def get(self) -> np.ndarray:
        return self.logits


def missing(provider: str) -> str:
    present = ", ".join(onnxruntime.get_available_providers())
    return f"{provider} is not in this build of ONNX Runtime {onnxruntime.__version__} (it has {present})"


RUNTIME = OnnxRuntime
