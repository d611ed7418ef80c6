"""Files beside boxes: `seqinfo.ini` (rate, length, size), `gmc.txt` (camera motion), `FILE.json` (which tracker)."""

from __future__ import annotations

import configparser
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import FormatError
from pipeline.evaluation.number_table import read_numbers, read_text, write_text
from trackers.structures import FloatArray

_SECTION = "Sequence"
_KEYS = ("name", "frameRate", "seqLength", "imWidth", "imHeight")
_FASTEST = 1e9  # frames a second
_MOTION_COLUMNS = ("frame", "a", "b", "tx", "c", "d", "ty")


@dataclass(frozen=True, slots=True)
class SequenceInfo:
    """What `seqinfo.ini` says of a sequence."""

    name: str
    frame_rate: float  # frames a second
    length: int  # frames
    width: int  # pixels
    height: int  # pixels


@dataclass(frozen=True, slots=True)
class FollowInfo:
    """What `FILE.json` says of the boxes of one target in FILE; None where it does not."""

    frames_per_second: float | None = None  # at which the tracker worked
    tracker: str | None = None  # its name
    start_frame: int = 0  # of the video, that the first row belongs to


def read_seqinfo(path: Path) -> SequenceInfo:
    """Read `seqinfo.ini`. FormatError where it is missing or malformed, or a value is absent or not above 0."""
    parser = configparser.ConfigParser(interpolation=None)  # a name may hold a per cent sign
    text = read_text(path)
    try:
        parser.read_string(text, source=str(path))
    except configparser.Error as error:
        raise FormatError(f"{path}: not an INI file: {' '.join(str(error).split())}") from error
    if not parser.has_section(_SECTION):
        raise FormatError(f"{path}: no section [{_SECTION}]")
    values = {key: _Value(path, text, key, parser.get(_SECTION, key, fallback=None)) for key in _KEYS}
    return SequenceInfo(
        name=values["name"].text(),
        frame_rate=values["frameRate"].number(),
        length=values["seqLength"].whole(),
        width=values["imWidth"].whole(),
        height=values["imHeight"].whole(),
    )


def write_seqinfo(path: Path, info: SequenceInfo) -> None:
    """Write `seqinfo.ini`. OutputError where that fails."""
    values = (info.name, f"{info.frame_rate:.10g}", info.length, info.width, info.height)
    lines = (f"{key}={value}\n" for key, value in zip(_KEYS, values, strict=True))
    write_text(path, f"[{_SECTION}]\n{''.join(lines)}")


def read_camera_motion(path: Path) -> dict[int, FloatArray]:
    """Read `gmc.txt`: for a frame, counted from 1, the affine map (2, 3) of pixel positions in the frame before to it.

    FormatError where the file is missing or malformed, or a frame occurs twice.
    """
    table = read_numbers(path, _MOTION_COLUMNS, least=len(_MOTION_COLUMNS))
    if not len(table):
        return {}
    frames = table.whole(0)
    table.require(frames >= 1, 0, wanted="a frame from 1")
    first = np.zeros(len(table), dtype=bool)
    first[np.unique(frames, return_index=True)[1]] = True
    table.require(first, 0, wanted="a frame that has no line yet")
    maps = table.values[:, 1:].reshape(-1, 2, 3)
    return {int(frame): affine for frame, affine in zip(frames, maps, strict=True)}


def write_camera_motion(path: Path, motion: Mapping[int, FloatArray]) -> None:
    """Write `gmc.txt` by rising frame. OutputError where that fails."""
    rows = ((frame, np.asarray(motion[frame]).ravel()) for frame in sorted(motion))
    write_text(path, "".join(f"{frame},{','.join(f'{value:.9g}' for value in row)}\n" for frame, row in rows))


def read_follow_info(boxes: Path) -> FollowInfo:
    """Read the `FILE.json` of a file of boxes: `{"frames_per_second": 61.5, "tracker": "nanotrack"}`, more may follow.

    Nothing is known where there is none. FormatError where it is malformed.
    """
    path = boxes.with_name(f"{boxes.name}.json")
    if not path.exists():
        return FollowInfo()
    try:
        values = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FormatError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(values, dict):
        raise FormatError(f'{path}: not an object; write {{"frames_per_second": ..., "tracker": ...}}')
    speed, tracker = values.get("frames_per_second"), values.get("tracker")
    if speed is not None and not (type(speed) in (int, float) and 0 < speed < _FASTEST):
        raise FormatError(f"{path}: frames_per_second is {speed!r:.30}, not a number above 0 that a tracker can reach")
    if tracker is not None and not isinstance(tracker, str):
        raise FormatError(f"{path}: tracker is {tracker!r}, not a text")
    start = values.get("start_frame", 0)
    if type(start) is not int or start < 0:
        raise FormatError(f"{path}: start_frame is {start!r:.30}, not a whole number from 0")
    return FollowInfo(None if speed is None else float(speed), tracker, start)


@dataclass(frozen=True, slots=True)
class _Value:
    """One value of an INI file, and where to find it when it is wrong."""

    path: Path
    content: str
    key: str
    value: str | None

    def text(self) -> str:
        if not self.value:
            raise FormatError(f"{self.path}: [{_SECTION}] lacks {self.key}")
        return self.value

    def number(self) -> float:
        try:
            number = float(self.text())
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number > 0):
            raise self._error("a number above 0")
        return number

    def whole(self) -> int:
        number = self.number()
        if not number.is_integer():
            raise self._error("a whole number")
        return int(number)

    def _error(self, wanted: str) -> FormatError:
        lines = self.content.splitlines()
        # configparser ignores case and keeps no line numbers
        line = 1 + next(i for i, line in enumerate(lines) if line.strip().lower().startswith(self.key.lower()))
        return FormatError(f"{self.path}, line {line}: {self.key} is {self.value!r}, not {wanted}")
