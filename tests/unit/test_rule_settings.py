"""Zones and lines as a settings file says them, and what watches them."""

from __future__ import annotations

import pytest

from pipeline import build
from pipeline.config import change_settings
from pipeline.errors import ConfigError
from pipeline.rule_settings import AnalyticsSettings

TRIANGLE = "polygon: [[0, 0], [1, 0], [1, 1]]"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("zones.yard={polygon: [[0, 0], [1, 0]]}", "analytics.zones.yard.polygon"),
        ("zones.yard={polygon: [[0, 0], [1, 0], [1.5, 1]]}", "less than or equal to 1"),
        (f"zones.yard={{{TRIANGLE}, speed_above: 3}}", "zone yard has speed_above"),
        (f"zones.yard={{{TRIANGLE}, dwell_second: 3}}", "unknown setting analytics.zones.yard.dwell_second"),
        ("zones.yard={polygon: [[0, 0], [1, 1], [1, 0], [0, 1]]}", "cross each other"),
        ("lines.gate={start: [0, 0], end: [1, 1], directions: [in, in]}", "names that differ"),
        ("lines.gate={start: [0, 0], end: [1, 1], directions: [in, '']}", "printable"),
        ("lines={' gate': {start: [0, 0], end: [1, 1]}}", "printable"),
        ("scale={metres_per_pixel: 1, homography: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}", "not both"),
        ("scale.homography=[[1, 0, 0], [2, 0, 0], [0, 0, 1]]", "flattens the ground"),
        ("scale.metres_per_pixel=0", "greater than 0"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        change_settings({}, [f"analytics.{setting}"])


def test_a_name_stands_for_one_rule() -> None:
    zone, line = f"analytics.zones.gate={{{TRIANGLE}}}", "analytics.lines.gate={start: [0, 0], end: [1, 1]}"
    with pytest.raises(ConfigError, match="same name: gate"):
        change_settings({}, [zone, line])


def test_without_a_rule_nobody_watches() -> None:
    assert build.analyst(AnalyticsSettings(), ["person"]) is None
    assert build.rule_board(AnalyticsSettings()) is None


def test_classes_must_be_known_to_the_detector() -> None:
    settings = change_settings({}, [f"analytics.zones.yard={{{TRIANGLE}, classes: [person, dog]}}"]).analytics
    assert build.analyst(settings, ["dog", "person"]) is not None
    with pytest.raises(ConfigError, match="'yard' counts dog, but the detector knows cat, person"):
        build.analyst(settings, ["cat", "person"])
    with pytest.raises(ConfigError, match="none by name"):
        build.analyst(settings, [])
