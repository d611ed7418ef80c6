"""Inserts that let an equal row stand: how two processes agree on one project, source or model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.store.tables import Base


def insert_unless_there(connection: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows that break no unique constraint; leave out the others."""
    if not rows:
        return
    match connection.dialect.name:
        case "postgresql":
            connection.execute(postgresql.insert(table).on_conflict_do_nothing(), list(rows))
        case _:
            connection.execute(sqlite.insert(table).on_conflict_do_nothing(), list(rows))
