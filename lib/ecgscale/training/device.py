"""The device that trains: which one, at what precision, how much memory and energy it took."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import resource
from collections.abc import Callable
from pathlib import Path

import torch

from ecgscale.errors import UserError
from ecgscale.machine import energy
from ecgscale.machine.provenance import cpu_name

# what torch's allocator on a CPU says, CUDA itself and MPS, cuDNN and cuBLAS
NO_MEMORY = ("can't allocate memory", "out of memory", "STATUS_ALLOC_FAILED")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3     # of glibc's malloc.h: bytes free at the end, bytes of one block
NOT_GLIBC = (AttributeError, TypeError)         # what other systems say when asked for these


def choose(asked: str) -> torch.device:
    """The device for "auto", "cpu", "cuda" or "mps". Raises UserError for one that this machine does not have."""
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if asked == "auto":
        asked = next(name for name in ("cuda", "mps", "cpu") if found[name])
    if not found.get(asked, False):
        raise UserError(f"this machine (with this torch {torch.__version__}) has no device {asked!r}", field="device",
                        remedy="Choose from " + ", ".join(name for name, there in found.items() if there))
    return torch.device(asked)


def begin(threads: int) -> None:
    """Set this process's threads, and float32 on a GPU to float32: torch rounds its convolutions to 10 bits else."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False
    with contextlib.suppress(RuntimeError):  # can be set only once in a process
        torch.set_num_interop_threads(1)


def keep_freed_memory() -> None:
    """Let this process keep what it frees for its next allocation: each step of a training needs as much as the last.

    glibc gives large blocks back to the system at once, and the next step has each of their pages cleared anew: up to
    a fifth of its time (docs/explanation/training-figures.md). Other C libraries are left as they are.
    """
    with contextlib.suppress(*NOT_GLIBC):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_MMAP_THRESHOLD, 2**30)


def name(device: torch.device) -> str:
    """For people: "cpu: AMD EPYC 9B14", "cuda: NVIDIA A100-SXM4-40GB", "mps: arm"."""
    model = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    return f"{device.type}: {model}"


def precision(asked: str, device: torch.device, forward_flops: int) -> str:
    """What runs for "float32", "bf16" or "auto": bf16 on a device that has instructions for it, in a large network.

    Below 10 MFLOP a window the conversions cost about what the arithmetic saves (measured on avx512_bf16: 0.4 to 1.5
    times as fast at 1 to 9 MFLOP, 1.1 to 2.0 times above).
    """
    if asked != "auto":
        return asked
    return "bf16" if fast_bf16(device) and forward_flops >= 10_000_000 else "float32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Within it operations are computed in bfloat16 where the precision is "bf16"."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32: avx512_bf16 or AMX, Nvidia from compute 8.0 on."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu" and platform.system() == "Linux":
        with contextlib.suppress(OSError):
            words = set(Path("/proc/cpuinfo").read_text().split())
            return bool(words & {"avx512_bf16", "amx_bf16"})
    return False


def reset_peak_memory(device: torch.device) -> None:
    """Count from what is in use now: what this process keeps of earlier runs goes back to the system."""
    if device.type == "cuda":
        torch.cuda.init()       # else a board named by its number is unknown until the first tensor lies there
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(*NOT_GLIBC):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):  # Linux: the high-water mark of this process starts anew
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int | None:
    """Bytes at most in use since the reset: on CUDA of tensors, else of this whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)


def energy_counter(device: torch.device) -> Callable[[], float] | None:
    """A function that reads joules used since it was made, as often as it is asked; None without a counter.

    NVML counts the device alone; RAPL the processor packages, powermetrics Apple's chip, with everything that runs
    there. Not run on CUDA or Apple hardware.
    """

    def make() -> energy.Reader | None:
        if device.type == "cuda":
            return energy.nvml(uuid=f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        return energy.counter(device.type)[1]

    read, total = make(), 0.0
    if read is None:
        return None

    def joules() -> float:
        nonlocal read, total
        total += read() or 0.0      # None: less than one sample of the counter
        read = make() or read       # powermetrics tells once
        return total

    return joules


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out: numpy, torch, and in words CUDA, its libraries, MPS."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)


def at_fault(error: BaseException) -> bool:
    """Whether the machine failed and not the run: disk, or a board, after whose error this process cannot use it."""
    return isinstance(error, OSError) or (isinstance(error, torch.AcceleratorError) and not out_of_memory(error))
