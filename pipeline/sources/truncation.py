"""Whether a video file ends before its container says it does. FFmpeg itself reports such an end as a normal one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

_EBML_HEADER = 0x1A45DFA3
_MATROSKA_SEGMENT = 0x18538067


class IndexEntry(Protocol):
    """One sample of a container's index, as PyAV gives it."""

    pos: int  # byte offset in the file
    size: int  # bytes


def promised_size(path: Path, container: str, index: Iterable[IndexEntry]) -> int | None:
    """Bytes that the file must have by its own account, None where the container does not say.

    `container`: FFmpeg's name of the format. mp4/mov: the end of the last box, and of the last sample in the index;
    matroska/webm: the end of the segment; avi: the end of the RIFF chunk. MPEG-TS has no such account: a cut file is
    a shorter file.
    """
    names = container.split(",")
    if "mp4" in names:
        ends = chain((entry.pos + entry.size for entry in index), (end for _, end in mp4_boxes(path)))
        return max(ends, default=None)
    with path.open("rb") as file:
        if "matroska" in names:
            return _matroska_size(file)
        if "avi" in names:
            head = file.read(12)
            return 8 + int.from_bytes(head[4:8], "little") if head[:4] == b"RIFF" else None
    return None


def mp4_boxes(path: Path) -> Iterator[tuple[str, int]]:
    """Name and end (byte offset) of each box at the top level of an mp4 or mov file, as far as they can be read."""
    length = path.stat().st_size
    with path.open("rb") as file:
        while file.tell() + 8 <= length:
            start = file.tell()
            size = int.from_bytes(file.read(4), "big")
            name = file.read(4)
            if not all(32 <= byte < 127 for byte in name):
                return
            if size == 1:  # a 64-bit size follows
                size = int.from_bytes(file.read(8), "big")
            end = length if size < 8 else start + size  # 0: up to the end of the file
            yield name.decode("ascii"), end
            file.seek(end)


def _matroska_size(file: BinaryIO) -> int | None:
    """End of the segment: the header element is skipped, the segment element says its own size."""
    header = _element(file)
    if header is None or header[0] != _EBML_HEADER or header[1] is None:
        return None
    file.seek(header[1], 1)
    segment = _element(file)
    if segment is None or segment[0] != _MATROSKA_SEGMENT or segment[1] is None:
        return None
    return file.tell() + segment[1]


def _element(file: BinaryIO) -> tuple[int, int | None] | None:
    """Identifier and size of the EBML element that starts here (RFC 8794, sections 4 to 6). Size None: unknown."""
    identifier, size = _variable_integer(file), _variable_integer(file)
    if identifier is None or size is None:
        return None
    value, length = size
    ones = (1 << 7 * length) - 1
    return identifier[0], None if value & ones == ones else value & ones


def _variable_integer(file: BinaryIO) -> tuple[int, int] | None:
    """Value with its length marker, and length in bytes, which the leading zeros of the first byte tell."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    length = 9 - first[0].bit_length()
    return int.from_bytes(first + file.read(length - 1), "big"), length
