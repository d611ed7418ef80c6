"""Every table of the store. Times that end in `at` are microseconds since 1970-01-01 UTC; frame ranges are half-open.

Tracks and what hangs on them are the machine's and do not change after a run. Objects, members and edits are the
reviewers' layer over them. An object repeats the sums of its tracks (first_at, count, ...) so that a page of a large
gallery reads one table; who edits members must bring them up to date.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    REAL,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pipeline.events import EventKind
from pipeline.store.one_of import OneOf
from pipeline.store.states import (
    CameraOrigin,
    CameraWish,
    EmbeddingKind,
    MediaKind,
    RequestedState,
    RunStatus,
    SourceStatus,
    TaskStatus,
)
from pipeline.store.vector import Float32Array, Vector

REVIEWED = "label IS NOT NULL OR verdict IS NOT NULL OR protected"  # of an object, in SQL
_KEY = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows by itself only in an INTEGER column
_JSON = JSON().with_variant(JSONB(), "postgresql")

Key = Annotated[int, mapped_column(_KEY, primary_key=True)]
PublicId = Annotated[UUID, mapped_column(Uuid(), unique=True)]
Word = Annotated[str, mapped_column(String(16))]  # lower case; OneOf where states.py lists the words
Hash = Annotated[str, mapped_column(String(128))]
LongText = Annotated[str, mapped_column(Text())]
At = Annotated[int, mapped_column(BigInteger())]  # microseconds UTC
Count = Annotated[int, mapped_column(BigInteger(), server_default=text("0"))]
Real = Annotated[float, mapped_column(REAL())]
Flag = Annotated[bool, mapped_column(server_default=false())]


def _refer(column: str, *, on_delete: str = "CASCADE") -> Any:
    """A foreign key; by default the row goes when what it belongs to goes."""
    return mapped_column(_KEY, ForeignKey(column, ondelete=on_delete))


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can address it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Project(Base):
    """The scope of authorisation."""

    __tablename__ = "projects"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(Text(), unique=True)


class Source(Base):
    """A video file, a folder of pictures or a camera."""

    __tablename__ = "sources"
    __table_args__ = (UniqueConstraint("project_id", "fingerprint", "uri_redacted"),)

    id: Mapped[Key]
    public_id: Mapped[PublicId]
    project_id: Mapped[int] = _refer("projects.id", on_delete="RESTRICT")
    kind: Mapped[Word]
    name: Mapped[LongText]
    uri_redacted: Mapped[LongText]
    secret_ref: Mapped[LongText | None]  # name of the secret with the credentials, never the secret
    fingerprint: Mapped[Hash]  # of the content; empty for a camera, whose content never comes again
    start_at: Mapped[At | None]
    width: Mapped[int | None]  # pixels
    height: Mapped[int | None]
    fps: Mapped[float | None] = mapped_column(Double())  # as declared; nothing is timed by it
    frames: Mapped[int | None] = mapped_column(BigInteger())  # as declared
    duration: Mapped[float | None] = mapped_column(Double())  # seconds, as declared


class Model(Base):
    """A network, known by its weights."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "sha256"),)

    id: Mapped[Key]
    name: Mapped[LongText]
    version: Mapped[LongText]  # of the library that ran it when it was first used
    sha256: Mapped[Hash]
    task: Mapped[Word]
    dim: Mapped[int | None]  # length of a feature vector
    classes: Mapped[list[str]] = mapped_column(_JSON)


class Run(Base):
    """One process over one or more sources with one set of settings."""

    __tablename__ = "runs"
    __table_args__ = (Index(None, "project_id", "created_at"),)

    id: Mapped[Key]
    public_id: Mapped[PublicId]
    project_id: Mapped[int] = _refer("projects.id", on_delete="RESTRICT")
    parent_run_id: Mapped[int | None] = _refer("runs.id", on_delete="SET NULL")
    kind: Mapped[Word]
    settings: Mapped[dict[str, Any]] = mapped_column(_JSON)
    settings_hash: Mapped[Hash] = mapped_column(index=True)
    code_version: Mapped[LongText]
    status: Mapped[RunStatus] = mapped_column(OneOf(RunStatus))
    error: Mapped[LongText | None]
    requested_state: Mapped[RequestedState] = mapped_column(OneOf(RequestedState))
    created_at: Mapped[At]
    finished_at: Mapped[At | None]
    heartbeat_at: Mapped[At | None]
    host: Mapped[LongText | None]
    pid: Mapped[int | None]


