"""Stored files by id, the sources of an object, and how many edits there are: on both databases, within a scope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import Connection, select, update

from pipeline.store import review
from pipeline.store.database import Database, open_database
from pipeline.store.edit_queries import count_edits
from pipeline.store.filters import Scope, scope_of
from pipeline.store.footage_queries import find_media, footage_rows, local_ids
from pipeline.store.queries import find_object, observations_of_object, page_objects
from pipeline.store.run_queries import run_detail
from pipeline.store.tables import Object, ObjectMember, Source
from pipeline.store.writer import RunWriter
from tests.integration.store.conftest import KINDS, NewUrl
from tests.integration.store.examples import DETECTOR, RUN, START, VIDEO, chunk

BEGUN = START - 5_000_000  # another time than the source's row tells


@pytest.fixture(scope="module", params=KINDS)
def filled(
    request: pytest.FixtureRequest, new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """Projects default and secret, each with a run of two tracks over the same file."""
    with open_database(new_url(str(request.param))) as opened:
        for project in ("default", "secret"):
            record = replace(RUN, project=project, settings={"source": {"fps": 12.5}})
            writer = RunWriter.begin(opened, record, media_folder=tmp_path_factory.mktemp("media"))
            writer.register_model(DETECTOR)
            part = writer.add_source(replace(VIDEO, kind="images", start_at=START))
            writer.add_session(part, 0, started_at=BEGUN)
            writer.write_chunk(part, chunk(0, 20, local_ids=(4, 9), crop_quality=0.5))
        yield opened


@pytest.fixture
def connection(filled: Database) -> Iterator[Connection]:
    """A transaction on the filled store. What a test changes is undone."""
    with filled.engine.connect() as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def scope(connection: Connection) -> Scope:
    return scope_of(connection, ["default"])


def test_a_picture_belongs_to_those_who_may_see_its_track(connection: Connection, scope: Scope) -> None:
    row = page_objects(scope, connection)[0]
    assert row.crop is not None
    assert find_media(scope, connection, row.crop.public_id) == row.crop
    assert find_media(scope_of(connection, ["secret"]), connection, row.crop.public_id) is None
    assert find_media(Scope(()), connection, row.crop.public_id) is None
    assert find_media(scope, connection, uuid4()) is None


def test_a_picture_of_what_was_deleted_is_not_there(connection: Connection, scope: Scope) -> None:
    row = page_objects(scope, connection)[0]
    assert row.crop is not None
    connection.execute(update(Object).where(Object.public_id == row.public_id).values(hidden=True))
    assert find_media(scope, connection, row.crop.public_id) is None


def test_a_picture_goes_with_its_part_of_a_split_track(connection: Connection, scope: Scope) -> None:
    row = page_objects(scope, connection)[0]
    assert row.crop is not None
    key = connection.scalar(select(Object.id).where(Object.public_id == row.public_id))
    connection.execute(update(ObjectMember).where(ObjectMember.object_id == key).values(to_at=row.crop.from_at))
    assert find_media(scope, connection, row.crop.public_id) is None
    connection.execute(update(ObjectMember).where(ObjectMember.object_id == key).values(to_at=row.crop.from_at + 1))
    assert find_media(scope, connection, row.crop.public_id) is not None


def test_a_source_is_as_its_run_has_read_it(connection: Connection, scope: Scope) -> None:
    row = page_objects(scope, connection)[0]
    table = observations_of_object(scope, connection, row.public_id)
    connection.execute(update(Source).values(fps=99.0, start_at=0, uri_redacted="/moved/a"))
    [footage] = footage_rows(scope, connection, table.run_source_ids.tolist()).values()
    assert (footage.run, footage.source, footage.kind) == (row.run, row.source, "images")
    assert (footage.path, footage.fingerprint) == ("/moved/a", VIDEO.fingerprint)
    assert (footage.start_at, footage.fps) == (BEGUN, 12.5)
    assert row.run is not None
    detail = run_detail(scope, connection, row.run)
    assert detail is not None
    assert [source.start_at for source in detail.sources] == [BEGUN]
    assert footage_rows(scope_of(connection, ["secret"]), connection, table.run_source_ids.tolist()) == {}
    assert footage_rows(scope, connection, []) == {}


def test_tracks_keep_the_numbers_of_their_run(connection: Connection, scope: Scope) -> None:
    found = set()
    for row in page_objects(scope, connection):
        table = observations_of_object(scope, connection, row.public_id)
        found |= set(local_ids(scope, connection, table.track_ids.tolist()).values())
        assert local_ids(scope_of(connection, ["secret"]), connection, table.track_ids.tolist()) == {}
    assert found == {4, 9}


def test_edits_are_counted(connection: Connection, scope: Scope) -> None:
    first, second = (row.public_id for row in page_objects(scope, connection))
    review.set_label(scope, connection, [first, second], label="Ada", actor="test")
    review.delete_objects(scope, connection, [first], actor="test")
    assert find_object(scope, connection, first) is None
    assert count_edits(scope, connection) == 2
    assert count_edits(scope, connection, public_id=first) == 2
    assert count_edits(scope, connection, public_id=second) == 1
    assert count_edits(scope, connection, public_id=uuid4()) == 0
    assert count_edits(scope_of(connection, ["secret"]), connection) == 0
