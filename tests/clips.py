"""Small video files for tests, written with PyAV: four coloured corners, and a frame number that can be read back."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pipeline.sinks.h264_file import H264File
from trackers.structures import ImageArray

RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)
BITS = 8


def picture(index: int, *, width: int = 96, height: int = 64) -> ImageArray:
    """Red and green above, blue and white below; a strip in the middle holds the frame's number in black and grey."""
    image = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    image[:top, :left], image[:top, left:], image[top:, :left], image[top:, left:] = RED, GREEN, BLUE, WHITE
    band = slice(top - 8, top + 8)
    for bit in range(BITS):
        columns = slice(bit * width // BITS, (bit + 1) * width // BITS)
        image[band, columns] = 128 if index >> bit & 1 else 0
    return image


def number_in(image: ImageArray) -> int:
    """The frame number that `picture` wrote, read from a decoded, upright picture."""
    height, width = image.shape[:2]
    strip = image[height // 2 - 4 : height // 2 + 4].mean(axis=(0, 2))
    cells = [strip[bit * width // BITS + 2 : (bit + 1) * width // BITS - 2].mean() for bit in range(BITS)]
    return sum((cell > 64) << bit for bit, cell in enumerate(cells))


def corners(image: ImageArray) -> list[tuple[int, int, int]]:
    """Colours at top left, top right, bottom left, bottom right."""
    height, width = image.shape[:2]
    return [
        (int(blue), int(green), int(red))
        for y in (height // 8, height - height // 8)
        for x in (width // 8, width - width // 8)
        for blue, green, red in [image[y, x]]
    ]


def write_clip(
    path: Path,
    *,
    count: int = 20,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    size: tuple[int, int] = (96, 64),
    fps: int = 10,
    stamps: Sequence[int] | None = None,
    rotation: int | None = None,
    mirrored: bool = False,
    container: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write `count` numbered pictures. `stamps`: milliseconds, default even. `rotation`: counter-clockwise degrees."""
    width, height = size
    with av.open(str(path), "w", options=container or {}) as output:
        output.metadata.update(metadata or {})
        stream = output.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        if stamps is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=mirrored)
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(picture(index, width=width, height=height), "bgr24")
            frame = frame.reformat(format=pixels)
            frame.pts = index if stamps is None else stamps[index]
            frame.time_base = Fraction(1, fps) if stamps is None else Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """A second of silence in a container that could hold video."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=16_000)
        for _ in range(16):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate = 16_000
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def cut(path: Path, share: float) -> Path:
    """Keep only the first `share` of the file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def write_moving(path: Path, *, count: int = 100) -> Path:
    """A bright block that walks over a dark floor again and again, at 25 frames/s."""
    with H264File(path) as video:
        for index in range(count):
            image = np.full((240, 320, 3), 40, np.uint8)
            if index > 10:
                x = index * 2 % 280
                image[100:180, x : x + 40] = 220
            video.write(image, index / 25)
    return path
