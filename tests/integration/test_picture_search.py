"""Searching by a picture: the stored run's own embedder describes it, or says why it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from pipeline import build
from pipeline.config import Settings, load_settings
from pipeline.errors import ModelError, SourceError, StoreError
from pipeline.models.base import Embedder
from pipeline.picture_search import PictureSearch
from pipeline.store.chunk import EmbeddingColumns
from pipeline.store.database import Database, open_database
from pipeline.store.filters import Scope
from pipeline.store.queries import page_objects
from pipeline.store.search import SimilarityIndex
from pipeline.store.states import EmbeddingKind
from pipeline.store.tables import Run
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, RUN, VIDEO, chunk
from tests.unit.models.tiny_onnx import channel_means
from trackers.structures import Detections, Frame, ImageArray

BOXES = np.array([[10, 20, 50, 90], [60, 10, 118, 99]], np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def picture() -> ImageArray:
    """Noise of another colour in each of the two boxes."""
    found = np.random.default_rng(0).integers(0, 80, (100, 120, 3)).astype(np.uint8)
    found[20:90, 10:50] += np.array([170, 10, 10], np.uint8)
    found[10:99, 60:118] += np.array([10, 170, 100], np.uint8)
    return found


def embedded_run(store: Database, *changes: str) -> tuple[Settings, Embedder, int]:
    """A run in the store that used an embedder; returns its settings, the embedder and the model's id."""
    settings = load_settings(None, ["detector.backend=motion", *changes])
    embedder = build.embedder(settings.embedder)
    assert embedder is not None
    kept = settings.model_dump(mode="json", exclude={"store": {"database", "media"}})
    writer = RunWriter.begin(store, replace(RUN, settings=kept), media_folder=Path("nowhere"))
    writer.register_model(DETECTOR)
    return settings, embedder, writer.register_model(embedder.card)


def scope_of_all(store: Database) -> Scope:
    with store.read() as connection:
        return Scope(tuple(connection.scalars(select(Run.project_id).distinct())))


@pytest.mark.parametrize(
    "changes",
    [
        ("embedder.backend=colour",),
        ("embedder.weights={weights}", "embedder.precision=f32"),
        ("embedder.weights={weights}", "embedder.backend=onnx", "embedder.min_score=1.0", "embedder.recipe=plain"),
    ],
)
def test_the_picture_is_described_as_a_detection_of_the_run_was(
    store: Database, tmp_path: Path, picture: ImageArray, changes: tuple[str, ...]
) -> None:
    weights = channel_means(tmp_path / "looks.onnx")
    _, embedder, model_id = embedded_run(store, *(change.format(weights=weights) for change in changes))
    scope, search = scope_of_all(store), PictureSearch(store)
    whole = np.array([[0, 0, 120, 100]], np.float32)
    for box, boxes in ((None, whole), (tuple(BOXES[1].tolist()), BOXES[1:])):
        sure = Detections(boxes, np.ones(1, np.float32), np.zeros(1, np.int64))
        (expected,) = embedder.embed([Frame(picture, 7, 0.5, 9)], [sure])
        found = search.vector_of(picture, scope, model_id=model_id, box=box)
        np.testing.assert_allclose(found, expected[0], atol=1e-6)
        assert found.dtype == np.float32
        assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_a_picture_finds_the_object_it_shows(store: Database, picture: ImageArray) -> None:
    """Two tracks are described from the picture; each is nearest to its own part of it."""
    _, embedder, model_id = embedded_run(store, "embedder.backend=colour")
    sure = Detections(BOXES, np.ones(2, np.float32), np.zeros(2, np.int64))
    (features,) = embedder.embed([Frame(picture, 0, 0.0, 0)], [sure])
    written = chunk(0, 10)
    kinds = (EmbeddingKind.EXEMPLAR,) * 2
    times = written.observations.at[:2]
    looks = EmbeddingColumns(model_id, np.array([1, 2]), times, kinds, np.ones(2, np.float32), features)
    with store.read() as connection:
        run = connection.execute(select(Run.public_id)).scalar_one()
    writer = RunWriter.attach(store, run, media_folder=Path("nowhere"))
    writer.write_chunk(writer.add_source(VIDEO), replace(written, embeddings=(looks,)))
    scope, search, index = scope_of_all(store), PictureSearch(store), SimilarityIndex(store)
    with store.read() as connection:
        by_age = sorted(row.public_id for row in page_objects(scope, connection))
    for number, box in enumerate(BOXES.tolist()):
        vector = search.vector_of(picture, scope, model_id=model_id, box=tuple(box))
        first, second = index.similar_to_vector(scope, vector, model_id=model_id)
        assert first.object.public_id == by_age[number]
        assert first.distance == pytest.approx(0, abs=1e-6)
        assert second.distance > 0.1