class RunModel(Base):
    """Which networks a run used, and how they ran."""

    __tablename__ = "run_models"

    run_id: Mapped[int] = mapped_column(_KEY, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    task: Mapped[str] = mapped_column(String(16), primary_key=True)
    model_id: Mapped[int] = _refer("models.id", on_delete="RESTRICT")
    version: Mapped[LongText]
    runtime: Mapped[LongText]
    input_height: Mapped[int | None]  # pixels; None where the model takes any
    input_width: Mapped[int | None]


class RunSource(Base):
    """One source in one run."""

    __tablename__ = "run_sources"
    __table_args__ = (
        UniqueConstraint("run_id", "source_id"),
        CheckConstraint(
            "frames_read >= 0 AND processed >= 0 AND dropped >= 0 AND repaired >= 0 AND damaged >= 0", name="counters"
        ),
    )

    id: Mapped[Key]
    run_id: Mapped[int] = _refer("runs.id")
    source_id: Mapped[int] = mapped_column(_KEY, ForeignKey("sources.id", ondelete="RESTRICT"), index=True)
    status: Mapped[SourceStatus] = mapped_column(OneOf(SourceStatus))
    error: Mapped[LongText | None]
    detect_hash: Mapped[Hash | None]  # key of its detection chunks; None before the first
    frames_read: Mapped[Count]
    processed: Mapped[Count]
    dropped: Mapped[Count]
    repaired: Mapped[Count]  # time stamps that had to be mended
    damaged: Mapped[Count]  # packets and frames that could not be decoded
    finished_at: Mapped[At | None]


class Session(Base):
    """One unbroken connection to a source."""

    __tablename__ = "sessions"
    __table_args__ = (UniqueConstraint("run_source_id", "n"),)

    id: Mapped[Key]
    run_source_id: Mapped[int] = _refer("run_sources.id")
    n: Mapped[int]
    started_at: Mapped[At]  # of time 0: a frame of this session was taken at started_at + its time
    time_offset: Mapped[float] = mapped_column(Double())  # seconds between the run's time and this session's own
    time_base: Mapped[str | None] = mapped_column(String(32))  # seconds per unit of pts, as a fraction "1/90000"
    width: Mapped[int | None]  # pixels: a camera may come back with another size; None: as its source says
    height: Mapped[int | None]


class DetectionChunk(Base):
    """Packed detections of a range of frames.

    A file's belong to the source, so that every run with the same detect_hash can use them; a camera's to the run.
    Ranges of one hash may overlap (two runs that cut differently); they then hold the same detections.
    """

    __tablename__ = "detection_chunks"
    __table_args__ = (
        UniqueConstraint("source_id", "detect_hash", "first_frame", "end_frame", name="uq_detection_chunks_source"),
        UniqueConstraint(
            "run_source_id", "detect_hash", "first_frame", "end_frame", name="uq_detection_chunks_run_source"
        ),
        CheckConstraint("(source_id IS NULL) <> (run_source_id IS NULL)", name="owner"),
        CheckConstraint("0 <= first_frame AND first_frame < end_frame", name="range"),
    )

    id: Mapped[Key]
    source_id: Mapped[int | None] = _refer("sources.id")
    run_source_id: Mapped[int | None] = _refer("run_sources.id")
    detect_hash: Mapped[Hash]
    first_frame: Mapped[int] = mapped_column(BigInteger())
    end_frame: Mapped[int] = mapped_column(BigInteger())
    format: Mapped[int] = mapped_column(SmallInteger())
    payload: Mapped[bytes] = mapped_column(LargeBinary())


class Checkpoint(Base):
    """Where to go on after a crash."""

    __tablename__ = "checkpoints"

    run_source_id: Mapped[int] = mapped_column(
        _KEY, ForeignKey("run_sources.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    next_frame: Mapped[int] = mapped_column(BigInteger())
    state: Mapped[bytes] = mapped_column(LargeBinary())
    format_version: Mapped[int] = mapped_column(SmallInteger())
    saved_at: Mapped[At]


class Track(Base):
    """What a tracker held together. Does not change after the run."""

    __tablename__ = "tracks"
    __table_args__ = (
        UniqueConstraint("run_source_id", "local_id"),
        Index(None, "run_source_id", "first_at"),
        CheckConstraint("first_at <= last_at AND count >= 0", name="extent"),
    )

    id: Mapped[Key]
    public_id: Mapped[PublicId]
    run_source_id: Mapped[int] = _refer("run_sources.id")
    local_id: Mapped[int] = mapped_column(BigInteger())
    class_id: Mapped[int]
    score_max: Mapped[Real]
    first_at: Mapped[At]
    last_at: Mapped[At]
    count: Mapped[Count]
    ended: Mapped[Flag]
    evidence_bits: Mapped[int] = mapped_column(SmallInteger(), server_default=text("0"))  # bit e: seen with Evidence(e)
    best_quality: Mapped[Real | None]  # of the best crop


class Observation(Base):
    """Where a track was in one frame."""

    __tablename__ = "observations"
    # Rows lie in the order of their key instead of beside an index of it: without masks a sixth less space, and a track
    # is read in half the time.
    __table_args__ = (Index(None, "run_source_id", "at"), {"sqlite_with_rowid": False})

    track_id: Mapped[int] = mapped_column(_KEY, ForeignKey("tracks.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger(), primary_key=True, autoincrement=False)
    frame: Mapped[int] = mapped_column(BigInteger())
    run_source_id: Mapped[int] = _refer("run_sources.id")
    x1: Mapped[Real]  # pixels
    y1: Mapped[Real]
    x2: Mapped[Real]
    y2: Mapped[Real]
    score: Mapped[Real]
    evidence: Mapped[int] = mapped_column(SmallInteger())
    det_row: Mapped[int]  # row in the frame's detections, -1 if none
    mask_rle: Mapped[bytes | None] = mapped_column(LargeBinary())


class Embedding(Base):
    """What a track looked like to one model. Vectors compare only within a model."""

    __tablename__ = "embeddings"
    __table_args__ = (
        UniqueConstraint("track_id", "model_id", "kind", "at"),
        Index(None, "model_id", "id"),
    )

    id: Mapped[Key]
    track_id: Mapped[int] = _refer("tracks.id")
    model_id: Mapped[int] = _refer("models.id", on_delete="RESTRICT")
    at: Mapped[At]
    kind: Mapped[EmbeddingKind] = mapped_column(OneOf(EmbeddingKind))
    quality: Mapped[Real]
    vector: Mapped[Float32Array] = mapped_column(Vector())


class Object(Base):
    """What a reviewer sees: at first one for each track."""

    __tablename__ = "objects"
    __table_args__ = (
        Index(None, "project_id", "hidden", "first_at", "id"),  # one for each order of a gallery without filters
        Index(None, "project_id", "hidden", "score_max", "id"),
        Index(None, "project_id", "hidden", "best_quality", "id"),
        Index(None, "project_id", "hidden", "label", "class_name"),  # names are counted in it alone
        Index(None, "run_source_id", "first_at", "id"),
        Index(
            "ix_objects_reviewed",  # what somebody has looked at is kept longer, and is little
            "first_at",
            sqlite_where=text(REVIEWED),
            postgresql_where=text(REVIEWED),
        ),
    )

    id: Mapped[Key]
    public_id: Mapped[PublicId]
    project_id: Mapped[int] = _refer("projects.id", on_delete="RESTRICT")
    run_source_id: Mapped[int | None] = _refer("run_sources.id", on_delete="SET NULL")  # of its first member
    label: Mapped[LongText | None]  # a reviewer's; until then the class name counts
    class_name: Mapped[LongText]
    verdict: Mapped[Word | None]
    protected: Mapped[Flag]  # retention leaves it alone
    hidden: Mapped[Flag]  # deleted or merged away; kept for undo
    members: Mapped[int] = mapped_column(server_default=text("1"))
    score_max: Mapped[Real]
    first_at: Mapped[At]
    last_at: Mapped[At]
    count: Mapped[Count]
    evidence_bits: Mapped[int] = mapped_column(SmallInteger(), server_default=text("0"))
    best_quality: Mapped[Real | None]


class ObjectMember(Base):
    """The part of a track that belongs to an object: from_at <= at < to_at, without end where to_at is null."""

    __tablename__ = "object_members"
    __table_args__ = (
        UniqueConstraint("track_id", "from_at"),
        CheckConstraint("to_at IS NULL OR from_at < to_at", name="extent"),
    )

    object_id: Mapped[int] = mapped_column(_KEY, ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True)
    track_id: Mapped[int] = mapped_column(_KEY, ForeignKey("tracks.id", ondelete="CASCADE"), primary_key=True)
    from_at: Mapped[int] = mapped_column(BigInteger(), primary_key=True, autoincrement=False)
    to_at: Mapped[At | None]


class Edit(Base):
    """One step of review. Append-only: no row ever changes. Undo is a new edit that points to the undone one."""

    __tablename__ = "edits"
    __table_args__ = (Index(None, "project_id", "id"),)

    id: Mapped[Key]
    project_id: Mapped[int] = _refer("projects.id", on_delete="RESTRICT")
    at: Mapped[At]
    actor: Mapped[LongText]
    op: Mapped[Word]
    before: Mapped[dict[str, Any]] = mapped_column(_JSON)
    after: Mapped[dict[str, Any]] = mapped_column(_JSON)
    undoes_id: Mapped[int | None] = mapped_column(_KEY, ForeignKey("edits.id", ondelete="RESTRICT"), unique=True)


class EditObject(Base):
    """An object that an edit touched: the history of an object, without a look into any document."""

    __tablename__ = "edit_objects"

    object_id: Mapped[int] = mapped_column(_KEY, ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True)
    edit_id: Mapped[int] = mapped_column(_KEY, ForeignKey("edits.id", ondelete="CASCADE"), primary_key=True, index=True)


class Media(Base):
    """A file beside the database."""

    __tablename__ = "media"
    __table_args__ = (
        Index(
            "uq_media_best_of_track",
            "track_id",
            unique=True,
            sqlite_where=text("kind = 'best'"),
            postgresql_where=text("kind = 'best'"),
        ),
        Index(None, "track_id", "from_at"),
        Index(None, "run_source_id", "from_at"),
        Index(
            "ix_media_segments",  # crops are many more
            "run_source_id",
            "from_at",
            "bytes",
            "kind",  # SQLite looks into the table for it otherwise
            sqlite_where=text("kind = 'segment'"),
            postgresql_where=text("kind = 'segment'"),
        ),
    )

    id: Mapped[Key]
    public_id: Mapped[PublicId]
    track_id: Mapped[int | None] = _refer("tracks.id")
    run_source_id: Mapped[int] = _refer("run_sources.id")
    kind: Mapped[MediaKind] = mapped_column(OneOf(MediaKind))
    path: Mapped[str] = mapped_column(Text(), unique=True)  # relative to the media folder, with /
    sha256: Mapped[Hash]
    bytes: Mapped[int] = mapped_column(BigInteger())
    from_at: Mapped[At]
    to_at: Mapped[At]
    width: Mapped[int | None]  # pixels
    height: Mapped[int | None]
    quality: Mapped[Real | None]
    protected: Mapped[Flag]


class Gap(Base):
    """A time without frames: the stream was lost, or frames could not be read."""

    __tablename__ = "gaps"
    __table_args__ = (Index(None, "run_source_id", "from_at"), CheckConstraint("from_at <= to_at", name="extent"))

    id: Mapped[Key]
    run_source_id: Mapped[int] = _refer("run_sources.id")
    from_at: Mapped[At]
    to_at: Mapped[At]
    reason: Mapped[LongText]


class Event(Base):
    """Something happened at a zone or line; see pipeline/events.py for what the words mean."""

    __tablename__ = "events"
    __table_args__ = (
        Index(None, "run_source_id", "at"),
        Index(None, "track_id", "at"),
        Index(None, "at", "public_id"),  # the newest of all cameras
        Index(None, "rule", "run_source_id", "at"),  # names are found in it alone
    )

    id: Mapped[Key]
    public_id: Mapped[PublicId]
    run_source_id: Mapped[int] = _refer("run_sources.id")
    track_id: Mapped[int | None] = _refer("tracks.id")
    at: Mapped[At]
    rule: Mapped[LongText]
    kind: Mapped[EventKind] = mapped_column(OneOf(EventKind))
    value: Mapped[float | None] = mapped_column(Double())  # seconds, metres a second or a number, by kind
    direction: Mapped[LongText | None]  # of a crossing
    class_name: Mapped[LongText | None]
    x: Mapped[float | None] = mapped_column(REAL())  # where, pixels
    y: Mapped[float | None] = mapped_column(REAL())


class Delivery(Base):
    """An event that somebody outside is to be told of. Written with the event; goes on until it has arrived."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "target"),
        Index(
            "ix_deliveries_waiting",
            "target",
            "id",
            sqlite_where=text("delivered_at IS NULL"),
            postgresql_where=text("delivered_at IS NULL"),
        ),
    )

    id: Mapped[Key]
    event_id: Mapped[int] = _refer("events.id")
    target: Mapped[LongText]  # name of an alert in the settings
    due_at: Mapped[At]  # not to be tried before
    lease_until: Mapped[At | None]  # somebody is trying it, and has so long for it
    attempts: Mapped[Count]
    delivered_at: Mapped[At | None]
    refused_at: Mapped[At | None]  # the receiver will not have it; those after it need not wait for it
    error: Mapped[LongText | None]  # of the last attempt


class Rule(Base):
    """A zone or line drawn in the page. Those of a settings file are not here."""

    __tablename__ = "rules"
    __table_args__ = (
        Index(
            "uq_rules_living_name",
            "source_id",
            "name",
            unique=True,
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
    )

    id: Mapped[Key]
    public_id: Mapped[PublicId]
    source_id: Mapped[int] = _refer("sources.id")
    name: Mapped[LongText]
    kind: Mapped[Word]  # "zone" or "line"
    definition: Mapped[dict[str, Any]] = mapped_column(_JSON)  # as the settings file would say it
    created_at: Mapped[At]
    removed_at: Mapped[At | None]


class Camera(Base):
    """A camera of a service: how it is set, what is wanted of it, and how it is doing."""

    __tablename__ = "cameras"
    __table_args__ = (Index("uq_cameras_name", "run_id", "name", unique=True),)

    id: Mapped[Key]
    public_id: Mapped[PublicId]
    run_id: Mapped[int] = _refer("runs.id")
    run_source_id: Mapped[int | None] = _refer("run_sources.id", on_delete="SET NULL")  # once the service took it up
    name: Mapped[LongText]
    uri_redacted: Mapped[LongText]
    settings: Mapped[dict[str, Any]] = mapped_column(_JSON)  # as the cameras file would say it; without secrets
    origin: Mapped[CameraOrigin] = mapped_column(OneOf(CameraOrigin))
    wanted: Mapped[CameraWish] = mapped_column(OneOf(CameraWish))
    state: Mapped[Word]  # a CameraState of pipeline/sources/feed.py
    since_at: Mapped[At]  # in this state
    error: Mapped[LongText | None]  # the last one
    status: Mapped[dict[str, Any]] = mapped_column(_JSON)  # counters and rates, as the service last told them
    updated_at: Mapped[At]


class Task(Base):
    """A range of frames that one worker may take until its lease runs out."""

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("run_source_id", "stage", "first_frame"),
        Index(None, "status", "lease_until"),
        CheckConstraint("0 <= first_frame AND first_frame < end_frame", name="range"),
    )

    id: Mapped[Key]
    run_source_id: Mapped[int] = _refer("run_sources.id")
    stage: Mapped[Word]
    first_frame: Mapped[int] = mapped_column(BigInteger())
    end_frame: Mapped[int] = mapped_column(BigInteger())
    status: Mapped[TaskStatus] = mapped_column(OneOf(TaskStatus))
    lease_until: Mapped[At | None]
    attempt: Mapped[Count]
    worker: Mapped[LongText | None]
    error: Mapped[LongText | None]
