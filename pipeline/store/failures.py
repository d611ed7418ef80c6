"""What a database driver reports, said as a StoreError that tells what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from pipeline.errors import StoreError

_SQLITE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space and resume",
    sqlite3.SQLITE_BUSY: "another process kept it locked for too long; end it or try again",
    sqlite3.SQLITE_LOCKED: "another connection kept a table locked; try again",
    sqlite3.SQLITE_READONLY: "it may not be written; check the owner and the rights of the file and its folder",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; check the disk, and that it is not a network share",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a copy, or save what is left with `sqlite3 FILE .recover`",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database; give another path",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; check its folder and the rights",
}
_POSTGRES = {  # SQLSTATE or its first two letters
    "53100": "the server's disk is full; free some space and resume",
    "53": "the server is out of resources; see its log",
    "42501": "the user lacks a right; grant it or use another user",
    "25006": "the server takes no writes (a standby?); use the primary",
    "28": "the user or password is wrong",
    "3D": "there is no such database; create it first",
    "08": "the connection broke; check the server and the network",
    "57": "the server is shutting down or starting up; try again",
    "55P03": "another process kept a lock for too long; try again",
    "40": "it collided with another transaction; try again",
}


@contextmanager
def explained(url: URL, doing: str) -> Iterator[None]:
    """Turn what SQLAlchemy raises inside into a StoreError. `doing`: what was tried, e.g. "write frames 0 to 100"."""
    try:
        yield
    except IntegrityError as error:
        raise StoreError(
            f"cannot {doing} in {shown(url)}: it contradicts what is stored ({reason(error, url)}); "
            "is a second process writing the same run?"
        ) from error
    except SQLAlchemyError as error:
        if isinstance(error, StatementError) and isinstance(error.orig, StoreError):  # from a column type of ours
            raise StoreError(f"cannot {doing} in {shown(url)}: {error.orig}") from error
        raise StoreError(f"cannot {doing} in {shown(url)}: {advice(error)}{reason(error, url)}") from error


def shown(url: URL) -> str:
    """The address without its password, fit for messages: a path for SQLite."""
    if url.get_backend_name() == "sqlite":
        return f"'{url.database}'"
    open_words = {key: "hidden" if "password" in key.lower() else value for key, value in url.query.items()}
    return f"'{url.set(query=open_words).render_as_string(hide_password=True)}'"


def advice(error: SQLAlchemyError) -> str:
    """What to do about it and a colon, or nothing where nothing is known."""
    original = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _SQLITE:
        return f"{_SQLITE[code & 0xFF]}: "
    state = getattr(original, "sqlstate", None) or ""
    hint = _POSTGRES.get(state) or _POSTGRES.get(state[:2])
    if hint is None and getattr(error, "connection_invalidated", False):
        hint = _POSTGRES["08"]
    return f"{hint}: " if hint else ""


def reason(error: SQLAlchemyError, url: URL) -> str:
    """The driver's own words on one line, without the statement, its values, and the password."""
    original = error.orig if isinstance(error, DBAPIError) else error
    words = " ".join(str(original).split())
    password = None if url.password is None else str(url.password)
    for secret in filter(None, {password, password and quote(password), password and quote_plus(password)}):
        words = words.replace(secret, "***")
    return words
