"""FrameTaker: what the engine takes of a camera: the freshest frame or the next one, with every outage told once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pipeline.sources.feed import DropReason
from pipeline.sources.ring import Ring, Stamp
from trackers.structures import Frame, Gap, ImageArray

KEPT, KEPT_OF_ALL = 1, 3  # rings before the newest, that may hold frames


@dataclass(slots=True, eq=False)
class _Unread:
    """A ring, and the first frame of it that was not taken."""

    ring: Ring
    next: int = 0

    @property
    def waiting(self) -> int:
        """Frames not taken yet."""
        return self.ring.published - self.next


@dataclass(frozen=True, slots=True)
class _Outage:
    """Something that kept pictures away, between two rings."""

    since: int  # microseconds UTC
    reason: str


@dataclass(slots=True)
class FrameTaker:
    """Rings and outages in the order in which they came. Not for several threads at once."""

    every: bool  # every frame in order, else the freshest
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys((str(reason) for reason in DropReason), 0))
    taken: int = 0  # frames
    _ahead: deque[_Unread | _Outage] = field(default_factory=deque)
    _zero: int | None = None  # capture of the first frame, monotonic microseconds
    _last_at: int | None = None  # of the last frame taken, microseconds UTC

    def connected(self, ring: Ring) -> None:
        """Frames come in this ring from now on. Of those before, few are kept: perhaps nobody takes anything."""
        rings = [one for one in self._ahead if isinstance(one, _Unread)]
        kept = KEPT_OF_ALL if self.every else KEPT
        for old in rings[: max(0, len(rings) - kept)]:
            self.dropped[DropReason.OVERRUN if self.every else DropReason.STALE] += old.waiting
            old.ring.close()
            self._ahead.remove(old)
        self._ahead.append(_Unread(ring))

    def lost(self, reason: str, *, since: int) -> None:
        """No frames come any more. `since`: microseconds UTC, counts only before the first frame ever."""
        outage = _Outage(since, reason)
        if not self._ahead or self._ahead[-1] != outage:
            self._ahead.append(outage)

    @property
    def waiting(self) -> bool:
        """Whether there is something to take."""
        return any(isinstance(one, _Unread) and one.waiting for one in self._ahead)

    def take(self) -> Frame | None:
        """The next frame for the engine, None where there is none."""
        return self._next() if self.every else self._freshest()

    def discard(self, reason: DropReason) -> None:
        """Drop what waits."""
        for one in self._ahead:
            if isinstance(one, _Unread):
                self.dropped[reason] += one.waiting
                one.next = one.ring.published
                one.ring.taken = one.next

    def close(self, now_at: int) -> Gap | None:
        """Let go of all rings. Returns the outage that has not ended. `now_at`: microseconds UTC."""
        gap = self._gap(now_at)
        for one in self._ahead:
            if isinstance(one, _Unread):
                one.ring.close()
        self._ahead.clear()
        return gap

    def _freshest(self) -> Frame | None:
        while True:
            newest = next((one for one in reversed(self._ahead) if isinstance(one, _Unread) and one.waiting), None)
            if newest is None:
                return None
            number = newest.ring.published - 1
            found = newest.ring.read(number)
            stale = number - newest.next
            newest.next = number + 1
            if found is None:  # replaced while it was copied: a fresher one is there
                self.dropped[DropReason.STALE] += stale + 1
                continue
            for one in self._ahead:
                if one is newest:
                    break
                if isinstance(one, _Unread):
                    stale += one.waiting
                    one.next = one.ring.published
            self.dropped[DropReason.STALE] += stale
            return self._frame(newest, *found)

    def _next(self) -> Frame | None:
        for one in list(self._ahead):
            if not isinstance(one, _Unread):
                continue
            while one.waiting:
                kept = max(one.next, one.ring.published - (one.ring.slots - 1))
                self.dropped[DropReason.OVERRUN] += kept - one.next
                found = one.ring.read(kept)
                one.next = kept + 1
                one.ring.taken = one.next
                if found is not None:
                    return self._frame(one, *found)
                self.dropped[DropReason.OVERRUN] += 1
        return None

    def _frame(self, source: _Unread, image: ImageArray, stamp: Stamp) -> Frame:
        gap = self._gap(stamp.at, before=source)
        while self._ahead[0] is not source:
            passed = self._ahead.popleft()
            if isinstance(passed, _Unread):
                passed.ring.close()
        if self._zero is None:
            self._zero = stamp.capture
        index, self.taken = self.taken, self.taken + 1
        self._last_at = stamp.at
        return Frame(
            picture=image,
            index=index,
            time=(stamp.capture - self._zero) / 1e6,
            at=stamp.at,
            session=stamp.session,
            pts=stamp.pts,
            time_base=stamp.time_base,
            gap=gap,
        )

    def _gap(self, to_at: int, *, before: _Unread | None = None) -> Gap | None:
        """The outages before a ring, or all, as one."""
        reasons: dict[str, None] = {}
        since: int | None = None
        for one in self._ahead:
            if one is before:
                break
            if isinstance(one, _Outage):
                reasons[one.reason] = None
                since = one.since if since is None else since
        if since is None:
            return None
        from_at = since if self._last_at is None else self._last_at
        return Gap(min(from_at, to_at - 1), to_at, "; ".join(reasons))
