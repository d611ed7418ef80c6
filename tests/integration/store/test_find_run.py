"""Naming a run by a piece of its id."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from pipeline.errors import StoreError
from pipeline.store.database import Database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.run_queries import find_run, find_source, list_sources, short_id
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import RUN, VIDEO


def begin(database: Database, folder: Path, *, at: int = 0) -> UUID:
    writer = RunWriter.begin(database, RUN, media_folder=folder, clock=lambda: at)
    writer.add_source(VIDEO)
    return writer.public_id


def found(database: Database, text: str) -> UUID:
    with database.read() as connection:
        return find_run(scope_of(connection, ["default"]), connection, text)


def test_pieces_of_an_id(database: Database, tmp_path: Path) -> None:
    first, second = (begin(database, tmp_path, at=number) for number in (1, 2))
    for run in (first, second):
        for text in (str(run), run.hex, short_id(run), str(run)[-17:], run.hex[:20], str(run).upper()):
            assert found(database, text) == run, text
    assert found(database, "last") == second
    with pytest.raises(StoreError, match=rf"may be any of 2 runs \(\.\.\.{short_id(first)}, .*give more of the end"):
        found(database, str(first)[:4])


@pytest.mark.parametrize("text", ["", "abc", "-", "../etc", "lastly", "zzzzzzzz", "%%%%"])
def test_what_is_no_id(database: Database, tmp_path: Path, text: str) -> None:
    begin(database, tmp_path)
    with pytest.raises(StoreError, match="names no run; give at least 4"):
        found(database, text)


def test_what_is_not_there(database: Database, tmp_path: Path) -> None:
    RunWriter.begin(database, RUN, media_folder=tmp_path)
    with pytest.raises(StoreError, match="there is no run '00000000'"):
        found(database, "00000000")
    with database.read() as connection, pytest.raises(StoreError, match="there is no run yet"):
        find_run(Scope(()), connection, "last")


def test_sources_too(database: Database, tmp_path: Path) -> None:
    begin(database, tmp_path)
    with database.read() as connection:
        scope = scope_of(connection, ["default"])
        (source,) = list_sources(scope, connection)
        assert find_source(scope, connection, short_id(source.public_id)) == source.public_id
        with pytest.raises(StoreError, match="there is no source 'ffffffff'"):
            find_source(scope, connection, "ffffffff")
