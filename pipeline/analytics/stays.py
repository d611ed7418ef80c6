"""Stays: who is in which zone, since when, and what is worth telling of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.analytics.happenings import Happenings
from pipeline.analytics.ledger import ROUNDING, SETTLE, Column, Ledger, Sighting, blank, same_rules
from pipeline.analytics.zones import Admission, Polygons, Zone, anchor_numbers
from pipeline.events import EventKind
from trackers.structures import BoolArray, FloatArray, IntArray, State

LEAVE_MARGIN = 0.05  # of its box's shorter side: so far outside a track must be before its stay is over


class Stays:
    """The zones of a stream.

    A stay begins when the anchor of a confirmed track of a class that counts has been seen in the polygon for SETTLE
    seconds without a break: `enter`, at the first of these sightings, also where the track itself is first seen then.
    It ends when the anchor has been seen outside for as long, and is away from the outline by more than LEAVE_MARGIN
    of the shorter side of its box: `leave`, at the first sighting outside, with the seconds since `enter`. So neither
    a box that trembles on the edge nor one that jumps for a moment comes and goes. A track that is lost stays where it
    was last seen; when it ends, it left at that moment, and the time it was looked for does not count. Whoever is
    inside when the source ends has not left.

    `dwell`: once a stay, at the first sighting at which it has lasted for `dwell_seconds`. `loiter`: at the first
    sighting at which the track has been within a circle of `loiter_radius` heights of the picture for
    `loiter_seconds`; the circle lies around where the track stood when it entered, and around where it is whenever it
    leaves the circle. Once a circle. `speed`: once a stay, at the first sighting inside that is faster than
    `speed_above`. `count`: when more than `count_above` stays are open, and again when it is no more than that; the
    value tells how many are open, and so which of the two it is.
    """

    def __init__(self, zones: Sequence[Zone]) -> None:
        self._zones = tuple(zones)
        self._polygons = Polygons(zones)
        self._anchor = anchor_numbers([zone.anchor for zone in zones])
        self._admitted = Admission([zone.labels for zone in zones])
        self._dwell = _limits([zone.dwell_seconds for zone in zones])
        self._loiter = _limits([zone.loiter_seconds for zone in zones])
        self._radius = np.array([zone.loiter_radius for zone in zones])
        self._count = _limits([zone.count_above for zone in zones])
        self._fast = _limits([zone.speed_above for zone in zones])
        self._crowded = np.zeros(len(zones), bool)

    def __len__(self) -> int:
        return len(self._zones)

    @property
    def columns(self) -> Mapping[str, Column]:
        """What is kept of each track."""
        n = len(self._zones)
        return {
            "inside": blank(False, n, dtype=bool),
            "since": blank(0.0, n),  # seconds, of the stay
            "shown": blank(False, n, dtype=bool),  # inside at the last sighting, settled or not
            "turned": blank(0.0, n),  # seconds, of the first sighting that showed it so
            "turned_at": blank(0, n, dtype=np.int64),
            "turned_to": blank(0.0, n, 2),  # shares
            "dwelt": blank(False, n, dtype=bool),  # told
            "sped": blank(False, n, dtype=bool),
            "loitered": blank(False, n, dtype=bool),
            "centre": blank(0.0, n, 2),  # of the circle, shares
            "circled": blank(0.0, n),  # seconds, since when within it
        }

    def end(self, ledger: Ledger, rows: IntArray, found: Happenings) -> None:
        """Tracks that have ended leave where they were last seen inside."""
        some, zones = np.nonzero(ledger["inside"][rows])
        who = rows[some]
        shown = ledger["shown"][who, zones]
        until = np.where(shown, ledger["time"][who], ledger["turned"][who, zones])
        last = ledger["points"][who, self._anchor[zones]]
        found.add(
            EventKind.LEAVE,
            rules=zones,
            at=np.where(shown, ledger["at"][who], ledger["turned_at"][who, zones]),
            ids=ledger.ids[who],
            labels=ledger["label"][who],
            values=until - ledger["since"][who, zones],
            points=np.where(shown[:, None], last, ledger["turned_to"][who, zones]),
        )

    def see(
        self, ledger: Ledger, rows: IntArray, sighting: Sighting, speeds: FloatArray | None, found: Happenings
    ) -> None:
        """Take one frame. `rows`: of the sighting's tracks. `speeds`: (k,) metres a second, NaN where unknown."""
        points = sighting.points[:, self._anchor]
        shown = self._polygons.contain(points)
        self._turn(ledger, rows, shown, points, sighting)
        inside = ledger["inside"][rows]
        settled = sighting.time - ledger["turned"][rows] >= SETTLE - ROUNDING
        entered = shown & ~inside & settled & self._admitted(sighting.labels)
        left = self._clearly_away(~shown & inside & settled, points, sighting)
        ledger["inside"][rows] = (inside | entered) & ~left
        if left.any():
            self._tell_turned(EventKind.LEAVE, left, ledger, rows, found, lasted=True)
        if entered.any():
            self._begin(ledger, rows, entered)
            self._tell_turned(EventKind.ENTER, entered, ledger, rows, found, lasted=False)
        staying = shown & ledger["inside"][rows]
        if staying.any():
            self._watch(ledger, rows, staying, points, sighting, found)
            self._watch_speed(ledger, rows, staying, points, sighting, speeds, found)

    def count(self, ledger: Ledger, at: int, found: Happenings) -> None:
        """After a frame: whether a zone has become crowded, or is no longer."""
        number = ledger["inside"].sum(axis=0)
        crowded = number > self._count
        zones = np.flatnonzero(crowded != self._crowded)
        found.add(EventKind.COUNT, rules=zones, at=at, ids=0, labels=-1, values=number[zones])
        self._crowded = crowded

    def take_over(self, earlier: Stays, ledger: Ledger, its: Ledger) -> None:
        """Go on with the stays in zones that are the same."""
        mine, theirs = same_rules(self._zones, earlier._zones)
        for column in self.columns:
            ledger.take_over(its, column, mine=mine, its=theirs)
        self._crowded[mine] = earlier._crowded[theirs]

    def to_arrays(self) -> State:
        """What is no track's."""
        return {"crowded": self._crowded.copy()}

    def from_arrays(self, state: State) -> None:
        """Go on from what `to_arrays` gave."""
        self._crowded = state["crowded"].astype(bool)

    @staticmethod
    def _turn(ledger: Ledger, rows: IntArray, shown: BoolArray, points: FloatArray, sighting: Sighting) -> None:
        """Note who is seen inside and was not the last time, or the other way round."""
        who, zones = np.nonzero(shown != ledger["shown"][rows])
        place = rows[who], zones
        ledger["shown"][place] = shown[who, zones]
        ledger["turned"][place], ledger["turned_at"][place] = sighting.time, sighting.at
        ledger["turned_to"][place] = points[who, zones]

    def _clearly_away(self, outside: BoolArray, points: FloatArray, sighting: Sighting) -> BoolArray:
        who = np.flatnonzero(outside.any(axis=1))
        if len(who):
            away = self._polygons.distance(points[who], sighting.size)
            outside[who] &= away > LEAVE_MARGIN * sighting.extents[who].min(axis=1, keepdims=True)
        return outside

    @staticmethod
    def _begin(ledger: Ledger, rows: IntArray, entered: BoolArray) -> None:
        who, zones = np.nonzero(entered)
        place = rows[who], zones
        ledger["since"][place] = ledger["circled"][place] = ledger["turned"][place]
        ledger["centre"][place] = ledger["turned_to"][place]
        for told in ("dwelt", "sped", "loitered"):
            ledger[told][place] = False

    @staticmethod
    def _tell_turned(
        kind: EventKind, happened: BoolArray, ledger: Ledger, rows: IntArray, found: Happenings, *, lasted: bool
    ) -> None:
        """Events of when tracks were first seen where they are now. `lasted`: tell for how long they stayed."""
        who, zones = np.nonzero(happened)
        place = rows[who], zones
        found.add(
            kind,
            rules=zones,
            at=ledger["turned_at"][place],
            ids=ledger.ids[rows[who]],
            labels=ledger["label"][rows[who]],
            values=ledger["turned"][place] - ledger["since"][place] if lasted else np.nan,
            points=ledger["turned_to"][place],
        )

    def _watch(
        self,
        ledger: Ledger,
        rows: IntArray,
        staying: BoolArray,
        points: FloatArray,
        sighting: Sighting,
        found: Happenings,
    ) -> None:
        seconds = sighting.time - ledger["since"][rows]
        dwelt = staying & ~ledger["dwelt"][rows] & (seconds >= self._dwell - ROUNDING)
        ledger["dwelt"][rows] |= dwelt
        self._tell(EventKind.DWELL, dwelt, sighting, points, found, seconds)
        if not np.isfinite(self._loiter).any():
            return
        step = (points - ledger["centre"][rows]) * (sighting.size / sighting.size[1])
        who, zones = np.nonzero(staying & (np.hypot(step[..., 0], step[..., 1]) > self._radius))
        place = rows[who], zones
        ledger["centre"][place], ledger["circled"][place] = points[who, zones], sighting.time
        ledger["loitered"][place] = False
        seconds = sighting.time - ledger["circled"][rows]
        loitered = staying & ~ledger["loitered"][rows] & (seconds >= self._loiter - ROUNDING)
        ledger["loitered"][rows] |= loitered
        self._tell(EventKind.LOITER, loitered, sighting, points, found, seconds)

    def _watch_speed(
        self,
        ledger: Ledger,
        rows: IntArray,
        staying: BoolArray,
        points: FloatArray,
        sighting: Sighting,
        speeds: FloatArray | None,
        found: Happenings,
    ) -> None:
        if speeds is None:
            return
        fast = staying & ~ledger["sped"][rows] & (speeds[:, None] > self._fast)
        ledger["sped"][rows] |= fast
        self._tell(EventKind.SPEED, fast, sighting, points, found, np.broadcast_to(speeds[:, None], fast.shape))

    @staticmethod
    def _tell(
        kind: EventKind,
        happened: BoolArray,
        sighting: Sighting,
        points: FloatArray,
        found: Happenings,
        values: FloatArray,
    ) -> None:
        """Events of this moment. `happened`: (k, Z). `points`: (k, Z, 2). `values`: (k, Z)."""
        who, zones = np.nonzero(happened)
        found.add(
            kind,
            rules=zones,
            at=sighting.at,
            ids=sighting.ids[who],
            labels=sighting.labels[who],
            values=values[who, zones],
            points=points[who, zones],
        )


def _limits(values: Sequence[float | None]) -> FloatArray:
    """None becomes what is never reached."""
    return np.array([np.inf if value is None else value for value in values], np.float64)
