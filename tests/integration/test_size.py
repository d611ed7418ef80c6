"""`sightline size`: measured once on a small rendered video, then known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.command import MOTION, call_main

SMALL = (*MOTION, "--resolution", "320x180", "--fps", "10", "--objects", "5", "--costs", "costs.json")


@pytest.mark.long
def test_costs_are_measured_once_and_used_for_any_number_of_cameras(tmp_path: Path) -> None:
    first = call_main("size", "--cameras", 2, *SMALL, "--json", folder=tmp_path)
    assert first.code == 0, first.err
    told = json.loads(first.out)
    measured = told["measured"]
    assert (measured["width"], measured["height"], measured["detector"]) == (320, 180, "motion (opencv CPU u8)")
    for cost in ("read", "detect", "embed", "track_object", "write", "first_stream", "stored", "recorded", "objects"):
        assert measured[cost] > 0, cost
    assert told["cores"] == sum(told["parts"].values()) > 0
    again = call_main("size", "--cameras", 4, *SMALL, "--json", folder=tmp_path)
    doubled = json.loads(again.out)
    assert doubled["measured"] == measured
    assert doubled["cores"] == 2 * told["cores"]
    shown = call_main("size", "--cameras", 4, *SMALL, "--set", "tracker.lost_seconds=2", folder=tmp_path)
    assert shown.code == 0, shown.err  # other settings are measured anew
    assert len(json.loads((tmp_path / "costs.json").read_text())["costs"]) == 2
    rarely = call_main("size", "--cameras", 4, *SMALL, "--every", 2, folder=tmp_path)
    assert rarely.code == 2
    assert "this detector has to see every frame" in rarely.err
    assert "this machine holds" in shown.out
    assert "extrapolated" in shown.out


def test_bad_input_is_told(tmp_path: Path) -> None:
    wrong = call_main("size", "--cameras", 2, "--resolution", "big", folder=tmp_path)
    assert wrong.code == 2
    assert "--resolution big: write one of 480p" in wrong.err
    card = call_main("size", "--cameras", 2, "--set", "detector.device=cuda:0", "--costs", "c.json", folder=tmp_path)
    assert card.code == 2
    assert "only what processors take is measured" in card.err
