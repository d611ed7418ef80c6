"""PartFile: an output that appears under its name only when it is complete."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import OutputError


class PartFile:
    """A file that is written as `.<name>.<owner>-<process>.part` in the same folder and renamed at the end.

    Entering it checks that it can be written. Left without an exception it takes its name, replacing an older file;
    left with one it is removed, and the older file stays.
    """

    def __init__(self, path: Path | str, *, owner: str = "") -> None:
        """`owner`: the run that writes it; entering removes what an earlier process of that run left half-written."""
        self.path = Path(path)
        self._stem = f".{self.path.name}.{owner}-" if owner else ""
        self.part = self.path.with_name(f"{self._stem or f'.{self.path.name}.'}{os.getpid()}.part")

    def __enter__(self) -> Self:
        self._open()
        if self._stem:
            for left in self.path.parent.iterdir():
                if left.name.startswith(self._stem) and left.name.endswith(".part") and left != self.part:
                    left.unlink()
        return self

    def check(self) -> None:
        """Raise OutputError if it could not be written now. Leaves nothing behind."""
        self._open()
        self.discard()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.discard()
            return
        try:
            self.part.replace(self.path)
        except OSError as problem:
            self.discard()
            raise self.failure(problem) from problem

    def discard(self) -> None:
        """Remove what was written so far."""
        self.part.unlink(missing_ok=True)

    def failure(self, error: OSError) -> OutputError:
        """The error to raise where the operating system refuses to write."""
        return OutputError(f"{self.path} cannot be written: {error.strerror or error}; check the folder and the disk")

    def _open(self) -> None:
        if not self.path.parent.is_dir():
            raise OutputError(f"{self.path} cannot be written: there is no folder {self.path.parent}; create it first")
        if self.path.is_dir():
            raise OutputError(f"{self.path} is a folder; name a file in it")
        if self.path.exists() and not self.path.is_file():
            raise OutputError(f"{self.path} is a device or a pipe; name a file")
        try:
            self.part.write_bytes(b"")
        except OSError as error:
            raise self.failure(error) from error
