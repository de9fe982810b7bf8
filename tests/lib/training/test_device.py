"""The rule for precision, what is kept of freed memory, and what counts as running out of it."""

import platform
import subprocess
import sys

import pytest
import torch

from ecgscale.training import device


@pytest.mark.parametrize(("asked", "fast", "flops", "runs"), [
    ("float32", True, 10**9, "float32"), ("bf16", False, 1, "bf16"), ("auto", True, 10**7, "bf16"),
    ("auto", True, 10**7 - 1, "float32"), ("auto", False, 10**9, "float32")])
def test_bf16_where_it_is_fast_and_the_network_large(monkeypatch, asked, fast, flops, runs):
    monkeypatch.setattr(device, "fast_bf16", lambda _: fast)
    assert device.precision(asked, torch.device("cpu"), flops) == runs


def test_cpu_flags_decide(monkeypatch):
    for flags, fast in (("fpu avx512f avx512_bf16", True), ("fpu amx_bf16", True), ("fpu avx2 avx512bw", False)):
        monkeypatch.setattr(device.Path, "read_text", lambda self, flags=flags: f"flags : {flags}\n")
        monkeypatch.setattr(device.platform, "system", lambda: "Linux")
        assert device.fast_bf16(torch.device("cpu")) == fast


def test_energy_is_summed_over_counters_that_tell_once(monkeypatch):
    """Each reading takes a new counter: 2 J, then 3 J more, then a reading too short for a sample."""
    each = iter([2.0, 3.0, None])
    monkeypatch.setattr(device.energy, "counter", lambda name: ("planted", lambda: next(each)))
    read = device.energy_counter(torch.device("cpu"))
    assert [read(), read(), read()] == [2.0, 5.0, 5.0]
    monkeypatch.setattr(device.energy, "counter", lambda name: (None, None))
    assert device.energy_counter(torch.device("cpu")) is None


def test_energy_of_a_gpu_is_that_of_the_board_that_trains(monkeypatch):
    class Properties:
        uuid = "c0ffee"

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda gpu: Properties)
    monkeypatch.setattr(device.energy, "nvml", lambda uuid: (lambda: 7.0) if uuid == "GPU-c0ffee" else None)
    assert device.energy_counter(torch.device("cuda", 1))() == 7.0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep what is freed")
def test_freed_memory_is_kept_for_the_next_step_and_goes_back_between_runs():
    """By the system's count of pages given to a process: 64 MB are 16,384 of them, each time or a few times."""
    code = """
import resource, torch
from ecgscale.training import device
device.begin(1)
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
counts = [pages() for _ in range(40)]
print(sum(counts[20:]))
def in_use():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
full = in_use()
device.reset_peak_memory(torch.device("cpu"))
print(full - in_use())
"""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    pages, given_back = map(int, done.stdout.split())
    assert pages < 20 * 16_384 / 4
    assert given_back > 60_000_000


def test_out_of_memory_of_torch_and_numpy():
    assert device.out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert device.out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert device.out_of_memory(caught.value)
    assert not device.out_of_memory(RuntimeError("shape mismatch"))


@pytest.mark.parametrize("words", [
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`",
    "MPS backend out of memory (MPS allocated: 5.70 GB, other allocations: 1.20 GB, max allowed: 6.80 GB)"])
def test_out_of_memory_in_words(words):
    """What torch raises as a plain RuntimeError, as its issues quote it."""
    assert device.out_of_memory(RuntimeError(words))


def test_a_board_is_woken_before_its_memory_is_asked(monkeypatch):
    """Its allocator knows no board before: "invalid device argument"."""
    calls = []
    monkeypatch.setattr(torch.cuda, "init", lambda: calls.append("init"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda board: calls.append(board))
    device.reset_peak_memory(torch.device("cuda", 1))
    assert calls == ["init", torch.device("cuda", 1)]


def test_peak_memory_starts_anew():
    """64 MiB held after the reset are seen; 256 MiB given back before it are not."""
    cpu = torch.device("cpu")
    torch.ones(64 * 2**20)
    device.reset_peak_memory(cpu)
    before = device.peak_memory(cpu)
    torch.ones(16 * 2**20)
    assert 60 * 2**20 < device.peak_memory(cpu) - before < 100 * 2**20
