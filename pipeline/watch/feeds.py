"""What a service does with feeds besides reading them: records, counts, and shortens them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from pipeline.sources.feed import CameraState, Feed, FeedStatus
from trackers.structures import Frame, Gap


@runtime_checkable
class RecordingFeed(Feed, Protocol):
    """A feed whose recording can be paused."""

    def record(self, on: bool) -> None:
        """Go on or pause with recording; nothing where none is wanted."""


class FeedCounts:
    """A feed's counters as a DatabaseSink asks for them."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    @property
    def repaired(self) -> int:
        """Time stamps mended so far."""
        return self._feed.status().repaired

    @property
    def damaged(self) -> int:
        """Packets so far that could not be decoded."""
        return self._feed.status().damaged

    @property
    def dropped(self) -> int:
        """Frames so far that were read and not processed, for any reason."""
        return sum(self._feed.status().dropped.values())


class FirstFrames:
    """A feed that ends after so many frames."""

    def __init__(self, feed: Feed, most: int) -> None:
        self._feed = feed
        self._left = most
        self._fresh: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        """See Feed."""
        return self._feed.name

    @property
    def uri(self) -> str:
        """See Feed."""
        return self._feed.uri

    def start(self, fresh: Callable[[], None]) -> None:
        """See Feed."""
        self._fresh = fresh
        self._feed.start(fresh)

    def take(self) -> Frame | None:
        """See Feed. Called by one thread."""
        if self._left == 0:
            return None
        frame = self._feed.take()
        if frame is not None:
            self._left -= 1
            if self._left == 0:
                self._fresh()  # there is news: the end
        return frame

    def status(self) -> FeedStatus:
        """See Feed."""
        status = self._feed.status()
        return status if self._left else replace(status, state=CameraState.ENDED)

    def pause(self) -> None:
        """See Feed."""
        self._feed.pause()

    def go_on(self) -> None:
        """See Feed."""
        self._feed.go_on()

    def record(self, on: bool) -> None:
        """See RecordingFeed."""
        if isinstance(self._feed, RecordingFeed):
            self._feed.record(on)

    def close(self) -> Gap | None:
        """See Feed. What comes after the last frame is no gap."""
        gap = self._feed.close()
        return gap if self._left else None
