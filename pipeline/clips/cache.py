"""FileCache: files that take long to make, kept until they need too much room."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.clips.one_at_a_time import OneAtATime
from pipeline.errors import BusyError, OutputError

LEFT_OVER = 3600.0  # seconds after which an unfinished file belongs to a process that is gone
MOST_WAITING = 12  # requests; each holds a thread of the server


class FileCache:
    """A folder of files by key, at most `limit` bytes together; the one that was not asked for longest goes first.

    A file is made once however many ask for it at the same time, and appears only when it is complete. Safe to share
    between threads; several processes may share the folder, and then make some files twice.
    """

    def __init__(self, folder: Path, *, limit: int, makers: int = 2, most_waiting: int = MOST_WAITING) -> None:
        """`folder`: made when needed. `limit`: bytes. `makers`: files that are made at once.

        `most_waiting`: how many may wait for a maker.
        """
        self._folder = folder
        self._parts = folder / "unfinished"
        self._limit = limit
        self._makers = threading.BoundedSemaphore(makers)
        self._places = threading.BoundedSemaphore(makers + most_waiting)
        self._one = OneAtATime()
        self._trimming = threading.Lock()

    def get(self, key: str, suffix: str, make: Callable[[Path], None]) -> Path:
        """The file for a key. `key`: letters and digits. `suffix`: with its dot. `make`: writes it to a path.

        Raises what `make` raises, OutputError where the folder cannot be written, BusyError where too many wait.
        """
        path = self._folder / key[:2] / f"{key}{suffix}"
        if _touched(path):
            return path
        if not self._places.acquire(blocking=False):
            raise BusyError("too many clips are being cut at once; try again in a few seconds")
        try:
            with self._one.at(path.name):
                if not _touched(path):
                    with self._makers:
                        self._make(path, make)
                    self._trim(path)
        finally:
            self._places.release()
        return path

    def _make(self, path: Path, make: Callable[[Path], None]) -> None:
        part = self._parts / f"{path.stem}.{secrets.token_hex(4)}{path.suffix}"
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                make(part)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{path.name} cannot be written: {error.strerror}; check the disk of the media"
            ) from error

    def _trim(self, newest: Path) -> None:
        """Delete until the rest fits; the newest stays, however large it is."""
        with self._trimming:
            found = sorted(self._files(), key=lambda one: one[1].st_mtime_ns)
            total = sum(status.st_size for _, status in found)
            for path, status in found:
                if total <= self._limit:
                    break
                if path != newest:
                    path.unlink(missing_ok=True)
                    total -= status.st_size
            self._sweep()

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for folder in self._folder.iterdir():
            if folder == self._parts or not folder.is_dir():
                continue
            for path in folder.iterdir():
                try:
                    yield path, path.stat()
                except FileNotFoundError:  # another process has just deleted it
                    continue

    def _sweep(self) -> None:
        """Remove what a killed process left behind."""
        for part in self._parts.iterdir():
            try:
                if time.time() - part.stat().st_mtime > LEFT_OVER:
                    part.unlink()
            except FileNotFoundError:  # it was finished meanwhile
                continue


def _touched(path: Path) -> bool:
    """Whether the file is there; if so, it was asked for now."""
    try:
        os.utime(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
