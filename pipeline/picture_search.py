"""PictureSearch: a picture as the feature vector that the embedder of a stored run would give it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import select

from pipeline import build
from pipeline.config import EmbedderSettings
from pipeline.errors import ModelError, SightlineError, SourceError, StoreError
from pipeline.models.base import Embedder
from pipeline.section import parse
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.tables import Model, Run, RunModel
from trackers.structures import Detections, FloatArray, Frame, ImageArray

Box = tuple[float, float, float, float]  # x1 y1 x2 y2, pixels


@dataclass(frozen=True, slots=True)
class _Known:
    """A model as the store knows it."""

    name: str
    sha256: str
    dimension: int
    used: tuple[EmbedderSettings, ...]  # by the scope's runs, the newest first, each once


class PictureSearch:
    """Loads the embedders of stored runs when they are first asked for, and keeps them. Threads may share it."""

    def __init__(self, database: Database) -> None:
        """Loads nothing yet."""
        self._database = database
        self._embedders: dict[int, Embedder] = {}
        self._lock = threading.Lock()  # one network is loaded or runs at a time

    def vector_of(self, picture: ImageArray, scope: Scope, *, model_id: int, box: Box | None = None) -> FloatArray:
        """(d,) float32 of unit length: what the model gives for a part of a picture, as for a detection of a run.

        `picture`: (height, width, 3) blue green red. `box`: what to describe; None for the whole picture. Raises
        StoreError if no run in the scope used the model to describe looks, ModelError if its weights are gone or
        different from those that the run used, SourceError if there is nothing to describe.
        """
        _check_picture(picture)
        height, width = picture.shape[:2]
        part = _checked_box((0.0, 0.0, float(width), float(height)) if box is None else box, width, height)
        known = self._known(scope, model_id)
        with self._lock:
            embedder = self._embedders.get(model_id) or _load(known)
            self._embedders[model_id] = embedder
            sure = Detections(part[None], np.ones(1, np.float32), np.zeros(1, np.int64))
            (features,) = embedder.embed([Frame(picture, 0, 0.0, 0)], [sure])
        return np.asarray(features[0])

    def _known(self, scope: Scope, model_id: int) -> _Known:
        """Raises StoreError where no run in the scope used it, ConfigError for settings of another version."""
        query = (
            select(Model.name, Model.sha256, Model.dim, Run.settings)
            .join(RunModel, RunModel.model_id == Model.id)
            .join(Run, Run.id == RunModel.run_id)
            .where(Model.id == model_id, Model.dim.is_not(None), Run.project_id.in_(scope.project_ids))
            .order_by(Run.created_at.desc(), Run.id.desc())
        )
        with self._database.read("look up a model") as connection:
            rows = connection.execute(query).all()
        if not rows:
            raise StoreError(
                f"there is no model {model_id} that describes looks; choose one of those that runs have used"
            )
        used = {_settings(row.settings.get("embedder", {})): None for row in rows}
        return _Known(rows[0].name, rows[0].sha256, rows[0].dim, tuple(used))


def _settings(said: dict[str, object]) -> EmbedderSettings:
    """Defaults are left out: they stand in a stored run, but a backend refuses what it has no use for."""
    defaults = EmbedderSettings().model_dump(mode="json")
    return parse({key: value for key, value in said.items() if value != defaults.get(key)}, EmbedderSettings)


def _load(known: _Known) -> Embedder:
    """The embedder as one of the runs had it; where none can be had, the reason of the newest run is raised."""
    reasons: list[SightlineError] = []
    for settings in known.used:
        try:
            return _checked_embedder(known, settings)
        except SightlineError as error:
            reasons.append(error)
    raise reasons[0]


def _checked_embedder(known: _Known, settings: EmbedderSettings) -> Embedder:
    """Raises ModelError unless it is the very model that the run used."""
    what = f"pictures cannot be compared with what model '{known.name}' described"
    file = _file(settings)
    if file is not None and not file.is_file():
        raise ModelError(f"{what}: its weights {file} are gone; put the file back, or search from a track instead")
    embedder = build.embedder(settings)
    if embedder is None:
        raise ModelError(f"{what}: its run says that it had no embedder; search from a track instead")
    card = embedder.card
    if card.sha256 != known.sha256 or card.dimension != known.dimension:
        raise ModelError(
            f"{what}: its weights {file or settings.backend} have changed (SHA-256 {card.sha256[:12]}..., were "
            f"{known.sha256[:12]}...); put the old file back, or search from a track instead"
        )
    return embedder


def _file(settings: EmbedderSettings) -> Path | None:
    """The weights file, if there is one."""
    by_name = settings.backend == "torchvision" and settings.weights in ("default", "none")
    return None if settings.weights is None or by_name else Path(settings.weights).absolute()


def _check_picture(picture: ImageArray) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise SourceError(
            f"a picture must be (height, width, 3) of bytes and not empty, not {picture.shape} of {picture.dtype}"
        )


def _checked_box(box: Box, width: int, height: int) -> FloatArray:
    """(4,) float32 within the picture. Raises SourceError where less than a pixel is left."""
    asked = np.array(box, np.float64)
    part = np.clip(asked, 0, [width, height, width, height])
    if not np.isfinite(asked).all() or part[2] - part[0] < 1 or part[3] - part[1] < 1:
        raise SourceError(f"the box {tuple(box)} holds no pixel of the picture of {width} x {height}; draw it inside")
    return part.astype(np.float32)
