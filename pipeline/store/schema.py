"""Which form the tables have, and how they come to have it (Alembic)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, select
from sqlalchemy.schema import SchemaItem

from pipeline.errors import StoreError
from pipeline.store.records import PROJECT
from pipeline.store.tables import Base, Project
from pipeline.store.vector import INDEX_PREFIX

if TYPE_CHECKING:
    from alembic.config import Config  # needed only to upgrade, and slow to load

HEAD = "0004"  # the newest revision in migrations/versions
VERSION_TABLE = "alembic_version"
MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def revision(connection: Connection) -> str | None:
    """The revision of the tables there, None for an empty database. Raises StoreError if they are not Sightline's."""
    present = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in present:
        if present:
            raise StoreError(f"it holds tables of another program ({_listed(present)}); give an empty or new database")
        return None
    versions = Table(VERSION_TABLE, MetaData(), autoload_with=connection)
    found = connection.execute(select(versions.c.version_num)).scalars().all()
    if present == {VERSION_TABLE} and not found:
        return None
    if not {"projects", "runs", "tracks"} <= present or len(found) != 1:
        raise StoreError(f"it holds tables of another program ({_listed(present)}); give an empty or new database")
    return str(found[0])


def upgrade_due(found: str | None) -> bool:
    """Whether an upgrade is due. Raises StoreError if the tables are newer than this program."""
    if found == HEAD:
        return False
    if found is not None and found not in _known():
        raise StoreError(
            f"it was written by a newer Sightline (its tables have revision {found}, this one knows up to {HEAD}); "
            "update Sightline, or give another database"
        )
    return True


def create(connection: Connection) -> None:
    """Make the tables of the newest revision in an empty database, at once, within the connection's transaction.

    The migrations would make the same, one after the other and slowly.
    """
    Base.metadata.create_all(connection, checkfirst=False)
    connection.execute(insert(Project).values(name=PROJECT))
    version = Column("version_num", String(32), nullable=False)  # as Alembic makes it
    versions = Table(VERSION_TABLE, MetaData(), version, PrimaryKeyConstraint(version, name=f"{VERSION_TABLE}_pkc"))
    versions.create(connection, checkfirst=True)  # an empty one stays where all migrations were undone
    connection.execute(insert(versions).values(version_num=HEAD))


def upgrade(connection: Connection, migrations: Path = MIGRATIONS) -> None:
    """Bring the tables to the newest revision within the transaction of the connection; see engines.upgrading."""
    from alembic import command

    config = alembic_config(migrations)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def belongs(_item: SchemaItem, name: str | None, kind: str, _reflected: bool, _compared: SchemaItem | None) -> bool:
    """Alembic's include_object: leaves out the indexes that come with each model, as no metadata can list them."""
    return not (kind == "index" and name is not None and name.startswith(INDEX_PREFIX))


def _known() -> set[str]:
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


def alembic_config(migrations: Path = MIGRATIONS) -> Config:
    """Where Alembic finds the migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _listed(tables: set[str]) -> str:
    names = sorted(tables - set(Base.metadata.tables)) or sorted(tables)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
