"""How long similarity search takes on many exemplars: the first search, warm ones, and those after a change.

    python -m tests.benchmarks.similarity_search
    python -m tests.benchmarks.similarity_search --exemplars 400000 --dimension 256
    python -m tests.benchmarks.similarity_search --database postgresql://user@host/empty

Makes a store of invented tracks with four exemplars each. Nothing here passes or fails.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated
from uuid import UUID

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pipeline.models.base import ModelCard
from pipeline.store import review
from pipeline.store.chunk import (
    ChunkData,
    EmbeddingColumns,
    FrameCounts,
    FrameDetections,
    ObservationColumns,
    TrackColumns,
)
from pipeline.store.database import Database, open_database
from pipeline.store.filters import EVERYTHING, ObjectFilter, Scope, scope_of
from pipeline.store.queries import page_objects
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.search import SimilarityIndex
from pipeline.store.states import EmbeddingKind
from pipeline.store.writer import RunWriter
from trackers.structures import Detections

EACH = 4  # exemplars a track
AT_ONCE = 2000  # tracks a chunk
START = 1_700_000_000_000_000  # microseconds UTC
FRAME = 40_000  # microseconds
DETECTOR = ModelCard("invented", "detect", "1", "ab" * 32, "none", None, ("person", "car"))
EMBEDDER = ModelCard("invented", "embed", "1", "cd" * 32, "none", (256, 128))

app = typer.Typer(pretty_exceptions_enable=False)
_console = Console(width=120)


@dataclass(frozen=True)
class Growing:
    """A store that is searched while its run goes on."""

    store: Database
    writer: RunWriter
    source: int
    model: int
    dimension: int
    rng: np.random.Generator

    def write(self, number: int, tracks: int) -> None:
        """A chunk of four frames in which so many tracks are born, seen and end."""
        ids = np.arange(tracks) + number * AT_ONCE + 1
        frames = number * EACH + np.arange(EACH)
        at = START + frames * FRAME
        n = tracks * EACH
        boxes = np.tile(np.array([[0, 0, 10, 20]], np.float32), (n, 1))
        seen = ObservationColumns(
            np.repeat(ids, EACH),
            np.tile(frames, tracks),
            np.tile(at, tracks),
            boxes,
            np.full(n, 0.5, np.float32),
            np.zeros(n, np.int8),
            np.full(n, -1),
        )
        nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
        none = FrameDetections(frames, frames / 25.0, frames * 0, np.zeros(EACH, np.int64), (nothing,) * EACH)
        whole = np.ones(tracks, np.int64)
        rows = TrackColumns(
            ids, ids % 2, np.full(tracks, 0.5), whole * at[0], whole * at[-1], whole * EACH, whole.astype(bool)
        )
        self.writer.write_chunk(
            self.source,
            ChunkData(
                first_frame=int(frames[0]),
                end_frame=int(frames[-1]) + 1,
                detect_hash="",
                detections=none,
                tracks=rows,
                observations=seen,
                counts=FrameCounts(EACH, EACH),
                state={},
                embeddings=(self._exemplars(ids, at),),
            ),
        )

    def _exemplars(self, ids: np.ndarray, at: np.ndarray) -> EmbeddingColumns:
        n = len(ids) * EACH
        vectors = self.rng.normal(size=(n, self.dimension)).astype(np.float32)
        vectors += 4 * np.repeat(self.rng.normal(size=(len(ids), self.dimension)).astype(np.float32), EACH, axis=0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        kinds = (EmbeddingKind.EXEMPLAR,) * n
        quality = np.full(n, 0.5, np.float32)
        return EmbeddingColumns(self.model, np.repeat(ids, EACH), np.tile(at, len(ids)), kinds, quality, vectors)


@app.command()
def measure(
    exemplars: Annotated[int, typer.Option(min=EACH * AT_ONCE)] = 100_000,
    dimension: Annotated[int, typer.Option(min=2)] = 512,
    times: Annotated[int, typer.Option(min=2, help="How often each is done.")] = 50,
    database: Annotated[str, typer.Option(help="Address of an empty store; a temporary file where empty.")] = "",
    seed: int = 0,
) -> None:
    """Make a store, search in it, print milliseconds."""
    with tempfile.TemporaryDirectory() as folder, open_database(database or Path(folder) / "store.db") as store:
        writer = RunWriter.begin(store, RunRecord("files", {}, "invented", "0"), media_folder=Path(folder))
        writer.register_model(DETECTOR)
        model = writer.register_model(replace(EMBEDDER, dimension=dimension))
        source = writer.add_source(SourceRecord("video", "invented.mp4", "/invented.mp4", "invented"))
        growing = Growing(store, writer, source, model, dimension, np.random.default_rng(seed))
        chunks = -(-exemplars // (EACH * AT_ONCE))
        for number in range(chunks):
            growing.write(number, AT_ONCE)
        held = f"{chunks * AT_ONCE * EACH:,} exemplars of {dimension} numbers, {chunks * AT_ONCE:,} tracks"
        table = Table(title=f"Milliseconds; {held}")
        for heading in ("what", "median", "p95", "most"):
            table.add_column(heading, justify="left" if heading == "what" else "right")
        for name, took in _times(growing, chunks, times):
            ranks = [np.median(took), np.percentile(took, 95), max(took)]
            table.add_row(name, *(f"{rank * 1000:.1f}" for rank in ranks))
        _console.print(table)


def _times(growing: Growing, chunks: int, times: int) -> list[tuple[str, list[float]]]:
    """Seconds of everything, by name."""
    index, rng = SimilarityIndex(growing.store), growing.rng
    with growing.store.read() as connection:
        scope = scope_of(connection, ["default"])
        objects = [row.public_id for row in page_objects(scope, connection, limit=1000)]

    def like_object(wanted: ObjectFilter = EVERYTHING) -> None:
        index.similar_to_object(scope, objects[rng.integers(len(objects))], wanted=wanted)

    def like_vector(wanted: ObjectFilter = EVERYTHING) -> None:
        vector = rng.normal(size=growing.dimension)
        index.similar_to_vector(scope, vector, model_id=growing.model, wanted=wanted)

    last = START + (chunks * EACH - 1) * FRAME
    rare = ObjectFilter(names=("car",), from_at=last, to_at=last + 1)
    found = [
        ("first search, reads everything", _timed(like_vector, 1)),
        ("like a vector", _timed(like_vector, times)),
        (f"like an object ({EACH} exemplars)", _timed(like_object, times)),
        ("like a vector, every second object", _timed(lambda: like_vector(ObjectFilter(names=("car",))), times)),
        (f"like a vector, one object in {2 * chunks}", _timed(lambda: like_vector(rare), times)),
        ("like a vector, none", _timed(lambda: like_vector(ObjectFilter(names=("cat",))), times)),
        ("plain numpy, best 24 rows of the matrix", _plain(growing, chunks, times)),
        ("models of a scope", _timed(lambda: index.models(scope), min(times, 10))),
    ]
    after_edit, after_chunk = [], []
    for turn in range(min(times, 10)):
        _merge_two(growing.store, scope, objects[2 * turn : 2 * turn + 2])
        after_edit += _timed(like_vector, 1)
        growing.write(chunks + turn, 20)
        after_chunk += _timed(like_vector, 1)
    return [*found, ("after an edit", after_edit), ("after a chunk with 80 new exemplars", after_chunk)]


def _timed(act: Callable[[], None], times: int) -> list[float]:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        took.append(time.perf_counter() - started)
    return took


def _plain(growing: Growing, chunks: int, times: int) -> list[float]:
    """The least that any exact search must do."""
    matrix = growing.rng.normal(size=(chunks * AT_ONCE * EACH, growing.dimension)).astype(np.float32)
    query = growing.rng.normal(size=growing.dimension).astype(np.float32)
    return _timed(lambda: np.argpartition(matrix @ query, -24)[-24:].sort(), times)


def _merge_two(store: Database, scope: Scope, objects: list[UUID]) -> None:
    with store.write() as connection:
        review.merge_objects(scope, connection, objects, actor="benchmark")


if __name__ == "__main__":
    app()
