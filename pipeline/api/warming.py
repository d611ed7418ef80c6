"""Warming: what the first search would wait for is read in the background once the server starts."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI

from pipeline.api.scopes import reading
from pipeline.api.services import Services
from pipeline.errors import SightlineError

_log = logging.getLogger(__name__)


def warming(services: Services) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """A lifespan for the application. It ends when the reading has ended, as the database is closed then."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        thread = threading.Thread(target=_warm, args=(services,), name="warm-search")
        thread.start()
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(thread.join)

    return lifespan


def _warm(services: Services) -> None:
    """Without it the first search is slow, so a failure is only logged; a search tells the same to who asks."""
    try:
        with reading(services, "look for tracks") as (scope, _):
            pass
        services.similarity.warm(scope)
    except SightlineError as error:
        _log.warning("the first search will take long: %s", error)
