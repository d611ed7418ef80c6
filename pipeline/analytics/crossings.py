"""Crossings: who went over which line, and which way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.analytics.happenings import Happenings
from pipeline.analytics.ledger import ROUNDING, SETTLE, Column, Ledger, Sighting, blank, same_rules
from pipeline.analytics.lines import Line, Segments
from pipeline.analytics.zones import Admission, anchor_numbers
from pipeline.events import EventKind
from trackers.structures import BoolArray, IntArray

CROSS_MARGIN = 0.1  # of how far its box reaches across a line: so far away a track must be before it has crossed
ROOM = 0.5  # of what the picture shows beyond a line: no farther, as nobody can be seen beyond the picture's edge


class Crossings:
    """The lines of a stream.

    A line divides the picture into its left and its right (of the straight line it lies on, as seen from start to
    end). A track is on the side on which it was first seen, until it is seen on the other side for at least SETTLE
    seconds without a break, and away from the line by at least CROSS_MARGIN of its box (of the height for a level
    line, of the width for an upright one), or by ROOM of what there is of the picture there: neither a box that
    trembles on a line nor one that jumps for a moment crosses it. If the step that took it over went through the
    segment itself, that is `cross`, at the time and place of that step; going round an end of the segment changes
    the side, but is no event. A track that comes back crosses in the other direction. So the crossings of a track
    in one direction less those in the other are the change of its side, where the line is long enough.

    A step leads straight from one sighting to the next one of the same track, also where it was lost or the camera
    was away meanwhile. Tracks of different ids are never joined.
    """

    def __init__(self, lines: Sequence[Line], *, first_rule: int) -> None:
        """`first_rule`: number of the first line among all rules."""
        self._lines = tuple(lines)
        self._segments = Segments(lines)
        self._anchor = anchor_numbers([line.anchor for line in lines])
        self._admitted = Admission([line.labels for line in lines])
        self._first_rule = first_rule

    @property
    def columns(self) -> Mapping[str, Column]:
        """What is kept of each track."""
        n = len(self._lines)
        return {
            "side": blank(0, n, dtype=np.int8),  # -1 left, 1 right, 0 before it was seen beside the line
            "beyond": blank(0, n, dtype=np.int8),  # side of the last sighting, however near
            "through": blank(False, n, dtype=bool),  # the step to that side went through the segment
            "beyond_since": blank(0.0, n),  # seconds, the end of that step
            "crossed_at": blank(0, n, dtype=np.int64),  # microseconds UTC, the same
            "crossed": blank(0.0, n, 2),  # where, shares
        }

    def see(self, ledger: Ledger, rows: IntArray, sighting: Sighting, found: Happenings) -> None:
        """Take one frame. `rows`: of the sighting's tracks; the ledger still holds where they were before."""
        before, after = ledger["points"][rows][:, self._anchor], sighting.points[:, self._anchor]
        away = self._segments.distance(after, sighting.size)
        beyond = ledger["beyond"][rows]
        now = np.where(away == 0, beyond, np.sign(away)).astype(np.int8)
        turned = (beyond != 0) & (now != beyond)
        if turned.any():
            away_before = self._segments.distance(before, sighting.size)
            place, met = self._segments.meet(before, after, away_before, away, sighting.size)
            ledger["through"][rows] = np.where(turned, met, ledger["through"][rows])
            ledger["beyond_since"][rows] = np.where(turned, sighting.time, ledger["beyond_since"][rows])
            ledger["crossed_at"][rows] = np.where(turned, sighting.at, ledger["crossed_at"][rows])
            ledger["crossed"][rows] = np.where(turned[..., None], place, ledger["crossed"][rows])
        ledger["beyond"][rows] = now
        side = ledger["side"][rows]
        room = self._segments.room(sighting.size)
        margin = CROSS_MARGIN * self._segments.across(sighting.extents, sighting.size)
        clear = np.abs(away) >= np.minimum(margin, ROOM * np.where(away < 0, room[0], room[1]))
        settled = sighting.time - ledger["beyond_since"][rows] >= SETTLE - ROUNDING
        changed = (side != 0) & (now != side) & clear & settled
        self._tell(ledger, rows, changed & ledger["through"][rows] & self._admitted(sighting.labels), found)
        ledger["side"][rows] = np.where(changed | (side == 0), now, side)

    def take_over(self, earlier: Crossings, ledger: Ledger, its: Ledger) -> None:
        """Go on with the sides of lines that are the same."""
        mine, theirs = same_rules(self._lines, earlier._lines)
        for column in self.columns:
            ledger.take_over(its, column, mine=mine, its=theirs)

    def _tell(self, ledger: Ledger, rows: IntArray, happened: BoolArray, found: Happenings) -> None:
        """Tracks that are on their new side now. `happened`: (k, L)."""
        some, lines = np.nonzero(happened)
        who = rows[some]
        sides = ledger["beyond"][who, lines]
        found.add(
            EventKind.CROSS,
            rules=lines + self._first_rule,
            at=ledger["crossed_at"][who, lines],
            ids=ledger.ids[who],
            labels=ledger["label"][who],
            directions=[
                self._lines[line].directions[0 if side < 0 else 1]
                for line, side in zip(lines.tolist(), sides.tolist(), strict=True)
            ],
            points=ledger["crossed"][who, lines],
        )
