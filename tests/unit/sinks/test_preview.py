"""The preview: a whole picture now and then, gone at the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.sinks.base import Result
from pipeline.sinks.preview import PreviewSink
from tests.clips import picture
from tests.fakes import make_frame, make_tracks
from trackers.structures import Detections


def result(index: int, *, width: int = 320) -> Result:
    found = Detections(np.array([[40, 60, 90, 150]], np.float32), np.array([0.9], np.float32), np.zeros(1, np.int64))
    frame = replace(make_frame(index), picture=picture(index, width=width, height=240))
    return Result(frame, found, make_tracks(found))


def test_it_shows_the_newest_frame_twice_a_second_and_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "preview" / "run.jpg"
    now = [10.0]
    with PreviewSink(path, ["person"], clock=lambda: now[0]) as sink:
        sink.write(result(0))
        first = path.read_bytes()
        now[0] += 0.3
        sink.write(result(1))
        assert path.read_bytes() == first
        now[0] += 0.3
        sink.write(result(2, width=1920))
        shown = cv2.imread(str(path))
        assert shown.shape[:2] == (120, 960)
        assert [file.name for file in path.parent.iterdir()] == ["run.jpg"]
    assert not path.exists()


def test_a_run_goes_on_without_a_preview_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "preview").write_text("a file where the folder should be")
    now = [10.0]
    with PreviewSink(tmp_path / "preview" / "run.jpg", ["person"], clock=lambda: now[0]) as sink:
        for index in range(3):
            sink.write(result(index))
            now[0] += 1
    assert caplog.text.count("there is no preview") == 1
