"""What the JSON of cameras and their recordings looks like; see records.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from pipeline.api.records import Moment, Page, RunJson
from pipeline.sources.feed import CameraState
from pipeline.store.cameras import CameraRow
from pipeline.store.rows import RunRow
from pipeline.store.states import CameraOrigin, CameraWish

_TOLD = frozenset({"state", "since_at", "error"})  # of a status: the row says them, too
_KEPT = (  # of the settings of a camera, what people may want to see of it
    *("secret", "transport", "hardware", "policy", "max_fps", "loop", "keep", "record"),
    *("open_seconds", "stall_seconds", "backoff_seconds"),
)


class CameraJson(BaseModel):
    """A camera of a service: what is wanted of it, and how it is doing."""

    id: UUID
    run: UUID
    source: UUID | None = Field(description="what its tracks and events belong to; null until the service took it up")
    name: str
    address: str
    origin: CameraOrigin
    wanted: CameraWish
    state: CameraState
    since: Moment = Field(description="in this state")
    error: str | None = Field(description="the last one")
    settings: Mapping[str, Any]
    status: Mapping[str, Any] = Field(description="rates and counters, as the service last told them")
    updated: Moment
    picture: str | None = Field(description="address of the newest one; changes with it")

    @classmethod
    def of(cls, row: CameraRow, picture: str | None) -> CameraJson:
        """One of a service's cameras. `picture`: where its newest one is to be had."""
        same = ("run", "source", "name", "origin", "wanted", "state", "error")
        return cls(
            id=row.public_id,
            address=row.uri_redacted,
            since=Moment.of(row.since_at),
            settings={key: row.settings[key] for key in _KEPT if row.settings.get(key) is not None},
            status={key: value for key, value in row.status.items() if key not in _TOLD},
            updated=Moment.of(row.updated_at),
            picture=picture,
            **{name: getattr(row, name) for name in same},
        )


class ServiceJson(RunJson):
    """The service that keeps the cameras."""

    alive: bool = Field(description="whether a process is at work on it")

    @classmethod
    def of_run(cls, row: RunRow, now: int, *, alive: bool) -> ServiceJson:
        """`now`: microseconds UTC."""
        return cls(**dict(RunJson.of(row, now)), alive=alive)


class CamerasJson(Page[CameraJson]):
    """Cameras, and the service that keeps them."""

    service: ServiceJson | None = Field(description="null before the first")
    now: Moment = Field(description="the server's clock")


class CameraId(BaseModel):
    """A camera."""

    id: UUID
