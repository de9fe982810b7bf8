"""PyTorch: eager, frozen (TorchScript trace) or compiled (inductor), on CPU, CUDA or MPS.

The network is rebuilt from the spec in export.json and weights.safetensors: nothing is unpickled.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import torch

from ecgscale.contracts import Artefact, read_tensors
from ecgscale.deploy.runtimes import DeployedModel, Device, Ran, Unavailable, kind_of, numbered, one_line, read_option
from ecgscale.models.networks import build

OPTIONS = {"mode": ("eager", "frozen", "compiled"), "precision": ("float32", "bf16", "float16", "tf32"),
           "threads": None}
TYPES = {"float32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}


class TorchRuntime:
    DEVICES = ("cpu", "cuda", "mps")
    OPTIONS = OPTIONS
    POOLED = False

    @staticmethod
    def devices(asked: Iterable[str] = ()) -> list[Device]:
        found = []
        for device in (*TorchRuntime.DEVICES, *numbered(asked, ("cuda",))):
            try:
                found.append(Device("torch", device, True, name=open_device(device)))
            except Unavailable as error:
                found.append(Device("torch", device, False, reason=str(error)))
        return found

    @staticmethod
    def options(device: str, levels: str, scenario: str) -> tuple[str, ...]:
        if device == "cpu" and levels == "few":
            return ("mode=eager", "mode=frozen")
        precisions = {"cpu": ("float32", "bf16"), "cuda": ("float32", "tf32", "bf16", "float16"),
                      "mps": ("float32", "float16")}[kind_of(device)[0]]
        precise = tuple(f"mode=eager;precision={p}" for p in precisions[1:])
        return ("mode=eager", "mode=frozen", "mode=compiled", *precise)

    def load(self, model: DeployedModel, device: str, option: str, batch: int, threads: int) -> None:
        self.settings = {"mode": "eager", "precision": "float32", **read_option(option, OPTIONS)}
        open_device(device)
        self.device = torch.device(device.replace(".", ":"))        # cuda.1 is cuda:1
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.settings["precision"] == "tf32"
        self.artefact: Artefact = model.artefact("torch", "float32", batch)
        export = model.export
        network = build(export.spec.model, len(export.spec.leads), export.spec.window, len(export.classes), seed=0)
        network.load_state_dict(read_tensors(model.path(self.artefact))[1], strict=True)
        self.dtype = TYPES[self.settings["precision"]]
        self.network = network.eval().to(device=self.device, dtype=self.dtype)
        self.example = torch.from_numpy(model.windows(batch)).to(self.device, self.dtype)

    def compile(self) -> None:
        with torch.inference_mode():
            if self.settings["mode"] == "frozen":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)     # it is what people still deploy
                    traced = torch.jit.trace(self.network, self.example, check_trace=False)
                    self.call = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
                for _ in range(3):  # the profiling executor specializes on the first calls
                    self.call(self.example)
            elif self.settings["mode"] == "compiled":
                self.call = torch.compile(self.network)
                try:
                    self.call(self.example)  # inductor compiles on the first call
                except Exception as error:  # a missing C++ compiler, an unsupported device: inductor's own words
                    raise Unavailable(f"torch.compile: {one_line(error)}") from None
            else:
                self.call = self.network

    def request(self) -> TorchRequest:
        return TorchRequest(self.call, self.device, self.dtype)

    def ran(self) -> Ran:
        """Device and type of the parameters that the network holds; autocast is not used, so they are what runs."""
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        asked = [p.dtype == self.dtype and p.device.type == self.device.type
                 and self.device.index in (None, p.device.index) for p in weights]
        name = next(n for n, t in TYPES.items() if t == weights[0].dtype)
        precision = self.settings["precision"] if self.settings["precision"] == "tf32" else name
        share = 1 - sum(asked) / len(asked)
        return Ran(str(weights[0].device), precision, share > 0, share, f"{len(weights)} weights {name}")


class TorchRequest:
    def __init__(self, call, device: torch.device, dtype: torch.dtype):
        self.call, self.device, self.dtype = call, device, dtype
        self.wait = {"cuda": lambda: torch.cuda.synchronize(device), "mps": torch.mps.synchronize}.get(
            device.type, lambda: None)

    def put(self, windows: np.ndarray) -> None:
        self.windows = torch.from_numpy(windows).to(self.device, self.dtype)
        self.wait()

    def execute(self) -> None:
        with torch.inference_mode():
            self.logits = self.call(self.windows)
        self.wait()

    def get(self) -> np.ndarray:
        return self.logits.to("cpu", torch.float32).numpy()


def open_device(device: str) -> str:
    """The device's name. Raises Unavailable with torch's own words."""
    try:
        torch.zeros(1, device=device.replace(".", ":"))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise Unavailable(one_line(error)) from None
    kind, number = kind_of(device)
    return torch.cuda.get_device_name(number) if kind == "cuda" else device


RUNTIME = TorchRuntime