def test_weights_that_are_gone(store: Database, tmp_path: Path, picture: ImageArray) -> None:
    weights = channel_means(tmp_path / "looks.onnx")
    _, _, model_id = embedded_run(store, f"embedder.weights={weights}")
    moved = weights.rename(tmp_path / "elsewhere.onnx")
    scope, search = scope_of_all(store), PictureSearch(store)
    with pytest.raises(ModelError, match=f"model 'looks' described: its weights {weights} are gone; put the file back"):
        search.vector_of(picture, scope, model_id=model_id)
    moved.rename(weights)
    vector = search.vector_of(picture, scope, model_id=model_id)
    weights.unlink()  # it is loaded once
    np.testing.assert_array_equal(search.vector_of(picture, scope, model_id=model_id), vector)
    with pytest.raises(ModelError, match="are gone"):
        PictureSearch(store).vector_of(picture, scope, model_id=model_id)


def test_weights_that_were_moved_between_runs(store: Database, tmp_path: Path, picture: ImageArray) -> None:
    """Any run of the scope that used the same model will do."""
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
    weights = [channel_means(tmp_path / folder / "looks.onnx") for folder in ("a", "b", "c")]
    models = {embedded_run(store, f"embedder.weights={file}")[2] for file in weights}
    (model_id,) = models
    weights[0].unlink()
    weights[2].unlink()
    scope = scope_of_all(store)
    assert len(PictureSearch(store).vector_of(picture, scope, model_id=model_id)) == 3
    weights[1].unlink()
    with pytest.raises(ModelError, match=f"{weights[2]} are gone"):  # of the newest run
        PictureSearch(store).vector_of(picture, scope, model_id=model_id)


def test_weights_that_changed(store: Database, tmp_path: Path, picture: ImageArray) -> None:
    weights = channel_means(tmp_path / "looks.onnx")
    _, embedder, model_id = embedded_run(store, f"embedder.weights={weights}")
    channel_means(weights, size=(32, 8))
    message = rf"its weights {weights} have changed \(SHA-256 .*, were {embedder.card.sha256[:12]}\.\.\.\); put the old"
    with pytest.raises(ModelError, match=message):
        PictureSearch(store).vector_of(picture, scope_of_all(store), model_id=model_id)
    weights.write_bytes(b"")
    with pytest.raises(ModelError, match=r"looks\.onnx"):
        PictureSearch(store).vector_of(picture, scope_of_all(store), model_id=model_id)


def test_models_outside_the_scope_do_not_exist(store: Database, picture: ImageArray) -> None:
    _, _, model_id = embedded_run(store, "embedder.backend=colour")
    search, scope = PictureSearch(store), scope_of_all(store)
    for wrong, number in ((Scope(()), model_id), (scope, 99), (scope, model_id - 1)):  # the last is the detector
        with pytest.raises(StoreError, match=f"no model {number} that describes looks"):
            search.vector_of(picture, wrong, model_id=number)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((0, 10, 3), np.uint8),
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
    ],
)
def test_what_is_no_picture(store: Database, wrong: Any) -> None:
    _, _, model_id = embedded_run(store, "embedder.backend=colour")
    with pytest.raises(SourceError, match="a picture must be"):
        PictureSearch(store).vector_of(wrong, scope_of_all(store), model_id=model_id)


@pytest.mark.parametrize(
    "box", [(50, 50, 50, 90), (130, 0, 140, 20), (60, 60, 20, 90), (float("nan"), 0, 9, 9), (0, 0, float("inf"), 9)]
)
def test_a_box_without_picture(store: Database, picture: ImageArray, box: Any) -> None:
    _, _, model_id = embedded_run(store, "embedder.backend=colour")
    with pytest.raises(SourceError, match="holds no pixel of the picture of 120 x 100"):
        PictureSearch(store).vector_of(picture, scope_of_all(store), model_id=model_id, box=box)


def test_threads_share_it(store: Database, picture: ImageArray) -> None:
    _, _, model_id = embedded_run(store, "embedder.backend=colour")
    search, scope = PictureSearch(store), scope_of_all(store)
    expected = [search.vector_of(picture, scope, model_id=model_id, box=(i, 0, i + 60, 100)) for i in range(20)]

    def one(i: int) -> Any:
        return search.vector_of(picture, scope, model_id=model_id, box=(i, 0, i + 60, 100))

    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(np.stack(list(pool.map(one, range(20)))), np.stack(expected))
