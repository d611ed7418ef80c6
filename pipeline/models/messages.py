"""What a library's error says, in one line."""

from __future__ import annotations


def first_line(error: Exception) -> str:
    """The beginning of a library's message, or the error's type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
