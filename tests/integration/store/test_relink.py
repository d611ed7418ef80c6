"""A moved file: its source is told the new place, and only if the content is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from pipeline.errors import StoreError
from pipeline.store.database import Database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.records import SourceRecord
from pipeline.store.relink import Relinked, relink_source
from pipeline.store.run_queries import list_sources
from pipeline.store.states import RunStatus
from pipeline.store.tables import DetectionChunk, RunSource, Source
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, RUN, START, VIDEO, chunk

MOVED = replace(VIDEO, uri_redacted="/archive/a.mp4")


def write(database: Database, folder: Path, *sources: SourceRecord, detect_hash: str = "detect-1") -> UUID:
    writer = RunWriter.begin(database, RUN, media_folder=folder)
    writer.register_model(DETECTOR)
    for source in sources:
        part = writer.add_source(source)
        writer.add_session(part, 0, started_at=START)
        writer.write_chunk(part, chunk(0, 10, detect_hash=detect_hash))
    writer.finish_run(RunStatus.FINISHED)
    return writer.public_id


def scope(database: Database) -> Scope:
    with database.read() as connection:
        return scope_of(connection, ["default"])


def source_at(database: Database, uri: str) -> UUID:
    with database.read() as connection:
        return connection.execute(select(Source.public_id).where(Source.uri_redacted == uri)).scalar_one()


def relink(database: Database, source: UUID, *, fingerprint: str = "fingerprint-1") -> Relinked:
    with database.write() as connection:
        return relink_source(
            scope(database), connection, source, uri="/archive/a.mp4", name="a.mp4", fingerprint=fingerprint
        )


def test_a_moved_file(database: Database, tmp_path: Path) -> None:
    write(database, tmp_path, VIDEO)
    source = source_at(database, "/videos/a.mp4")
    assert relink(database, source) == Relinked(source, "a.mp4", "/videos/a.mp4", "/archive/a.mp4", 0)
    with database.read() as connection:
        (row,) = list_sources(scope(database), connection)
    assert (row.public_id, row.uri_redacted, row.fingerprint) == (source, "/archive/a.mp4", "fingerprint-1")
    assert relink(database, source).before == "/archive/a.mp4"  # again: nothing happens


def test_another_content_is_refused(database: Database, tmp_path: Path) -> None:
    write(database, tmp_path, VIDEO)
    source = source_at(database, "/videos/a.mp4")
    with pytest.raises(StoreError, match="is other-print, not fingerprint-1; give the unchanged file"):
        relink(database, source, fingerprint="other-print")
    assert source_at(database, "/videos/a.mp4") == source


def test_a_camera_cannot_move(database: Database, tmp_path: Path) -> None:
    write(database, tmp_path, replace(VIDEO, fingerprint=None))
    with pytest.raises(StoreError, match="is a camera"):
        relink(database, source_at(database, "/videos/a.mp4"), fingerprint="")


def test_unknown_and_foreign_sources(database: Database, tmp_path: Path) -> None:
    write(database, tmp_path, VIDEO)
    source = source_at(database, "/videos/a.mp4")
    with pytest.raises(StoreError, match="there is no source"):
        relink(database, uuid4())
    with database.write() as connection, pytest.raises(StoreError, match="there is no source"):
        relink_source(Scope(()), connection, source, uri="/x", name="x", fingerprint="fingerprint-1")


@pytest.mark.parametrize("detect_hash", ["detect-1", "detect-2"])
def test_runs_at_both_places_come_together(database: Database, tmp_path: Path, detect_hash: str) -> None:
    """Detections that both have are kept once."""
    write(database, tmp_path, VIDEO)
    write(database, tmp_path, MOVED, detect_hash=detect_hash)
    source = source_at(database, "/videos/a.mp4")
    assert relink(database, source).merged == 1
    with database.read() as connection:
        assert [row.public_id for row in list_sources(scope(database), connection)] == [source]
        assert connection.execute(select(func.count()).select_from(RunSource)).scalar_one() == 2
        hashes = connection.scalars(select(DetectionChunk.detect_hash).order_by(DetectionChunk.id)).all()
    assert hashes == sorted({"detect-1", detect_hash})


def test_one_run_with_both_is_refused(database: Database, tmp_path: Path) -> None:
    run = write(database, tmp_path, VIDEO, MOVED)
    with pytest.raises(StoreError, match=f"run {run} has read 'a.mp4' and the same content"):
        relink(database, source_at(database, "/videos/a.mp4"))
    assert source_at(database, "/archive/a.mp4")
