"""OpenVINO on CPU, GPU, NPU or AUTO. The effective precision is read back from the compiled graph, layer by layer.

On CPUs with bfloat16 the plugin computes in bfloat16 unless told otherwise, and turns a float16 hint into bfloat16
without a word: hence the reading back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import openvino

from ecgscale.deploy.runtimes import DeployedModel, Device, Ran, Unavailable, kind_of, numbered, one_line, read_option

OPTIONS = {
    "precision": ("float32", "float16", "bf16", "int8"),
    "weights": ("float32", "float16"),         # the file that is read; precision says how it is computed
    "hint": ("latency", "throughput"),
    "streams": None,
    "threads": None,
}
HINTS = {"float32": "f32", "float16": "f16", "bf16": "bf16"}
PRECISIONS = {"f32": "float32", "bf16": "bf16", "f16": "float16", "i8": "int8", "u8": "int8"}
COMPUTE = {  # layer types that multiply, as the CPU and the GPU plugin name them, in lower case
    "convolution", "groupconvolution", "fullyconnected", "fully_connected", "matmul", "gemm",
    "scaleddotproductattention", "scaled_dot_product_attention", "mha",
}


class OpenvinoRuntime:
    DEVICES = ("cpu", "gpu", "npu", "auto")
    COUNTED = ("gpu", "npu")
    OPTIONS = OPTIONS
    POOLED = True

    @staticmethod
    def devices(asked: Iterable[str] = ()) -> list[Device]:
        core, found = openvino.Core(), []
        here = [device.lower() for device in core.available_devices]        # CPU, GPU.0, GPU.1 where there are two
        for device in dict.fromkeys((*OpenvinoRuntime.DEVICES, *numbered((*here, *asked), OpenvinoRuntime.COUNTED))):
            try:
                probe(core, device)
                found.append(Device("openvino", device, True, name=full_name(core, device)))
            except RuntimeError as error:
                found.append(Device("openvino", device, False, reason=one_line(error)))
        return found

    @staticmethod
    def options(device: str, levels: str, scenario: str) -> tuple[str, ...]:
        precisions = {"cpu": ("float32", "bf16", "int8"), "gpu": ("float32", "float16", "int8"),
                      "npu": ("float16", "int8"), "auto": ()}[kind_of(device)[0]]
        few = tuple(f"precision={precision}" for precision in precisions) or ("",)
        if scenario == "throughput":
            return tuple(";".join(filter(None, ("hint=throughput", option))) for option in few)
        if levels == "few":
            return few
        hints = ("hint=latency", "hint=throughput")
        return ("", *few, *(("precision=float16",) if device == "cpu" else ()), *hints)

    def load(self, model: DeployedModel, device: str, option: str, batch: int, threads: int) -> None:
        self.settings = read_option(option, OPTIONS)
        self.device, self.threads = device, threads
        asked = self.settings.get("precision")
        kinds = ("bf16", "float32") if asked == "bf16" else ("int8",) if asked == "int8" else ("float32",)
        self.artefact = model.artefact("openvino", self.settings.get("weights", kinds), batch)
        self.core = openvino.Core()
        self.network = self.core.read_model(model.path(self.artefact))

    def compile(self) -> None:
        try:
            self.compiled = self.core.compile_model(self.network, self.device.upper(), self.properties())
        except RuntimeError as error:
            raise Unavailable(one_line(error)) from None

    def properties(self) -> dict[str, str | int]:
        """Plugin properties of the option; the layers of an INT8 model that stay in floating point run in float32."""
        made: dict[str, str | int] = {}
        if "hint" in self.settings:
            made["PERFORMANCE_HINT"] = self.settings["hint"].upper()
        if self.device in ("cpu", "auto"):
            made["INFERENCE_NUM_THREADS"] = self.threads
        if "streams" in self.settings:
            made["NUM_STREAMS"] = int(self.settings["streams"])
        elif self.device == "cpu" and "hint" not in self.settings:
            made["NUM_STREAMS"] = 1
        asked = self.settings.get("precision")
        if asked:
            made["INFERENCE_PRECISION_HINT"] = HINTS.get(asked, "f32" if self.device == "cpu" else "f16")
        if self.device == "auto":
            inner = {key: made.pop(key) for key in ("INFERENCE_NUM_THREADS", "INFERENCE_PRECISION_HINT", "NUM_STREAMS")
                     if key in made}
            made["DEVICE_PROPERTIES"] = {"CPU": inner}
        return made

    def request(self) -> OpenvinoRequest:
        return OpenvinoRequest(self.compiled.create_infer_request())

    def ran(self) -> Ran:
        """Executing devices, and the precision in which most compute layers of the compiled graph run."""
        devices = [str(d).strip("()").lower() for d in self.compiled.get_property("EXECUTION_DEVICES")]
        layers = layer_precisions(self.compiled)
        asked = self.settings.get("precision")
        precision = Counter(p for _, p in layers).most_common(1)[0][0] if layers else None
        other = sum(p != asked for _, p in layers) / len(layers) if layers and asked else None
        moved = self.device != "auto" and any(not d.startswith(self.device) for d in devices)
        detail = ", ".join(f"{kind} {p} x {n}" for (kind, p), n in sorted(Counter(layers).items()))
        # Part of an INT8 model stays in floating point by design of its quantization: only its main precision counts.
        return Ran("+".join(devices), precision, bool(moved or (asked and precision != asked)), other, detail)


class OpenvinoRequest:
    def __init__(self, request: openvino.InferRequest):
        self.request = request
        self.input = request.get_input_tensor(0).data

    def put(self, windows: np.ndarray) -> None:
        self.input[:] = windows

    def execute(self) -> None:
        self.request.infer(share_outputs=True)

    def get(self) -> np.ndarray:
        return self.request.get_output_tensor(0).data.copy()


def layer_precisions(compiled: openvino.CompiledModel) -> list[tuple[str, str]]:
    """(layer type, precision) of the layers that multiply, from the runtime model; empty where a plugin hides it.

    The kernel's own name (brgconv_avx512_bf16) is believed before runtimePrecision: for a model stored in float16 the
    CPU plugin reports f16 there while a float32 kernel runs.
    """
    try:
        operations = compiled.get_runtime_model().get_ordered_ops()
    except RuntimeError:
        return []
    found = []
    for operation in operations:
        info = operation.get_rt_info()
        kind, kernel, reported = (info[key].astype(str).lower() if key in info else ""
                                  for key in ("layerType", "primitiveType", "runtimePrecision"))
        if kind in COMPUTE:
            found.append((kind, PRECISIONS.get(kernel.rsplit("_", 1)[-1]) or PRECISIONS.get(reported, reported)))
    return found


def probe(core: openvino.Core, device: str) -> None:
    """Compile the smallest model: the one test that a device works, and its own reason when it does not."""
    ops = openvino.opset13
    value = ops.parameter([1], np.float32)
    core.compile_model(openvino.Model([ops.relu(value)], [value]), device.upper())


def full_name(core: openvino.Core, device: str) -> str:
    return device if device == "auto" else core.get_property(device.upper(), "FULL_DEVICE_NAME").strip()


RUNTIME = OpenvinoRuntime
