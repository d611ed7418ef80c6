"""Times and lengths in words, and back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest

from pipeline.errors import ConfigError
from pipeline.page import words
from pipeline.page.events import ids
from pipeline.page.filters_form import read_time


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (3599.6, "1 h 00 min"), (7325, "2 h 02 min")],
)
def test_durations_are_said_with_two_units(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_moments_have_tenths() -> None:
    assert words.moment(1_700_000_000_980_000).endswith(":20.9")
    assert words.moment(-20_000).endswith(":59.9")


def test_a_clock_time_is_read_in_this_machines_zone() -> None:
    said = datetime.fromtimestamp(1_700_000_000).strftime("%Y-%m-%d %H:%M:%S")
    assert read_time(said) == 1_700_000_000_000_000
    assert read_time(" ") is read_time(None) is None
    for senseless in ("tomorrow", "2023-11-14", "2023-13-14 22:13:20"):
        with pytest.raises(ConfigError, match="is no time"):
            read_time(senseless)


def test_ids_from_a_browser() -> None:
    one = UUID(int=5)
    assert ids(str(one)) == (one,)
    assert ids("") == ids("../etc") == ids(None) == ids({}) == ()
