"""Which part of a track a clip shows, which observation is shown first, and what a crop takes in."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest

from pipeline.annotate import Annotator
from pipeline.clips.cutting import around, scaled
from pipeline.clips.seen import MARGIN, Seen, row_to_show, seen_in, window
from pipeline.errors import SourceError
from pipeline.store import mask_rle
from pipeline.store.footage_queries import FootageRow
from pipeline.store.rows import ObservationTable
from trackers.structures import Evidence, Frame

SECOND = 1_000_000
FOOTAGE = FootageRow(7, UUID(int=1), UUID(int=2), "file", "a.mp4", "/a.mp4", "sha256:1", 0, 25.0)


def table(
    seconds: list[float], *, sources: int | list[int] = 7, scores: list[float] | None = None, evidence: int = 0
) -> ObservationTable:
    n = len(seconds)
    at = np.array([round(one * SECOND) for one in seconds], np.int64)
    boxes = np.tile(np.array([[10, 20, 30, 60]], np.float32), (n, 1))
    kinds = np.full(n, evidence, np.int8)
    zeros = np.zeros(n, np.int64)
    ids = np.full(n, sources, np.int64) if isinstance(sources, int) else np.array(sources, np.int64)
    given = np.array(scores if scores is not None else [0.5] * n, np.float32)
    return ObservationTable(
        at=at,
        frames=zeros,
        boxes=boxes,
        scores=given,
        evidence=kinds,
        det_rows=zeros,
        run_source_ids=ids,
        track_ids=zeros + 3,
    )


def seen(seconds: list[float]) -> Seen:
    return seen_in(FOOTAGE, table(seconds), name="person", local_ids={3: 12})


def test_all_of_a_short_track() -> None:
    assert window(seen([5, 6, 7]), 6 * SECOND, most=60 * SECOND) == (5 * SECOND - MARGIN, 7 * SECOND + MARGIN)
    assert window(seen([5]), 5 * SECOND, most=60 * SECOND) == (5 * SECOND - MARGIN, 5 * SECOND + MARGIN)


def test_of_a_long_track_the_fullest_part_around_the_best_moment() -> None:
    busy = [*np.arange(0, 4, 1.0), *np.arange(20, 31, 0.5), *np.arange(90, 99, 0.1)]
    first, last = window(seen(busy), 22 * SECOND, most=10 * SECOND)
    assert (first, last) == (20 * SECOND - MARGIN, 30 * SECOND + MARGIN)
    first, last = window(seen([0, 50, 100]), 50 * SECOND, most=10 * SECOND)
    assert first <= 50 * SECOND <= last
    assert last - first == 10 * SECOND + 2 * MARGIN


def test_a_wanted_part() -> None:
    given = seen([0, 10])
    assert window(given, 0, most=60 * SECOND, from_at=3, to_at=5) == (3, 5)
    assert window(given, 0, most=60 * SECOND, from_at=3) == (3, 10 * SECOND + MARGIN)
    assert window(given, 0, most=60 * SECOND, to_at=3) == (-MARGIN, 3)
    with pytest.raises(SourceError, match="end before it begins"):
        window(given, 0, most=60 * SECOND, from_at=5, to_at=5)
    with pytest.raises(SourceError, match="at most 60 s"):
        window(given, 0, most=60 * SECOND, from_at=0, to_at=63 * SECOND)


def test_what_is_drawn_on_a_frame() -> None:
    tracks, *_ = seen([1, 2, 2]).at_frame(2 * SECOND + 400, scale=0.5)
    assert tracks.ids.tolist() == [12]  # the same track twice, of two runs, is drawn once
    assert tracks.boxes.tolist() == [[5, 10, 15, 30]]
    nothing, masks, damaged = seen([1, 2]).at_frame(3 * SECOND, scale=1.0)
    assert (len(nothing), len(masks.crops), damaged) == (0, 0, [])


def test_a_mask_is_drawn_where_it_is_known() -> None:
    crop = np.ones((8, 4), bool)
    payloads = [None, mask_rle.encode((10, 20), crop), None]
    known = seen_in(FOOTAGE, table([1, 2, 3]), name="person", local_ids={3: 12}, masks=payloads)
    for second, pixels in ((1, 0), (2, 32), (3, 0)):
        tracks, masks, damaged = known.at_frame(second * SECOND, scale=1.0)
        assert damaged == []
        assert sum(int(masks.crops[row].sum()) for row in tracks.rows.tolist()) == pixels
        black = Frame(np.zeros((60, 60, 3), np.uint8), 0, 0.0, 0)
        with_mask = Annotator(("person",), 60, 60).draw(black, tracks, masks)
        without = Annotator(("person",), 60, 60).draw(black, tracks)
        tinted = (with_mask != without).any(axis=2)
        assert tinted.any() == bool(pixels)
        assert not tinted[:20].any()


def test_a_damaged_mask_is_told_by_its_observation() -> None:
    payloads = [b"damaged", mask_rle.encode((10, 20), np.ones((8, 4), bool)), b""]
    known = seen_in(FOOTAGE, table([1, 2, 3]), name="person", local_ids={3: 12}, masks=payloads)
    drawn = [known.at_frame(second * SECOND, scale=1.0) for second in (1, 2, 3)]
    assert [tracks.ids.tolist() for tracks, *_ in drawn] == [[12], [12], [12]]
    assert [int(masks.crops[0].sum()) for _, masks, _ in drawn] == [0, 32, 0]
    assert [damaged for *_, damaged in drawn] == [[0], [], [2]]


def test_the_observation_to_show() -> None:
    given = table([0, 1, 2, 3], sources=[7, 7, 8, 8], scores=[0.9, 0.2, 0.8, 0.99])
    assert row_to_show(given, {7, 8}, None) == 3
    assert row_to_show(given, {7}, None) == 0
    assert row_to_show(given, {7}, 10 * SECOND) == 1
    assert row_to_show(given, {8}, 0) == 2
    assert row_to_show(given, set(), None) is None
    assert row_to_show(table([]), {7}, None) is None
    given.evidence[3] = Evidence.PREDICTED
    assert row_to_show(given, {7, 8}, None) == 0  # a detection before anything that was carried


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 10, 20, 30), (7, 7, 16, 26)),  # x y width height: 12 % of 20 pixels around
        ((-50, -50, 500, 500), (0, 0, 64, 48)),
        ((200, 200, 210, 210), (63, 47, 1, 1)),
        ((-30, -30, -20, -20), (0, 0, 1, 1)),
        ((5, 5, 5, 5), (5, 5, 1, 1)),
    ],
)
def test_a_crop_lies_in_its_picture(box: tuple[float, ...], expected: tuple[int, ...]) -> None:
    image = np.arange(48 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(48, 64, 3)
    x, y, width, height = expected
    assert np.array_equal(around(image, np.array(box, np.float32)), image[y : y + height, x : x + width])


def test_pictures_are_only_made_smaller() -> None:
    image = np.zeros((30, 50, 3), np.uint8)
    assert scaled(image, 1.0) is image
    assert scaled(image, 0.5).shape == (15, 25, 3)
    assert scaled(image, 0.001).shape == (1, 1, 3)
