"""Holding a segment that is being written, so that nobody takes it for one that was left behind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, Protocol

if sys.platform != "win32":
    import fcntl


class _HasNumber(Protocol):
    def fileno(self) -> int: ...


def hold(file: _HasNumber) -> None:
    """Until the file is closed or its process ends, however it ends."""
    if sys.platform != "win32":  # there an open file cannot be renamed, which tells as much
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Whether a process is writing it. Raises OSError where the file cannot be opened."""
    with path.open("rb") as file:
        return _is_held(file)


def _is_held(file: BinaryIO) -> bool:
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
