"""Pages far down a long list: the same objects as sorting the whole list would give, whichever end is nearer."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, insert, select

from pipeline.store import tables
from pipeline.store.database import open_database
from pipeline.store.filters import EVERYTHING, ObjectFilter, ObjectOrder, Scope
from pipeline.store.queries import page_objects

TOTAL = 41_000  # enough for both halves to have far pages

Row = dict[str, Any]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connection, list[Row]]]:
    """A store of objects with many ties; every third is a car and has no picture."""
    with open_database(tmp_path_factory.mktemp("deep") / "crowd.db") as database:
        with database.write() as connection:
            project = connection.scalar(select(tables.Project.id))
            rows = [
                {
                    "id": n + 1,
                    "public_id": UUID(int=n),
                    "project_id": project,
                    "class_name": "person" if n % 3 else "car",
                    "score_max": n * 7919 % 64 / 64,
                    "best_quality": n * 104729 % 32 / 32 if n % 3 else None,
                    "first_at": n * 31 % 5000,
                    "last_at": 5000 + n * 17 % 5000,
                }
                for n in range(TOTAL)
            ]
            connection.execute(insert(tables.Object), rows)
        with database.read() as connection:
            yield connection, rows


KEYS = {
    ObjectOrder.NEWEST: itemgetter("first_at"),
    ObjectOrder.OLDEST: itemgetter("first_at"),
    ObjectOrder.LONGEST: lambda row: row["last_at"] - row["first_at"],
    ObjectOrder.SUREST: itemgetter("score_max"),
    ObjectOrder.CLEAREST: lambda row: -1.0 if row["best_quality"] is None else row["best_quality"],
}


@pytest.mark.parametrize("order", list(ObjectOrder))
@pytest.mark.parametrize("wanted", [EVERYTHING, ObjectFilter(names=("person",))])
def test_far_pages_are_those_of_the_whole_list(
    crowd: tuple[Connection, list[Row]], order: ObjectOrder, wanted: ObjectFilter
) -> None:
    connection, rows = crowd
    chosen = [row for row in rows if not wanted.names or row["class_name"] in wanted.names]
    chosen.sort(key=lambda row: (KEYS[order](row), row["id"]), reverse=order is not ObjectOrder.OLDEST)
    ids = [row["public_id"] for row in chosen]
    scope = Scope((rows[0]["project_id"],))
    half, end = len(ids) // 2, len(ids)
    for offset in (0, 19_999, 20_000, half - 10, half, half + 1, end - 60, end - 50, end - 7, end, end + 1, end + 999):
        page = page_objects(scope, connection, wanted, order=order, limit=50, offset=offset)
        assert [row.public_id for row in page] == ids[offset : offset + 50], offset
