"""Drawings of a track as inline SVG: its path through the picture, and its score over time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from markupsafe import Markup

from pipeline.page import words
from pipeline.store.rows import ObservationTable
from trackers.structures import Evidence, FloatArray, IntArray

MOST_POINTS = 400  # of a line; more would be narrower than a pixel
_SHADES = 16  # pieces of the path, from pale to full
_MISSING = 2.5  # usual times between detections after which some are missing
_WIDTH, _HEIGHT = 440, 180  # of the score chart, in its own units
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 30  # margins around its lines

WAYS = {  # how a box was known, for people
    Evidence.DETECTED: "detected",
    Evidence.FLOW: "carried by optical flow",
    Evidence.TARGET: "carried by a target tracker",
    Evidence.SHADOWED: "hidden by another track",
    Evidence.PREDICTED: "predicted",
}


def path_chart(boxes: FloatArray, size: tuple[int, int] | None) -> Markup:
    """Where the box's centre went: pale at first, full at the end, with the first and the last box.

    `boxes`: (n, 4) x1 y1 x2 y2 in order of time, pixels. `size`: width and height of the source's pictures in pixels;
    where unknown, what the boxes cover.
    """
    if not len(boxes):
        return Markup()
    width, height = size or (float(boxes[:, 2].max()), float(boxes[:, 3].max()))
    rows = _thinned(len(boxes))
    centres = np.column_stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]])[rows] / 2
    edges = np.linspace(0, len(centres) - 1, min(_SHADES, max(len(centres) - 1, 1)) + 1).astype(int)
    lines = [
        Markup('<polyline points="{}" style="opacity:{:.2f}"/>').format(
            _points(centres[start : end + 1]), 0.25 + 0.75 * (index + 1) / (len(edges) - 1)
        )
        for index, (start, end) in enumerate(pairwise(edges))
    ]
    return Markup(
        '<svg class="sl-path" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="Path through the picture">'
        "{}{}{}{}</svg>"
    ).format(
        width,
        height,
        Markup().join(lines),
        _box(boxes[0], "first"),
        _box(boxes[-1], "last"),
        Markup('<circle class="last" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(*centres[-1], width / 120),
    )


def score_chart(table: ObservationTable) -> Markup:
    """Score of each detection over the clock; times without detections are shaded."""
    if not len(table):
        return Markup()
    first, last = int(table.at[0]), int(table.at[-1])
    seen = table.evidence == Evidence.DETECTED
    at, scores = table.at[seen], np.clip(table.scores[seen].astype(np.float64), 0, 1)
    floor = _HEIGHT - _BOTTOM
    across = _LEFT + (_WIDTH - _LEFT - _RIGHT) * (at - first) / max(last - first, 1)
    up = floor - (floor - _TOP) * scores
    parts, end_of_last = [_grid(floor)], float(_LEFT)
    for rows in _unbroken(at):
        parts.append(_shade(end_of_last, across[rows[0]], floor))
        rows = rows[_thinned(len(rows))]
        parts.append(Markup('<polyline points="{}"/>').format(_points(np.column_stack([across[rows], up[rows]]))))
        if len(rows) == 1:
            parts.append(Markup('<circle cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(across[rows[0]], up[rows[0]]))
        end_of_last = float(across[rows[-1]])
    parts.append(_shade(end_of_last, _WIDTH - _RIGHT if last > first else end_of_last, floor))
    parts.append(_label(_LEFT, _HEIGHT - 8, words.time_of_day(first), "start"))
    parts.append(_label(_WIDTH - _RIGHT, _HEIGHT - 8, words.time_of_day(last), "end"))
    return Markup('<svg class="sl-score" viewBox="0 0 {} {}" role="img" aria-label="Score over time">{}</svg>').format(
        _WIDTH, _HEIGHT, Markup().join(parts)
    )


def ways_of_knowing(table: ObservationTable) -> str:
    """How often a box was known in which way, the most frequent first: "240 detected, 10 predicted"."""
    codes, numbers = np.unique(table.evidence, return_counts=True)
    order = np.argsort(-numbers, kind="stable")
    return ", ".join(f"{numbers[row]:,} {WAYS[Evidence(int(codes[row]))]}" for row in order)


def _thinned(length: int) -> IntArray:
    """Rows to draw of so many, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, min(length, MOST_POINTS)).round().astype(np.int64))


def _unbroken(at: IntArray) -> list[IntArray]:
    """Rows between which no time is missing, stretch by stretch. `at`: rising."""
    if not len(at):
        return []
    steps = np.diff(at)
    usual = np.median(steps) if len(steps) else 0
    return np.split(np.arange(len(at)), np.flatnonzero(steps > _MISSING * usual) + 1)


def _shade(left: float, right: float, floor: int) -> Markup:
    if right - left < 1:
        return Markup()
    return Markup('<rect class="unseen" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>').format(
        left, _TOP, right - left, floor - _TOP
    )


def _points(line: FloatArray) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in line)


def _box(box: FloatArray, which: str) -> Markup:
    x1, y1, x2, y2 = box
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        which, x1, y1, max(x2 - x1, 0), max(y2 - y1, 0)
    )


def _grid(floor: int) -> Markup:
    lines = []
    for share in (0, 0.5, 1):
        y = floor - (floor - _TOP) * share
        lines.append(
            Markup('<line x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(_LEFT, _WIDTH - _RIGHT, y, y)
            + _label(_LEFT - 8, y + 5, f"{share:g}", "end")
        )
    return Markup().join(lines)


def _label(x: float, y: float, words_: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, words_)
