"""A track over the clock: score, speed and how it was known, in lanes with one axis, as HTML and inline SVG.

The lanes stretch to any width; what is written beside them is HTML, so that it stays readable on a phone.
"""

from __future__ import annotations

import json

import numpy as np
from markupsafe import Markup

from pipeline.page import words
from pipeline.page.motion import MISSING, Speeds, speeds
from pipeline.store.rows import ObservationTable
from trackers.structures import Evidence, FloatArray, IntArray

MOST_POINTS = 400  # of a line; more would be narrower than a pixel
_WIDTH, _HEIGHT = 1000, 100  # of a lane, in its own units
_TICK = 3.0  # width of what is known of a single moment

WAYS = {  # how a box was known, for people
    Evidence.DETECTED: "detected",
    Evidence.FLOW: "carried by optical flow",
    Evidence.TARGET: "carried by a target tracker",
    Evidence.SHADOWED: "hidden by another track",
    Evidence.PREDICTED: "predicted",
    Evidence.INTERPOLATED: "between two looks",
}


def timeline(table: ObservationTable) -> Markup:
    """Lanes of score, speed and evidence; a click on them goes to that moment of the clip."""
    if not len(table):
        return Markup()
    moving = speeds(table)
    lanes = [
        _lane("Score", "0 to 1, of each detection", _score(table)),
        _lane("Speed", _said(moving), _speed(table, moving)),
        _lane("Known by", ways_of_knowing(table), _evidence(table), kind="thin"),
    ]
    first, last = int(table.at[0]), int(table.at[-1])
    return Markup(
        '<div class="sl-timeline" data-from="{first}" data-to="{last}" data-points="{points}">{lanes}'
        '<div class="sl-axis"><time>{begin}</time><output></output><time>{end}</time></div>'
        '<i class="sl-cursor" hidden></i></div>'
    ).format(
        first=first,
        last=last,
        points=json.dumps(_moments(table, moving)),
        lanes=Markup().join(lanes),
        begin=words.moment(first),
        end=words.moment(last),
    )


def ways_of_knowing(table: ObservationTable) -> str:
    """How often a box was known in which way, the most frequent first: "240 detected, 10 predicted"."""
    codes, numbers = np.unique(table.evidence, return_counts=True)
    order = np.argsort(-numbers, kind="stable")
    return ", ".join(f"{numbers[row]:,} {WAYS[Evidence(int(codes[row]))]}" for row in order)


