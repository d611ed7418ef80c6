"""What the JSON of the API looks like. Ids are public ids, times are microseconds UTC and ISO 8601 side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from pipeline.store.liveness import ShownStatus, can_resume, shown_status
from pipeline.store.rows import (
    MemberRow,
    ObjectRow,
    ObservationTable,
    RunDetail,
    RunModelRow,
    RunRow,
    RunSourceRow,
    SourceRow,
)
from pipeline.store.states import EditOp, RequestedState, SourceStatus
from trackers.structures import Evidence

if TYPE_CHECKING:
    from pipeline.store.review import Edited
    from pipeline.store.review_log import EditRow
    from pipeline.store.search import Hit, SearchModel

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Item = TypeVar("_Item")


class Moment(BaseModel):
    """A point in time."""

    us: int = Field(description="microseconds since 1970, UTC")
    iso: str

    @classmethod
    def of(cls, at: int) -> Moment:
        """`at`: microseconds UTC."""
        return cls(us=at, iso=(_EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z"))

    @classmethod
    def maybe(cls, at: int | None) -> Moment | None:
        """The same for a time that may be missing."""
        return None if at is None else cls.of(at)


class Page(BaseModel, Generic[_Item]):
    """A part of a long list."""

    items: list[_Item]
    total: int = Field(description="items in the whole list")
    limit: int
    offset: int


class RunJson(BaseModel):
    """One run, as in a list."""

    id: UUID
    kind: str
    status: ShownStatus
    requested: RequestedState
    can_resume: bool
    error: str | None
    parent: UUID | None
    created: Moment
    finished: Moment | None
    heartbeat: Moment | None
    code_version: str
    settings_hash: str

    @classmethod
    def of(cls, row: RunRow, now: int) -> RunJson:
        """`now`: microseconds UTC."""
        return cls(
            id=row.public_id,
            kind=row.kind,
            status=shown_status(row, now),
            requested=row.requested_state,
            can_resume=can_resume(row, now),
            error=row.error,
            parent=row.parent,
            created=Moment.of(row.created_at),
            finished=Moment.maybe(row.finished_at),
            heartbeat=Moment.maybe(row.heartbeat_at),
            code_version=row.code_version,
            settings_hash=row.settings_hash,
        )


class RunSourceJson(BaseModel):
    """One source in one run."""

    id: UUID = Field(description="of the source")
    kind: str
    name: str
    address: str
    status: SourceStatus
    error: str | None
    start: Moment | None
    width: int | None
    height: int | None
    fps: float | None
    frames: int | None = Field(description="as declared")
    frames_read: int
    processed: int
    dropped: int
    repaired: int
    damaged: int
    next_frame: int
    tracks: int

    @classmethod
    def of(cls, row: RunSourceRow) -> RunSourceJson:
        """One of a run's sources."""
        same = ("kind", "name", "status", "error", "width", "height", "fps", "frames", "frames_read", "processed")
        more = ("dropped", "repaired", "damaged", "next_frame", "tracks")
        return cls(
            id=row.public_id,
            address=row.uri_redacted,
            start=Moment.maybe(row.start_at),
            **{name: getattr(row, name) for name in same + more},
        )


class RunModelJson(BaseModel):
    """One network of a run."""

    task: str
    name: str
    sha256: str
    version: str
    runtime: str
    input_size: tuple[int, int] | None = Field(description="height, width in pixels")
    classes: list[str]
    dimension: int | None

    @classmethod
    def of(cls, row: RunModelRow) -> RunModelJson:
        """One of a run's models."""
        names = ("task", "name", "sha256", "version", "runtime", "input_size", "dimension")
        return cls(classes=list(row.classes), **{name: getattr(row, name) for name in names})


class RunDetailJson(RunJson):
    """One run with all it read and used."""

    settings: Mapping[str, Any]
    sources: list[RunSourceJson]
    models: list[RunModelJson]

    @classmethod
    def with_parts(cls, detail: RunDetail, now: int) -> RunDetailJson:
        """`now`: microseconds UTC."""
        return cls(
            **dict(RunJson.of(detail.run, now)),
            settings=detail.run.settings,
            sources=[RunSourceJson.of(row) for row in detail.sources],
            models=[RunModelJson.of(row) for row in detail.models],
        )


class SourceJson(BaseModel):
    """A video file, a folder of pictures or a camera."""

    id: UUID
    kind: str
    name: str
    address: str

    @classmethod
    def of(cls, row: SourceRow) -> SourceJson:
        """One of the store's sources."""
        return cls(id=row.public_id, kind=row.kind, name=row.name, address=row.uri_redacted)


class SourceDetailJson(SourceJson):
    """One source with the runs that read it, the newest first."""

    runs: list[RunJson]
    picture: str | None = Field(description="address of what it looks like")

    @classmethod
    def with_runs(cls, row: SourceRow, runs: Sequence[RunRow], now: int, *, picture: str | None) -> SourceDetailJson:
        """`now`: microseconds UTC."""
        return cls(**dict(SourceJson.of(row)), runs=[RunJson.of(run, now) for run in runs], picture=picture)


