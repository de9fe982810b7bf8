"""Loops compiled by numba: one decorator, so that all are kept on disk and packed into vector registers alike."""

from numba import config, njit

config.SLP_VECTORIZE = 1        # lets the compiler pack alike statements into vector registers


def compiled(function):
    """numba.njit, kept on disk where the installation or the user's cache folder can be written; divides as numpy."""
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:        # no folder to keep it in: compile it in every process
        return njit(**options)(function)
