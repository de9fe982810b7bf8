"""How a number is written wherever people read it: on the terminal, in reports, in what a file says in words."""

from __future__ import annotations

import math

UNITS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
FROM, TO, LEAST = 1e4, 1e21, 1e-3       # with a unit from and below; as a power below
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, digits: int = 3) -> str:
    """1234567 -> "1.23 M", 0.53 -> "0.53", 0.0000123 -> "1.23 × 10⁻⁵", 1e30 -> "1 × 10³⁰", None -> "–"."""
    if value is None or math.isnan(value):
        return "–"
    size = abs(value)
    if math.isinf(size):
        return "∞" if value > 0 else "-∞"
    if FROM <= size < TO:
        rounded = float(f"{value:.{digits}g}")
        unit, name = unit_of(abs(rounded))
        return f"{plain(rounded / unit, digits)} {name}"
    if size < TO and (size >= 10 ** digits or value == int(value)):
        return f"{value:z.0f}"
    if LEAST <= size < TO:
        return f"{value:.{digits}g}"
    factor, power = f"{value:.{digits - 1}e}".split("e")
    return f"{float(factor):g} × 10{str(int(power)).translate(SUPERSCRIPT)}"


def counted(count: float, name: str) -> str:
    """ "1 thread", "2 threads"."""
    return f"{number(count)} {name}{'' if count == 1 else 's'}"


def percent(share: float, decimals: int = 0) -> str:
    """0.9 -> "90 %"."""
    return f"{100 * share:.{decimals}f} %"


def plain(value: float, digits: int) -> str:
    """Without a power: 950 to two digits is "950"."""
    return f"{value:.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def unit_of(size: float) -> tuple[float, str]:
    """(1e6, "M") of 1234567, (1, "") of a number that has none."""
    return next((unit for unit in UNITS if size >= FROM and size >= unit[0]), (1.0, ""))


def alike(values: tuple[float, ...], digits: int = 3) -> list[str]:
    """Numbers that are read beside each other: one unit and as many decimals as the largest needs, "0.131", "0.095",
    "0.166"; each by itself where they are whole, or too far apart for it."""
    largest, least = (choose((abs(value) for value in values if value), default=0.0) for choose in (max, min))
    if largest >= TO or largest < LEAST or least * 10 ** (digits - 1) < largest or all(
            value == int(value) and abs(value) < FROM for value in values):
        return [number(value, digits) for value in values]
    unit, name = unit_of(largest)
    decimals = max(0, digits - 1 - math.floor(math.log10(largest / unit)))
    return [f"{value / unit:z.{decimals}f} {name}".rstrip() for value in values]
