"""Pictures that are made when somebody looks: of the right shape before, the same one ever after, in any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest

from pipeline.sources.picture import Negative, Orientation, to_bgr
from trackers.structures import Frame

QUARTER = np.array([[0, 65536, 0], [-65536, 0, 0], [0, 0, 1 << 30]], np.int32)
HALF = np.array([[-65536, 0, 0], [0, -65536, 0], [0, 0, 1 << 30]], np.int32)


def decoded() -> av.VideoFrame:
    """A picture of 64 x 48 as decoders give it, brighter to the right and at the top."""
    rising = np.add.outer(np.linspace(120, 0, 48), np.linspace(0, 120, 64)).astype(np.uint8)
    return av.VideoFrame.from_ndarray(np.repeat(rising[..., None], 3, axis=2), format="bgr24").reformat(
        format="yuv420p"
    )


@pytest.mark.parametrize("matrix", [None, QUARTER, HALF])
def test_its_shape_is_known_before_it_is_made(matrix: np.ndarray | None) -> None:
    orientation = Orientation(matrix)
    frame = Frame(Negative(decoded(), orientation), 0, 0.0, 0)
    told = (frame.height, frame.width, 3)
    assert told == ((64, 48, 3) if matrix is QUARTER else (48, 64, 3))
    np.testing.assert_array_equal(frame.image, orientation.apply(to_bgr(decoded())))
    assert frame.image.shape == told


def test_everybody_sees_the_same_picture() -> None:
    negative = Negative(decoded(), Orientation(None))
    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(lambda _: negative.image, range(32)))
    assert all(one is seen[0] for one in seen)