class ObjectJson(BaseModel):
    """What a reviewer sees: one track, or several that are one."""

    id: UUID
    name: str = Field(description="the reviewer's label, else the class")
    class_name: str
    verdict: str | None
    protected: bool
    members: int
    run: UUID | None
    source: UUID | None
    source_name: str | None
    score: float = Field(description="of the best observation, 0 to 1")
    first: Moment
    last: Moment
    seconds: float
    observations: int
    evidence: list[str]
    picture: str | None = Field(description="address of the best crop")

    @classmethod
    def of(cls, row: ObjectRow) -> ObjectJson:
        """One of the store's objects."""
        same = ("name", "class_name", "verdict", "protected", "members", "run", "source", "source_name", "seconds")
        return cls(
            id=row.public_id,
            score=row.score_max,
            first=Moment.of(row.first_at),
            last=Moment.of(row.last_at),
            observations=row.count,
            evidence=[one.name.lower() for one in Evidence if row.evidence_bits >> one & 1],
            picture=None if row.crop is None else f"/media/{row.crop.public_id}",
            **{name: getattr(row, name) for name in same},
        )


class MemberJson(BaseModel):
    """The part of a track that belongs to an object: from <= time < to."""

    track: UUID
    number: int = Field(description="the tracker's own, unique within run and source")
    run: UUID
    source: UUID
    source_name: str
    begins: Moment
    ends: Moment | None = Field(description="null: with the track")

    @classmethod
    def of(cls, row: MemberRow) -> MemberJson:
        """One of an object's members."""
        return cls(
            track=row.track,
            number=row.local_id,
            run=row.run,
            source=row.source,
            source_name=row.source_name,
            begins=Moment.of(row.from_at),
            ends=Moment.maybe(row.to_at),
        )


class ObjectDetailJson(ObjectJson):
    """One object with what it is made of."""

    parts: list[MemberJson]

    @classmethod
    def with_parts(cls, row: ObjectRow, members: Sequence[MemberRow]) -> ObjectDetailJson:
        """An object and its members."""
        return cls(**dict(ObjectJson.of(row)), parts=[MemberJson.of(member) for member in members])


class ObservationJson(BaseModel):
    """Where an object was in one frame."""

    time: Moment
    frame: int
    box: tuple[float, float, float, float] = Field(description="x1 y1 x2 y2, pixels")
    score: float
    evidence: str

    @classmethod
    def rows(cls, table: ObservationTable) -> list[ObservationJson]:
        """All rows of a table."""
        names = {int(one): one.name.lower() for one in Evidence}
        columns = (table.at, table.frames, table.boxes, table.scores, table.evidence)
        return [
            cls(time=Moment.of(at), frame=frame, box=box, score=score, evidence=names[evidence])
            for at, frame, box, score, evidence in zip(*(column.tolist() for column in columns), strict=True)
        ]


class HitJson(BaseModel):
    """An object that looks alike."""

    object: ObjectJson
    distance: float = Field(description="1 - cosine; 0 is the same")
    seen: Moment = Field(description="when it looked most alike")

    @classmethod
    def of(cls, hit: Hit) -> HitJson:
        """One result of a search."""
        return cls(object=ObjectJson.of(hit.object), distance=hit.distance, seen=Moment.of(hit.at))


class FoundJson(BaseModel):
    """What a search found, the most alike first."""

    hits: list[HitJson]


class SearchModelJson(BaseModel):
    """A network by whose features objects can be compared."""

    id: int
    name: str
    version: str
    dimension: int
    exemplars: int

    @classmethod
    def of(cls, model: SearchModel) -> SearchModelJson:
        """One of the store's embedders."""
        names = ("name", "version", "dimension", "exemplars")
        return cls(id=model.model_id, **{name: getattr(model, name) for name in names})


class EditedJson(BaseModel):
    """What an edit did."""

    number: int
    op: EditOp
    objects: list[UUID] = Field(description="touched, and visible now")
    summary: str

    @classmethod
    def of(cls, edited: Edited) -> EditedJson:
        """The outcome of one edit."""
        return cls(number=edited.edit_id, op=edited.op, objects=list(edited.objects), summary=edited.summary)


class EditJson(BaseModel):
    """One step of the edit log."""

    number: int
    time: Moment
    actor: str
    op: EditOp
    summary: str
    objects: list[UUID]
    undoes: int | None
    undone_by: int | None

    @classmethod
    def of(cls, row: EditRow) -> EditJson:
        """One entry of the log."""
        return cls(
            number=row.edit_id,
            time=Moment.of(row.at),
            actor=row.actor,
            op=row.op,
            summary=row.summary,
            objects=list(row.objects),
            undoes=row.undoes,
            undone_by=row.undone_by,
        )
