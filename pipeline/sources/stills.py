"""Stills: pictures that are no recording; each stands for itself and may have its own size."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import SourceError
from pipeline.sources.images import SUFFIXES, list_pictures, read_picture
from trackers.structures import Frame

__all__ = ["SUFFIXES", "Stills", "list_pictures", "read_picture"]

_log = logging.getLogger(__name__)


class Stills:
    """Pictures in the given order, a frame each, without a time of its own. One that cannot be read is left out."""

    width = height = 0  # each has its own

    def __init__(self, files: Sequence[Path], *, first: int = 0) -> None:
        """`first`: place in `files` of the first one to give."""
        self._files = files
        self._first = first
        self.unreadable: list[str] = []  # why, of each that was left out so far

    @property
    def frame_count(self) -> int | None:
        """How many there are."""
        return len(self._files) - self._first

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._first, len(self._files)):
            try:
                image = read_picture(self._files[index])
            except SourceError as error:
                _log.warning("left out: %s", error)
                self.unreadable.append(str(error))
                continue
            yield Frame(picture=image, index=index, time=float(index), at=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return
