"""The networks of a run, loaded once for all its sources."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from pipeline import build
from pipeline.config import DetectorSettings, Settings
from pipeline.models.base import USUAL_SHAPE, Detector, Embedder, ModelCard, Segmenter, Use
from pipeline.schedule import AHEAD
from pipeline.tracker_settings import calibrated

_MOST_PARALLEL = 4  # frames, batches of crops; more would leave each with too few threads for large networks
_ANY_USE = Use()
_Settings = TypeVar("_Settings", bound=Settings)


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The networks of a run."""

    detector: Detector
    embedder: Embedder | None
    segmenter: Segmenter | None = None

    @property
    def cards(self) -> list[ModelCard]:
        """Of all that are there."""
        return [one.card for one in (self.detector, self.segmenter, self.embedder) if one is not None]

    @classmethod
    def load(cls, settings: Settings, use: Use = _ANY_USE, *, describing: int = 1) -> Models:
        """`use`: what the detector is for. `describing`: batches of crops that the embedder looks at side by side.

        Raises ModelError, ConfigError.
        """
        detector = build.detector(settings.detector, use=use)
        segmenter = build.segmenter(settings.segmenter, detector.card.classes)
        return cls(detector, build.embedder(settings.embedder, parallel=describing), segmenter)

    @classmethod
    def load_for_files(
        cls,
        settings: Settings,
        shape: tuple[int, int] = USUAL_SHAPE,
        *,
        begun: Mapping[str, str] = MappingProxyType({}),
    ) -> Models:
        """Likewise, where frames need not wait for each other's coming: several are looked at side by side.

        `shape`: height and width of the pictures that come first, where they are known. `begun`: of a run that goes
        on, the arithmetic in which it began, by section (`run_record.stored_arithmetic`). Raises ConfigError for a
        schedule that goes by how fast this machine is, before anything is loaded.
        """
        cores = len(os.sched_getaffinity(0))
        describing = min(_MOST_PARALLEL, settings.embedder.threads or cores)
        use = use_for_files(settings.detector, shape, cores=cores)
        return cls.load(_as_begun(settings, begun), use, describing=describing)

    @staticmethod
    def settled(settings: _Settings) -> _Settings:
        """Settings for a new run on this machine; see build.settled. Those of a stored run stay as they are."""
        return settings.model_copy(update={"detector": build.settled(settings.detector)})

    def completed(self, settings: _Settings) -> _Settings:
        """Settings that also say what the models know of themselves, so that they say all that decides a run."""
        tracker = calibrated(settings.tracker, self.detector.card.calibration)
        return settings.model_copy(update={"tracker": tracker})


def use_for_files(settings: DetectorSettings, shape: tuple[int, int] = USUAL_SHAPE, *, cores: int) -> Use:
    """What a detector is for where all frames of a file are at hand: so many side by side as come together.

    `cores`: that this process may use. Raises ConfigError for a schedule that files cannot have.
    """
    build.schedule(settings)
    alone = build.judge(settings) is not None  # it is decided about each frame after the one before was looked at
    together = 1 if alone else min(_MOST_PARALLEL, max(1, AHEAD // settings.every))
    return Use(min(together, settings.threads or cores), shape)


def _as_begun(settings: Settings, begun: Mapping[str, str]) -> Settings:
    """With the arithmetic in which a run began, where `auto` would leave it to this machine."""
    chosen = {name: getattr(settings, name) for name in begun}
    pinned = {
        name: section.model_copy(update={"precision": begun[name]})
        for name, section in chosen.items()
        if section.precision == "auto"
    }
    return settings.model_copy(update=pinned)
