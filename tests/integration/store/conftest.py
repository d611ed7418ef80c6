"""The two databases that every test of the store runs on."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from pipeline.store.database import Database, open_database
from tests.conftest import unavailable
from tests.integration.store.postgres import postgres_server

KINDS = ["sqlite", "postgresql"]
NewUrl = Callable[[str], str]  # "sqlite" or "postgresql" -> address of an empty store of its own


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
def new_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewUrl:
    """Makes empty stores; those on the server go with it."""
    numbers = count(1)

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp('store') / 'new' / 'runs.db'}"
        import psycopg

        host, name = request.getfixturevalue("postgres_host"), f"store_{next(numbers)}"
        with psycopg.connect(host=host, user="tester", dbname="postgres", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        return f"postgresql://tester:s3cret@/{name}?host={host}"

    return make


@pytest.fixture
def postgres_url(new_url: NewUrl) -> str:
    """The address of an empty store on PostgreSQL."""
    return new_url("postgresql")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, new_url: NewUrl) -> str:
    """The address of an empty store, once for each kind of database."""
    return new_url(str(request.param))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """An open store without rows."""
    with open_database(url) as opened:
        yield opened
