"""The two databases that every test of the store runs on."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from pipeline.store.database import Database, open_database
from tests.conftest import unavailable
from tests.integration.store.postgres import postgres_server


@pytest.fixture(scope="session")
def postgres_host() -> Iterator[str]:
    """The socket folder of a running PostgreSQL server with pgvector."""
    wheel = importlib.util.find_spec("pgserver")
    if wheel is None or wheel.origin is None or importlib.util.find_spec("psycopg") is None:
        unavailable("pgserver or psycopg is not installed")
        return
    with postgres_server(Path(wheel.origin).parent / "pginstall") as host:
        yield host


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return count(1)


@pytest.fixture
def postgres_url(postgres_host: str, _numbers: Iterator[int]) -> Iterator[str]:
    """An empty database of its own for each test."""
    import psycopg

    name = f"store_{next(_numbers)}"
    with psycopg.connect(host=postgres_host, user="tester", dbname="postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield f"postgresql://tester:s3cret@/{name}?host={postgres_host}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store, once for each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'runs.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """An open store without rows."""
    with open_database(url) as opened:
        yield opened
