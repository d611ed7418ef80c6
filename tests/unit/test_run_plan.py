"""What a run knows of its sources before it loads anything."""

from __future__ import annotations

import pytest

from pipeline.errors import SourceError
from pipeline.models.base import USUAL_SHAPE
from pipeline.run_plan import Seen, first_shape
from pipeline.store.records import SourceRecord


def seen(width: int | None, height: int | None, error: SourceError | None = None) -> Seen:
    return Seen("a.mp4", SourceRecord("video", "a.mp4", "a.mp4", "1", width=width, height=height), error)


@pytest.mark.parametrize(
    ("sources", "shape"),
    [
        ([], USUAL_SHAPE),
        ([Seen("none.mp4", None, SourceError("there is no file"))], USUAL_SHAPE),
        ([seen(None, None), seen(480, 360), seen(1920, 1080)], (360, 480)),
        ([seen(480, 360, SourceError("cut off")), seen(1920, 1080)], (1080, 1920)),
    ],
)
def test_the_first_pictures_are_those_of_the_first_source_that_can_be_read(
    sources: list[Seen], shape: tuple[int, int]
) -> None:
    assert first_shape(sources) == shape
