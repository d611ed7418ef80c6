"""Folders of pictures: order, pixel types, orientation, and what is refused."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import DamagedSourceError, SourceError
from pipeline.sources.base import StartOrigin
from pipeline.sources.images import ImageFolder, natural_key, read_picture
from tests.clips import BLUE, GREEN, RED, WHITE, corners, number_in, picture

NAMES = ("frame1.png", "frame2.png", "frame10.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        cv2.imwrite(str(tmp_path / name), picture(number))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_text("no picture")
    return tmp_path


def test_natural_order_and_even_times(folder: Path) -> None:
    with ImageFolder(folder, fps=4, start_at=datetime(2026, 11, 2, tzinfo=UTC)) as source:
        frames = list(source)
        assert (source.width, source.height, source.frame_count, source.duration) == (96, 64, 3, 0.75)
        assert (source.kind, source.codec, source.start_origin) == ("images", "png", StartOrigin.GIVEN)
        assert (source.time_base, source.time_offset) == (None, 0.0)
    assert [number_in(frame.image) for frame in frames] == [0, 1, 2]
    assert [frame.time for frame in frames] == [0.0, 0.25, 0.5]
    assert [frame.at - frames[0].at for frame in frames] == [0, 250_000, 500_000]


def test_limits(folder: Path) -> None:
    with ImageFolder(folder, first_frame=1, max_frames=1) as source:
        assert source.frame_count == 1
        (frame,) = source
    assert (frame.index, number_in(frame.image), frame.time) == (1, 1, pytest.approx(1 / 25))
    with pytest.raises(SourceError, match="has 3 pictures"):
        ImageFolder(folder, first_frame=4)
    with ImageFolder(folder, first_frame=3) as source:
        assert list(source) == []
    with pytest.raises(SourceError, match="no rate"):
        ImageFolder(folder, fps=0)


def test_stop(folder: Path) -> None:
    with ImageFolder(folder) as source:
        frames = iter(source)
        next(frames)
        source.stop()
        assert list(frames) == []


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tiff"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    cv2.imwrite(str(path), picture(5))
    image = read_picture(path)
    assert np.abs(np.subtract(corners(image), [RED, GREEN, BLUE, WHITE])).max() < 12
    assert number_in(image) == 5


def test_grey_and_sixteen_bits(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    ramp = np.arange(256, dtype=np.uint16)[None].repeat(4, axis=0)
    for pixels in (ramp.astype(np.uint8), ramp * 257, cv2.merge([ramp * 257] * 3)):
        cv2.imwrite(str(path), pixels)
        image = read_picture(path)
        assert (image.dtype, image.shape) == (np.uint8, (4, 256, 3))
        assert (image == ramp[..., None]).all()


def test_transparency_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.full((4, 4, 4), (10, 20, 30, 128), np.uint8))
    assert read_picture(path)[0, 0].tolist() == [10, 20, 30]


def test_orientation_in_exif_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    data = cv2.imencode(".jpg", picture(0))[1].tobytes()
    # one EXIF entry: orientation (0x0112), short, 6 = the top of the scene is at the right of the stored picture
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    image = read_picture(path)
    assert image.shape == (96, 64, 3)
    assert np.abs(np.subtract(corners(image), corners(np.rot90(picture(0), -1)))).max() < 12


def test_what_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "frame2.png").write_bytes(b"no picture")
    with ImageFolder(folder) as source, pytest.raises(DamagedSourceError, match=r"frame2\.png is not a .*; 1 of 3"):
        list(source)
    (folder / "frame1.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"frame1\.png is not a picture"):
        ImageFolder(folder)


def test_pixels_that_are_no_integers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "depth.tiff"
    cv2.imwrite(str(path), np.zeros((4, 4, 3), np.float32))
    with pytest.raises(SourceError, match="float32 pixels"):
        read_picture(path)


def test_another_size_ends_the_folder_and_keeps_what_came_before(folder: Path) -> None:
    cv2.imwrite(str(folder / "frame10.png"), picture(2, width=64))
    frames: list[int] = []
    with ImageFolder(folder) as source, pytest.raises(DamagedSourceError, match=r"is 64x64, .* is 96x64; .*2 of 3"):
        frames.extend(frame.index for frame in source)
    assert frames == [0, 1]
    with ImageFolder(folder, first_frame=2) as source, pytest.raises(SourceError) as caught:
        list(source)
    assert not isinstance(caught.value, DamagedSourceError)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff"))
    path.mkdir()
    cv2.imwrite(str(tmp_path / "a.png"), picture(0))
    (tmp_path / "a.png").rename(path / "a.png")
    with pytest.raises(SourceError, match=r"bad\\xff is not UTF-8") as caught:
        ImageFolder(path)
    str(caught.value).encode()


def test_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no pictures"):
        ImageFolder(tmp_path)
    with pytest.raises(SourceError, match="there is no folder"):
        ImageFolder(tmp_path / "missing")


def test_fingerprint_follows_content_and_names(folder: Path) -> None:
    prints = [ImageFolder(folder).fingerprint, ImageFolder(folder, fps=5).fingerprint]
    (folder / "frame10.png").rename(folder / "frame11.png")
    prints.append(ImageFolder(folder).fingerprint)
    cv2.imwrite(str(folder / "frame11.png"), picture(9))
    prints.append(ImageFolder(folder).fingerprint)
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_natural_key() -> None:
    names = ["b1", "a10", "a9", "a09", "A8", "7", "a"]
    assert sorted(names, key=natural_key) == ["7", "a", "A8", "a09", "a9", "a10", "b1"]
