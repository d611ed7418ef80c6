"""/api/events: what happened at zones and lines, in pages and counted by time; where tracks stood, as a heat map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from pipeline.api.failures import not_found, refused
from pipeline.api.media import NEVER_KEPT
from pipeline.api.objects import At, Limit, Name
from pipeline.api.records import Moment
from pipeline.api.scopes import reading
from pipeline.api.services import Services
from pipeline.events import EventKind
from pipeline.heat_picture import heat_overlay
from pipeline.store.event_queries import (
    EventCount,
    EventFilter,
    EventPlace,
    EventRow,
    count_events_by_time,
    list_events,
)
from pipeline.store.heat import heat_map
from pipeline.store.source_queries import source_row
from trackers.structures import FloatArray

MOST_COUNTS = 50_000  # in one answer
LONGEST_BUCKET = 10**10  # seconds: all time is one
_CURSOR = r"^-?\d{1,19}_[0-9a-fA-F-]{32,36}$"


class EventJson(BaseModel):
    """Something that happened at a zone or line."""

    id: UUID
    time: Moment
    run: UUID
    source: UUID
    source_name: str
    rule: str = Field(description="name of the zone or line")
    kind: EventKind
    value: float | None = Field(description="seconds, metres a second or a number, by kind")
    direction: str | None = Field(description="of a crossing")
    class_name: str | None
    place: tuple[float, float] | None = Field(description="x y, pixels")
    object: UUID | None = Field(description="who did it; null for nobody in particular, or where that was deleted")
    object_name: str | None

    @classmethod
    def of(cls, row: EventRow) -> EventJson:
        """One of the store's events."""
        same = ("run", "source", "source_name", "rule", "kind", "value", "direction", "class_name", "object")
        return cls(
            id=row.public_id,
            time=Moment.of(row.at),
            place=None if row.x is None or row.y is None else (row.x, row.y),
            object_name=row.object_name,
            **{name: getattr(row, name) for name in same},
        )


class EventsJson(BaseModel):
    """A page of events, the newest first."""

    items: list[EventJson]
    next: str | None = Field(description="give it as `after` for the next page; null at the end")


class CountJson(BaseModel):
    """How many events there were in one stretch of time."""

    start: Moment
    rule: str
    kind: EventKind
    direction: str | None
    count: int

    @classmethod
    def of(cls, row: EventCount) -> CountJson:
        """One stretch."""
        return cls(start=Moment.of(row.start_at), rule=row.rule, kind=row.kind, direction=row.direction, count=row.n)


class CountsJson(BaseModel):
    """Events by time, rule, kind and direction; stretches without events are left out."""

    bucket: int = Field(description="seconds; stretches begin at whole multiples since 1970, UTC")
    items: list[CountJson]


class HeatJson(BaseModel):
    """How often tracks stood in each cell of the picture."""

    columns: int
    rows: int
    cells: list[list[float]] = Field(description="rows of columns, from the top left corner")


def wanted_events(
    source: Annotated[list[UUID], Query(description="of any of these files or cameras")] = [],  # noqa: B006 - FastAPI copies it
    run: Annotated[list[UUID], Query(description="of any of these runs")] = [],  # noqa: B006
    rule: Annotated[list[Name], Query(description="names of zones and lines")] = [],  # noqa: B006
    kind: Annotated[list[EventKind], Query()] = [],  # noqa: B006
    class_name: Annotated[list[Name], Query(alias="class")] = [],  # noqa: B006
    from_at: Annotated[At, Query(alias="from")] = None,
    to_at: Annotated[At, Query(alias="to")] = None,
) -> EventFilter:
    """What the query of an address asks for."""
    return EventFilter(tuple(run), tuple(source), tuple(rule), tuple(kind), tuple(class_name), from_at, to_at)


@dataclass(frozen=True, slots=True)
class _HeatQuery:
    run: UUID | None
    from_at: int | None
    to_at: int | None
    columns: int


def _wanted_heat(
    run: Annotated[UUID | None, Query(description="of this run alone")] = None,
    from_at: Annotated[At, Query(alias="from")] = None,
    to_at: Annotated[At, Query(alias="to")] = None,
    columns: Annotated[int, Query(ge=4, le=256)] = 64,
) -> _HeatQuery:
    return _HeatQuery(run, from_at, to_at, columns)


Wanted = Annotated[EventFilter, Depends(wanted_events)]
Heat = Annotated[_HeatQuery, Depends(_wanted_heat)]


def event_routes(services: Services) -> APIRouter:
    """Reading events and heat maps."""
    router = APIRouter(prefix="/api", tags=["events"])

    @router.get("/events")
    def events(
        wanted: Wanted,
        limit: Limit = 50,
        after: Annotated[str | None, Query(pattern=_CURSOR, description="`next` of the page before")] = None,
    ) -> EventsJson:
        """A page of events, the newest first. New events do not move what comes after."""
        with reading(services, "list events") as (scope, connection):
            rows = list_events(scope, connection, wanted, after=_place(after), limit=limit + 1)
        more = len(rows) > limit
        shown = rows[:limit]
        return EventsJson(items=[EventJson.of(row) for row in shown], next=_cursor(shown[-1]) if more else None)

    @router.get("/events/counts")
    def counts(wanted: Wanted, bucket: Annotated[int, Query(ge=1, le=LONGEST_BUCKET)] = 3600) -> CountsJson:
        """How many events there were by time. `bucket`: seconds of a stretch."""
        with reading(services, "count events") as (scope, connection):
            found = count_events_by_time(scope, connection, wanted, bucket_seconds=bucket, limit=MOST_COUNTS + 1)
        if len(found) > MOST_COUNTS:
            raise refused(f"that is more than {MOST_COUNTS} counts; ask for a larger bucket or less time")
        return CountsJson(bucket=bucket, items=[CountJson.of(row) for row in found])

    @router.get("/sources/{public_id}/heat")
    def heat(public_id: UUID, asked: Heat) -> HeatJson:
        """Where tracks stood, counted in cells of the picture."""
        cells = found_heat(public_id, asked)
        return HeatJson(columns=cells.shape[1], rows=cells.shape[0], cells=cells.tolist())

    @router.get("/sources/{public_id}/heat.png")
    def heat_picture(public_id: UUID, asked: Heat) -> Response:
        """The same as a picture (PNG), to be laid over one of the source: clear where nobody stood."""
        content = heat_overlay(found_heat(public_id, asked))
        return Response(content, media_type="image/png", headers={"cache-control": NEVER_KEPT})

    def found_heat(public_id: UUID, asked: _HeatQuery) -> FloatArray:
        with reading(services, "make a heat map") as (scope, connection):
            if source_row(scope, connection, public_id) is None:
                raise not_found("source")
            return heat_map(
                scope, connection, public_id, asked.from_at, asked.to_at, run=asked.run, columns=asked.columns
            )

    return router


def _place(cursor: str | None) -> EventPlace | None:
    if cursor is None:
        return None
    at, _, public_id = cursor.partition("_")
    try:
        return int(at), UUID(public_id)
    except ValueError as error:
        raise refused("`after` must be the `next` of an earlier page") from error


def _cursor(row: EventRow) -> str:
    return f"{row.at}_{row.public_id}"
