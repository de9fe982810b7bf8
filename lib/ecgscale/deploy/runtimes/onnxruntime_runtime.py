"""ONNX Runtime with its execution providers. A provider that is missing is never replaced by the CPU in silence."""

from __future__ import annotations

import importlib
import importlib.util
import json
import tempfile
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

from ecgscale.deploy.runtimes import DeployedModel, Device, Ran, Unavailable, kind_of, numbered, one_line, read_option

onnxruntime.disable_telemetry_events()      # on Windows; elsewhere the environment says so (machine.confined)

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
}
PLUGINS = {"openvino": "onnxruntime_ep_openvino", "webgpu": "onnxruntime_ep_webgpu"}    # wheels of providers
OPTIONS = {"precision": ("float32", "float16", "int8"), "threads": None}
PRECISIONS = {"float": "float32", "float16": "float16", "bfloat16": "bf16", "int8": "int8", "uint8": "int8"}
COMPUTE = ("Conv", "MatMul", "Gemm", "Attention")      # operators that multiply, fused or quantized ones end likewise
COUNTED = ("cuda", "directml")       # kinds of which a machine may have several
IDENTITY = bytes.fromhex(   # the smallest network: y = Identity(x), one number, operator set 17
    "08083a370a100a017812017922084964656e746974791201675a0f0a0178120a"
    "0a08080112040a020801620f0a0179120a0a08080112040a02080142040a001011")
DIRECTML_OPSET = 17    # newer operator sets fall back to the CPU node by node under DirectML


class OnnxRuntime:
    DEVICES = tuple(PROVIDERS)
    OPTIONS = OPTIONS
    POOLED = False

    @staticmethod
    def devices(asked: Iterable[str] = ()) -> list[Device]:
        found = []
        for device in (*PROVIDERS, *numbered(asked, (*COUNTED, *PLUGINS))):
            provider = PROVIDERS[kind_of(device)[0]]
            try:
                started(IDENTITY, device, onnxruntime.SessionOptions())
            except Unavailable as reason:
                found.append(Device("onnxruntime", device, False, name=provider, reason=str(reason)))
            else:
                found.append(Device("onnxruntime", device, True, name=provider))
        return found

    @staticmethod
    def options(device: str, levels: str, scenario: str) -> tuple[str, ...]:
        quantized = ("precision=int8",) if device == "cpu" else ()
        return ("", *quantized) if levels == "few" and device == "cpu" else ("", "precision=float16", *quantized)

    def load(self, model: DeployedModel, device: str, option: str, batch: int, threads: int) -> None:
        self.settings = read_option(option, OPTIONS)
        self.device, self.threads = device, threads
        self.provider = PROVIDERS[kind_of(device)[0]]
        opset = DIRECTML_OPSET if self.provider == PROVIDERS["directml"] else None
        self.artefact = model.artefact("onnx", self.settings.get("precision", "float32"), batch, opset)
        self.file = model.path(self.artefact)
        self.content = self.file.read_bytes()

    def compile(self) -> None:
        self.session = self.open(onnxruntime.SessionOptions())

    def open(self, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        # below a file lies nothing: tensors whose data lie in another file, which no digest covers, are refused
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(self.file))
        return started(self.content, self.device, options)

    def request(self) -> OnnxRequest:
        return OnnxRequest(self.session)

    def ran(self) -> Ran:
        """Provider and precision of every node, from one profiled call of a second session."""
        nodes = self.profiled()
        providers, asked = Counter(provider for _, provider, _ in nodes), self.settings.get("precision", "float32")
        main = providers.most_common(1)[0][0] if nodes else self.session.get_providers()[0]
        types = [kind for operator, _, kind in nodes if operator.endswith(COMPUTE)]
        precision = Counter(types).most_common(1)[0][0] if types else None
        moved = sum(provider != self.provider for _, provider, _ in nodes) / max(1, len(nodes))
        recast = sum(kind != asked for kind in types) / max(1, len(types))
        counted = Counter(f"{operator} {kind} on {provider}" for operator, provider, kind in nodes)
        names = {provider: device for device, provider in PROVIDERS.items()}
        kind = names.get(main, main)
        number = str(kind_of(self.device)[1]) if kind in PLUGINS else "0"
        if kind in COUNTED:
            number = self.session.get_provider_options()[main].get("device_id", "0")
        ran = kind if number == "0" else f"{kind}.{number}"
        fallback = kind_of(ran) != kind_of(self.device) or precision not in (None, asked)
        return Ran(ran, precision, fallback, max(moved, recast),
                   ", ".join(f"{name} x {count}" for name, count in counted.most_common()))

    def profiled(self) -> list[tuple[str, str, str]]:
        """(operator, provider, precision of its first input) of every node that ran."""
        with tempfile.TemporaryDirectory() as folder:
            options = onnxruntime.SessionOptions()
            options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "nodes")
            session = self.open(options)
            given = session.get_inputs()[0]
            session.run(None, {given.name: np.zeros(given.shape, np.float32)})
            events = json.loads(Path(session.end_profiling()).read_text())
        found = []
        for event in events:
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
                inputs = event["args"].get("input_type_shape") or [{"": []}]
                kind = next(iter(inputs[0]))
                found.append((event["args"]["op_name"], event["args"]["provider"], PRECISIONS.get(kind, kind)))
        return found


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


