"""Speeds: how fast tracks go over the ground, from the last second of their paths."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.analytics.ground import Ground
from pipeline.analytics.ledger import Column, Ledger, Sighting, blank
from trackers.structures import FloatArray, IntArray

WINDOW = 1.25  # seconds of the path that are looked at
LEAST = 0.6  # seconds that it must span
_PLACES = 12  # kept of a path
_STEP = 0.1  # seconds between two of them, at least


class Speeds:
    """Fits a straight motion to where a track stood in the last WINDOW seconds (least squares), in metres.

    One box that trembles moves the fit little. Unknown (NaN) until the path spans LEAST seconds, also after a gap, and
    where the path leads beyond the horizon. What counts is the middle of the box's lower edge: it stands on the
    ground.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    @property
    def columns(self) -> Mapping[str, Column]:
        """What is kept of each track; the newest place comes last."""
        return {"path_times": blank(np.nan, _PLACES), "path": blank(np.nan, _PLACES, 2)}

    def see(self, ledger: Ledger, rows: IntArray, sighting: Sighting) -> FloatArray:
        """Metres a second (k,) of the sighting's tracks."""
        places = self._ground.metres(sighting.points[:, 0], sighting.size)
        times, path = ledger["path_times"][rows], ledger["path"][rows]
        speeds = _fitted(
            np.column_stack([times, np.full(len(rows), sighting.time)]),
            np.concatenate([path, places[:, None]], axis=1),
            sighting.time,
        )
        due = ~(sighting.time - times[:, -1] < _STEP)
        who = rows[due]
        ledger["path_times"][who] = np.column_stack([times[due, 1:], np.full(len(who), sighting.time)])
        ledger["path"][who] = np.concatenate([path[due, 1:], places[due, None]], axis=1)
        return speeds


def _fitted(times: FloatArray, places: FloatArray, now: float) -> FloatArray:
    """Length of the velocity (k,) that fits places (k, p, 2) at times (k, p) best; NaN where too little is known."""
    known = (now - times <= WINDOW) & np.isfinite(places).all(axis=2)
    weight = known / np.maximum(known.sum(axis=1, keepdims=True), 1)
    since = np.where(known, times - now, 0.0)
    where = np.where(known[..., None], places, 0.0)
    since = np.where(known, since - (weight * since).sum(axis=1, keepdims=True), 0.0)
    spread = (weight * since**2).sum(axis=1)
    slope = (weight[..., None] * since[..., None] * where).sum(axis=1)
    span = since.max(axis=1, initial=0.0) - since.min(axis=1, initial=0.0)
    enough = known[:, -1] & (span >= LEAST)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(enough, np.hypot(slope[:, 0], slope[:, 1]) / spread, np.nan)
