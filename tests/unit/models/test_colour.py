"""pipeline.models.colour: clothing described without weights."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.models.colour import ColourEmbedder
from trackers.structures import Detections, FloatArray, Frame

BOX = (10.0, 10.0, 40.0, 90.0)
RED, GREEN, BLUE, BLACK, WHITE = (0, 0, 200), (0, 200, 0), (200, 0, 0), (5, 5, 5), (250, 250, 250)
Colour = tuple[int, int, int]


def describe(shirt: Colour, trousers: Colour, *, ground: Colour = (90, 90, 90), light: float = 1.0) -> FloatArray:
    """Feature (d,) of a figure whose upper half is `shirt` and lower half `trousers`, two thirds of the box wide."""
    image = np.empty((100, 60, 3), np.float32)
    image[:] = ground
    image[10:50, 15:35] = shirt
    image[50:90, 15:35] = trousers
    picture = np.clip(image * light, 0, 255).astype(np.uint8)
    one = Detections(np.array([BOX], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    return ColourEmbedder().embed([Frame(picture, 0, 0.0, 0)], [one])[0][0]


def test_same_clothes_are_near_and_others_far() -> None:
    me = describe(RED, BLACK)
    assert me @ describe(RED, BLACK) == pytest.approx(1, abs=1e-6)
    for other in (describe(BLUE, BLACK), describe(RED, WHITE), describe(BLACK, RED), describe(GREEN, WHITE)):
        assert me @ other < 0.85
    assert me @ describe(BLUE, WHITE) < me @ describe(BLUE, BLACK)


def test_light_and_ground_change_little() -> None:
    me = describe(RED, BLUE)
    assert me @ describe(RED, BLUE, light=0.8) > 0.9
    assert me @ describe(RED, BLUE, ground=GREEN) > me @ describe(GREEN, BLUE)


def test_where_a_colour_is_counts() -> None:
    assert describe(RED, BLUE) @ describe(BLUE, RED) < 0.75


def test_a_stripe_by_hand() -> None:
    """One stripe, pure red: hue 0 lies on the first bin, nothing is grey."""
    embedder = ColourEmbedder(stripes=1, hues=4, levels=2)
    picture = np.zeros((20, 10, 3), np.uint8)
    picture[..., 2] = 255
    one = Detections(np.array([[0, 0, 10, 20]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    np.testing.assert_allclose(embedder.embed([Frame(picture, 0, 0.0, 0)], [one])[0], [[1, 0, 0, 0, 0, 0]], atol=1e-6)
    picture[:] = 51  # grey at a fifth of full brightness: shared 4 : 1 by the two levels
    feature = embedder.embed([Frame(picture, 0, 0.0, 0)], [one])[0]
    np.testing.assert_allclose(feature**2, [[0, 0, 0, 0, 0.8, 0.2]], atol=1e-6)


def test_empty_and_outside() -> None:
    embedder = ColourEmbedder()
    picture = Frame(np.zeros((5, 5, 3), np.uint8), 0, 0.0, 0)
    assert embedder.embed([], []) == []
    assert embedder.embed([picture], [Detections.empty()])[0].shape == (0, embedder.card.dimension)
    outside = Detections(np.array([[90, 90, 99, 99]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    feature = embedder.embed([picture], [outside])[0]
    assert np.linalg.norm(feature) == pytest.approx(1, abs=1e-6)


def test_a_feature_does_not_depend_on_the_others() -> None:
    rng = np.random.default_rng(3)
    picture = Frame(rng.integers(0, 255, (90, 90, 3), dtype=np.uint8), 0, 0.0, 0)
    corners = rng.uniform(0, 60, (20, 2))
    many = Detections(
        np.concatenate([corners, corners + 25], axis=1).astype(np.float32), np.ones(20, np.float32), np.zeros(20, int)
    )
    together = ColourEmbedder().embed([picture], [many])[0]
    for row in range(20):
        np.testing.assert_array_equal(ColourEmbedder().embed([picture], [many[np.array([row])]])[0][0], together[row])


def test_settings_are_part_of_the_identity() -> None:
    assert ColourEmbedder().card.sha256 == ColourEmbedder().card.sha256
    assert ColourEmbedder().card.sha256 != ColourEmbedder(stripes=5).card.sha256
    with pytest.raises(ConfigError):
        ColourEmbedder(stripes=0)