def devices_of_plugin(kind: str) -> list | None:
    """What the provider's own wheel offers here, in its order; None where there is no such wheel. Raises Unavailable
    where its library cannot be loaded."""
    if kind not in PLUGINS or importlib.util.find_spec(PLUGINS[kind]) is None:
        return None
    register(kind)
    return [device for device in onnxruntime.get_ep_devices() if device.ep_name == PROVIDERS[kind]]


@cache
def register(kind: str) -> None:
    """Loads the library of a provider's wheel into this process, which may be done once."""
    try:
        plugin = importlib.import_module(PLUGINS[kind])
        onnxruntime.register_execution_provider_library(f"ecgscale.{kind}", plugin.get_library_path())
    except Exception as error:  # onnxruntime raises its own untyped exceptions
        raise Unavailable(one_line(error)) from None


def started(content: bytes, device: str, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """A session of the network on the device's provider. Raises Unavailable where that is not in this build or does
    not start: ONNX Runtime itself would say so on its log and take the CPU."""
    kind, number = kind_of(device)
    provider, present = PROVIDERS[kind], onnxruntime.get_available_providers()
    build = f"ONNX Runtime {onnxruntime.__version__}"
    plugged = devices_of_plugin(kind)
    if provider not in present and plugged is None:
        wheel = f", nor is the wheel {PLUGINS[kind].replace('_', '-')} here" if kind in PLUGINS else ""
        raise Unavailable(f"{provider} is not in this build of {build} (it has {', '.join(present)}){wheel}")
    if plugged is not None and number >= len(plugged):
        raise Unavailable(f"{PLUGINS[kind].replace('_', '-')} offers {len(plugged)} device(s) here: no device that it "
                          "knows, or no driver")
    if kind == "cuda":
        onnxruntime.preload_dlls()      # NVIDIA's libraries as torch's packages bring them, wherever these lie
    options.log_severity_level = 3
    chosen = (provider, {"device_id": str(number)}) if kind in COUNTED else provider
    providers = [chosen] if kind == "cpu" else [chosen, PROVIDERS["cpu"]]
    try:
        if plugged is not None:
            options.add_provider_for_devices([plugged[number]], {})
            providers = None
        session = onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # onnxruntime raises its own untyped exceptions
        raise Unavailable(one_line(error)) from None
    if provider not in session.get_providers():
        raise Unavailable(f"{provider} of {build} did not start: no device, no driver, or libraries of other versions")
    return session


RUNTIME = OnnxRuntime
