"""/api/objects: tracks as reviewers see them, with filters, pages and what was seen of each."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import StringConstraints

from pipeline.api.failures import not_found
from pipeline.api.records import ObjectDetailJson, ObjectJson, ObservationJson, Page
from pipeline.api.scopes import reading
from pipeline.api.services import Services
from pipeline.store.filters import ObjectFilter, ObjectOrder
from pipeline.store.queries import (
    count_objects,
    count_observations,
    find_object,
    members_of_object,
    observations_of_object,
    page_objects,
)
from pipeline.store.states import Verdict
from trackers.structures import Evidence

LARGEST = 2**62  # of a number in an address; databases hold no larger ones
MOST_ROWS = 500  # on a page
MOST_OBSERVATIONS = 5000
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]
Offset = Annotated[int, Query(ge=0, le=LARGEST)]
At = Annotated[int | None, Query(ge=-LARGEST, le=LARGEST, description="microseconds since 1970, UTC")]
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=1000)]  # PostgreSQL takes no zero byte
EvidenceName = Literal["detected", "flow", "target", "shadowed", "predicted", "interpolated"]


def wanted_objects(
    run: Annotated[list[UUID], Query(description="seen in any of these runs")] = [],  # noqa: B006 - FastAPI copies it
    source: Annotated[list[UUID], Query(description="seen by any of these sources")] = [],  # noqa: B006
    name: Annotated[list[Name], Query(description="label, or class where there is no label")] = [],  # noqa: B006
    from_at: Annotated[At, Query(alias="from")] = None,
    to_at: Annotated[At, Query(alias="to")] = None,
    min_seconds: Annotated[float, Query(ge=0, le=1e9)] = 0.0,
    min_score: Annotated[float, Query(ge=0, le=1)] = 0.0,
    evidence: Annotated[list[EvidenceName], Query()] = [],  # noqa: B006
    verdict: Annotated[list[Verdict | Literal["none"]], Query()] = [],  # noqa: B006
) -> ObjectFilter:
    """What the query of an address asks for."""
    return ObjectFilter(
        runs=tuple(run),
        sources=tuple(source),
        names=tuple(name),
        from_at=from_at,
        to_at=to_at,
        min_seconds=min_seconds,
        min_score=min_score,
        evidence=tuple(Evidence[one.upper()] for one in evidence),
        verdicts=tuple("" if one == "none" else str(one) for one in verdict),
    )


Wanted = Annotated[ObjectFilter, Depends(wanted_objects)]


def object_routes(services: Services) -> APIRouter:
    """Reading objects."""
    router = APIRouter(prefix="/api/objects", tags=["objects"])

    @router.get("")
    def objects(
        wanted: Wanted,
        order: ObjectOrder = ObjectOrder.NEWEST,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Page[ObjectJson]:
        """A page of tracks."""
        with reading(services, "list tracks") as (scope, connection):
            total = count_objects(scope, connection, wanted)
            rows = page_objects(scope, connection, wanted, order=order, limit=limit, offset=offset)
        return Page(items=[ObjectJson.of(row) for row in rows], total=total, limit=limit, offset=offset)

    @router.get("/{public_id}")
    def one(public_id: UUID) -> ObjectDetailJson:
        """One track and what it is made of."""
        with reading(services, "show a track") as (scope, connection):
            row = find_object(scope, connection, public_id)
            members = members_of_object(scope, connection, public_id)
        if row is None:
            raise not_found("track")
        return ObjectDetailJson.with_parts(row, members)

    @router.get("/{public_id}/observations")
    def observations(
        public_id: UUID,
        limit: Annotated[int, Query(ge=1, le=MOST_OBSERVATIONS)] = 500,
        offset: Offset = 0,
    ) -> Page[ObservationJson]:
        """Where a track was, in order of time."""
        with reading(services, "show a track") as (scope, connection):
            row = find_object(scope, connection, public_id)
            total = count_observations(scope, connection, public_id)
            table = observations_of_object(scope, connection, public_id, limit=limit, offset=offset)
        if row is None:
            raise not_found("track")
        return Page(items=ObservationJson.rows(table), total=total, limit=limit, offset=offset)

    return router
