"""Arrays survive packing bit by bit, and damage is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.errors import StoreError
from pipeline.store.chunk import NO_PTS, FrameDetections
from pipeline.store.packing import pack_detections, pack_state, unpack_detections, unpack_state
from trackers.structures import Detections, Masks, State

NUMBERS = st.one_of(hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes())
ARRAYS = hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
STATES = st.dictionaries(st.text(max_size=12), ARRAYS, max_size=4)
BOX = st.floats(-1e4, 1e4, width=32)


@st.composite
def tables(draw: st.DrawFn) -> Detections:
    """Detections of one frame: none to three, with or without features and masks."""
    n = draw(st.integers(0, 3))
    features = draw(hnp.arrays(np.float32, (n, 5), elements=BOX)) if draw(st.booleans()) else None
    masks = None
    if draw(st.booleans()):
        shapes = [draw(st.tuples(st.integers(0, 9), st.integers(0, 9))) for _ in range(n)]
        crops = tuple(draw(hnp.arrays(bool, shape)) for shape in shapes)
        masks = Masks(draw(hnp.arrays(np.int64, (n, 2), elements=st.integers(-50, 5000))), crops)
    return Detections(
        draw(hnp.arrays(np.float32, (n, 4), elements=BOX)),
        draw(hnp.arrays(np.float32, n, elements=st.floats(0, 1, width=32))),
        draw(hnp.arrays(np.int64, n, elements=st.integers(0, 90))),
        features,
        masks,
    )


def chunk_of(frames: list[Detections]) -> FrameDetections:
    """Frames 7, 9, 11, ... of one source."""
    f = len(frames)
    numbers = np.arange(f, dtype=np.int64) * 2 + 7
    pts = np.full(f, NO_PTS)
    return FrameDetections(numbers, numbers / 25.0, np.zeros(f, np.int64), pts, tuple(frames))


def assert_same(found: Detections, given_: Detections) -> None:
    """Every column is equal, dtype included."""
    for name in ("boxes", "scores", "labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given_, name), strict=True)
    assert (found.features is None) == (given_.features is None)
    if given_.features is not None:
        np.testing.assert_array_equal(found.features, given_.features, strict=True)
    assert (found.masks is None) == (given_.masks is None)
    if found.masks is not None and given_.masks is not None:
        np.testing.assert_array_equal(found.masks.origins, given_.masks.origins, strict=True)
        for one, other in zip(found.masks.crops, given_.masks.crops, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


@given(STATES)
def test_state_round_trip(state: State) -> None:
    found = unpack_state(pack_state(state))
    assert found.keys() == state.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


@given(STATES)
def test_order_of_names_does_not_change_the_bytes(state: State) -> None:
    assert pack_state(state) == pack_state(dict(reversed(state.items())))


@given(st.lists(tables(), max_size=4))
def test_detections_round_trip(frames: list[Detections]) -> None:
    chunk = chunk_of(frames)
    found = unpack_detections(pack_detections(chunk))
    for name in ("frames", "times", "sessions", "pts"):
        np.testing.assert_array_equal(getattr(found, name), getattr(chunk, name), strict=True)
    assert len(found) == len(frames)
    for one, other in zip(found.detections, frames, strict=True):
        assert_same(one, other)


def test_no_frame_and_no_detection() -> None:
    assert len(unpack_detections(pack_detections(FrameDetections.empty()))) == 0
    found = unpack_detections(pack_detections(chunk_of([Detections.empty(), Detections.empty(dimension=5)])))
    assert found.detections[0].features is None
    assert found.detections[1].features is not None
    assert found.detections[1].features.shape == (0, 5)


@given(st.data())
def test_damage_is_noticed(data: st.DataObject) -> None:
    payload = pack_state({"mean": np.arange(12.0).reshape(3, 4), "ids": np.arange(3)})
    place = data.draw(st.integers(0, len(payload) - 1))
    broken = bytearray(payload)
    broken[place] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(broken), payload[:place], payload + b"x"):
        with pytest.raises(StoreError, match=r"damaged|update Sightline"):
            unpack_state(damaged)


def test_a_payload_of_another_kind_is_refused() -> None:
    with pytest.raises(StoreError, match="damaged"):
        unpack_detections(pack_state({}))


def test_python_objects_are_refused() -> None:
    with pytest.raises(StoreError, match="gallery"):
        pack_state({"gallery": np.array([{}], dtype=object)})


def test_features_of_two_lengths_are_refused() -> None:
    frames = [Detections.empty(dimension=4), Detections.empty(dimension=5)]
    with pytest.raises(StoreError, match="different lengths"):
        pack_detections(chunk_of(frames))
