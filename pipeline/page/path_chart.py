"""The path of a track through the picture of its source, as inline SVG over a real frame."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from markupsafe import Markup

from pipeline.page.timeline import thinned
from trackers.structures import FloatArray

_SHADES = 16  # pieces of the path, from pale to full


def path_chart(boxes: FloatArray, size: tuple[int, int] | None, *, frame: str | None = None) -> Markup:
    """Where the box's centre went: pale at first, full at the end, with the first and the last box.

    `boxes`: (n, 4) x1 y1 x2 y2 in order of time, pixels. `size`: width and height of the source's pictures in pixels;
    where unknown, what the boxes cover. `frame`: address of a picture of the source to draw over.
    """
    if not len(boxes):
        return Markup()
    width, height = size or (float(boxes[:, 2].max()), float(boxes[:, 3].max()))
    rows = thinned(len(boxes))
    centres = np.column_stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]])[rows] / 2
    edges = np.linspace(0, len(centres) - 1, min(_SHADES, max(len(centres) - 1, 1)) + 1).astype(int)
    lines = [
        Markup('<polyline points="{}" style="opacity:{:.2f}"/>').format(
            _points(centres[start : end + 1]), 0.35 + 0.65 * (index + 1) / (len(edges) - 1)
        )
        for index, (start, end) in enumerate(pairwise(edges))
    ]
    return Markup(
        '<svg class="sl-path" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="Path through the picture">'
        '{}<g class="under">{}</g>{}{}{}{}</svg>'
    ).format(
        width,
        height,
        _frame(frame, width, height),
        Markup().join(lines),
        Markup().join(lines),
        _box(boxes[0], "first"),
        _box(boxes[-1], "last"),
        Markup('<circle class="last" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(*centres[-1], width / 120),
    )


def _frame(address: str | None, width: float, height: float) -> Markup:
    if address is None:
        return Markup()
    return Markup('<image href="{}" width="{:.0f}" height="{:.0f}" preserveAspectRatio="none"/>').format(
        address, width, height
    )


def _points(line: FloatArray) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in line)


def _box(box: FloatArray, which: str) -> Markup:
    x1, y1, x2, y2 = box
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        which, x1, y1, max(x2 - x1, 0), max(y2 - y1, 0)
    )
