"""LiteRT, formerly TensorFlow Lite, with its XNNPACK delegate, on the CPU: an optional runtime (pip install
ai-edge-litert) that needs neither torch nor its own converter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from ecgscale.deploy.runtimes import DeployedModel, Device, Ran, Unavailable, one_line, read_option

OPTIONS = {"precision": ("float32", "int8"), "threads": None}
DELEGATE, DELEGATED = "XNNPACK", "DELEGATE"
REMEDY = "pip install ai-edge-litert"
MULTIPLYING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL")


class LitertRuntime:
    DEVICES = ("cpu",)
    OPTIONS = OPTIONS
    POOLED = False

    @staticmethod
    def devices(asked: Iterable[str] = ()) -> list[Device]:
        reason = why_not()
        return [Device("litert", "cpu", not reason, name=DELEGATE, reason=reason)]

    @staticmethod
    def options(device: str, levels: str, scenario: str) -> tuple[str, ...]:
        return ("", "precision=int8")

    def load(self, model: DeployedModel, device: str, option: str, batch: int, threads: int) -> None:
        self.settings = read_option(option, OPTIONS)
        if reason := why_not():
            raise Unavailable(reason)
        self.threads = threads
        self.artefact = model.artefact("tflite", self.settings.get("precision", "float32"), batch)
        self.content = model.path(self.artefact).read_bytes()

    def compile(self) -> None:
        self.interpreter = self.opened()

    def opened(self):
        """An interpreter that has its memory; the delegate packs the weights for it."""
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(model_content=self.content, num_threads=self.threads)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise Unavailable(one_line(error)) from None
        return interpreter

    def request(self) -> LitertRequest:
        return LitertRequest(self.opened())

    def ran(self) -> Ran:
        """Every operator of the graph as the interpreter holds it after the delegate took its part. What multiplies
        outside the delegate fell back."""
        ops = self.interpreter._get_ops_details()       # no public method tells them
        kinds = {each["index"]: np.dtype(each["dtype"]).name for each in self.interpreter.get_tensor_details()}
        return told(ops, kinds, self.settings.get("precision", "float32"))


def told(ops: list[dict[str, Any]], kinds: dict[int, str], asked: str) -> Ran:
    """`ops`: all operators, with the numbers of the tensors that they read and write, and a DELEGATE for every part
    that a delegate took; `kinds`: type of each tensor."""
    taken, own = inside(ops), [one for one in ops if one["op_name"] != DELEGATED]
    compute = [(kinds.get(one["inputs"][0]), one["index"] in taken) for one in own if one["op_name"] in MULTIPLYING]
    if not compute:
        return Ran("cpu", None, False, None, "no operator of the file multiplies")
    precision = Counter(kind for kind, _ in compute).most_common(1)[0][0]
    share = sum(not within or kind != asked for kind, within in compute) / len(compute)
    counted = Counter(
        one["op_name"] + (f" {kinds.get(one['inputs'][0])}" if one["op_name"] in MULTIPLYING else "")
        + ("" if one["index"] in taken else f" outside {DELEGATE}") for one in own)
    return Ran("cpu", precision, precision != asked or share == 1, share,
               f"{len(taken)} of {len(own)} operators in {DELEGATE}: " + ", ".join(
                   f"{name} x {count}" for name, count in counted.most_common()))


def inside(ops: list[dict[str, Any]]) -> set[int]:
    """Which operators run inside a delegate: all that lead from what a DELEGATE reads to what it writes."""
    makers = {tensor: one for one in ops if one["op_name"] != DELEGATED for tensor in one["outputs"]}
    found: set[int] = set()
    for part in ops:
        if part["op_name"] == DELEGATED:
            read, waiting = set(part["inputs"]), list(part["outputs"])
            while waiting:
                maker = makers.get(waiting.pop())
                if maker is not None and maker["index"] not in found:
                    found.add(maker["index"])
                    waiting += [tensor for tensor in maker["inputs"] if tensor not in read]
    return found


class LitertRequest:
    """An interpreter of its own, so that no memory is shared with another request."""

    def __init__(self, interpreter):
        self.interpreter = interpreter
        self.input, self.output = (tensors[0]["index"] for tensors in (
            interpreter.get_input_details(), interpreter.get_output_details()))

    def put(self, windows: np.ndarray) -> None:
        self.interpreter.set_tensor(self.input, windows)

    def execute(self) -> None:
        self.interpreter.invoke()

    def get(self) -> np.ndarray:
        return self.interpreter.get_tensor(self.output)


def why_not() -> str:
    """Why it cannot be used here, with the remedy; empty where it can."""
    try:
        import ai_edge_litert.interpreter  # noqa: F401
    except ImportError as error:
        return f"{type(error).__name__}: {error}: {REMEDY}"
    return ""


RUNTIME = LitertRuntime
