"""Drawing of explanations: heat over the picture, with the box and a scale of colours, as PNG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.explain.explanation import Explanation, Reasons
from pipeline.models.inputs import crop_bounds
from trackers.structures import FloatArray, IntArray

_SURROUNDINGS = 1.0  # of the box's longer side, shown on each side of it
_OPACITY = 0.6
_PANEL = 3.6  # inches
_BOX = "#ffffff"


def drawn(found: Explanation) -> dict[str, bytes]:
    """PNGs by the name of their file: the networks side by side, and each by itself."""
    networks = {"detector": found.detector} | ({} if found.embedder is None else {"embedder": found.embedder})
    pictures = {"explanation.png": _figure(found, networks)}
    return pictures | {f"{name}.png": _figure(found, {name: why}) for name, why in networks.items()}


def _figure(found: Explanation, networks: dict[str, Reasons]) -> bytes:
    """A row a network: the heat in the whole picture or the crop, then near the object; where it loses by a patch."""
    figure = Figure(figsize=(3.4 * _PANEL, _PANEL * len(networks)), layout="constrained", dpi=100)
    rows = figure.subplots(len(networks), 3, squeeze=False, width_ratios=(1.4, 1, 1))
    near = _near(found)
    everything = np.array([0, 0, found.frame.width, found.frame.height])
    for (first, second, third), (name, why) in zip(rows, networks.items(), strict=True):
        number = "score" if name == "detector" else "similarity"
        whole, place = (everything, "whole picture") if name == "detector" else (near, "the object")
        _show(first, found, whole, None if name == "embedder" else why.heat, f"{name}: {place}", figure)
        title = _title(why)
        _show(second, found, near, why.heat, f"{title}\n({number} {why.number:.2f})", figure)
        _show(third, found, near, np.maximum(why.drop, 0), f"{number} lost\nwhere a patch hides it", figure)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)  # type: ignore[no-untyped-call]
    return picture.getvalue()


def _title(why: Reasons) -> str:
    """Over the heat, or where it would be."""
    if why.heat is None:
        return "no heat map"
    return f"what speaks for it in\n{why.asked} alone" if why.asked else "what speaks for it"


def _show(axes: Any, found: Explanation, part: IntArray, heat: FloatArray | None, title: str, figure: Figure) -> None:
    """A part (4,) x1 y1 x2 y2 of the picture with the object's box, and heat over it."""
    left, top, right, bottom = part.tolist()
    extent = (left, right, bottom, top)
    axes.imshow(found.frame.image[top:bottom, left:right, ::-1], extent=extent, interpolation="bilinear")
    if heat is not None:
        shown = heat[top:bottom, left:right]
        most = max(float(heat.max()), 1e-9)
        opacity = _OPACITY * np.clip(3 * shown / most, 0, 1)
        image = axes.imshow(shown, extent=extent, cmap="turbo", vmin=0, vmax=most, alpha=opacity)
        figure.colorbar(image, ax=axes, shrink=0.8)
    x1, y1, x2, y2 = found.seen.box.tolist()
    axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=_BOX, linewidth=1.4))
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def _near(found: Explanation) -> IntArray:
    """(4,) the box and its surroundings, whole pixels in the picture."""
    box = found.seen.box
    aside = float((box[2:] - box[:2]).max()) * _SURROUNDINGS
    (part,) = crop_bounds((box + aside * np.array([-1, -1, 1, 1]))[None], found.frame.width, found.frame.height)
    return np.asarray(part)
