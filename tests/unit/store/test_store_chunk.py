"""Chunks that contradict themselves are refused before they reach the database."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import StoreError
from pipeline.store.chunk import (
    ChunkData,
    CropColumns,
    EmbeddingColumns,
    FrameCounts,
    FrameDetections,
    ObservationColumns,
    TrackColumns,
)
from pipeline.store.states import EmbeddingKind
from trackers.structures import Detections

ONE = np.ones(1, np.int64)


def frames(count: int) -> FrameDetections:
    """Frames 0, 1, ... without detections."""
    numbers = np.arange(count)
    return FrameDetections(numbers, numbers / 25, numbers * 0, numbers, (Detections.empty(),) * count)


def chunk(first: int, end: int, detections: FrameDetections) -> ChunkData:
    """A chunk without tracks."""
    return ChunkData(first, end, "hash", detections, TrackColumns.empty(), ObservationColumns.empty(), FrameCounts())


def test_a_range_must_hold_its_frames() -> None:
    assert chunk(0, 100, frames(100)).end_frame == 100
    assert chunk(5, 6, FrameDetections.empty()).first_frame == 5
    for first, end, count in ((0, 101, 101), (0, 5, 6), (1, 5, 3), (4, 4, 0), (-1, 5, 0)):
        with pytest.raises(StoreError):
            chunk(first, end, frames(count))


def test_frames_must_rise() -> None:
    with pytest.raises(StoreError, match="rise"):
        FrameDetections(ONE.repeat(2), np.zeros(2), ONE.repeat(2), ONE.repeat(2), (Detections.empty(),) * 2)


def test_columns_must_have_equal_lengths() -> None:
    with pytest.raises(StoreError, match="heights of CropColumns has 1 rows instead of 2"):
        CropColumns(ONE.repeat(2), ONE.repeat(2), (b"", b""), ONE.repeat(2), ONE, np.ones(2))


def test_a_track_is_summarised_once() -> None:
    two = ONE.repeat(2)
    with pytest.raises(StoreError, match="twice"):
        TrackColumns(two, two, np.ones(2), two, two, two, two)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_numbers_must_be_finite(wrong: float) -> None:
    with pytest.raises(StoreError, match="NaN"):
        ObservationColumns(ONE, ONE, ONE, np.full((1, 4), wrong), np.ones(1), ONE, ONE)
    with pytest.raises(StoreError, match="NaN"):
        EmbeddingColumns(1, ONE, ONE, (EmbeddingKind.EXEMPLAR,), np.ones(1), np.full((1, 3), wrong))


def test_a_track_has_one_mean() -> None:
    two = ONE.repeat(2)
    exemplars = (EmbeddingKind.EXEMPLAR,) * 2
    assert EmbeddingColumns(1, two, two, exemplars, np.ones(2), np.ones((2, 3))).model_id == 1
    with pytest.raises(StoreError, match="two mean"):
        EmbeddingColumns(1, two, two, (EmbeddingKind.MEAN,) * 2, np.ones(2), np.ones((2, 3)))
