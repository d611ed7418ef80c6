"""What a tracker is told of the detector's scores: by the settings, else by the detector's file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.config import load_settings
from pipeline.outputs import Outputs
from pipeline.processing import Models
from pipeline.run_record import run_record, stored_settings
from pipeline.tracker_settings import SortSettings, calibrated, own_tracker
from tests.fakes import FakeDetector

KNOWN = ((0.1, 0.05), (0.6, 0.9))
OTHER = ((0.0, 0.0), (1.0, 1.0))


class Knowing(FakeDetector):
    """A detector whose file says what its scores are worth."""

    card = replace(FakeDetector.card, calibration=KNOWN)


@pytest.mark.parametrize(
    ("said", "expected"),
    [([], KNOWN), (["tracker.calibration=[[0, 0], [1, 1]]"], OTHER), (["tracker.calibration=null"], None)],
)
def test_settings_go_before_the_file(said: list[str], expected: object) -> None:
    settings = Models(Knowing(), None).completed(load_settings(None, said))
    assert getattr(settings.tracker, "calibration") == expected  # noqa: B009  (a union of trackers)
    again = stored_settings(run_record(settings, Knowing(), None, Outputs()).settings, "x.db")
    assert Models(Knowing(), None).completed(again).tracker == settings.tracker


def test_a_detector_that_knows_nothing_changes_nothing() -> None:
    settings = load_settings(None)
    assert Models(FakeDetector(), None).completed(settings) == settings


def test_trackers_without_precisions_are_left_alone() -> None:
    assert calibrated(SortSettings(), KNOWN) == SortSettings()


def test_a_camera_of_its_own_tracker_has_the_same_detector() -> None:
    common = calibrated(load_settings(None).tracker, KNOWN)
    assert own_tracker(None, common) is common
    own = load_settings(None, ["tracker.lost_seconds=9"]).tracker
    assert own_tracker(own, common) == own.model_copy(update={"calibration": KNOWN})
    assert own_tracker(own, SortSettings()) == own
    told = load_settings(None, ["tracker.calibration=[[0, 0], [1, 1]]"]).tracker
    assert own_tracker(told, common) == told
