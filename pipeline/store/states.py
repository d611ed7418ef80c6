"""The closed sets of words the store uses: what state a run is in, what kind a file is."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """How far a run is. A run that says `running` with an old heartbeat was interrupted."""

    PENDING = "pending"  # asked for, no process yet
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"  # ended early because somebody asked for it
    FAILED = "failed"


class RequestedState(StrEnum):
    """What the page wants of a run; the run obeys at its next heartbeat."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"


class SourceStatus(StrEnum):
    """How far a run is with one of its sources."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    DAMAGED = "damaged"  # broke off in the middle; what came before is kept
    STOPPED = "stopped"
    FAILED = "failed"


class TaskStatus(StrEnum):
    """How far a worker is with a range of frames."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"


class MediaKind(StrEnum):
    """What a media file shows."""

    BEST = "best"  # the best crop of a track, at most one a track
    CROP = "crop"  # another crop of a track
    CLIP = "clip"
    SNAPSHOT = "snapshot"
    SEGMENT = "segment"  # a minute or so of a camera's recording


class CameraOrigin(StrEnum):
    """Who put a camera into a service."""

    FILE = "file"  # the cameras file
    ADDED = "added"  # somebody, while the service was running; kept when it is started again


class CameraWish(StrEnum):
    """What the page wants of a camera; the service obeys within a second."""

    RUN = "run"
    PAUSE = "pause"
    REMOVE = "remove"


class EmbeddingKind(StrEnum):
    """What a feature vector stands for."""

    EXEMPLAR = "exemplar"  # one sighting
    MEAN = "mean"  # running mean of a track, at most one a track and model


class Verdict(StrEnum):
    """What a reviewer thinks of an object."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"  # no object at all, or not one of interest
    UNSURE = "unsure"


class EditOp(StrEnum):
    """What an edit did."""

    LABEL = "label"
    VERDICT = "verdict"
    MERGE = "merge"
    SPLIT = "split"
    DELETE = "delete"
    PROTECT = "protect"  # or no longer
    UNDO = "undo"
    REDO = "redo"  # undoes an undo
