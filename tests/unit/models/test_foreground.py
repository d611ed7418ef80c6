"""pipeline.models.foreground: what an embedder is shown of an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline import build
from pipeline.config import load_settings
from pipeline.models.base import ModelCard
from pipeline.models.embed import cut
from pipeline.models.foreground import ForegroundOnly
from tests.fakes import FakeEmbedder
from trackers.structures import Detections, FloatArray, Frame, ImageArray, Masks


class Looking(FakeEmbedder):
    """Keeps the crops that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.card: ModelCard = FakeEmbedder.card
        self.crops: ImageArray = np.zeros((0, 20, 10, 3), np.uint8)

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        self.crops = cut(frames, detections, (20, 10))
        return super().embed(frames, detections)


def seen(masks: Masks | None) -> ImageArray:
    """Crops of one box of 10 x 20 pixels in a picture whose pixels tell their column."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[:] = np.arange(40, dtype=np.uint8)[None, :, None]
    boxes = np.array([[5, 10, 15, 30], [20, 0, 30, 20]], np.float32)
    found = Detections(boxes, np.ones(2, np.float32), np.zeros(2, np.int64), masks=masks)
    looking = Looking()
    features = ForegroundOnly(looking).embed([Frame(image, 0, 0.0, 0)], [found])
    assert [one.shape for one in features] == [(2, 4)]
    return looking.crops


def test_what_is_not_the_objects_has_one_colour() -> None:
    mask = np.zeros((30, 10), bool)
    mask[:, :4] = True  # columns 7 to 10, beyond the box above and below
    shown = seen(Masks(np.array([[7, 5], [0, 0]]), (mask, np.zeros((0, 0), bool))))
    assert (shown[0][:, 2:6] == np.arange(7, 11)[None, :, None]).all()
    for outside in (shown[0][:, :2], shown[0][:, 6:]):
        assert (outside == (104, 116, 124)).all()
    assert (shown[1] == np.arange(20, 30)[None, :, None]).all()


def test_without_masks_and_with_hardly_any_pixel_all_is_shown() -> None:
    plain = seen(None)
    np.testing.assert_array_equal(plain[0], np.broadcast_to(np.arange(5, 15)[None, :, None], (20, 10, 3)))
    few = np.zeros((20, 10), bool)
    few[:2, :5] = True
    np.testing.assert_array_equal(seen(Masks(np.array([[5, 10], [20, 0]]), (few, few))), plain)


def test_no_object() -> None:
    none = replace(Detections.empty(), masks=Masks(np.zeros((0, 2), np.int64), ()))
    frame = Frame(np.zeros((9, 9, 3), np.uint8), 0, 0.0, 0)
    assert [one.shape for one in ForegroundOnly(Looking()).embed([frame], [none])] == [(0, 4)]
    assert ForegroundOnly(Looking()).embed([], []) == []


def test_it_is_a_setting_and_another_model() -> None:
    """Features of the store are found by the name and sum of their model: with and without a background apart."""
    chosen = load_settings(None, ["embedder.backend=colour", "embedder.background=suppress"])
    kept = load_settings(None, ["embedder.backend=colour"])
    shown, whole, again = (build.embedder(one.embedder) for one in (chosen, kept, chosen))
    assert shown is not None
    assert whole is not None
    assert again is not None
    assert shown.card.name == f"{whole.card.name}-foreground"
    assert shown.card.sha256 != whole.card.sha256
    assert len(shown.card.sha256) == 64
    assert again.card == shown.card
    assert shown.card.dimension == whole.card.dimension
    assert load_settings(None).embedder.background == "keep"
