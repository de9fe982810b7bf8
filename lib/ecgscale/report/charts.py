"""Figures that answer to the reader: Vega-Lite specifications with their rows, and the same as still SVG and PNG.

A row that belongs to a run carries its place in the page's table of runs as `run`: hovering tells that run's facts,
and what is marked or filtered in one figure is marked or filtered in all. Ink is `currentColor`, so that one
specification serves light, dark and paper.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vl_convert
from PIL import Image, PngImagePlugin

from ecgscale.contracts import whole
from ecgscale.report.style import COLOURS, wrote_figure

VEGA_LITE = "6.4"
STILL_WIDTH, HEIGHT, SCALE, SHADES = 720, 340, 1.5, 64
STILL, WEBP_QUALITY = 75_000, 60     # bytes of a picture in the page
DIGITS = 5              # of a number in the page: more than any screen can draw
THINNED = 2000          # points of a figure from which only some of the others are drawn
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "stroke")
INKS = [colour if name != "black" else "currentColor" for name, colour in COLOURS.items()]

THEME = {
    "background": None, "font": "system-ui, 'DejaVu Sans', sans-serif", "view": {"stroke": None},
    "axis": {"labelColor": "currentColor", "titleColor": "currentColor", "domainColor": "currentColor",
             "tickColor": "currentColor", "gridColor": "currentColor", "gridOpacity": 0.13, "labelFontSize": 11,
             "titleFontSize": 12, "titleFontWeight": "normal", "labelOverlap": "greedy", "labelSeparation": 6,
             "labelLimit": 260},
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor", "labelFontSize": 11, "orient": "bottom",
               "columns": {"expr": "windowSize()[0] < 500 ? 1 : 3"}, "labelLimit": 260, "symbolOpacity": 1,
               "symbolStrokeColor": "currentColor"},
    "title": {"color": "currentColor", "anchor": "start", "fontSize": 14},
    "text": {"color": "currentColor"}, "rule": {"color": "currentColor"},
}
MARKS = [{"name": "marked", "value": {}}, {"name": "any", "value": False}]      # runs that the reader has marked
MARKED = "any && marked[datum.run]"
FADED = "any && !marked[datum.run]"


@dataclass(frozen=True)
class View:
    """One setting of a figure's switch: a specification without width, theme and rows."""

    key: str
    label: str
    spec: dict


@dataclass(frozen=True)
class Chart:
    """A figure with the words that belong to it; `rows` by the names that the specifications call them by."""

    name: str
    title: str
    caption: str
    alt: str
    views: tuple[View, ...]
    rows: Mapping[str, list[dict]]
    ours: bool = True       # False: published by others, so never synthetic

    def file(self, view: View) -> str:
        return self.name if len(self.views) == 1 else f"{self.name}-{view.key}"


def layered(*layers: dict, height: int = HEIGHT, **more: Any) -> dict:
    return {"height": height, "layer": list(layers), "params": MARKS, **more}


def axis(field: str, title: str, kind: str = "quantitative", log: bool = False, **more: Any) -> dict:
    """A position; of a log axis the page can make a linear one."""
    scale = {"scale": {"type": "log", "nice": False, "padding": 18} if log else {"zero": False}}
    made = {"field": field, "type": kind, "title": title, **(scale if kind == "quantitative" else {})}
    if log:
        made["axis"] = {"format": "~s", "tickCount": 8}
    return made | more


def colour(field: str, names: Iterable[str], looks: Iterable[int] = (), title: str | None = None) -> dict:
    """Colour and shape of a group; `looks`: the place of each name in the palette, where it has one of its own."""
    names = list(names)
    places = list(looks) or range(len(names))
    each = [one % len(INKS) for one in places]
    legend = {"title": title} if len(names) > 1 else None
    return {"color": {"field": field, "type": "nominal", "legend": legend,
                      "scale": {"domain": names, "range": [INKS[one] for one in each]}},
            "shape": {"field": field, "type": "nominal", "legend": legend,
                      "scale": {"domain": names, "range": [SHAPES[one] for one in each]}}}


