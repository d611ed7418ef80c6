"""Opening the store: SQLite without set-up, PostgreSQL with pgvector; the tables are made or upgraded on the way."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pipeline.errors import StoreError
from pipeline.store import engines, schema
from pipeline.store.failures import advice, explained, reason, shown

_UPGRADE_LOCK = 0x5349_4748_544C_494E  # PostgreSQL's advisory lock while tables are made
_NO_VECTOR = "the server lacks the extension pgvector; install it there (package postgresql-NN-pgvector)"


class Database:
    """An open store. Use as a context manager, or call close(). Threads may share it."""

    def __init__(self, engine: Engine):
        """`engine`: made by open_database."""
        self._engine = engine
        self._reading = engines.for_reading(engine)
        self._writing = engines.for_writing(engine)

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for tools."""
        return self._engine

    @property
    def name(self) -> str:
        """The address without its password, for messages and pages."""
        return shown(self._engine.url)

    @contextmanager
    def read(self, doing: str = "read") -> Iterator[Connection]:
        """A transaction that sees one state of the store. `doing`: what to say if it fails. Raises StoreError."""
        with explained(self._engine.url, doing), self._reading.begin() as connection:
            yield connection

    @contextmanager
    def write(self, doing: str = "write") -> Iterator[Connection]:
        """A transaction that commits at the end, or leaves nothing behind after an error. Raises StoreError."""
        with explained(self._engine.url, doing), self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections. A second time does nothing."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """What `sightline doctor` says about a database."""

    name: str  # address without password
    backend: str  # "sqlite" or "postgresql"
    server: str  # version of SQLite or PostgreSQL, empty if it could not be asked
    revision: str | None  # of the tables, None where there are none yet
    problem: str | None  # what stands in the way of open_database and what to do; None if nothing does


def open_database(url: str | Path, *, busy_seconds: float = engines.BUSY_SECONDS) -> Database:
    """Open a store, making or upgrading its tables.

    `url`: an SQLAlchemy address (sqlite or postgresql) or the plain path of a SQLite file. `busy_seconds`: how long
    another's lock is waited for; less for who tries again by himself. Raises StoreError if it cannot be reached or
    written, is no database, or is another program's or a newer Sightline's; DependencyError if PostgreSQL's driver is
    missing.
    """
    address = engines.read_address(url)
    if address.get_backend_name() == "sqlite":
        _make_folder(Path(str(address.database)).parent)
    engine = engines.make_engine(address, busy_seconds=busy_seconds)
    try:
        with explained(address, "open a database"):
            _prepare(engine)
    except StoreError as error:
        engine.dispose()
        name = shown(address)
        raise error if name in str(error) else StoreError(f"cannot open {name}: {error}") from error
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def check_database(url: str | Path) -> DatabaseReport:
    """Look at a store without changing it. Raises only for an address that is none and for a missing driver."""
    address = engines.read_address(url)
    name, backend = shown(address), address.get_backend_name()
    if backend == "sqlite":
        path = Path(str(address.database)).absolute()
        problem = _unwritable(path)
        if problem or not path.exists():
            return DatabaseReport(name, backend, sqlite3.sqlite_version, None, problem)
        address = address.set(database=path.as_uri()).update_query_dict({"mode": "ro", "uri": "true"})
    server, found, problem = "", None, None
    engine = engines.make_engine(address)
    try:
        with engine.connect() as connection:
            server = ".".join(str(part) for part in connection.dialect.server_version_info or ())
            found = schema.revision(connection)
            schema.upgrade_due(found)
            if backend == "postgresql" and not engines.vector_available(connection):
                problem = _NO_VECTOR
    except StoreError as error:
        problem = str(error)
    except SQLAlchemyError as error:
        problem = f"{advice(error)}{reason(error, address)}"
    finally:
        engine.dispose()
    return DatabaseReport(name, backend, server, found, problem)


def _prepare(engine: Engine) -> None:
    """Look first, so that another program's database stays untouched; then make what is missing under a lock."""
    with engine.connect() as connection:
        due = schema.upgrade_due(schema.revision(connection))
    if engine.dialect.name == "sqlite":
        engines.switch_to_wal(engine)
    if due:
        upgrade_tables(engine)


def upgrade_tables(engine: Engine, migrations: Path = schema.MIGRATIONS) -> None:
    """Bring the tables to the newest of `migrations`, all in one transaction. Raises StoreError."""
    with engines.upgrading(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
            _install_vector(connection)
        found = schema.revision(connection)
        schema.upgrade_due(found)  # raises if a newer program upgraded while we waited
        if found is None and migrations == schema.MIGRATIONS:
            schema.create(connection)
        else:
            schema.upgrade(connection, migrations)


def _install_vector(connection: Connection) -> None:
    if engines.vector_installed(connection):
        return
    if not engines.vector_available(connection):
        raise StoreError(_NO_VECTOR)
    try:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
    except DBAPIError as error:
        address: URL = connection.engine.url
        raise StoreError(
            f"cannot install pgvector into {shown(address)}: {reason(error, address)}; "
            "let an administrator run CREATE EXTENSION vector in this database"
        ) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder '{folder}' for the database: {error.strerror}") from error


def _unwritable(path: Path) -> str | None:
    """Why a SQLite file could not be written at `path`, None if it could."""
    if path.is_dir():
        return "it is a folder; give the path of a file"
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir():
        return f"{folder} is not a folder"
    for place in [folder, *([path] if path.exists() else [])]:
        if not os.access(place, os.W_OK):
            return f"{place} may not be written; change its rights or give another path"
    return None
