"""Where compiled loops are kept."""

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
