"""The video sink: times, sizes and colours survive; nothing half-written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import OutputError
from pipeline.sinks.base import ChunkEnd, Result
from pipeline.sinks.part_file import PartFile
from pipeline.sinks.past import Past
from pipeline.sinks.track_text import boxes_of
from pipeline.sinks.video import VideoSink
from pipeline.sources.files import VideoFile
from tests.clips import BLUE, GREEN, RED, WHITE, corners, picture
from tests.fakes import make_frame, make_tracks
from trackers.structures import Detections, Tracks

TIMES = [0.0, 0.04, 0.09, 0.2, 0.21, 0.9, 1.0, 5.0]


def results(*, width: int = 320, height: int = 240) -> list[Result]:
    box = np.array([[40, 60, 90, 150]], np.float32)
    found = Detections(box, np.array([0.9], np.float32), np.zeros(1, np.int64))
    frames = [
        replace(make_frame(index), picture=picture(index, width=width, height=height), time=time)
        for index, time in enumerate(TIMES)
    ]
    return [Result(frame, found, make_tracks(found) if frame.index else Tracks.empty()) for frame in frames]


def write(path: Path, *, width: int = 320, height: int = 240) -> Path:
    with VideoSink(path, ["person"]) as sink:
        for item in results(width=width, height=height):
            sink.write(item)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_every_frame_keeps_its_time(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"out.{suffix}")
    with VideoFile(path) as video:
        frames = list(video)
        assert (video.codec, video.width, video.height, video.repaired) == ("h264", 320, 240, 0)
    assert [frame.time for frame in frames] == pytest.approx(TIMES, abs=1e-3)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_colours_survive_and_players_are_told_them(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoSink(path, [], quality=10) as sink:
        sink.write(results(width=640, height=480)[0])
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.pix_fmt, context.colorspace, context.color_range) == ("yuv420p", 6, 1)
    with VideoFile(path) as video:
        image = next(iter(video)).image
    assert np.abs(np.subtract(corners(image), [RED, GREEN, BLUE, WHITE])).max() < 12


def test_tracks_are_drawn(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4")
    with VideoFile(path) as video:
        bare, drawn = (frame.image.astype(int) for frame in list(video)[:2])
    edge = (slice(70, 110), slice(39, 42))
    assert np.abs(drawn[edge] - bare[edge]).mean() > 30
    far = (slice(200, 230), slice(200, 300))
    assert np.abs(drawn[far] - bare[far]).mean() < 10


@pytest.mark.parametrize("size", [(321, 241), (320, 241), (33, 17)])
def test_odd_sizes_are_made_even(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write(tmp_path / "out.mp4", width=size[0], height=size[1])
    with VideoFile(path) as video:
        assert (video.width, video.height) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
        assert len(list(video)) == len(TIMES)


def test_the_index_stands_in_front(tmp_path: Path) -> None:
    data = write(tmp_path / "out.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("written", [0, 1, 5])
def test_a_failed_run_leaves_the_older_file(tmp_path: Path, written: int) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("older")

    def run_and_break() -> None:
        with VideoSink(path, ["person"]) as sink:
            for item in results()[:written]:
                sink.write(item)
            raise RuntimeError("the run broke")

    with pytest.raises(RuntimeError, match="broke"):
        run_and_break()
    assert path.read_text() == "older"
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]


def test_no_frame_no_file(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", ["person"]):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"written as \.mp4"):
        VideoSink(tmp_path / "out.gif", [])
    with pytest.raises(OutputError, match="there is no folder"), VideoSink(tmp_path / "missing" / "out.mp4", []):
        pass


@pytest.mark.parametrize("place", ["out.mkv", ".out.mkv.run.parts/000000000000-0.mp4"])
def test_a_full_disk_is_an_output_error(tmp_path: Path, place: str) -> None:
    """While a fragment is written, and while they are joined; what is whole stays for a run that may be resumed."""
    items = results()

    def fill() -> None:
        with VideoSink(tmp_path / "out.mkv", ["person"], owner="run") as sink:
            owner = "run" if place == "out.mkv" else ""
            PartFile(tmp_path / place, owner=owner).part.symlink_to("/dev/full")
            for item in items:
                sink.write(replace(item, end=ChunkEnd.WHOLE))

    with pytest.raises(OutputError, match="cannot be written"):
        fill()
    kept = sorted(file.name for file in tmp_path.glob(".out.mkv.run.parts/*"))
    assert len(kept) == (len(items) if place == "out.mkv" else 0)
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("ending", ["killed", "stopped"])
def test_a_resumed_video_is_the_whole_one(tmp_path: Path, suffix: str, ending: str) -> None:
    items = results()
    items[3] = replace(items[3], end=ChunkEnd.WHOLE)
    (tmp_path / "whole").mkdir()
    whole, path = tmp_path / "whole" / f"out.{suffix}", tmp_path / f"out.{suffix}"
    with VideoSink(whole, ["person"], owner="run") as sink:
        for item in items:
            sink.write(item)
    first = VideoSink(path, ["person"], owner="run")
    first.__enter__()
    for item in items[: 4 if ending == "stopped" else 6]:
        first.write(item)
    if ending == "stopped":
        first.__exit__(None, None, None)
        assert path.exists()
    second = VideoSink(path, ["person"], owner="run")
    second.resume(Past(4, 4, lambda: iter([boxes_of(item) for item in items[:4]])))
    with second:
        for item in items[4:]:
            second.write(item)
    with VideoFile(path) as a, VideoFile(whole) as b:
        pairs = list(zip(a, b, strict=True))
    assert [one.time for one, _ in pairs] == [other.time for _, other in pairs] == pytest.approx(TIMES, abs=1e-3)
    assert max(np.abs(one.image.astype(int) - other.image).mean() for one, other in pairs) < 1  # with the same paths
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([path.name, "whole"])


def test_a_video_whose_parts_are_lost_is_not_gone_on_with(tmp_path: Path) -> None:
    write(tmp_path / "out.mp4")
    sink = VideoSink(tmp_path / "out.mp4", ["person"], owner="run")
    with pytest.raises(OutputError, match="--without-video"):
        sink.resume(Past(4, 4, lambda: iter(())))
    assert times_of(tmp_path / "out.mp4") == pytest.approx(TIMES, abs=1e-3)


def times_of(path: Path) -> list[float]:
    with VideoFile(path) as video:
        return [frame.time for frame in video]
