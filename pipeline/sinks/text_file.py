"""TextFile: lines of text in a PartFile, for the sinks that write text."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from pipeline.sinks.part_file import PartFile


class TextFile:
    """UTF-8 text with line feeds on every system, complete or absent. Raises OutputError where it cannot be written."""

    def __init__(self, path: Path | str, *, owner: str = "") -> None:
        """`owner`: as for PartFile."""
        self._file = PartFile(path, owner=owner)
        self._text: TextIO | None = None

    def __enter__(self) -> Self:
        self._file.__enter__()
        self._text = self._file.part.open("w", encoding="utf-8", newline="\n")
        return self

    def write(self, text: str) -> None:
        """Add text."""
        assert self._text is not None, "enter the file before writing"
        try:
            self._text.write(text)
        except OSError as error:
            raise self._file.failure(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._text is not None, "enter the file before leaving it"
        try:
            self._text.close()  # writes what is still buffered
        except OSError as problem:
            self._file.discard()
            raise self._file.failure(problem) from problem
        self._file.__exit__(kind, error, trace)
