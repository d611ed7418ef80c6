"""Drawings of a track: timeline, path, speed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from pipeline.page.motion import speeds
from pipeline.page.path_chart import path_chart
from pipeline.page.timeline import MOST_POINTS, timeline, ways_of_knowing
from pipeline.store.rows import ObservationTable
from trackers.structures import Evidence, FloatArray


def test_of_nothing_nothing_is_drawn() -> None:
    assert timeline(observations([])) == path_chart(np.zeros((0, 4), np.float32), None) == ""
    assert ways_of_knowing(observations([])) == ""
    assert len(speeds(observations([])).pixels) == 0


def test_a_single_observation_has_no_speed() -> None:
    one = observations([0])
    assert np.isnan(speeds(one).pixels).all()
    assert "too short to tell" in timeline(one)
    assert 'viewBox="0 0 10 20"' in path_chart(one.boxes, None)


def test_a_path_is_drawn_over_a_frame_of_its_source() -> None:
    boxes = np.array([[0, 0, 10, 20], [90, 40, 110, 80]], np.float32)
    drawn = path_chart(boxes, (640, 480), frame="/objects/x/frame.jpg?a=1&b=2")
    assert '<image href="/objects/x/frame.jpg?a=1&amp;b=2" width="640" height="480"' in drawn
    assert 'points="5.0,10.0 100.0,60.0"' in drawn
    assert "<image" not in path_chart(boxes, None)


def test_times_without_observations_are_left_blank() -> None:
    broken = timeline(observations([0, 1, 2, 3, 20, 21, 22]))
    assert broken.count('class="score"') == 2
    assert broken.count('class="unseen"') == 1
    assert broken.count('class="detected"') == 2


def test_each_way_of_knowing_is_a_band() -> None:
    ways = [Evidence.DETECTED] * 3 + [Evidence.PREDICTED] * 2 + [Evidence.DETECTED] * 3
    table = observations(range(8), evidence=ways)
    bands = re.findall(r'<rect class="(\w+)" x="([\d.]+)"', timeline(table))
    assert [name for name, _ in bands if name != "unseen"] == ["detected", "predicted", "detected"]
    assert ways_of_knowing(table) == "6 detected, 2 predicted"


def test_long_tracks_are_thinned() -> None:
    long = observations(range(10_000))
    html = timeline(long)
    assert all(line.count(",") <= MOST_POINTS for line in re.findall(r'<polyline class="\w+" points="([^"]+)"', html))
    moments = json.loads(unescape(re.findall(r'data-points="([^"]+)"', html)[0]))
    assert len(moments) == MOST_POINTS
    assert moments[0][0] == 0
    assert moments[-1][0] == 9999
    assert ways_of_knowing(long) == "10,000 detected"


def test_speed_in_pixels_and_box_heights_of_a_straight_walk() -> None:
    """30 pixels right and 40 down a second are 50 pixels/s; of a box 20 high that is 2.5 heights/s."""
    seconds = np.arange(0, 4, 0.1)
    table = observations(seconds, boxes=np.stack([walk(second) for second in seconds]))
    found = speeds(table)
    np.testing.assert_allclose(found.pixels, 50, rtol=1e-4)
    np.testing.assert_allclose(found.heights, 2.5, rtol=1e-4)


def test_speed_does_not_jump_from_one_track_to_another() -> None:
    seconds = np.repeat(np.arange(10) / 10, 2)
    tracks = np.tile([1, 2], 10)
    far = np.where(tracks[:, None] == 1, [[0.0, 0.0, 10.0, 20.0]], [[500.0, 0.0, 510.0, 20.0]])
    assert (speeds(observations(seconds, boxes=far, tracks=tracks)).pixels == 0).all()


def test_two_observations_far_apart_have_a_speed() -> None:
    table = observations([0, 10], boxes=np.array([[0, 0, 10, 20], [100, 0, 110, 20]], float))
    np.testing.assert_allclose(speeds(table).pixels, 10)


def test_a_target_that_was_followed_has_scores_of_its_own() -> None:
    """Its first box was given, which is no detection. One that a tracker of many held has only its detections'."""
    evidence = [Evidence.DETECTED, *[Evidence.TARGET] * 5]
    held = observations(range(6), evidence=evidence)
    followed = replace(held, det_rows=np.full(6, -1))
    lines = {name: str(timeline(table)).split('class="score"') for name, table in (("held", held), ("own", followed))}
    assert [len(parts) for parts in lines.values()] == [2, 2]
    points = {name: parts[1].split('"')[1].count(",") for name, parts in lines.items()}
    assert points == {"held": 2, "own": 6}  # one score alone is drawn as a dash


@pytest.mark.parametrize("text", ["score 0.50", "50 pixels/s", "2.50 heights/s", "detected"])
def test_every_moment_can_be_told(text: str) -> None:
    seconds = np.arange(0, 2, 0.1)
    table = observations(seconds, boxes=np.stack([walk(second) for second in seconds]))
    moments = json.loads(unescape(re.findall(r'data-points="([^"]+)"', timeline(table))[0]))
    assert all(text in told for _, told in moments)


def walk(second: float) -> FloatArray:
    return np.array([30 * second, 40 * second, 30 * second + 10, 40 * second + 20])


def observations(
    seconds: Iterable[float],
    *,
    boxes: FloatArray | None = None,
    evidence: Iterable[Evidence] | None = None,
    tracks: Iterable[int] | None = None,
) -> ObservationTable:
    at = np.array([round(float(second) * 1e6) for second in seconds], np.int64)
    n = len(at)
    zeros = np.zeros(n, np.int64)
    still = np.tile(np.array([[0, 0, 10, 20]], np.float32), (n, 1))
    return ObservationTable(
        at=at,
        frames=zeros,
        boxes=still if boxes is None else boxes.astype(np.float32),
        scores=np.full(n, 0.5, np.float32),
        evidence=zeros.astype(np.int8) if evidence is None else np.array(list(evidence), np.int8),
        det_rows=zeros,
        run_source_ids=zeros,
        track_ids=zeros if tracks is None else np.array(list(tracks), np.int64),
    )
