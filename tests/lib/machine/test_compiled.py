"""Where compiled loops are kept, and for how long."""

import os
import subprocess
import sys

from ecgscale.machine import compiled


def test_compiling_works_without_a_folder_to_keep_it(monkeypatch):
    """numba raises RuntimeError when neither the installation nor the user's cache folder can be written."""
    asked = []

    def njit(cache=False, **_):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(compiled, "njit", njit)
    assert compiled.compiled(len) is len
    assert asked == [True, False]


def test_an_edit_of_what_a_loop_calls_is_noticed(tmp_path):
    """numba itself keeps `outer`, with the old `inner` in it: its own file did not change."""
    say = "from ecgscale.machine.compiled import compiled\n\n\n@compiled\ndef"
    (tmp_path / "outer.py").write_text(f"from inner import inner\n{say} outer(x):\n    return inner(x)\n")
    found = []
    for number in (1, 2):
        (tmp_path / "inner.py").write_text(f"{say} inner(x):\n    return x + {number}\n")
        os.utime(tmp_path / "inner.py", (number, number))       # Python's own bytecode tells seconds apart
        os.utime(tmp_path / "outer.py", ns=(1, 1))
        told = subprocess.run([sys.executable, "-c", "import outer; print(outer.outer(10))"], cwd=tmp_path, text=True,
                              capture_output=True, check=True, env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)})
        found.append(told.stdout.strip())
    assert found == ["11", "12"]


def test_loops_that_came_with_an_installation_are_read_where_nobody_may_write(tmp_path):
    """What an image holds beside its code serves another user's task; for another processor it is compiled anew."""
    (tmp_path / "loops.py").write_text("from ecgscale.machine.compiled import compiled\n\n\n@compiled\ndef half(x):\n"
                                       "    return x / 2\n")
    own = tmp_path / "own"

    def compiled_by(**more: str) -> int:
        told = subprocess.run([sys.executable, "-c", "import loops; print(loops.half(3.0))"], cwd=tmp_path, text=True,
                              capture_output=True, check=True, env={**os.environ, "NUMBA_CPU_NAME": "generic", **more})
        assert told.stdout.strip() == "1.5"
        return len(list(own.rglob("*.nbc")))

    assert compiled_by(NUMBA_CACHE_DIR="") == 0
    (beside,) = (tmp_path / "__pycache__").glob("*.nbc")
    made = beside.stat().st_mtime_ns
    assert compiled_by(NUMBA_CACHE_DIR=str(own)) == 0
    assert compiled_by(NUMBA_CACHE_DIR=str(own), NUMBA_CPU_NAME="x86-64", NUMBA_CPU_FEATURES="") == 1
    assert beside.stat().st_mtime_ns == made
