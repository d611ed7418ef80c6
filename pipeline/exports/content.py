"""What an export is about, and what a file of one format is."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from pipeline.errors import ConfigError
from pipeline.store.rows import RunSourceRow
from pipeline.store.tracked_boxes import TrackedBoxes


@dataclass(frozen=True, slots=True)
class Content:
    """One source of one run."""

    run: UUID
    source: RunSourceRow
    names: tuple[str, ...]  # of the labels
    reviewed: bool  # objects as reviewers left them, else the machine's tracks

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures. Raises ConfigError where nobody knows them: masks need them."""
        if self.source.width is None or self.source.height is None:
            raise ConfigError(
                f"the size of the pictures of '{self.source.name}' is not stored, so masks cannot be written; "
                "export mot or csv"
            )
        return self.source.width, self.source.height

    @property
    def view(self) -> str:
        """ "reviewed" or "raw"."""
        return "reviewed" if self.reviewed else "raw"


class TrackFile(Protocol):
    """A file of one format, complete or absent. Raises OutputError where it cannot be written."""

    def __enter__(self) -> Self: ...

    def write(self, boxes: TrackedBoxes) -> None:
        """Add the boxes of some whole frames, in order."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
