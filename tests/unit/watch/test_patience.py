"""What the store cannot take now is tried again; what will never go is not."""

from __future__ import annotations

import logging
import sqlite3
import threading

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from pipeline.errors import OutputError, StoreError
from pipeline.watch.patience import Patience, may_pass
from tests.promptness import allowed, until


def locked() -> StoreError:
    error = StoreError("the database is locked")
    error.__cause__ = OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))
    return error


def contradicting() -> StoreError:
    error = StoreError("it contradicts what is stored")
    error.__cause__ = IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE"))
    return error


class Store:
    """Fails so often, then works."""

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = failures
        self.calls = 0

    def write(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "written"


def test_a_locked_store_and_a_full_disk_are_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    patience, store = Patience(again_seconds=0.01), Store([locked(), OutputError("the disk is full"), locked()])
    with caplog.at_level(logging.WARNING):
        assert patience.insist(store.write) == "written"
    assert store.calls == 4
    assert patience.retries == 3
    assert patience.trouble is None
    assert "tried again each second: the database is locked" in caplog.text
    assert "can be written again" in caplog.text


@pytest.mark.parametrize("error", [contradicting(), StoreError("the run was deleted while it ran"), ValueError("bug")])
def test_what_will_never_go_is_raised_at_once(error: Exception) -> None:
    patience, store = Patience(again_seconds=0.01), Store([error])
    with pytest.raises(type(error)):
        patience.insist(store.write)
    assert store.calls == 1
    assert patience.trouble is None


def test_trouble_can_be_seen_while_it_lasts_and_ends_when_somebody_gives_up() -> None:
    patience, store = Patience(again_seconds=60.0), Store([locked()] * 100)
    caught: list[Exception] = []

    def work() -> None:
        try:
            patience.insist(store.write)
        except StoreError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: patience.trouble is not None, 5)
    assert patience.trouble is not None
    assert patience.trouble.error == "the database is locked"
    patience.end(0.0)
    thread.join(allowed(5))
    assert [str(error) for error in caught] == ["the database is locked"]


def test_trouble_that_nobody_insists_on_ends_with_the_next_success() -> None:
    patience = Patience(again_seconds=60.0)
    patience.note(locked())
    patience.note(locked())
    assert patience.trouble is not None
    assert patience.retries == 2
    patience.went_well()
    assert patience.trouble is None


def test_a_success_elsewhere_does_not_hide_what_is_still_tried() -> None:
    patience, store = Patience(again_seconds=0.05), Store([OutputError("the disk is full")] * 100_000)
    thread = threading.Thread(target=patience.insist, args=(store.write,))
    thread.start()
    until(lambda: store.calls >= 2)
    patience.went_well()
    assert patience.trouble is not None
    store.failures = []
    thread.join(allowed(5))
    assert patience.trouble is None


def test_what_may_pass() -> None:
    assert may_pass(locked())
    assert may_pass(OutputError("no space"))
    assert not may_pass(contradicting())
    assert not may_pass(StoreError("taken over by process 7"))
