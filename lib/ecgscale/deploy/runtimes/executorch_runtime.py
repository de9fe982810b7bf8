"""ExecuTorch with its XNNPACK delegate, on the CPU: an optional runtime (pip install 'ecgscale[executorch]'). Its
Core ML delegate is the device "coreml": by code and test only, not run on Apple hardware."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ecgscale.deploy.runtimes import DeployedModel, Device, Ran, Unavailable, one_line, read_option

OPTIONS = {"precision": ("float32", "float16", "int8"), "threads": None}
DELEGATES = {"cpu": "XnnpackBackend", "coreml": "CoreMLBackend"}
FORMATS = {"cpu": "executorch", "coreml": "executorch-coreml"}     # a program is made for its delegate
REMEDY = "pip install 'ecgscale[executorch]'"
# operators that multiply: of XNNPACK, as "Convolution (NHWC, F32) IGEMM #11", and of ExecuTorch's own kernels
DELEGATED = ("Convolution", "Fully Connected", "Batch Matrix Multiply")
KERNELS = ("convolution", "linear", "mm", "bmm", "addmm")
OWN = "native_call_"
PRECISIONS = {"F32": "float32", "F16": "float16", "QS8": "int8", "QC8": "int8"}


class ExecutorchRuntime:
    DEVICES = tuple(DELEGATES)
    OPTIONS = OPTIONS
    POOLED = True               # one pool of threads in the process

    @staticmethod
    def devices(asked: Iterable[str] = ()) -> list[Device]:
        reasons = {device: why_not(device) for device in DELEGATES}
        return [Device("executorch", device, not reason, name=DELEGATES[device], reason=reason)
                for device, reason in reasons.items()]

    @staticmethod
    def options(device: str, levels: str, scenario: str) -> tuple[str, ...]:
        return ("", "precision=int8" if device == "cpu" else "precision=float16")

    def load(self, model: DeployedModel, device: str, option: str, batch: int, threads: int) -> None:
        self.settings = read_option(option, OPTIONS)
        if reason := why_not(device):
            raise Unavailable(reason)
        self.threads, self.device = threads, device
        self.artefact = model.artefact(FORMATS[device], self.settings.get("precision", "float32"), batch)
        self.content = model.path(self.artefact).read_bytes()
        self.shape = (batch, *model.sample.shape[1:])

    def compile(self) -> None:
        """The delegate packs the weights as it is loaded."""
        from executorch.extension.pybindings import portable_lib

        if portable_lib._threadpool_get_thread_count() != self.threads:
            portable_lib._unsafe_reset_threadpool(self.threads)     # nothing runs yet
        self.program = self.opened()
        self.program.load_method("forward")

    def opened(self, **options):
        from executorch.runtime import Runtime, Verification

        try:
            return Runtime.get().load_program(self.content, verification=Verification.InternalConsistency, **options)
        except Exception as error:  # its own untyped exceptions
            raise Unavailable(one_line(error)) from None

    def request(self) -> ExecutorchRequest:
        return ExecutorchRequest(self.opened())

    def ran(self) -> Ran:
        """Every operator of one call, as the runtime's own trace of it names them. What multiplies outside the delegate
        fell back."""
        ran = self.traced()
        return told_of_coreml(ran) if self.device == "coreml" else told(ran, self.settings.get("precision", "float32"))

    def traced(self) -> list[tuple[str, str]]:
        """(operator, precision) of one call; the precision is empty where it does not multiply."""
        import torch
        from executorch.devtools.etdump.serialize import deserialize_from_etdump_flatcc

        with tempfile.TemporaryDirectory() as folder:
            trace, rest = Path(folder, "trace.etdp"), Path(folder, "rest.bin")
            program = self.opened(enable_etdump=True, debug_buffer_size=0)
            program.load_method("forward").execute([torch.zeros(self.shape)])
            program.write_etdump_result_to_file(str(trace), str(rest))
            if not trace.exists():
                return []                   # built without its tracer
            events = [event.profile_event for run in deserialize_from_etdump_flatcc(trace.read_bytes()).run_data
                      for event in run.events if event.profile_event]
        return [named(event.name or event.delegate_debug_id_str) for event in events if is_operator(
            event.name or event.delegate_debug_id_str or "")]


def told(ran: list[tuple[str, str]], asked: str) -> Ran:
    """What a trace says: `ran` as `traced` gives it."""
    compute = [(name, precision) for name, precision in ran if precision]
    if not compute:
        return Ran("cpu", None, False, None, "no trace of a call names an operator that multiplies")
    precision = Counter(precision for _, precision in compute).most_common(1)[0][0]
    share = sum(name.startswith(OWN) or kind != asked for name, kind in compute) / len(compute)
    delegated = sum(not name.startswith(OWN) for name, _ in ran)
    counted = Counter(f"{name} {precision}".strip() for name, precision in ran)
    return Ran("cpu", precision, precision != asked or share == 1, share,
               f"{delegated} of {len(ran)} operators in {DELEGATES['cpu']}: " + ", ".join(
                   f"{name} x {count}" for name, count in counted.most_common()))


def told_of_coreml(ran: list[tuple[str, str]]) -> Ran:
    """The delegate computes its part in one call and names neither its operators nor its unit; what multiplies outside
    it fell back to the CPU."""
    outside = [name for name, _ in ran if name.startswith(OWN)]
    fell = any(precision for name, precision in ran if name.startswith(OWN))
    return Ran("cpu" if fell else "coreml", None, fell, None,
               f"outside {DELEGATES['coreml']}: {', '.join(outside) or 'no operator'}")


class ExecutorchRequest:
    """A program of its own, so that no memory is shared with another request."""

    def __init__(self, program):
        import torch

        self.program, self.method, self.tensor = program, program.load_method("forward"), torch.from_numpy

    def put(self, windows: np.ndarray) -> None:
        self.windows = [self.tensor(windows)]

    def execute(self) -> None:
        self.outputs = self.method.execute(self.windows)

    def get(self) -> np.ndarray:
        return self.outputs[0].numpy()


def is_operator(name: str) -> bool:
    """Of the delegate or of ExecuTorch itself; the others are frames around them, as "Method::execute"."""
    return name.startswith(OWN) or "#" in name


def named(name: str) -> tuple[str, str]:
    """ "Convolution (NHWC, F32) IGEMM #11" -> ("Convolution", "float32"); "Add (ND) #3" -> ("Add", "")."""
    if name.startswith(OWN):
        return name, "float32" if name.removeprefix(OWN).split(".")[0] in KERNELS else ""
    operator, _, rest = name.partition(" (")
    types = rest.partition(")")[0].split(", ")
    kind = next((PRECISIONS[one] for one in types if one in PRECISIONS), types[-1]) if operator.startswith(
        DELEGATED) else ""
    return operator, kind


def why_not(device: str = "cpu") -> str:
    """Why it cannot be used here, with the remedy; empty where it can."""
    try:
        from executorch.runtime import Runtime
    except ImportError as error:
        return f"{type(error).__name__}: {error}: {REMEDY}"
    if not Runtime.get().backend_registry.is_available(DELEGATES[device]):
        return f"this build of ExecuTorch has no {DELEGATES[device]}" + (
            f": {REMEDY}" if device == "cpu" else ": its wheel for macOS has it")
    return ""


RUNTIME = ExecutorchRuntime
