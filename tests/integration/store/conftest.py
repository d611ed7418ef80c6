"""The two databases that every test of the store runs on."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import make_url

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


class Stores:
    """Makes stores and takes them away again: thousands of files that nobody needs slow the disk down."""

    def __init__(self, host: Callable[[], str], folder: Callable[[], Path]) -> None:
        """`host`: starts PostgreSQL when it is first asked for. `folder`: a new one each time."""
        self._host, self._folder = host, folder
        self._numbers = count(1)
        self._made: dict[str, str] = {}  # by kind

    def new(self, kind: str) -> str:
        """The address of an empty one, in which open_database will make the tables."""
        if kind == "sqlite":
            return f"sqlite:///{self._folder() / 'new' / 'runs.db'}"
        return self._create()

    def copy(self, kind: str) -> str:
        """The address of one with tables and without rows: open_database has made its original, once."""
        if kind not in self._made:
            self._made[kind] = self.new(kind)
            open_database(self._made[kind]).close()
        original = make_url(self._made[kind])
        if kind == "sqlite":
            return f"sqlite:///{shutil.copy(str(original.database), self._folder() / 'runs.db')}"
        return self._create(f"TEMPLATE {original.database}")

    def drop(self, url: str) -> None:
        """Take one on PostgreSQL away, with all connections to it; files go as other temporary ones."""
        if not url.startswith("sqlite"):
            self._execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def _create(self, like: str = "") -> str:
        name = f"store_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} {like} STRATEGY file_copy")
        return f"postgresql://tester:s3cret@/{name}?host={self._host()}"

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(host=self._host(), user="tester", dbname="postgres", autocommit=True) as admin:
            admin.execute(statement)


@pytest.fixture(scope="session")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    return Stores(lambda: str(request.getfixturevalue("postgres_host")), lambda: tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def new_url(stores: Stores) -> NewUrl:
    """Makes empty stores for whole modules; those on the server go with it."""
    return stores.new


@pytest.fixture
def postgres_url(stores: Stores) -> Iterator[str]:
    """The address of an empty store on PostgreSQL."""
    url = stores.new("postgresql")
    yield url
    stores.drop(url)


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, stores: Stores) -> Iterator[str]:
    """The address of an empty store, once for each kind of database."""
    url = stores.new(str(request.param))
    yield url
    stores.drop(url)


@pytest.fixture(params=KINDS)
def made_url(request: pytest.FixtureRequest, stores: Stores) -> Iterator[str]:
    """The address of a store with tables and without rows, once for each kind of database."""
    url = stores.copy(str(request.param))
    yield url
    stores.drop(url)


@pytest.fixture
def database(made_url: str) -> Iterator[Database]:
    """An open store without rows."""
    with open_database(made_url) as opened:
        yield opened
