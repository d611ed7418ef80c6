"""Opening databases that are fine, foreign, newer, torn, or not there."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import OperationalError

from pipeline.errors import StoreError
from pipeline.store.database import Database, check_database, open_database
from pipeline.store.failures import explained
from pipeline.store.schema import HEAD
from pipeline.store.tables import Project


def test_a_second_opening_finds_what_the_first_wrote(url: str) -> None:
    for _ in range(2):
        with open_database(url) as database, database.read() as connection:
            assert connection.scalars(select(Project.name)).all() == ["default"]


@pytest.mark.parametrize("form", ["runs.db", "deep/er/runs.db", "sqlite:///runs.db"])
def test_sqlite_by_path_or_address(form: str, tmp_path: Path) -> None:
    given = form.replace("sqlite:///", f"sqlite:///{tmp_path}/") if "://" in form else str(tmp_path / form)
    with open_database(given) as database:
        assert database.engine.dialect.name == "sqlite"
    assert (tmp_path / form.removeprefix("sqlite:///")).is_file()


def test_sqlite_is_set_up(tmp_path: Path) -> None:
    with open_database(tmp_path / "runs.db") as database, database.write() as connection:
        for pragma, wanted in (
            ("journal_mode", "wal"),
            ("foreign_keys", 1),
            ("busy_timeout", 30000),
            ("synchronous", 1),
        ):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == wanted


def _add_twice(database: Database) -> None:
    with database.write("add twice") as connection:
        connection.execute(text("INSERT INTO projects (name) VALUES ('one')"))
        connection.execute(text("INSERT INTO projects (name) VALUES ('one')"))


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(StoreError, match=r"cannot add twice in .*contradicts what is stored"):
        _add_twice(database)
    with database.read() as connection:
        assert connection.scalars(select(Project.name)).all() == ["default"]


def test_newer_tables_are_refused(url: str) -> None:
    with open_database(url) as database, database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(StoreError, match=f"revision 0999, this one knows up to {HEAD}.*update Sightline"):
        open_database(url)
    problem = check_database(url).problem
    assert problem is not None
    assert "0999" in problem


def test_tables_of_another_program_are_refused_and_left_alone(url: str) -> None:
    with open_database(url) as database, database.write() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(StoreError, match="another program"):
        open_database(url)


def test_a_foreign_sqlite_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "bank.db"
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE accounts (id)")
    foreign.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"bank\.db.*accounts"):
        open_database(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["bank.db"]


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not a database at all, but long enough to be read as one" * 100)
    with pytest.raises(StoreError, match=r"clip\.mp4.*not a SQLite database"):
        open_database(path)
    problem = check_database(path).problem
    assert problem is not None
    assert "not a SQLite database" in problem


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        open_database(tmp_path)
    assert check_database(tmp_path).problem == "it is a folder; give the path of a file"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the folder"):
        open_database(tmp_path / "file" / "runs.db")
    assert "is not a folder" in str(check_database(tmp_path / "file" / "runs.db").problem)


@pytest.mark.parametrize("wrong", ["", ":memory:", "sqlite://", "sqlite:///a.db?mode=ro", "mysql://u:pw@h/d", "://"])
def test_addresses_that_make_no_store(wrong: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_database(wrong)
    assert "pw" not in str(caught.value)


def test_check_changes_nothing(tmp_path: Path) -> None:
    report = check_database(tmp_path / "new" / "runs.db")
    assert (report.problem, report.revision, report.backend) == (None, None, "sqlite")
    assert list(tmp_path.iterdir()) == []


def test_check_of_a_good_store(url: str) -> None:
    open_database(url).close()
    report = check_database(url)
    assert (report.problem, report.revision) == (None, HEAD)
    assert report.server


def test_the_password_is_in_no_message(tmp_path: Path) -> None:
    for place in (f"postgresql://tester:s3cret@/none?host={tmp_path}", "postgres://tester:s3cret@127.0.0.1:1/none"):
        with pytest.raises(StoreError) as caught:
            open_database(place)
        assert "s3cret" not in str(caught.value)
        assert "none" in str(caught.value)
        report = check_database(place)
        assert report.problem is not None
        assert "s3cret" not in f"{report}"


def test_a_database_that_does_not_exist_on_the_server(postgres_host: str) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_database(f"postgresql://tester:s3cret@/absent?host={postgres_host}")


def test_a_user_without_the_right_to_install_pgvector(postgres_url: str) -> None:
    with open_database(postgres_url) as database, database.write() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
        connection.execute(text("GRANT ALL ON SCHEMA public TO public"))
        connection.execute(text("DROP ROLE IF EXISTS guest"))
        connection.execute(text("CREATE ROLE guest LOGIN"))
    with pytest.raises(StoreError, match="let an administrator run CREATE EXTENSION vector"):
        open_database(postgres_url.replace("tester:s3cret", "guest"))


@pytest.mark.parametrize(
    ("code", "advice"),
    [(13, "the disk is full"), (8, "may not be written"), (5, "locked for too long"), (11, "damaged")],
)
def test_advice_for_what_sqlite_reports(tmp_path: Path, code: int, advice: str) -> None:
    reported = sqlite3.OperationalError("as the driver says")
    reported.sqlite_errorcode = code
    url = make_url(f"sqlite:///{tmp_path}/runs.db")
    expected = rf"cannot write in .*runs\.db.*{advice}.*as the driver says$"
    with pytest.raises(StoreError, match=expected), explained(url, "write"):
        raise OperationalError("INSERT INTO secrets", {}, reported)


def _fill_up(database: Database) -> None:
    with database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        connection.execute(text("INSERT INTO projects (name) VALUES (:name)"), {"name": "x" * 100_000})


def test_a_full_disk_is_told_and_the_store_survives(tmp_path: Path) -> None:
    with open_database(tmp_path / "runs.db") as database:
        with pytest.raises(StoreError, match="the disk is full; free some space and resume"):
            _fill_up(database)
        with database.read() as connection:
            assert connection.scalars(select(Project.name)).all() == ["default"]
