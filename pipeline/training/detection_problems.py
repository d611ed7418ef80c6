"""Problems: what is wrong with labelled pictures, gathered so that one error tells of many."""

from __future__ import annotations

from pipeline.errors import FormatError

_SHOWN = 5


class Problems:
    """Complaints in the order they were found, each with its place."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, place: object, what: str) -> None:
        """`place`: a file, with the line where there is one."""
        self._found.append(f"{place}: {what}")

    def __len__(self) -> int:
        return len(self._found)

    def require_none(self) -> None:
        """Raise FormatError that tells how many there are and shows the first five; nothing where there are none."""
        if not self._found:
            return
        more = len(self._found) - _SHOWN
        count = "1 problem" if len(self._found) == 1 else f"{len(self._found)} problems"
        tail = f"; and {more} more" if more > 0 else ""
        raise FormatError(
            f"the labelled pictures have {count}: {'; '.join(self._found[:_SHOWN])}{tail}. Correct or remove them"
        )
