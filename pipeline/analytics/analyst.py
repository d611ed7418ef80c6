"""RuleAnalyst: watches the zones and lines of one stream and tells what happens there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.analytics.crossings import Crossings
from pipeline.analytics.ground import Ground
from pipeline.analytics.happenings import Happenings
from pipeline.analytics.ledger import Ledger, Sighting, blank
from pipeline.analytics.lines import Line
from pipeline.analytics.speeds import Speeds
from pipeline.analytics.stays import Stays
from pipeline.analytics.zones import Zone, anchor_points
from pipeline.events import Analyst, Events
from trackers.structures import ENDED, Frame, IntArray, State, Tracks

_CROWDED = "crowded"
_OWN = {
    "label": blank(-1, dtype=np.int64),
    "time": blank(0.0),  # of the last sighting, seconds
    "at": blank(0, dtype=np.int64),
    "points": blank(0.0, 2, 2),
}


class RuleAnalyst:
    """Events of one stream's confirmed tracks: see Stays for zones and Crossings for lines.

    Time is the frames' own, so dropped frames and gaps neither shorten nor lengthen a stay. A track is forgotten when
    the tracker says that it has ended; what is kept does not grow with the length of a stream. Nothing depends on the
    order in which the tracker tells its tracks. Points are kept as shares of the picture, so that a stream that comes
    back with another size has the same zones.
    """

    def __init__(self, zones: Sequence[Zone] = (), lines: Sequence[Line] = (), *, ground: Ground | None = None) -> None:
        """`ground`: how long things are; None where no speed is asked for."""
        self._names = [zone.name for zone in zones] + [line.name for line in lines]
        if len(set(self._names)) < len(self._names):
            raise ValueError("zones and lines need names that differ")
        self._stays = Stays(zones)
        self._crossings = Crossings(lines, first_rule=len(zones))
        fast = any(zone.speed_above is not None for zone in zones)
        if fast and ground is None:
            raise ValueError("a speed needs a ground")
        self._speeds = Speeds(ground) if fast and ground is not None else None
        path = {} if self._speeds is None else self._speeds.columns
        self._ledger = Ledger({**_OWN, **self._stays.columns, **self._crossings.columns, **path})

    def __len__(self) -> int:
        """How many tracks are followed."""
        return len(self._ledger)

    def update(self, frame: Frame, tracks: Tracks) -> Events:
        """What happened in this frame: of tracks that ended, of those that are seen, and how many are where."""
        size = np.array([frame.width, frame.height], np.float64)
        found = Happenings(self._names, size)
        self._end(tracks.ids[tracks.stages == ENDED], found)
        self._see(frame, tracks.confirmed, found)
        self._stays.count(self._ledger, frame.at, found)
        return found.events()

    def to_arrays(self) -> State:
        """Everything needed to go on from here."""
        return self._ledger.to_arrays() | self._stays.to_arrays()

    def from_arrays(self, state: State) -> None:
        """Go on from a state that an analyst of the same zones and lines saved. Raises ValueError for another's."""
        if len(state[_CROWDED]) != len(self._stays):
            raise ValueError("this was saved by an analyst of other zones")
        self._ledger.from_arrays(state)
        self._stays.from_arrays(state)

    def take_over(self, earlier: Analyst) -> None:
        """Go on from an analyst of the same stream with other rules: at those that both have nothing begins anew.

        At the others its tracks are as good as new: who is inside enters, and nobody has crossed.
        """
        if not isinstance(earlier, RuleAnalyst):
            raise TypeError("only a RuleAnalyst can be taken over from")
        self._ledger.follow(earlier._ledger.ids)
        for column in _OWN:
            self._ledger.take_over(earlier._ledger, column)
        if self._speeds is not None and earlier._speeds is not None:
            for column in self._speeds.columns:
                self._ledger.take_over(earlier._ledger, column)
        self._stays.take_over(earlier._stays, self._ledger, earlier._ledger)
        self._crossings.take_over(earlier._crossings, self._ledger, earlier._ledger)

    def _end(self, ids: IntArray, found: Happenings) -> None:
        rows = self._ledger.rows(ids)
        if len(rows):
            self._stays.end(self._ledger, rows, found)
            self._ledger.forget(rows)

    def _see(self, frame: Frame, tracks: Tracks, found: Happenings) -> None:
        if not len(tracks):
            return
        ledger = self._ledger
        sighting = Sighting(
            time=frame.time,
            at=frame.at,
            size=found.size,
            ids=tracks.ids,
            labels=tracks.labels,
            points=anchor_points(tracks.boxes, found.size),
            extents=(tracks.boxes[:, 2:] - tracks.boxes[:, :2]).astype(np.float64),
        )
        rows = ledger.follow(tracks.ids)
        ledger["label"][rows] = tracks.labels
        speeds = None if self._speeds is None else self._speeds.see(ledger, rows, sighting)
        self._stays.see(ledger, rows, sighting, speeds, found)
        self._crossings.see(ledger, rows, sighting, found)
        ledger["points"][rows], ledger["time"][rows], ledger["at"][rows] = sighting.points, sighting.time, sighting.at