def points(data: str, x: dict, y: dict, looks: dict, filled: str = "true", size: int = 45, **more: Any) -> dict:
    """Runs as points: hollow where `filled` does not hold, larger and inked where marked, faded where others are.

    A rectangle drawn over them is the selection `picked`.
    """
    return {"data": {"name": data}, "mark": {"type": "point", "tooltip": {"content": "data"}, "strokeWidth": 1.4},
            "params": [{"name": "picked", "select": "interval"}],
            "encoding": {"x": x, "y": y, **looks,
                         "size": {"condition": {"test": MARKED, "value": 4 * size}, "value": size},
                         "strokeWidth": {"condition": {"test": MARKED, "value": 3.5}, "value": 1.4},
                         "opacity": {"condition": {"test": FADED, "value": 0.2}, "value": 0.85},
                         "fillOpacity": {"condition": {"test": filled, "value": 0.85}, "value": 0},
                         "fill": looks["color"]},
            **more}


def bars(data: str, x: dict, low: str, high: str, looks: dict, **more: Any) -> dict:
    """Intervals, upright, behind the points."""
    return {"data": {"name": data}, "mark": {"type": "rule", "strokeWidth": 1},
            "encoding": {"x": x, "y": {"field": low, "type": "quantitative"}, "y2": {"field": high},
                         "color": looks["color"], "opacity": {"condition": {"test": FADED, "value": 0.05},
                                                              "value": 0.35}}, **more}


def rounded(value: Any) -> Any:
    """As it stands in the page: numbers to DIGITS, what is not a number or has no end as null."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    value = float(value)
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 2**53 else short


def by_column(rows: list[dict]) -> dict[str, list]:
    """Rows as columns: a name stands once."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [rounded(row.get(name)) for row in rows] for name in names}


def script_safe(document: Any) -> str:
    """JSON for a script element: nothing in it can end the element or begin a comment."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def save(chart: Chart, folder: Path, synthetic: bool) -> dict[str, bytes]:
    """Write each view as NAME.svg and NAME.png; give the PNGs by file. Synthetic data is named in the figure itself."""
    made = {}
    synthetic = synthetic and chart.ours
    for view in chart.views:
        heading = ("SYNTHETIC DATA · " if synthetic else "") + chart.title + (
            f", {view.label}" if len(chart.views) > 1 else "")
        used = names_of(view.spec)
        spec = view.spec | {
            "width": STILL_WIDTH, "config": THEME | {"background": "white"}, "padding": 12,
            "title": {"text": heading, "color": COLOURS["vermillion"] if synthetic else "currentColor", "limit": 700},
            "datasets": {name: [{key: rounded(value) for key, value in row.items()} for row in chart.rows[name]]
                         for name in used}}
        svg = renumbered(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE))
        with whole(folder / f"{chart.file(view)}.svg", wrote_figure) as path:
            path.write_text(f"{svg}\n<!-- ecgscale -->\n", encoding="utf-8")
        made[view.key] = paletted(vl_convert.svg_to_png(svg, scale=SCALE), heading)
        with whole(folder / f"{chart.file(view)}.png", wrote_figure) as path:
            path.write_bytes(made[view.key])
    return made


def renumbered(svg: str) -> str:
    """Vega numbers clips and gradients over all figures that a process has drawn; here from 0 in each file."""
    seen: dict[str, str] = {}
    return re.sub(r"\b(clip|gradient_)\d+\b",
                  lambda found: seen.setdefault(found[0], f"{found[1]}{len(seen)}"), svg)


def names_of(spec: Any) -> list[str]:
    """The datasets that a specification asks for."""
    if isinstance(spec, list):
        return list(dict.fromkeys(name for one in spec for name in names_of(one)))
    if not isinstance(spec, dict):
        return []
    own = [spec["data"]["name"]] if isinstance(spec.get("data"), dict) and "name" in spec["data"] else []
    return list(dict.fromkeys([*own, *(name for one in spec.values() for name in names_of(one))]))


def light(png: bytes, most: int = STILL) -> tuple[str, bytes]:
    """The same picture in at most so many bytes, and its type; a heavy one as WebP, as small as it must be. Whole it
    lies in figures/."""
    kind, made, picture = "png", png, Image.open(io.BytesIO(png)).convert("RGB")
    while len(made) > most:
        if kind == "webp":
            picture = picture.resize([max(1, side * 4 // 5) for side in picture.size], Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=WEBP_QUALITY)
        kind, made = "webp", buffer.getvalue()
    return kind, made


def paletted(png: bytes, heading: str, shades: int = SHADES) -> bytes:
    """The same picture in few colours, a fifth of the weight, and named."""
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Software", "ecgscale")
    notes.add_text("Title", heading)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(shades).save(buffer, "PNG", optimize=True, pnginfo=notes)
    return buffer.getvalue()
