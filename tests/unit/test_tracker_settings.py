"""What a tracker is told of the detector's scores: by the settings, else by the detector's file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipeline.config import load_settings
from pipeline.loaded_models import Models
from pipeline.outputs import Outputs
from pipeline.run_record import run_record, stored_scores, stored_settings
from pipeline.tracker_settings import SortSettings, calibrated
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


def test_the_record_keeps_what_the_file_says_whatever_tracker_is_used() -> None:
    kept = run_record(load_settings(None, ["tracker.name=bytetrack"]), Knowing(), None, Outputs()).settings
    assert stored_scores(json.loads(json.dumps(kept))) == KNOWN
    assert stored_settings(kept, "x.db").tracker.name == "bytetrack"
    assert stored_scores(run_record(load_settings(None), FakeDetector(), None, Outputs()).settings) is None
