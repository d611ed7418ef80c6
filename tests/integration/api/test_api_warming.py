"""When the server starts the search is made ready in the background; that it cannot be stops nothing."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from pipeline.api.app import make_app
from pipeline.errors import StoreError
from pipeline.store.filters import Scope
from pipeline.store.search import SimilarityIndex
from tests.integration.api.conftest import Site


class Slow(SimilarityIndex):
    """Waits until it is told to go on, and may fail then."""

    def __init__(self, site: Site, error: StoreError | None = None) -> None:
        super().__init__(site.database)
        self.go_on = threading.Event()
        self.scopes: list[Scope] = []
        self._error = error

    def warm(self, scope: Scope) -> None:
        assert self.go_on.wait(120)
        self.scopes.append(scope)
        if self._error is not None:
            raise self._error


def test_others_are_answered_meanwhile(site: Site) -> None:
    slow = Slow(site)
    app = make_app(replace(site.services(), similarity=slow))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/healthz").status_code == 200
        assert slow.scopes == []
        slow.go_on.set()
    assert slow.scopes == [site.scope()]  # the server ended after the reading
    assert "warm-search" not in {thread.name for thread in threading.enumerate()}


def test_a_failure_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow(site, StoreError("the disk is gone"))
    slow.go_on.set()
    with (
        caplog.at_level(logging.WARNING, "pipeline.api.warming"),
        TestClient(make_app(replace(site.services(), similarity=slow)), base_url="http://127.0.0.1") as client,
    ):
        assert client.get("/healthz").status_code == 200
    assert [record.getMessage() for record in caplog.records] == ["the first search will take long: the disk is gone"]
