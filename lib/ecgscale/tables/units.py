"""Units of sizes: what M, "billion tokens", 1e18 FLOPs, 10^6 and PF-days multiply by."""

from __future__ import annotations

import re

POWERS = {"k": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6, "mm": 1e6, "g": 1e9, "b": 1e9, "bn": 1e9, "mrd": 1e9, "t": 1e12,
          "tn": 1e12, "p": 1e15, "e": 1e18, "z": 1e21, "y": 1e24,
          "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
NOUNS = r"(?:params?|parameters?|tokens?|toks?|samples?|examples?|records?|recordings?|images?|flops?|ops?|macs?)"
PETAFLOP_DAY = 8.64e19


def factor_of(unit: str) -> float | None:
    """What a unit multiplies by: "M", "billion tokens", "1e18 FLOPs", "10^6", "PF-days"; None where unknown."""
    text = re.sub(r"\s+", " ", unit.strip().casefold()).removeprefix("in ").strip("() ")
    if text in ("pf-days", "pf-day", "petaflop/s-days", "petaflops-days", "pflop/s-days"):
        return PETAFLOP_DAY
    power = re.fullmatch(rf"(?:[x×*·]\s*)?(?:10\s*\^\s*|10\*\*|1e)\+?(\d+)\s*{NOUNS}?", text)
    if power:
        return 10.0 ** min(int(power[1]), 300)
    match = re.fullmatch(rf"([a-z]*?)s?\s*{NOUNS}?", text)
    word = match[1] if match else text
    return 1.0 if word == "" else POWERS.get(word, POWERS.get(word.removesuffix("s")))
