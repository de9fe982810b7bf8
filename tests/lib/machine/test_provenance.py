"""The processor's name, from what three systems print."""

import platform

import pytest

from ecgscale.machine import provenance

LINUX_X86 = {"cpuinfo": "vendor_id\t: GenuineIntel\nmodel\t: 85\nmodel name\t: Intel(R) Xeon(R) Gold 6226R\n"}
LINUX_ARM = {   # /proc/cpuinfo has the part's number alone; util-linux knows that 0x41 and 0xd0c are ARM's Neoverse-N1
    "cpuinfo": "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n",
    "env": "Architecture:   aarch64\nVendor ID:      ARM\nModel name:     Neoverse-N1\nModel:          1\n"}


@pytest.mark.parametrize(("system", "printed", "name"), [
    ("Linux", LINUX_X86, "Intel(R) Xeon(R) Gold 6226R"), ("Linux", LINUX_ARM, "Neoverse-N1"),
    ("Darwin", {"sysctl": "Apple M4"}, "Apple M4"), ("Linux", {}, "aarch64")])
def test_the_processor_has_a_name(monkeypatch, system, printed, name):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(provenance, "text", lambda path: printed.get(path.name))
    monkeypatch.setattr(provenance, "told", lambda program, *words: printed.get(program))
    assert provenance.cpu_name.__wrapped__() == name


def test_a_program_that_is_missing_or_fails_tells_nothing():
    assert provenance.told("no-such-program") is None
    assert provenance.told("false") is None
    assert provenance.told("echo", "here") == "here"