def thinned(length: int) -> IntArray:
    """Rows to draw of so many, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, min(length, MOST_POINTS)).round().astype(np.int64))


def unbroken(at: IntArray) -> list[IntArray]:
    """Rows between which no time is missing, stretch by stretch. `at`: rising."""
    if not len(at):
        return []
    steps = np.diff(at)
    usual = np.median(steps) if len(steps) else 0
    return np.split(np.arange(len(at)), np.flatnonzero(steps > MISSING * usual) + 1)


def _score(table: ObservationTable) -> Markup:
    """Score of each detection; times without detections are shaded. A target that was followed from a box that was
    given, which is no detection, has scores of its own.
    """
    detected = table.evidence == Evidence.DETECTED
    given = table.run_source_ids[detected & (table.det_rows < 0)]
    followed = (table.evidence == Evidence.TARGET) & np.isin(table.run_source_ids, given)
    seen = np.flatnonzero(detected | followed)
    across = _across(table)
    scores = np.clip(table.scores.astype(np.float64), 0, 1)
    parts, end_of_last = [_rule(0.5)], 0.0
    for stretch in unbroken(table.at[seen]):
        rows = seen[stretch]
        parts.append(_shade(end_of_last, float(across[rows[0]])))
        parts.append(_line(across[rows], scores[rows], "score"))
        end_of_last = float(across[rows[-1]])
    return Markup().join([*parts, _shade(end_of_last, float(across[-1]))])


def _speed(table: ObservationTable, moving: Speeds) -> Markup:
    across = _across(table)
    parts = []
    for values, kind in ((moving.pixels, "pixels"), (moving.heights, "heights")):
        highest = float(np.nanmax(values)) if np.isfinite(values).any() else 0.0
        for stretch in unbroken(table.at):
            rows = stretch[np.isfinite(values[stretch])]
            if len(rows) and highest > 0:
                parts.append(_line(across[rows], values[rows] / highest, kind))
    return Markup().join(parts)


def _said(moving: Speeds) -> Markup:
    if not np.isfinite(moving.pixels).any():
        return Markup("too short to tell")
    return Markup(
        '<b class="heights">up to {:.2g} box heights/s</b>, <b class="pixels">up to {:.0f} pixels/s</b>'
    ).format(np.nanmax(moving.heights), np.nanmax(moving.pixels))


def _evidence(table: ObservationTable) -> Markup:
    """A band a stretch of one kind of evidence."""
    across = _across(table)
    bands = [
        part
        for rows in unbroken(table.at)
        for part in np.split(rows, np.flatnonzero(np.diff(table.evidence[rows])) + 1)
    ]
    return Markup().join(
        Markup('<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="{}"><title>{}</title></rect>').format(
            Evidence(int(table.evidence[rows[0]])).name.lower(),
            across[rows[0]],
            max(across[min(rows[-1] + 1, len(table) - 1)] - across[rows[0]], _TICK),
            _HEIGHT,
            WAYS[Evidence(int(table.evidence[rows[0]]))],
        )
        for rows in bands
    )


def _moments(table: ObservationTable, moving: Speeds) -> list[tuple[float, str]]:
    """Seconds from the start and what to say of them, for the line under the pointer."""
    rows = thinned(len(table))
    return [
        (
            round((int(table.at[row]) - int(table.at[0])) / 1e6, 3),
            " · ".join(
                [
                    words.moment(int(table.at[row])),
                    f"score {table.scores[row]:.2f}",
                    *([f"{moving.pixels[row]:.0f} pixels/s"] if np.isfinite(moving.pixels[row]) else []),
                    *([f"{moving.heights[row]:.2f} heights/s"] if np.isfinite(moving.heights[row]) else []),
                    WAYS[Evidence(int(table.evidence[row]))],
                ]
            ),
        )
        for row in rows
    ]


def _lane(name: str, said: str | Markup, drawing: Markup, *, kind: str = "") -> Markup:
    return Markup(
        '<div class="sl-lane {}"><span><b>{}</b> <small>{}</small></span>'
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{} over time">{}</svg></div>'
    ).format(kind, name, said, _WIDTH, _HEIGHT, name, drawing)


def _across(table: ObservationTable) -> FloatArray:
    """Places on the axis, 0 to its width."""
    first, last = int(table.at[0]), int(table.at[-1])
    across: FloatArray = _WIDTH * (table.at - first) / max(last - first, 1)
    return across


def _line(across: FloatArray, shares: FloatArray, kind: str) -> Markup:
    rows = thinned(len(across))
    across, up = across[rows], _HEIGHT - 4 - (_HEIGHT - 8) * shares[rows]
    if len(rows) == 1:  # a dot would be stretched with the lane
        across, up = np.array([across[0], across[0] + _TICK]), np.repeat(up, 2)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))
    return Markup('<polyline class="{}" points="{}"/>').format(kind, points)


def _shade(left: float, right: float) -> Markup:
    if right - left < _TICK:
        return Markup()
    return Markup('<rect class="unseen" x="{:.1f}" y="0" width="{:.1f}" height="{}"/>').format(
        left, right - left, _HEIGHT
    )


def _rule(share: float) -> Markup:
    y = _HEIGHT - 4 - (_HEIGHT - 8) * share
    return Markup('<line x1="0" x2="{}" y1="{:.0f}" y2="{:.0f}"/>').format(_WIDTH, y, y)
