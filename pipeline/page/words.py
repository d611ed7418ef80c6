"""How times and lengths are said on the page."""

from __future__ import annotations

from datetime import datetime


def clock(at: int) -> str:
    """Date and time of day in this machine's time zone. `at`: microseconds UTC."""
    return f"{_local(at):%d %b %Y, %H:%M:%S}"


def moment(at: int) -> str:
    """Time of day to a tenth of a second, in this machine's time zone. `at`: microseconds UTC."""
    return f"{_local(at):%H:%M:%S}.{at % 1_000_000 // 100_000}"


def zone(at: int) -> str:
    """Name of this machine's time zone at that time."""
    return _local(at).tzname() or ""


def duration(seconds: float) -> str:
    """A length of time with the two units that matter.

    >>> duration(4.26), duration(185.0), duration(7325.0)
    ('4.3 s', '3 min 05 s', '2 h 02 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def position(seconds: float) -> str:
    """A place in a video, as players show it.

    >>> position(72.4), position(3725.0)
    ('1:12', '1:02:05')
    """
    whole = max(int(seconds), 0)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def count(number: int, noun: str) -> str:
    """A number and its noun.

    >>> count(1, "track"), count(1200, "track")
    ('1 track', '1,200 tracks')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1e6).astimezone()
