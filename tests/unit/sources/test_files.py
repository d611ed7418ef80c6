"""Video files: every codec, pixel format and turn; true times; and what a broken file says."""

from __future__ import annotations

import os
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline.errors import DamagedSourceError, SourceError
from pipeline.sources.base import StartOrigin
from pipeline.sources.files import VideoFile
from tests.clips import BLUE, GREEN, RED, WHITE, corners, cut, number_in, picture, write_clip, write_sound
from trackers.structures import Frame


def read(path: Path, **options: object) -> list[Frame]:
    with VideoFile(path, **options) as source:  # type: ignore[arg-type]
        return list(source)


def read_until_error(path: Path) -> tuple[list[Frame], DamagedSourceError]:
    frames: list[Frame] = []
    with VideoFile(path) as source:
        try:
            frames.extend(source)
        except DamagedSourceError as error:
            return frames, error
    raise AssertionError(f"{len(frames)} frames and no error")


def near(colours: list[tuple[int, int, int]], expected: list[tuple[int, int, int]], tolerance: int = 12) -> bool:
    return bool(np.abs(np.subtract(colours, expected)).max() <= tolerance)


@pytest.mark.parametrize(
    ("codec", "suffix", "pixels", "name"),
    [
        ("libx264", "mp4", "yuv420p", "h264"),
        ("libx264", "mkv", "yuv420p", "h264"),
        ("libx264", "ts", "yuv420p", "h264"),
        ("libx265", "mp4", "yuv420p", "hevc"),
        ("libx265", "mkv", "yuv420p", "hevc"),
        ("mjpeg", "avi", "yuvj420p", "mjpeg"),
        ("mjpeg", "mkv", "yuvj420p", "mjpeg"),
        ("mpeg4", "avi", "yuv420p", "mpeg4"),
    ],
)
def test_codecs(tmp_path: Path, codec: str, suffix: str, pixels: str, name: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    path = write_clip(tmp_path / f"clip.{suffix}", codec=codec, pixels=pixels, options=options)
    with VideoFile(path) as source:
        frames = list(source)
        assert (source.codec, source.width, source.height, source.fps) == (name, 96, 64, 10.0)
        assert source.frame_count == pytest.approx(20, abs=1)
        assert source.duration == pytest.approx(2.0, abs=0.11)
        assert (source.repaired, source.damaged) == (0, 0)
    assert [number_in(frame.image) for frame in frames] == list(range(20))
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time for frame in frames] == pytest.approx([index / 10 for index in range(20)], abs=0.0011)
    assert near(corners(frames[0].image), [RED, GREEN, BLUE, WHITE])
    assert frames[0].image.flags.c_contiguous
    assert frames[3].pts is not None
    assert frames[3].time_base is not None


