"""/api/runs and /api/sources: what ran on what, and starting, pausing, stopping and resuming runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from pipeline.api.failures import not_found
from pipeline.api.media import source_preview
from pipeline.api.objects import Limit, Offset
from pipeline.api.records import Page, RunDetailJson, RunJson, SourceDetailJson, SourceJson
from pipeline.api.run_requests import Started, allowed_addresses, allowed_overrides
from pipeline.api.scopes import reading
from pipeline.api.services import Services
from pipeline.errors import BusyError
from pipeline.store.run_queries import count_runs, list_runs, list_sources, run_detail
from pipeline.store.source_queries import object_to_show, runs_of, source_row
from pipeline.store.states import RequestedState
from pipeline.store.writer import now_microseconds

STARTS_AT_ONCE = 4  # processes that load their networks


class Requested(BaseModel):
    """What a run should do next."""

    model_config = ConfigDict(extra="forbid")

    wanted: RequestedState


class RunId(BaseModel):
    """A run."""

    id: UUID


class Starting:
    """Lets only so many runs be started at once: each loads its networks."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(STARTS_AT_ONCE)

    @contextmanager
    def one(self) -> Iterator[None]:
        """While a run is started. Raises BusyError."""
        if not self._places.acquire(blocking=False):
            raise BusyError("several runs are being started at this moment; try again when they are at work")
        try:
            yield
        finally:
            self._places.release()


def run_routes(services: Services, starting: Starting) -> APIRouter:
    """Reading and steering runs."""
    router = APIRouter(prefix="/api", tags=["runs"])

    @router.get("/runs")
    def runs(limit: Limit = 50, offset: Offset = 0) -> Page[RunJson]:
        """A page of runs, the newest first."""
        with reading(services, "list runs") as (scope, connection):
            total = count_runs(scope, connection)
            rows = list_runs(scope, connection, limit=limit, offset=offset)
        now = now_microseconds()
        return Page(items=[RunJson.of(row, now) for row in rows], total=total, limit=limit, offset=offset)

    @router.get("/runs/{public_id}")
    def run(public_id: UUID) -> RunDetailJson:
        """One run with its settings, sources and models."""
        with reading(services, "show a run") as (scope, connection):
            detail = run_detail(scope, connection, public_id)
        if detail is None:
            raise not_found("run")
        return RunDetailJson.with_parts(detail, now_microseconds())

    @router.get("/sources")
    def sources(limit: Limit = 50, offset: Offset = 0) -> Page[SourceJson]:
        """A page of sources, by name."""
        with reading(services, "list sources") as (scope, connection):
            rows = list_sources(scope, connection)
        items = [SourceJson.of(row) for row in rows[offset : offset + limit]]
        return Page(items=items, total=len(rows), limit=limit, offset=offset)

    @router.get("/sources/{public_id}")
    def source(public_id: UUID) -> SourceDetailJson:
        """One source with the newest runs over it."""
        with reading(services, "show a source") as (scope, connection):
            row = source_row(scope, connection, public_id)
            rows = runs_of(scope, connection, public_id)
            seen = source_preview(services.media_folder, scope, connection, public_id) is not None
            seen = seen or object_to_show(scope, connection, public_id) is not None
        if row is None:
            raise not_found("source")
        picture = f"/api/sources/{public_id}/picture" if seen else None
        return SourceDetailJson.with_runs(row, rows, now_microseconds(), picture=picture)

    @router.post("/runs", status_code=201)
    def start(body: Started) -> RunId:
        """Start a run as a process of its own, on an upload or on files of the allowed folders."""
        addresses = allowed_addresses(services, body)
        overrides = allowed_overrides(services, body.overrides)
        with starting.one():
            return RunId(id=services.runs.start(addresses, config=body.config, overrides=overrides))

    @router.post("/runs/{public_id}/state", status_code=202)
    def state(public_id: UUID, body: Requested) -> RunId:
        """Ask a living run to pause, to go on or to stop; it obeys at its next heartbeat. 409 where it is dead."""
        check(public_id)
        services.runs.request(public_id, body.wanted)
        return RunId(id=public_id)

    @router.post("/runs/{public_id}/resume", status_code=202)
    def resume(public_id: UUID) -> RunId:
        """Let a run go on that ended early."""
        check(public_id)
        services.runs.resume(public_id)
        return RunId(id=public_id)

    def check(public_id: UUID) -> None:
        with reading(services, "look for a run") as (scope, connection):
            if run_detail(scope, connection, public_id) is None:
                raise not_found("run")

    return router
