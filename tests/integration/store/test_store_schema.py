"""Tables are those that tables.py describes, whether made at once or by the migrations one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, inspect, select

from pipeline.store import engines, schema
from pipeline.store.database import Database, open_database, upgrade_tables
from pipeline.store.tables import Base, Project


@pytest.fixture
def migrated(database: Database) -> Database:
    """A store without rows whose tables the migrations have made."""
    migrate(database)
    return database


def migrate(database: Database) -> None:
    """Take all tables away, and let the migrations make them again."""
    take_away(database)
    with engines.upgrading(database.engine) as connection:
        schema.upgrade(connection)


def take_away(database: Database) -> None:
    """Undo all migrations."""
    with engines.upgrading(database.engine) as connection:
        config = schema.alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(inspect(connection).get_table_names()) == {schema.VERSION_TABLE}


def shape(database: Database) -> dict[str, Any]:
    """All that the database says of its tables, and what stands in those that are not empty from the start."""
    with database.read() as connection:
        there = inspect(connection)
        tables = {
            name: {
                "columns": {one["name"]: {**one, "type": repr(one["type"])} for one in there.get_columns(name)},
                "key": there.get_pk_constraint(name),
                "foreign keys": by_name(there.get_foreign_keys(name)),
                "unique": by_name(there.get_unique_constraints(name)),
                "checks": by_name(there.get_check_constraints(name)),
                "indexes": by_name(there.get_indexes(name)),
            }
            for name in there.get_table_names()
        }
        rows = {"projects": connection.scalars(select(Project.name)).all(), "revision": schema.revision(connection)}
        if connection.dialect.name == "sqlite":  # not told by reflection
            bare = "SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%' ORDER BY name"
            rows["bare"] = connection.exec_driver_sql(bare).scalars().all()
        return {"tables": tables, **rows}


def by_name(rows: Sequence[Any]) -> list[str]:
    """What is told of each, conditions as the database writes them."""
    for one in rows:
        one["dialect_options"] = {name: str(value) for name, value in one.get("dialect_options", {}).items()}
    return sorted(str(one) for one in rows)


def test_tables_made_at_once_are_those_of_the_migrations(database: Database) -> None:
    at_once = shape(database)
    assert (at_once["projects"], at_once["revision"]) == (["default"], schema.HEAD)
    migrate(database)
    assert shape(database) == at_once


def test_a_store_whose_tables_were_taken_away_gets_them_again(database: Database) -> None:
    before = shape(database)
    take_away(database)
    upgrade_tables(database.engine)
    assert shape(database) == before


def test_migrated_tables_are_the_described_ones(migrated: Database) -> None:
    with migrated.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "include_object": schema.belongs}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_migrated_checks_are_the_described_ones(migrated: Database) -> None:
    described = {
        (table.name, str(check.name))
        for table in Base.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    with migrated.read() as connection:
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
