"""Whose rows a request may see, and who it is from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from starlette.requests import HTTPConnection

from pipeline.api.services import Services
from pipeline.store.filters import Scope, scope_of


@contextmanager
def reading(services: Services, doing: str) -> Iterator[tuple[Scope, Connection]]:
    """A transaction that reads, with the scope of the page. `doing`: what to say if it fails. Raises StoreError."""
    with services.database.read(doing) as connection:
        yield scope_of(connection, services.projects), connection


@contextmanager
def writing(services: Services, doing: str) -> Iterator[tuple[Scope, Connection]]:
    """A transaction that writes. Raises StoreError."""
    with services.database.write(doing) as connection:
        yield scope_of(connection, services.projects), connection


def actor_of(request: HTTPConnection) -> str:
    """Who asks, for the edit log. The guard has said so."""
    return str(request.state.actor)
