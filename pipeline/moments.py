"""Moments as people write and read them: UTC, unless they say another zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.errors import ConfigError

TIME = "UTC, as 2026-11-21, 2026-11-21T15:30 or 2026-11-21T15:30:05.5; with +02:00 behind it, of another zone"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_moment(text: str, option: str) -> int:
    """Microseconds UTC. `option`: where it was given, for the ConfigError that is raised if it is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} '{text}' is no time; give one in {TIME}") from None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def clock(at: int) -> str:
    """Microseconds UTC to the tenth of a second, for people."""
    moment = _EPOCH + timedelta(microseconds=at)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 100_000}"


def iso(at: int) -> str:
    """Microseconds UTC, for programs."""
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="milliseconds")
