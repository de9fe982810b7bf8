"""Core ML through coremltools: it predicts on macOS only. Each set of compute units is a device.

Never run on Apple hardware by us: the reading of the compute plan is tested on a plan of our own making.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from ecgscale.deploy.runtimes import DeployedModel, Device, Ran, Unavailable, one_line, read_option

UNITS = {"cpu": "CPU_ONLY", "gpu": "CPU_AND_GPU", "npu": "CPU_AND_NE", "all": "ALL"}
OPTIONS = {"precision": ("float32", "float16", "int8")}
DEVICE_KINDS = {"MLCPUComputeDevice": "cpu", "MLGPUComputeDevice": "gpu", "MLNeuralEngineComputeDevice": "npu"}
COMPUTE = {"conv", "linear", "matmul", "einsum", "scaled_dot_product_attention"}     # MIL operators that multiply


class CoremlRuntime:
    DEVICES = tuple(UNITS)
    OPTIONS = OPTIONS
    POOLED = True

    @staticmethod
    def devices(asked: Iterable[str] = ()) -> list[Device]:
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
        self.artefact = model.artefact("coreml", precision, batch)
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
        """The device of each operation in Core ML's compute plan: what it prefers with these compute units."""
        import coremltools
        from coremltools.models.compute_plan import MLComputePlan

        units = getattr(coremltools.ComputeUnit, UNITS[self.device])
        try:
            plan = MLComputePlan.load_from_path(self.model.get_compiled_model_path(), compute_units=units)
        except Exception as error:  # macOS before 14.4 has no compute plan
            return Ran(None, None, False, None, f"no compute plan: {one_line(error)}")
        return planned(plan, self.device)


class CoremlRequest:
    def __init__(self, model):
        self.model = model

    def put(self, windows: np.ndarray) -> None:
        self.feed = {"ecg": windows}

    def execute(self) -> None:
        self.output = self.model.predict(self.feed)

    def get(self) -> np.ndarray:
        return np.asarray(self.output["logits"], dtype=np.float32)


def planned(plan, device: str) -> Ran:
    """What a compute plan says of its operations; those without a device are constants. Its arithmetic it hides.

    `device` "all" asks for nothing in particular, so nothing falls back there.
    """
    functions = plan.model_structure.program.functions.values()
    operations = [(kind, place) for function in functions for kind, place in placed(plan, function.block)]
    compute = [place for kind, place in operations if kind in COMPUTE]
    if not compute:
        return Ran(None, None, False, None, "the compute plan names no operation that multiplies")
    asked = None if device == "all" else device
    share = None if asked is None else sum(place != asked for place in compute) / len(compute)
    main = Counter(compute).most_common(1)[0][0]
    counted = Counter(f"{kind} on {place}" for kind, place in operations)
    return Ran(main, None, asked is not None and main != asked, share,
               ", ".join(f"{name} x {count}" for name, count in counted.most_common()))


def placed(plan, block) -> Iterator[tuple[str, str]]:
    """(operator, device) of a block's operations and of those nested in them: ("conv", "npu")."""
    for operation in block.operations:
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        if usage is not None:
            kind = type(usage.preferred_compute_device).__name__
            yield operation.operator_name.rsplit(".", 1)[-1], DEVICE_KINDS.get(kind, kind)
        for nested in operation.blocks:
            yield from placed(plan, nested)


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
