"""Revisions lose no row of a filled store: a later one that copies and renames tables, and each that there was."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, Table, func, insert, inspect, select

from pipeline.errors import StoreError
from pipeline.events import EventKind
from pipeline.store import engines, schema
from pipeline.store.database import Database, open_database, upgrade_tables
from pipeline.store.states import RunStatus
from pipeline.store.tables import Base, Event, Run, RunSource, Session, Track
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, EMBEDDER, RUN, VIDEO, chunk

REBUILD = """
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("note", sa.Text(), nullable=True))
        table.alter_column("code_version", type_=sa.String(length=200))  # SQLite copies the table for it
"""
ORPHANS = """
    op.execute("DELETE FROM runs")
"""


def revision_after_head(folder: Path, upgrade: str) -> Path:
    """The migrations there are and one more. `upgrade`: its statements."""
    migrations = Path(shutil.copytree(schema.MIGRATIONS, folder / "migrations"))
    head = f'revision = "9999"\ndown_revision = "{schema.HEAD}"\nbranch_labels = None\ndepends_on = None\n'
    code = f"import sqlalchemy as sa\nfrom alembic import op\n\n{head}\n\ndef upgrade():\n{upgrade}"
    (migrations / "versions" / "9999_more.py").write_text(code)
    return migrations


def fill(database: Database, folder: Path) -> dict[str, int]:
    """Two runs, one the parent of the other. Returns the rows by table."""
    writer = RunWriter.begin(database, RUN, media_folder=folder)
    writer.register_model(DETECTOR)
    writer.write_chunk(writer.add_source(VIDEO), chunk(0, 10, model_id=writer.register_model(EMBEDDER)))
    writer.finish_run(RunStatus.FINISHED)
    with database.write() as connection:
        row = dict(connection.execute(select(Run)).mappings().one())
        more = {"id": row["id"] + 1, "public_id": uuid4(), "parent_run_id": row["id"]}
        connection.execute(Run.__table__.insert().values(**row | more))
    return counted(database)


def counted(database: Database) -> dict[str, int]:
    """Rows by table."""
    with database.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in Base.metadata.sorted_tables
        }


def foreign_keys_hold(database: Database) -> bool:
    """Whether connections refuse rows without their parent."""
    if database.engine.dialect.name != "sqlite":
        return True
    with database.write() as connection:
        return bool(connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one())


def test_rebuilding_a_parent_table_loses_no_row(database: Database, tmp_path: Path) -> None:
    before = fill(database, tmp_path)
    assert before["observations"] == 20
    upgrade_tables(database.engine, revision_after_head(tmp_path, REBUILD))
    assert counted(database) == before
    with database.read() as connection:
        assert schema.revision(connection) == "9999"
        assert "note" in {column["name"] for column in inspect(connection).get_columns("runs")}
        parents = connection.scalars(select(Run.parent_run_id).order_by(Run.id)).all()
        assert parents == [None, connection.scalars(select(func.min(Run.id))).one()]
        links = {key["referred_table"] for key in inspect(connection).get_foreign_keys("run_sources")}
        assert links == {"runs", "sources"}
    assert foreign_keys_hold(database)
    with database.write() as connection:
        connection.execute(Run.__table__.delete())
    assert counted(database)["observations"] == 0  # the rebuilt table is still the parent


def test_an_upgrade_that_breaks_a_foreign_key_changes_nothing(tmp_path: Path) -> None:
    with open_database(tmp_path / "runs.db") as database:
        before = fill(database, tmp_path)
        with pytest.raises(StoreError, match="without their row in 'runs'"):
            upgrade_tables(database.engine, revision_after_head(tmp_path, ORPHANS))
        assert counted(database) == before
        assert foreign_keys_hold(database)
        with database.read() as connection:
            assert schema.revision(connection) == schema.HEAD


def go_back(database: Database, revision: str) -> None:
    """The tables as an earlier Sightline made them, with what they hold."""
    with engines.upgrading(database.engine) as connection:
        config = schema.alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def test_a_store_from_before_cameras_is_taken_over(database: Database, tmp_path: Path) -> None:
    """Its events get ids of their own and keep what they said, and so do its sessions."""
    before = fill(database, tmp_path)
    go_back(database, "0003")
    with database.write() as connection:
        assert schema.revision(connection) == "0003"
        events = Table("events", MetaData(), autoload_with=connection)
        assert "public_id" not in events.columns
        track = connection.execute(select(Track.id, Track.run_source_id).order_by(Track.id).limit(1)).one()
        row = {"run_source_id": track.run_source_id, "track_id": track.id, "rule": "gate", "kind": "enter"}
        connection.execute(insert(events), [row | {"at": at} for at in range(3)])
        sessions = Table("sessions", MetaData(), autoload_with=connection)
        part = connection.scalars(select(RunSource.id).limit(1)).one()
        connection.execute(insert(sessions).values(run_source_id=part, n=7, started_at=1, time_offset=0.5))
    upgrade_tables(database.engine)
    assert counted(database) == before | {"events": 3, "sessions": before["sessions"] + 1}
    with database.read() as connection:
        assert schema.revision(connection) == schema.HEAD
        told = connection.execute(select(Event).order_by(Event.at)).mappings().all()
        assert [(one["at"], one["rule"], one["kind"], one["track_id"]) for one in told] == [
            (at, "gate", EventKind.ENTER, track.id) for at in range(3)
        ]
        assert len({one["public_id"] for one in told}) == 3
        assert {one[name] for one in told for name in ("value", "direction", "class_name", "x", "y")} == {None}
        late = connection.execute(select(Session).where(Session.n == 7)).mappings().one()
        assert (late["time_offset"], late["width"], late["height"]) == (0.5, None, None)
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "include_object": schema.belongs}
        )
        assert compare_metadata(context, Base.metadata) == []
    assert foreign_keys_hold(database)
