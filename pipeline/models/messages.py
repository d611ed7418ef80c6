"""What a library's error says, in one line."""

from __future__ import annotations


def first_line(error: Exception) -> str:
    """The beginning of a library's message, or the error's type."""
    return _lines(error)[0]


def last_line(error: Exception) -> str:
    """The end of a message that begins with where in the library it was, as OpenVINO's do, or the error's type."""
    return _lines(error)[-1]


def _lines(error: Exception) -> list[str]:
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
