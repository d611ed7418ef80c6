"""OneOf: a column that holds one word of an enumeration."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Dialect, String, TypeDecorator

from pipeline.errors import StoreError


class OneOf(TypeDecorator[StrEnum]):
    """A word of an enumeration, checked here and not by the table: a new word then needs no migration.

    Raises StoreError for another word, on the way in and on the way out.
    """

    impl = String(16)
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy calls it so
        """What goes into the table."""
        return None if value is None else self._word(value).value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        """What comes out of it."""
        return None if value is None else self._word(value)

    def _word(self, value: str) -> StrEnum:
        try:
            return self.words(value)
        except ValueError:
            known = ", ".join(self.words)
            raise StoreError(f"'{value}' is no {self.words.__name__}; the words are {known}") from None
