"""How numbers and figures look: one palette, one set of markers, one way to write an interval."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecgscale.contracts import marked, whole
from ecgscale.contracts.run_table import on_part, part_of
from ecgscale.models.complexity import FAMILIES
from ecgscale.numbers import alike, number

# Okabe and Ito's palette: told apart by every common kind of colour vision, and by marker and line in grey print
COLOURS = {"blue": "#0072B2", "vermillion": "#D55E00", "green": "#009E73", "purple": "#CC79A7", "sky": "#56B4E9",
           "orange": "#E69F00", "black": "#000000"}
INK, MUTED, GRID = "#1b1f24", "#5b6570", "#dfe3e8"
LOOKS = [(COLOURS[name], marker, line) for name, marker, line in (
    ("blue", "o", "-"), ("vermillion", "s", "--"), ("green", "^", "-."), ("purple", "D", ":"), ("sky", "v", "-"),
    ("orange", "P", "--"), ("black", "X", "-."))]
KNOWN = ("adamw", "sgdm", "sgd")  # always the same look, whichever of them a table holds
NAMES = {"adamw": "AdamW", "sgdm": "SGD-momentum", "sgd": "SGD",
         **{name: family.__name__ for name, family in FAMILIES.items()},
         "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch", "coreml": "Core ML",
         "executorch": "ExecuTorch", "litert": "LiteRT",
         "test_challenge_score": "Challenge score", "test_auroc": "macro AUROC",
         "params": "parameters", "forward_flops": "forward FLOPs", "train_flops": "training FLOPs",
         "train_records": "training recordings", "samples_seen": "samples seen", "latency_ms": "latency (ms)"}

RC = {
    "figure.dpi": 100, "savefig.dpi": 160, "svg.hashsalt": "ecgscale", "svg.fonttype": "path",
    "font.family": "DejaVu Sans", "font.size": 9.5, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": MUTED,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.8,
    "axes.axisbelow": True, "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "text.parse_math": False, "legend.frameon": False, "lines.linewidth": 1.6, "figure.constrained_layout.use": True,
}


GENERATOR = b'<meta name="generator" content="ecgscale">'     # of every page
wrote_figure = marked(b"ecgscale")       # SVG and PNG name who made them
FIGURES = {"*.svg": wrote_figure, "*.png": wrote_figure}


@dataclass(frozen=True)
class Drawing:
    """A figure with the words that belong to it. `name` is its file's; `alt` tells what it shows without seeing it."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure
    ours: bool = True  # False: published by others, so never synthetic


def figure(width: float = 9.0, height: float = 4.2) -> Figure:
    with mpl.rc_context(RC):
        return Figure(figsize=(width, height))


def look(name: str, names: Iterable[str]) -> tuple[str, str, str]:
    """(colour, marker, line) of a group among its fellows: the known optimizers first, the others in their order."""
    name, *fellows = (one.split("=", 1)[-1] for one in (name, *names))
    order = [*KNOWN, *sorted(set(fellows) - set(KNOWN))] if set(fellows) & set(KNOWN) else sorted(set(fellows))
    return LOOKS[order.index(name) % len(LOOKS)]


def save(drawing: Drawing, folder: Path, synthetic: bool) -> str:
    """Write NAME.svg and NAME.png; give the SVG for inlining. Synthetic data is named in the figure itself."""
    with mpl.rc_context(RC):
        synthetic = synthetic and drawing.ours
        heading = ("SYNTHETIC DATA · " if synthetic else "") + drawing.title
        drawing.figure.suptitle(heading, x=0.01, ha="left", fontsize=12, fontweight="bold",
                                color=COLOURS["vermillion"] if synthetic else INK)
        buffer = io.StringIO()
        drawing.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "ecgscale", "Title": heading})
        text = buffer.getvalue()
        with whole(folder / f"{drawing.name}.svg", wrote_figure) as path:
            path.write_text(text, encoding="utf-8")
        with whole(folder / f"{drawing.name}.png", wrote_figure) as path:
            drawing.figure.savefig(path, format="png", metadata={"Software": "ecgscale", "Title": heading})
    return inline(text, drawing.name, drawing.alt)


def inline(svg: str, name: str, alt: str) -> str:
    """An SVG file as an element of a page: ids made unique by `name`, size left to the page, alternative text added;
    without the spaces between elements, and paths to a hundredth of a unit."""
    body = re.sub(r">\s+<", "><", svg[svg.index("<svg"):])
    body = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), body)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'url\(#', f"url(#{name}-", body)
    body = re.sub(r'href="#', f'href="#{name}-', body)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'^<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img" aria-label="@ALT@" '
                  r'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">', body)
    safe = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return body.replace("@ALT@", safe)


def label(text: str | None) -> str:
    """A name of the tables as people write it: "optimizer=adamw" -> "AdamW", no name -> "–"."""
    if not isinstance(text, str):
        return "–"
    value = text.split("=", 1)[-1]
    part = part_of(value)
    if value in NAMES and part != "test":       # train_flops are of no part
        return NAMES[value]
    if part and value.endswith("_tuned"):
        return label(value.removesuffix("_tuned")).replace(" (", " at tuned thresholds (")
    name = NAMES.get(on_part(value, "test") or value) if part else NAMES.get(value, value)
    return f"{name} ({part})" if part and name else name or value


def network(run: Mapping | pd.Series) -> str:
    """Of a row of the run table: "RegNet with AdamW, 1.4 M parameters", as far as it tells."""
    made = " with ".join(label(str(run[name])) for name in ("family", "optimizer") if pd.notna(run.get(name)))
    size = f"{number(run['params'])} parameters" if pd.notna(run.get("params")) else ""
    return ", ".join(filter(None, (made, size)))


def score(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:z.3f}"


def interval(estimate: float | None, low: float | None, high: float | None, write=score) -> str:
    """ "0.532 [0.510, 0.554]"; the bracket is left out where there is no interval, an upper end at infinity is none. A
    `number` whose ends would be written alike gets more digits: "0.1342 [0.1341, 0.1343]"."""
    if low is not None and high is not None and np.isfinite(low) and high == np.inf:
        return f"{write(estimate)} [{write(low)}, no end]"
    if low is None or high is None or not (np.isfinite(low) and np.isfinite(high)):
        return write(estimate)
    if write is number and estimate is not None and np.isfinite(estimate):
        told = [alike((estimate, low, high), digits) for digits in (3, 4, 5, 6)]
        estimate, low, high = next((one for one in told if one[1] != one[2]), told[0])
        return f"{estimate} [{low}, {high}]"
    return f"{write(estimate)} [{write(low)}, {write(high)}]"
