"""The migrations make exactly the tables that tables.py describes."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, inspect

from pipeline.store import schema
from pipeline.store.database import Database, open_database
from pipeline.store.tables import Base


def test_migrated_tables_are_the_described_ones(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "include_object": schema.belongs}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_migrated_checks_are_the_described_ones(database: Database) -> None:
    described = {
        (table.name, str(check.name))
        for table in Base.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    with database.read() as connection:
        there = inspect(connection)
        found = {
            (table, str(check["name"]))
            for table in there.get_table_names()
            for check in there.get_check_constraints(table)
        }
    assert found == described


def test_public_ids_are_unique_in_every_table(database: Database) -> None:
    with database.read() as connection:
        there = inspect(connection)
        for table in Base.metadata.tables.values():
            if "public_id" in table.columns:
                assert ["public_id"] in [unique["column_names"] for unique in there.get_unique_constraints(table.name)]


def test_no_check_lists_words(database: Database) -> None:
    """SQLite would have to copy the table for each new word."""
    with database.read() as connection:
        there = inspect(connection)
        checks = [check for table in there.get_table_names() for check in there.get_check_constraints(table)]
    assert checks
    assert [check["name"] for check in checks if "'" in check["sqltext"]] == []


def test_observations_are_stored_once(tmp_path: Path) -> None:
    with open_database(tmp_path / "runs.db") as database, database.read() as connection:
        made = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'observations'").scalar_one()
    assert made.strip().endswith("WITHOUT ROWID")


def test_head_is_the_newest_script() -> None:
    assert ScriptDirectory.from_config(schema.alembic_config()).get_heads() == [schema.HEAD]