@pytest.mark.parametrize(
    ("codec", "pixels"),
    [
        ("libx264", "yuvj420p"),
        ("libx264", "yuv422p"),
        ("libx264", "yuv444p"),
        ("libx264", "yuv420p10le"),
        ("ffv1", "bgr0"),
        ("ffv1", "yuv420p"),
    ],
)
@pytest.mark.parametrize("size", [(96, 64), (98, 66), (65, 49)])
def test_pixel_formats_ranges_and_sizes(tmp_path: Path, codec: str, pixels: str, size: tuple[int, int]) -> None:
    if codec == "libx264" and "444" not in pixels:
        size = size[0] // 2 * 2, size[1] // 2 * 2  # this encoder refuses odd sizes with shared colour
    frame = read(write_clip(tmp_path / "clip.mkv", codec=codec, pixels=pixels, size=size, count=2))[1]
    assert frame.image.shape == (size[1], size[0], 3)
    assert near(corners(frame.image), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("pixels", ["gray", "gray16le"])
def test_grey_video(tmp_path: Path, pixels: str) -> None:
    image = read(write_clip(tmp_path / "clip.mkv", codec="ffv1", pixels=pixels, count=1))[0].image
    assert (image[..., 0] == image[..., 1]).all()
    assert (image[..., 0] == image[..., 2]).all()
    assert [corner[0] for corner in corners(image)] == pytest.approx([76, 150, 29, 255], abs=12)


def test_the_colour_matrix_in_the_file_is_honoured(tmp_path: Path) -> None:
    path = tmp_path / "hd.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=10, options={"colorspace": "bt709", "color_range": "tv"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(picture(0), "bgr24")
        output.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="itu709")))
        output.mux(stream.encode(None))
    assert near(corners(read(path)[0].image), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("height", [576, 718, 720, 1080])
@pytest.mark.parametrize("matrix", ["itu601", "itu709"])
def test_without_a_matrix_in_the_file_high_definition_is_taken_as_bt709(
    tmp_path: Path, height: int, matrix: str
) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=10, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 96, height, "yuv420p"
        frame = av.VideoFrame.from_ndarray(picture(0, height=height), "bgr24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=matrix)
        frame.colorspace = 2  # unspecified
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    right = (matrix == "itu709") == (height >= 720)
    assert near(corners(read(path)[0].image), [RED, GREEN, BLUE, WHITE]) == right


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_pictures_are_upright(tmp_path: Path, rotation: int, mirrored: bool) -> None:
    path = write_clip(tmp_path / "clip.mp4", count=3, rotation=rotation, mirrored=mirrored)
    with VideoFile(path) as source:
        image = next(iter(source)).image
        assert (source.height, source.width) == image.shape[:2]
    expected = np.rot90(picture(0), rotation // 90)
    expected = expected[:, ::-1] if mirrored else expected
    assert image.shape == expected.shape
    assert near(corners(image), corners(expected))


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    stamps = [0, 40, 90, 200, 210, 900, 1000, 5000]
    frames = read(write_clip(tmp_path / "clip.mp4", count=8, stamps=stamps))
    assert [frame.time for frame in frames] == pytest.approx([stamp / 1000 for stamp in stamps], abs=1e-3)
    assert [frame.at - frames[0].at for frame in frames] == pytest.approx([s * 1000 for s in stamps], abs=1000)


def test_a_late_first_stamp_is_time_zero(tmp_path: Path) -> None:
    frames = read(write_clip(tmp_path / "clip.ts", count=3, stamps=[7000, 7100, 7200]))
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.2], abs=1e-3)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_times_follow_from_the_raw_stamps(tmp_path: Path, suffix: str) -> None:
    with VideoFile(write_clip(tmp_path / f"clip.{suffix}", count=4, stamps=[7000, 7100, 7250, 7300])) as source:
        frames = list(source)
        base, offset = source.time_base, source.time_offset
    assert base is not None
    assert frames[0].pts is not None
    assert offset == pytest.approx(-frames[0].pts * base)
    for frame in frames:
        assert frame.pts is not None
        assert frame.time_base == base
        assert float(frame.pts * base) + offset == pytest.approx(frame.time, abs=1e-9)


def test_a_file_without_stamps_has_no_offset(tmp_path: Path) -> None:
    with VideoFile(write_clip(tmp_path / "clip.h264")) as source:
        assert source.time_offset == 0.0


def test_missing_stamps_are_repaired_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "clip.h264"  # an elementary stream has no time stamps at all
    write_clip(path)
    with VideoFile(path) as source:
        times = [frame.time for frame in source]
        assert source.repaired == 20
    assert times == sorted(set(times))
    assert len(times) == 20


def test_limits(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4")
    part = read(path, first_frame=7, max_frames=5)
    assert [frame.index for frame in part] == [7, 8, 9, 10, 11]
    assert [number_in(frame.image) for frame in part] == [7, 8, 9, 10, 11]
    whole = read(path)
    assert [frame.time for frame in part] == [frame.time for frame in whole[7:12]]
    with VideoFile(path, first_frame=7, max_frames=5) as source:
        assert source.frame_count == 5
    with VideoFile(path, first_frame=15, max_frames=50) as source:
        assert source.frame_count == len(list(source)) == 5


@pytest.mark.parametrize(
    ("options", "message"), [({"first_frame": -1}, "from 0"), ({"max_frames": 0}, "1 or more"), ({}, "")]
)
def test_senseless_limits(tmp_path: Path, options: dict[str, int], message: str) -> None:
    path = write_clip(tmp_path / "clip.mp4", count=3)
    if not options:
        with pytest.raises(SourceError, match="has 3 frames; it cannot be read from frame 4"):
            read(path, first_frame=4)
        assert read(path, first_frame=3) == []  # a run that was stopped after the last frame goes on there
        return
    with pytest.raises(SourceError, match=message):
        VideoFile(path, **options)  # type: ignore[arg-type]


def test_stop_ends_the_iteration(tmp_path: Path) -> None:
    with VideoFile(write_clip(tmp_path / "clip.mp4")) as source:
        frames = iter(source)
        next(frames)
        source.stop()
        assert list(frames) == []


def test_start_time_given(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", count=2)
    local = datetime(2026, 11, 2, 9, 30, tzinfo=timezone(timedelta(hours=1)))
    with VideoFile(path, start_at=local) as source:
        assert (source.start_at, source.start_origin) == (local, StartOrigin.GIVEN)
        assert source.start_at.tzinfo is UTC
        first, second = source
    assert first.at == 1_793_608_200_000_000
    assert second.at == first.at + 100_000
    with pytest.raises(SourceError, match="no time zone"):
        VideoFile(path, start_at=local.replace(tzinfo=None))


def test_start_time_in_the_container(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", count=2, metadata={"creation_time": "2020-08-11T18:24:12.000000Z"})
    with VideoFile(path) as source:
        assert source.start_at == datetime(2020, 8, 11, 18, 24, 12, tzinfo=UTC)
        assert source.start_origin is StartOrigin.CONTAINER


@pytest.mark.parametrize("created", [None, "1970-01-01T00:00:00.000000Z", "yesterday"])
def test_start_time_from_the_file_date(tmp_path: Path, created: str | None) -> None:
    path = write_clip(tmp_path / "clip.mkv", metadata={} if created is None else {"creation_time": created})
    os.utime(path, (1_700_000_000, 1_700_000_000))
    with VideoFile(path) as source:
        assert source.start_origin is StartOrigin.FILE
        assert source.start_at.timestamp() == pytest.approx(1_700_000_000 - 2.0)  # the date is that of the end


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_a_late_first_stamp_is_no_part_of_the_duration(tmp_path: Path, suffix: str) -> None:
    stamps = [3_600_000 + 100 * index for index in range(20)]
    path = write_clip(tmp_path / f"clip.{suffix}", stamps=stamps)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    with VideoFile(path) as source:
        assert source.duration == pytest.approx(2.0, abs=0.15)
        assert source.frame_count == pytest.approx(20, abs=1)
        assert source.start_at.timestamp() == pytest.approx(1_700_000_000 - 2.0, abs=0.15)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    good = write_clip(tmp_path / "clip.ts", count=1)
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.ts"))
    good.rename(path)
    with pytest.raises(SourceError, match=r"bad\\xff\.ts is not UTF-8; rename it") as caught:
        VideoFile(path)
    str(caught.value).encode()


def test_names(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a:b c.mp4", count=1)
    with VideoFile(str(path)) as source:
        assert (source.name, source.uri, source.kind) == ("a:b c.mp4", str(path), "file")
        assert len(list(source)) == 1


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4")
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(path.read_bytes())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(data)
    prints = []
    for file in (path, copy, changed):
        with VideoFile(file) as source:
            prints.append(source.fingerprint)
    assert prints[0] == prints[1] != prints[2]
    assert prints[0].startswith("sha256:")


NOT_VIDEOS = {
    "missing": (lambda path: None, "there is no file"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "empty": (lambda path: path.write_bytes(b""), r"is empty \(0 bytes\)"),
    "text": (lambda path: path.write_text("not a video\n" * 50), "is not a video file that can be read"),
    "sound": (write_sound, "holds no video"),
    "no index": (lambda path: cut(write_clip(path, count=60), 0.6), r"has no index \(moov\)"),
}


@pytest.mark.parametrize("what", NOT_VIDEOS)
def test_what_is_no_video_says_so_in_one_line(tmp_path: Path, what: str) -> None:
    make, message = NOT_VIDEOS[what]
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(SourceError, match=message) as caught:
        VideoFile(path)
    assert not isinstance(caught.value, DamagedSourceError)
    assert "\n" not in str(caught.value)
    assert "clip.mp4" in str(caught.value)


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Root may read everything, so root becomes nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_without_permission() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = write_clip(Path(name) / "clip.mp4", count=1)
        path.chmod(0)
        with as_ordinary_user(), pytest.raises(SourceError, match="check its permissions"):
            VideoFile(path)


CUT = {
    "faststart": ("mp4", {"movflags": "faststart"}),
    "fragmented": ("mp4", {"movflags": "frag_keyframe+empty_moov"}),
    "matroska": ("mkv", {}),
    "avi": ("avi", {}),
}


@pytest.mark.parametrize("form", CUT)
def test_a_cut_file_gives_its_frames_and_then_says_so(tmp_path: Path, form: str) -> None:
    suffix, container = CUT[form]
    codec = "mpeg4" if suffix == "avi" else "libx264"
    path = tmp_path / f"clip.{suffix}"
    write_clip(path, codec=codec, count=120, container=container, options={"g": "12"})
    assert len(read(path)) == 120
    cut(path, 0.6)
    frames, error = read_until_error(path)
    assert re.search(r"is cut off: \d+ of about \d+ frames could be read, \d+ bytes are missing", str(error))
    assert 40 < len(frames) < 90
    numbers = [number_in(frame.image) for frame in frames]
    assert numbers[:-3] == list(range(len(frames) - 3))  # the last ones refer to pictures that are gone
    assert numbers == sorted(set(numbers))


def test_the_limit_comes_before_the_damage(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", count=120)
    cut(path, 0.6)
    assert len(read(path, max_frames=10)) == 10


def test_a_cut_transport_stream_is_a_shorter_one(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.ts", count=120, options={"g": "12"})
    cut(path, 0.6)
    assert 40 < len(read(path)) < 90


def damaged_clip(path: Path, *, length: int = 16) -> Path:
    """120 frames, 10 a second, with noise of `length` bytes in a dozen places of the middle half."""
    write_clip(path, count=120, size=(320, 240), options={"g": "12", "crf": "10"})
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(3)
    for start in range(len(data) // 4, 3 * len(data) // 4, len(data) // 24):
        data[start : start + length] = noise.bytes(length)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_damage_in_the_middle_is_concealed_and_counted(tmp_path: Path, suffix: str) -> None:
    with VideoFile(damaged_clip(tmp_path / f"clip.{suffix}")) as source:
        frames = list(source)
        assert source.damaged > 0
    assert 60 <= len(frames) <= 120  # where the container's own structure is hit, whole clusters are lost
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))
    assert times[-1] == pytest.approx(11.9, abs=0.01)
    assert [frame.index for frame in frames] == [round(time * 10) for time in times]


@pytest.mark.parametrize("length", [16, 60, 200])
def test_numbers_stay_those_of_the_container_where_frames_are_lost(tmp_path: Path, length: int) -> None:
    path = damaged_clip(tmp_path / "clip.mp4", length=length)
    frames = read(path)
    numbers = [frame.index for frame in frames]
    assert len(frames) < 120
    assert numbers == [round(frame.time * 10) for frame in frames]
    assert numbers[-1] == 119
    hole = next(number for number in range(120) if number not in numbers)
    part = read(path, first_frame=hole, max_frames=4)
    assert [frame.index for frame in part] == [number for number in numbers if hole <= number < hole + 4]
    assert [frame.index for frame in read(path, max_frames=hole + 1)] == numbers[:hole]


def test_a_pause_of_the_camera_takes_no_numbers(tmp_path: Path) -> None:
    frames = read(write_clip(tmp_path / "clip.mp4", count=6, stamps=[0, 100, 200, 5000, 5100, 9000]))
    assert [frame.index for frame in frames] == list(range(6))


def test_a_change_of_size_ends_the_source(tmp_path: Path) -> None:
    parts = [write_clip(tmp_path / f"{w}.ts", count=5, size=(w, 64)) for w in (96, 128)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, error = read_until_error(joined)
    assert "changes from 96x64 to 128x64 at frame 5" in str(error)
    assert len(frames) == 5


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.ts"])
def test_a_playlist_makes_no_connection_and_opens_no_other_file(tmp_path: Path, name: str) -> None:
    write_clip(tmp_path / "part.ts")
    called = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        port = server.getsockname()[1]

        def listen() -> None:
            try:
                server.accept()[0].close()
            except TimeoutError:
                return
            called.set()

        listener = threading.Thread(target=listen)
        listener.start()
        for entry in (f"http://127.0.0.1:{port}/a.ts", "part.ts"):
            path = tmp_path / name
            path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{entry}\n#EXT-X-ENDLIST\n")
            with pytest.raises(SourceError, match="is not a video file"):
                VideoFile(path)
            path.write_text(f"ffconcat version 1.0\nfile {entry}\n")
            with pytest.raises(SourceError, match="is not a video file"):
                VideoFile(path)
        listener.join()
    assert not called.is_set()


def test_against_opencv_on_a_real_video(shared: Path) -> None:
    path = shared / "data/mot15/PETS09-S2L1/video.mp4"
    capture = cv2.VideoCapture(str(path))
    with VideoFile(path) as source:
        assert (source.width, source.height, source.fps, source.frame_count) == (480, 360, 10.0, 795)
        assert source.start_at == datetime(2020, 8, 11, 18, 24, 12, tzinfo=UTC)
        count = 0
        for frame in source:
            good, image = capture.read()
            assert good
            if frame.index % 50 == 0:
                assert np.abs(image.astype(int) - frame.image).mean() < 1.5
                assert frame.time == pytest.approx(frame.index / 10, abs=1e-3)
            count += 1
    capture.release()
    assert count == 795
