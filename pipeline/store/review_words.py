"""Words of review: those that reviewers give, checked, and those that say what an edit did."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from pipeline.errors import StoreError


def words_of_reviewer(text: str, what: str, *, longest: int) -> str:
    """The text without space around it. Raises StoreError for what no page could show on one line."""
    words = text.strip()
    if not words or len(words) > longest:
        raise StoreError(f"{what} must have 1 to {longest} characters, not {len(words)}")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in words):
        raise StoreError(f"{what} may hold no line breaks or control characters")
    return words


def counted(number: int) -> str:
    """Reviewers call objects tracks."""
    return "1 track" if number == 1 else f"{number:,} tracks"


def clock(at: int) -> str:
    """A time in microseconds UTC."""
    moment = datetime.fromtimestamp(at // 1_000_000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at % 1_000_000 // 1000:03} UTC"
