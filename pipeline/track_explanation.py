"""TrackExplainer: why a stored track was found in one of its pictures, by the networks of its run, as a PNG."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import select

from pipeline import build
from pipeline.config import DetectorSettings, EmbedderSettings
from pipeline.errors import BusyError, GoneError, StoreError
from pipeline.models.base import ModelCard
from pipeline.run_record import MODELS
from pipeline.section import Section, parse
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.tables import Run
from trackers.geometry import to_xywh
from trackers.structures import FloatArray, Frame

if TYPE_CHECKING:
    from pipeline.explain.explanation import Explained

_Kind = TypeVar("_Kind", bound=Section)


class TrackExplainer:
    """Loads the networks of a run when its tracks are first asked for, and keeps those of the last run that was.

    Threads may share it.
    """

    def __init__(self, database: Database) -> None:
        """Loads nothing yet."""
        self._database = database
        self._loaded: tuple[UUID, Explained, float] | None = None
        self._at_work = threading.Lock()  # one explanation at a time: it takes all that the machine has

    def networks(self, scope: Scope, *, run: UUID) -> str:
        """Letters and digits that are others for other networks. Raises StoreError for a run not in the scope."""
        kept = self._settings(scope, run)
        deciding = [kept.get(name) for name in (MODELS, "detector", "embedder")]
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()

    def explain(self, frame: Frame, box: FloatArray, scope: Scope, *, run: UUID) -> bytes:
        """A PNG. `box`: (4,) x1 y1 x2 y2, pixels of the frame, where the track was.

        Raises ConfigError where the detector sees nothing there, StoreError for a run that is not in the scope,
        ModelError where a network cannot be loaded any more, GoneError where another one is in its place by now, and
        BusyError while another explanation is drawn.
        """
        from pipeline.explain.drawing import drawn  # torch: the page starts without it
        from pipeline.explain.explanation import Wanted, explain

        if not self._at_work.acquire(blocking=False):
            raise BusyError("another explanation is being drawn; try again in some seconds")
        try:
            networks, least = self._of(scope, run)
            sides = to_xywh(box[None])[0].tolist()
            found = explain(networks, frame, sides, Wanted(), min_score=least)
            return drawn(found)["explanation.png"]
        finally:
            self._at_work.release()

    def _of(self, scope: Scope, run: UUID) -> tuple[Explained, float]:
        """The networks of a run, and how sure its detector had to be."""
        if self._loaded is None or self._loaded[0] != run:
            settings = self._settings(scope, run)
            seen = _section(settings, "detector", DetectorSettings)
            described = _section(settings, "embedder", EmbedderSettings)
            networks = build.explained(seen, described)
            for network in (networks.detector, networks.embedder):
                if network is not None:
                    _require_same(network.card, settings.get(MODELS, {}))
            self._loaded = run, networks, seen.min_score
        return self._loaded[1], self._loaded[2]

    def _settings(self, scope: Scope, run: UUID) -> dict[str, Any]:
        """What is kept of a run's settings."""
        query = select(Run.settings).where(Run.public_id == run, Run.project_id.in_(scope.project_ids))
        with self._database.read("look up a run's networks") as connection:
            settings: dict[str, Any] | None = connection.scalars(query).one_or_none()
        if settings is None:
            raise StoreError(f"there is no run {run}")
        return settings


def _require_same(card: ModelCard, recorded: dict[str, list[str]]) -> None:
    """Raises GoneError where a network is not the one of the run, of whose models `recorded` tells."""
    if card.task not in recorded:
        raise GoneError(
            f"the run does not say which network its {card.name} was, so that nobody can tell whether it is still the "
            "same; run it again to have its tracks explained"
        )
    name, _, sha256, _ = recorded[card.task]
    if card.sha256 != sha256:
        raise GoneError(
            f"the run's {name} (sha256 {sha256[:12]}) has been replaced by another network (sha256 "
            f"{card.sha256[:12]}); put the old file back in its place, or run it again"
        )


def _section(settings: dict[str, Any], name: str, kind: type[_Kind]) -> _Kind:
    """As it was told. Defaults are left out: they stand in a stored run, but a backend refuses what it has no use for.

    Raises StoreError where the run had no such networks: its detections came from a file.
    """
    said = settings.get(name)
    if not isinstance(said, dict):
        raise StoreError(
            f"the run says nothing of a {name}; only tracks of `sightline run` and `watch` can be explained"
        )
    defaults = {key: field.get_default(call_default_factory=True) for key, field in kind.model_fields.items()}
    plain = {key: one.model_dump(mode="json") if isinstance(one, Section) else one for key, one in defaults.items()}
    return parse({key: value for key, value in said.items() if value != plain.get(key)}, kind)
