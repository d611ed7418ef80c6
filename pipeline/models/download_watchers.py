"""Who is told how far a download is."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Sees how far a download is."""

    def at(self, bytes_: int, total: int | None) -> None:
        """So much of the file is here."""

    def again(self, why: str, seconds: float) -> None:
        """It broke off, and is asked for again in so many seconds."""


class Unwatched:
    """Nobody looks."""

    def at(self, bytes_: int, total: int | None) -> None:
        """Nothing happens."""

    def again(self, why: str, seconds: float) -> None:
        """Likewise."""
