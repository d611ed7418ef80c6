"""From a database address to an SQLAlchemy engine that behaves: transactions, locks, foreign keys, time-outs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError

from pipeline.errors import DependencyError, StoreError

BUSY_SECONDS = 30.0  # how long a connection waits for another's lock
_CONNECT_SECONDS = 10  # how long to wait for a PostgreSQL server
_BEGIN = "sightline_begin"  # execution option: how SQLite begins a transaction; empty for none


def read_address(url: str | Path) -> URL:
    """A path or address as SQLAlchemy's URL with the right driver. Raises StoreError, which never repeats the text."""
    if isinstance(url, Path) or "://" not in url:
        if not str(url) or str(url) == ":memory:":
            raise StoreError("the store must be a file or a server, as several processes read it")
        return URL.create("sqlite", database=str(Path(url).expanduser()))
    try:
        address = make_url("postgresql" + url.removeprefix("postgres") if url.startswith("postgres://") else url)
    except (ArgumentError, ValueError):
        raise StoreError("the database address cannot be read; write sqlite:///FILE or postgresql://...") from None
    match address.get_backend_name():
        case "sqlite":
            if address.database in (None, "", ":memory:") or address.query:
                raise StoreError("a SQLite store must be a plain file without options: sqlite:///FILE")
            return address.set(drivername="sqlite")
        case "postgresql":
            return address.set(drivername="postgresql+psycopg")
        case other:
            raise StoreError(f"a store in {other} is not supported; write sqlite:///FILE or postgresql://...")


def make_engine(address: URL, *, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine that has not connected yet. Raises DependencyError where PostgreSQL's driver is missing.

    `busy_seconds`: how long a connection waits for another's lock; a PostgreSQL server that does not answer is waited
    for no longer than that either, or 2 s, which is the least it takes. The address may say otherwise.
    """
    if address.get_backend_name() == "sqlite":
        engine = create_engine(address, connect_args={"timeout": busy_seconds})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        import pgvector  # noqa: F401
        import psycopg  # noqa: F401
    except ImportError as error:
        raise DependencyError(f"a PostgreSQL store needs {error.name}: pip install 'sightline[postgres]'") from error
    connect = max(2, min(_CONNECT_SECONDS, round(busy_seconds)))
    waiting: dict[str, object] = {
        "connect_timeout": connect,
        "tcp_user_timeout": 1000 * connect,  # milliseconds; a server that fell off the network answers never
        **{"keepalives_idle": connect, "keepalives_interval": 1, "keepalives_count": 2},
        "options": f"-c lock_timeout={round(1000 * busy_seconds)}",
    }
    own = {name: value for name, value in waiting.items() if name not in address.query}
    return create_engine(address, pool_pre_ping=True, connect_args=own)


def for_reading(engine: Engine) -> Engine:
    """The same connections; a transaction sees one state of the store from its first statement to its end."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ")
    return engine


def for_writing(engine: Engine) -> Engine:
    """The same connections; a transaction has SQLite's write lock from its start.

    One that reads first and asks for the lock later fails without waiting when another has written meanwhile.
    """
    return engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


@contextmanager
def upgrading(engine: Engine) -> Iterator[Connection]:
    """A transaction in which tables may be rebuilt. Raises StoreError, and undoes all, if it breaks a foreign key.

    Most changes of a SQLite table copy it, drop the old one and rename the copy. With foreign keys on, the drop would
    delete all that hangs on the table's rows; they can be switched off only before the transaction begins.
    """
    sqlite = engine.dialect.name == "sqlite"
    with for_writing(engine).connect() as connection:
        if sqlite:
            _switch_foreign_keys(connection, "OFF")
        try:
            with connection.begin():
                yield connection
                if sqlite:
                    _check_foreign_keys(connection)
        finally:
            if sqlite:
                _switch_foreign_keys(connection, "ON")


def switch_to_wal(engine: Engine) -> None:
    """Let readers of a SQLite file go on while somebody writes. Raises StoreError where the disk cannot do it."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with engine.execution_options(**{_BEGIN: ""}).connect() as connection:
                mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar_one()
            break
        except OperationalError as error:  # SQLite does not wait for this lock by itself
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    if mode != "wal":
        raise StoreError("its disk cannot keep a write-ahead log (a network share?); put the file on a local disk")


def vector_installed(connection: Connection) -> bool:
    """Whether the PostgreSQL database has the extension pgvector."""
    return connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'vector'")) is not None


def vector_available(connection: Connection) -> bool:
    """Whether the PostgreSQL server could install the extension pgvector into a database."""
    return connection.scalar(text("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")) is not None


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    """For each new connection: SQLAlchemy begins transactions, not the driver; foreign keys hold."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")  # with a write-ahead log a killed process loses nothing
    connection.execute("PRAGMA cache_size = -32000")  # KiB, a little more than the objects of a large store


def _switch_foreign_keys(connection: Connection, state: str) -> None:
    """Past SQLAlchemy, which would begin a transaction first."""
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA foreign_keys = {state}")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchone()
    if broken is not None:
        raise StoreError(
            f"the upgrade would leave rows of '{broken[0]}' without their row in '{broken[2]}', so nothing was "
            "changed; report this, and use the earlier Sightline until it is mended"
        )


def _begin_sqlite(connection: Connection) -> None:
    begin = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if begin:
        connection.exec_driver_sql(begin)
