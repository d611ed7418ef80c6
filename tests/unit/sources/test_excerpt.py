"""Excerpts: the same pictures, numbers and times as reading the whole source gives, of every kind of file."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline.errors import DamagedSourceError, SourceError
from pipeline.sources.excerpt import PictureFootage, VideoFootage, check_video, open_footage
from pipeline.sources.files import VideoFile
from pipeline.sources.images import ImageFolder
from pipeline.sources.numbered import NumberedFrames
from pipeline.sources.timetable import read_timetable
from tests.clips import cut, picture, write_clip
from trackers.structures import Frame

START = 1_700_000_000_123_457  # microseconds UTC
START_AT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START)
REAL = (
    "videos/people-walking.mp4",  # B-frames
    "videos/person-bicycle-car-detection.mp4",  # stamps from -16000 on, 8 frames before the first that is shown
    "videos/dense-traffic.mp4",  # 2 key frames in 499
    "mot15/PETS09-S2L1/video.mp4",
    "mot15/TUD-Campus/video.mp4",  # MPEG-4
)


def read(path: Path) -> list[Frame]:
    """What a run would see of a file, up to its damage if it is damaged."""
    frames: list[Frame] = []
    with VideoFile(path, start_at=START_AT) as source:
        try:
            frames.extend(source)
        except DamagedSourceError:
            assert frames
    return frames


def assert_same(found: list[Frame], expected: list[Frame]) -> None:
    assert [frame.index for frame in found] == [frame.index for frame in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.time, one.at, one.pts) == (other.time, other.at, other.pts)
        assert one.time_base == other.time_base
        assert np.array_equal(one.image, other.image)


def check(path: Path, *, spans: list[tuple[int, int]]) -> None:
    """Excerpts of frames a to b (positions in what VideoFile gives) equal what VideoFile gives."""
    frames = read(path)
    footage = VideoFootage(path, start_at=START)
    for first, last in [*spans, (0, len(frames) - 1)]:
        found = list(footage.between(frames[first].at, frames[last].at))
        assert_same(found, frames[first : last + 1])


@pytest.mark.parametrize("name", REAL)
def test_real_videos(shared: Path, name: str) -> None:
    frames = read(shared / "data" / name)
    footage = VideoFootage(shared / "data" / name, start_at=START)
    chance = np.random.default_rng(len(frames))
    for _ in range(4):
        first = int(chance.integers(0, len(frames)))
        last = min(len(frames) - 1, first + int(chance.integers(0, 12)))
        assert_same(list(footage.between(frames[first].at, frames[last].at)), frames[first : last + 1])


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("libx264", "mp4", {"g": "10", "bf": "3"}),
        ("libx264", "mp4", {"x264-params": "keyint=8:open-gop=1:bframes=3:scenecut=0:b-adapt=0"}),
        ("libx264", "ts", {"g": "10", "bf": "2"}),  # stamps begin at 1.4 s
        ("libx264", "ts", {"x264-params": "keyint=8:intra-refresh=1:bframes=0"}),  # pictures mend bit by bit
        ("libx264", "mkv", {"g": "10", "bf": "3"}),
        ("libx264", "avi", {"g": "10", "bf": "0"}),
        ("libx265", "mp4", {"x265-params": "log-level=none:keyint=8:open-gop=1:bframes=3"}),
        ("mpeg2video", "ts", {"g": "8", "bf": "2"}),
        ("mpeg4", "avi", {"g": "8"}),
        ("mpeg4", "mp4", {"g": "8", "bf": "2"}),
        ("libvpx-vp9", "webm", {"g": "10", "deadline": "realtime"}),
        ("mjpeg", "mkv", {}),
        ("libx264", "h264", {"g": "10"}),  # no stamps at all
    ],
)
def test_codecs_and_containers(tmp_path: Path, codec: str, suffix: str, options: dict[str, str]) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_clip(tmp_path / f"clip.{suffix}", codec=codec, count=40, pixels=pixels, options=options, fps=25)
    check(path, spans=[(0, 0), (3, 9), (17, 17), (23, 31), (39, 39)])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_variable_rate_keeps_its_times(tmp_path: Path, suffix: str) -> None:
    stamps = np.cumsum([0, *([40, 200, 13, 40, 1000] * 6)]).tolist()
    path = write_clip(tmp_path / f"clip.{suffix}", count=31, stamps=stamps, options={"g": "7", "bf": "2"})
    check(path, spans=[(5, 6), (13, 22), (30, 30)])


def test_stamps_that_begin_late(tmp_path: Path) -> None:
    stamps = [5_000 + 40 * index for index in range(30)]
    path = write_clip(tmp_path / "clip.mkv", count=30, stamps=stamps, options={"g": "8", "bf": "2"})
    check(path, spans=[(0, 2), (9, 20)])


def test_stamps_that_go_back_are_read_from_the_start(tmp_path: Path) -> None:
    """A camera's clock that was set anew: the same stamp occurs twice."""
    first = write_clip(tmp_path / "a.ts", count=20, options={"g": "5", "bf": "0"})
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() * 2)
    assert read_timetable(path) is None
    check(path, spans=[(2, 5), (18, 25)])


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_videos_are_upright(tmp_path: Path, rotation: int) -> None:
    path = write_clip(tmp_path / "clip.mp4", count=30, rotation=rotation, options={"g": "10", "bf": "2"})
    check(path, spans=[(13, 17)])


