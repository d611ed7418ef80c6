"""StoreReader: what all views of the page share, a transaction within the scope of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from pipeline.page import words
from pipeline.store.database import Database
from pipeline.store.filters import Scope, scope_of


@dataclass(frozen=True, slots=True)
class Sheet:
    """A part of a long list."""

    html: str
    number: int  # of this sheet, from 0
    sheets: int  # in all, at least 1
    place: str  # "25 to 48 of 300 tracks"

    @classmethod
    def empty(cls, html: str, noun: str) -> Sheet:
        """What is shown where there is nothing."""
        return cls(html, 0, 1, f"no {noun}s")


class StoreReader:
    """Reads a store for the page. Every method of its kind raises StoreError if it cannot be read."""

    def __init__(self, database: Database, projects: Sequence[str] = ("default",)) -> None:
        """`projects`: whose rows are shown."""
        self.database = database
        self._projects = tuple(projects)

    @contextmanager
    def reading(self) -> Iterator[tuple[Scope, Connection]]:
        """One state of the store."""
        with self.database.read("show the page") as connection:
            yield scope_of(connection, self._projects), connection

    def scope(self) -> Scope:
        """The scope of the page, for what reads by itself."""
        with self.reading() as (scope, _):
            return scope

    @contextmanager
    def writing(self) -> Iterator[tuple[Scope, Connection]]:
        """A transaction that commits at the end, or leaves nothing behind."""
        with self.database.write("save a review") as connection:
            yield scope_of(connection, self._projects), connection


def nearest_sheet(number: int, total: int, size: int) -> tuple[int, int]:
    """The nearest sheet that exists, and how many there are."""
    sheets = max(-(-total // size), 1)
    return min(max(number, 0), sheets - 1), sheets


def place(number: int, size: int, length: int, *, total: int, noun: str) -> str:
    """Where a sheet lies in the list: "25 to 48 of 300 tracks"."""
    if total <= size:
        return words.count(total, noun)
    first = number * size
    return f"{first + 1:,} to {first + length:,} of {words.count(total, noun)}"
