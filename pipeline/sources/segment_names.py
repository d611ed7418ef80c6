"""Where the segments of a recording lie: media/recordings/<camera>/<YYYY-MM-DD>/<HHMMSS_microseconds>.mp4, in UTC."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

RECORDINGS = "recordings"  # in the media folder
PART = ".part"  # ends the hidden name of a segment that is being written

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d")  # no names of folders on some systems
_NAME = re.compile(r"\.?(\d{6}_\d{6})\.(?:mp4|mkv)(?:\.part)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def camera_folder(name: str) -> str:
    """A folder's name for a camera's: itself where it is plain, else readable and with a sum that tells names apart.

    Different names have different folders, also where a file system does not tell capitals from small letters.
    """
    if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    readable = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:40]
    return f"{readable or 'camera'}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def camera_folder_in(media_folder: Path, camera: str) -> Path:
    """Where the recordings of a camera lie."""
    return media_folder / RECORDINGS / camera_folder(camera)


def segment_path(media_folder: Path, camera: str, at: int, suffix: str) -> Path:
    """Of the segment that begins at `at` (microseconds UTC). `suffix`: with its dot."""
    begun = _EPOCH + timedelta(microseconds=at)
    return camera_folder_in(media_folder, camera) / day_of(at) / f"{begun:%H%M%S_%f}{suffix}"


def day_of(at: int) -> str:
    """The folder of a day. `at`: microseconds UTC."""
    return f"{_EPOCH + timedelta(microseconds=at):%Y-%m-%d}"


def part_of(path: Path) -> Path:
    """The name a segment has while it is written."""
    return path.with_name(f".{path.name}{PART}")


def whole_of(path: Path) -> Path:
    """The name of a segment once it is complete. `path`: of it, complete or not."""
    return path.with_name(path.name[1:].removesuffix(PART)) if path.name.endswith(PART) else path


def begun_at(path: Path) -> int | None:
    """When a segment begins by its name, unfinished or not, microseconds UTC; None for a file that is no segment."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    try:
        begun = datetime.strptime(f"{path.parent.name} {found[1]}", "%Y-%m-%d %H%M%S_%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (begun - _EPOCH) // timedelta(microseconds=1)
