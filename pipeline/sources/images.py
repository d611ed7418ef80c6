"""ImageFolder: the pictures of a folder as the frames of a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from pipeline.errors import DamagedSourceError, SourceError
from pipeline.sources.base import StartOrigin, check_limits, check_name, in_utc, microseconds
from pipeline.sources.fingerprint import fingerprint_files
from trackers.structures import Frame, ImageArray

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


class ImageFolder:
    """The pictures of a folder in natural order of their names (2 before 10), at a fixed rate. Iterated once.

    Orientation in EXIF is applied, grey becomes blue-green-red, 16 bits become the upper 8 (the same for every
    picture, so that brightness stays comparable), transparency is dropped. A picture that cannot be read, or is of
    another size, ends the source with DamagedSourceError: what came before it is kept.
    """

    kind = "images"
    time_base: Fraction | None = None  # pictures have no time stamps
    time_offset = 0.0

    def __init__(
        self,
        path: Path | str,
        *,
        fps: float = 25.0,
        start_at: datetime | None = None,
        max_frames: int | None = None,
        first_frame: int = 0,
    ) -> None:
        """List the folder and read its first picture.

        `fps`: pictures a second. `start_at`: when the first was taken; default its file date. `max_frames`: end
        after so many. `first_frame`: index of the first to give. Raises SourceError.
        """
        self.path = Path(path)
        check_name(self.path)
        self.name = self.path.name or str(self.path)
        self.uri = str(self.path.resolve())
        self.fps = fps
        self.repaired = 0
        self.damaged = 0
        self.dropped = 0
        check_limits(self.name, first_frame, max_frames)
        if not 0 < fps < 10_000:
            raise SourceError(f"{self.name}: {fps} pictures a second is no rate; give one above 0")
        self._files = list_pictures(self.path)
        if first_frame > len(self._files):
            raise SourceError(f"{self.name} has {len(self._files)} pictures; it cannot be read from {first_frame} on")
        self._first = first_frame
        self._end = len(self._files) if max_frames is None else min(len(self._files), first_frame + max_frames)
        self._stopped = False
        self.codec = self._files[0].suffix.lower().lstrip(".")
        self.height, self.width = read_picture(self._files[0]).shape[:2]
        if start_at is not None:
            self.start_at, self.start_origin = in_utc(start_at, name=self.name), StartOrigin.GIVEN
        else:
            self.start_at = datetime.fromtimestamp(self._files[0].stat().st_mtime, UTC)
            self.start_origin = StartOrigin.FILE

    @property
    def frame_count(self) -> int | None:
        """How many frames iteration gives."""
        return self._end - self._first

    @property
    def duration(self) -> float | None:
        """Seconds, of the whole folder."""
        return len(self._files) / self.fps

    @cached_property
    def fingerprint(self) -> str:
        """Of the pictures' names and contents; see `fingerprint.py`. Raises SourceError where one is gone."""
        try:
            return fingerprint_files(self._files)
        except OSError as error:
            raise SourceError(f"{error.filename} can no longer be read: {error.strerror}") from error

    def __iter__(self) -> Iterator[Frame]:
        start = microseconds(self.start_at)
        unit = 1 / Fraction(self.fps).limit_denominator(1_000_000)
        for index in range(self._first, self._end):
            if self._stopped:
                return
            time = float(index * unit)
            image = self._read(index)
            yield Frame(picture=image, index=index, time=time, at=start + round(time * 1e6), pts=index, time_base=unit)

    def stop(self) -> None:
        """End the iteration after the frame in hand."""
        self._stopped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def _read(self, index: int) -> ImageArray:
        file = self._files[index]
        read = f"{index - self._first} of {self.frame_count} pictures of {self.name} were read"
        try:
            image = read_picture(file)
        except SourceError as error:
            if index == self._first:
                raise
            raise DamagedSourceError(f"{error}; {read}") from error
        if image.shape[:2] != (self.height, self.width):
            kind = SourceError if index == self._first else DamagedSourceError
            height, width = image.shape[:2]
            raise kind(
                f"{file} is {width}x{height}, but the first picture of the folder is {self.width}x{self.height}; "
                f"pictures of one camera have one size: sort them into a folder for each size; {read}"
            )
        return image


def read_picture(path: Path) -> ImageArray:
    """(height, width, 3) uint8 blue green red, upright. Raises SourceError naming the file."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if len(data) else None
    except cv2.error as error:
        raise SourceError(f"{path} is not a picture that can be read; remove or replace it") from error
    if image is None:
        raise SourceError(f"{path} is not a picture that can be read; remove or replace it")
    if image.dtype not in (np.uint8, np.uint16):
        raise SourceError(f"{path} has {image.dtype} pixels; convert it to 8 or 16 bits")
    upright: ImageArray = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
    return upright


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorts digits as numbers: frame2 before frame10; equal numbers by their spelling."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part.casefold()) for part in parts]


def list_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order of their names. Raises SourceError where there are none."""
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}; check the path")
    files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]
    if not files:
        raise SourceError(f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))}); name another folder")
    return sorted(files, key=lambda file: (natural_key(file.name), file.name))
