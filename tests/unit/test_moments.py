"""Moments as people write them."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigError
from pipeline.moments import clock, iso, read_moment

NOON = 1_700_049_600_000_000  # 2023-11-15 12:00:00 UTC


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2023-11-15T12:00", NOON),
        ("2023-11-15 12:00:00.5", NOON + 500_000),
        ("2023-11-15T14:00+02:00", NOON),
        ("2023-11-15", NOON - 12 * 3600 * 1_000_000),
    ],
)
def test_reading(text: str, at: int) -> None:
    assert read_moment(text, "--since") == at


@pytest.mark.parametrize("text", ["", "noon", "2023-13-01", "12:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigError, match="--since"):
        read_moment(text, "--since")


def test_writing() -> None:
    assert clock(NOON + 250_000) == "2023-11-15 12:00:00.2"
    assert iso(NOON + 250_000) == "2023-11-15T12:00:00.250+00:00"
