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
        os.utime(tmp_path / "inner.py", ns=(number, number))
        os.utime(tmp_path / "outer.py", ns=(1, 1))
        told = subprocess.run([sys.executable, "-c", "import outer; print(outer.outer(10))"], cwd=tmp_path, text=True,
                              capture_output=True, check=True, env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)})
        found.append(told.stdout.strip())
    assert found == ["11", "12"]