def test_a_file_that_is_cut_off_gives_what_there_is(tmp_path: Path) -> None:
    path = cut(write_clip(tmp_path / "clip.ts", count=40, options={"g": "8", "bf": "0"}), 0.7)
    frames = read(path)
    found = list(VideoFootage(path, start_at=START).between(frames[10].at, frames[-1].at + 60_000_000))
    assert_same(found[: len(frames) - 10], frames[10:])


def test_moments_without_frames(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", count=10)
    footage = VideoFootage(path, start_at=START)
    assert list(footage.between(START - 5_000_000, START - 1)) == []
    assert list(footage.between(START + 10_000, START + 90_000)) == []
    assert list(footage.between(START + 900_001, START + 9_000_000)) == []
    assert list(footage.between(START + 500_000, START + 400_000)) == []
    assert [frame.index for frame in footage.between(START, START)] == [0]


def test_the_timetable_lists_what_is_shown(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", count=20, options={"g": "8", "bf": "2", "sc_threshold": "0"})
    table = read_timetable(path)
    assert table is not None
    assert len(table) == 20
    assert table.times == pytest.approx(np.arange(20) / 10)
    assert np.flatnonzero(table.keys).tolist() == [0, 8, 16]
    assert [table.key_before(row) for row in (0, 7, 8, 19)] == [0, 0, 8, 16]


def test_only_the_excerpt_is_decoded(tmp_path: Path) -> None:
    """Bytes that nobody needs may be anything: with the first second overwritten, the rest is read without a word."""
    path = write_clip(tmp_path / "clip.mp4", count=60, options={"g": "10", "bf": "0", "sc_threshold": "0"}, fps=10)
    footage, frames = VideoFootage(path, start_at=START), read(path)
    with av.open(str(path)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for position, size in spans[1:40]:
        content[position : position + size] = b"\xff" * size
    path.write_bytes(content)
    assert_same(list(footage.between(frames[45].at, frames[48].at)), frames[45:49])


@pytest.mark.parametrize("fps", [25.0, 7.5, 30000 / 1001])
def test_folders_of_pictures(tmp_path: Path, fps: float) -> None:
    for index in range(12):
        cv2.imwrite(str(tmp_path / f"frame{index}.png"), picture(index))
    with ImageFolder(tmp_path, fps=fps, start_at=START_AT) as folder:
        frames = list(folder)
    footage = open_footage("images", tmp_path, start_at=START, fps=fps)
    for first, last in [(0, 0), (3, 7), (11, 11), (0, 11)]:
        assert_same(list(footage.between(frames[first].at, frames[last].at)), frames[first : last + 1])
    assert list(footage.between(frames[-1].at + 1, frames[-1].at + 1_000_000)) == []


def test_a_broken_picture_ends_the_excerpt(tmp_path: Path) -> None:
    for index in range(4):
        cv2.imwrite(str(tmp_path / f"frame{index}.png"), picture(index))
    (tmp_path / "frame2.png").write_bytes(b"no picture")
    footage = PictureFootage(tmp_path, start_at=START, fps=10.0)
    assert [frame.index for frame in footage.between(START, START + 1_000_000)] == [0, 1]


def test_what_cannot_be_looked_at_again(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        open_footage("file", tmp_path / "gone.mp4", start_at=START)
    with pytest.raises(SourceError, match="there is no folder"):
        open_footage("images", tmp_path / "gone", start_at=START)
    with pytest.raises(SourceError, match="of kind 'stream'"):
        open_footage("stream", tmp_path / "gate", start_at=START)


def test_enormous_pictures_are_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mov", codec="png", pixels="rgb24", count=2)
    check_video(path)
    small = b"IHDR" + struct.pack(">II", 96, 64)
    assert path.read_bytes().count(small) == 2
    path.write_bytes(path.read_bytes().replace(small, b"IHDR" + struct.pack(">II", 9000, 9000)))
    for check in (check_video, NumberedFrames):
        with pytest.raises(SourceError, match="9000x9000: more than can be handled"):
            check(path)
