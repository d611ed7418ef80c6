"""/api/recordings: what was recorded of a camera, when it gave no pictures, and keeping a recording for good.

The files themselves are at /media/ID, as pictures are.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.failures import not_found, refused
from pipeline.api.objects import At
from pipeline.api.records import Moment
from pipeline.api.scopes import reading, writing
from pipeline.api.services import Services
from pipeline.store.cameras import find_camera
from pipeline.store.segments import SegmentRow, find_segment, protect_segment, segments
from pipeline.store.source_queries import GapRow, gaps_of, source_row

ALL_TIME = 2**62  # microseconds


class SegmentJson(BaseModel):
    """A file of a recording: a minute or so, as the camera sent it."""

    id: UUID
    source: UUID
    camera: str
    begins: Moment
    ends: Moment
    bytes: int
    width: int | None
    height: int | None
    protected: bool = Field(description="kept however old it is")
    address: str

    @classmethod
    def of(cls, row: SegmentRow) -> SegmentJson:
        """One of the store's segments."""
        same = ("source", "camera", "bytes", "width", "height", "protected")
        return cls(
            id=row.public_id,
            begins=Moment.of(row.from_at),
            ends=Moment.of(row.to_at),
            address=f"/media/{row.public_id}",
            **{name: getattr(row, name) for name in same},
        )


class GapJson(BaseModel):
    """A time without pictures."""

    begins: Moment
    ends: Moment
    reason: str

    @classmethod
    def of(cls, row: GapRow) -> GapJson:
        """One of the store's gaps."""
        return cls(begins=Moment.of(row.from_at), ends=Moment.of(row.to_at), reason=row.reason)


class RecordingsJson(BaseModel):
    """A page of what was recorded, in order of time, and the gaps of the time that was asked for, the first 1000."""

    items: list[SegmentJson]
    gaps: list[GapJson]
    next: int | None = Field(description="give it as `from` for the next page; null at the end")


class Protected(BaseModel):
    """Whether to keep it."""

    model_config = ConfigDict(extra="forbid")

    protected: bool


def recording_routes(services: Services) -> APIRouter:
    """Reading and protecting recordings."""
    router = APIRouter(prefix="/api/recordings", tags=["recordings"])

    @router.get("")
    def recordings(
        camera: Annotated[UUID | None, Query(description="a camera of a service")] = None,
        source: Annotated[
            UUID | None, Query(description="or what its tracks belong to: all services' recordings")
        ] = None,
        from_at: Annotated[At, Query(alias="from")] = None,
        to_at: Annotated[At, Query(alias="to")] = None,
        limit: Annotated[int, Query(ge=1, le=2000)] = 500,
    ) -> RecordingsJson:
        """What was recorded of a camera, in order of time, and when it gave no pictures."""
        if (camera is None) == (source is None):
            raise refused("say whose recordings: give `camera` or `source`")
        with reading(services, "list recordings") as (scope, connection):
            if camera is not None:
                found = find_camera(scope, connection, camera)
                if found is None:
                    raise not_found("camera")
                source = found.source
            elif source is not None and source_row(scope, connection, source) is None:
                raise not_found("source")
            if source is None:  # not taken up yet
                return RecordingsJson(items=[], gaps=[], next=None)
            rows = segments(scope, connection, source=source, from_at=from_at, to_at=to_at, limit=limit + 1)
            start, end = (-ALL_TIME if from_at is None else from_at), (ALL_TIME if to_at is None else to_at)
            gaps = gaps_of(scope, connection, source, start, end)
        shown = rows[:limit]
        return RecordingsJson(
            items=[SegmentJson.of(row) for row in shown],
            gaps=[GapJson.of(row) for row in gaps],
            next=shown[-1].to_at if len(rows) > limit else None,
        )

    @router.post("/{public_id}/protect")
    def protect(public_id: UUID, body: Protected) -> SegmentJson:
        """Keep a recording however old it is, or no longer."""
        with writing(services, "protect a recording") as (scope, connection):
            if find_segment(scope, connection, public_id) is None:
                raise not_found("recording")
            return SegmentJson.of(protect_segment(scope, connection, public_id, on=body.protected))

    return router
