"""Services: everything the HTTP routes work with, made once where the page is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from pipeline.store.database import Database
from pipeline.store.filters import EVERYTHING, ObjectFilter, Scope
from pipeline.store.states import RequestedState
from pipeline.tracker_names import TargetName
from trackers.structures import FloatArray, Frame, ImageArray

if TYPE_CHECKING:
    from pipeline.store.search import Hit, SearchModel


class RunController(Protocol):
    """Starts runs as processes of their own and tells them what is wanted; see run_control.py."""

    def start(self, addresses: Sequence[str], *, config: str = "default", overrides: Sequence[str] = ()) -> UUID:
        """Start a run and return its public id once the store knows it. Raises SightlineError with its own message."""

    def follow(
        self,
        address: str,
        *,
        box: Sequence[float],
        start_frame: int = 0,
        tracker: TargetName = "correlation",
        label: str = "",
        overrides: Sequence[str] = (),
    ) -> UUID:
        """Start a run that follows what a box (left, top, width, height; pixels) shows; likewise."""

    def resume(self, run: UUID) -> None:
        """Let a run that ended early go on. Raises SightlineError where it cannot."""

    def request(self, run: UUID, wanted: RequestedState) -> None:
        """Ask a living run to pause, to go on or to stop. Raises StoreError where it does not live."""


class Similarity(Protocol):
    """Finds objects that look alike; see store/search.py."""

    def warm(self, scope: Scope) -> None:
        """Read what the first search would read. Raises StoreError."""

    def models(self, scope: Scope) -> Sequence[SearchModel]:
        """The embedders whose vectors are stored."""

    def similar_to_object(
        self,
        scope: Scope,
        public_id: UUID,
        *,
        wanted: ObjectFilter = EVERYTHING,
        limit: int = 24,
        model_id: int | None = None,
    ) -> Sequence[Hit]:
        """The nearest objects to one, without itself."""

    def similar_to_vector(
        self, scope: Scope, vector: FloatArray, *, model_id: int, wanted: ObjectFilter = EVERYTHING, limit: int = 24
    ) -> Sequence[Hit]:
        """The nearest objects to a feature vector (d,)."""


class Pictures(Protocol):
    """Describes a picture as a run's embedder would; see picture_search.py."""

    def vector_of(self, picture: ImageArray, scope: Scope, *, model_id: int) -> FloatArray:
        """(d,) float32 of unit length. `picture`: (height, width, 3) BGR. Raises SightlineError."""


class Explanations(Protocol):
    """Says why a track was found; see track_explanation.py."""

    def networks(self, scope: Scope, *, run: UUID) -> str:
        """Letters and digits that are others where a run used other networks. Raises SightlineError."""

    def explain(self, frame: Frame, box: FloatArray, scope: Scope, *, run: UUID) -> bytes:
        """A PNG. `box`: (4,) x1 y1 x2 y2 in the frame, where the run saw it. Raises SightlineError."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much anybody may ask for."""

    body_bytes: int = 8 << 20  # of a request that is no upload
    upload_bytes: int = 4 << 30
    free_bytes: int = 1 << 30  # an upload leaves so much of the disk
    picture_bytes: int = 64 << 20  # a picture to search by
    picture_pixels: int = 50_000_000
    clip_seconds: float = 60.0
    clip_width: int = 960  # pixels
    cache_bytes: int = 2 << 30  # clips and frames that were cut
    cuts: int = 2  # at once
    media_roots: tuple[Path, ...] = ()  # folders whose files a run may be started on over HTTP
    login_hosts: (
        tuple[str, ...] | None
    ) = ()  # where cameras added over HTTP may log in, besides known ones; None: anywhere


@dataclass(frozen=True, slots=True)
class Services:
    """What `make_app` needs. The caller opens and closes the database."""

    database: Database
    media_folder: Path
    runs: RunController
    similarity: Similarity
    pictures: Pictures
    explanations: Explanations | None = None  # None: nothing is explained
    password: str | None = None  # None: this machine alone, see page/access.py
    host: str = "127.0.0.1"  # where the server listens
    projects: tuple[str, ...] = ("default",)  # whose rows are shown
    limits: Limits = field(default_factory=Limits)
