"""TrackTally: how many tracks of a stream were ever believed, counted without remembering all of them."""

from __future__ import annotations

from trackers.structures import ENDED, Tracks


class TrackTally:
    """Counts confirmed tracks. Remembers only those that live; an id that has ended never comes again."""

    def __init__(self) -> None:
        self.now = 0  # confirmed in the last frame
        self.ever = 0
        self._living: set[int] = set()  # that were confirmed

    def add(self, tracks: Tracks) -> None:
        """Take a frame, as the tracker returned it: with the tracks that ended."""
        confirmed = tracks.confirmed.ids.tolist()
        self.now = len(confirmed)
        new = set(confirmed) - self._living
        self.ever += len(new)
        self._living |= new
        self._living.difference_update(tracks.ids[tracks.stages == ENDED].tolist())
