"""Pairs without their target: what their search region shows is another object, and the target nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pipeline.errors import ConfigError
from pipeline.training.labelled import LabelledPicture
from pipeline.training.siamese_crops import NO_CHANGE, PairChange
from pipeline.training.siamese_pairs import Drawing, SiamesePairs
from pipeline.training.siamese_sights import Sights, Stills, Walk
from trackers.structures import ImageArray

COLOURS = {"red": (0, 0, 255), "blue": (255, 0, 0), "green": (0, 255, 0)}
MOVED = replace(NO_CHANGE, shift=72.0, zoom=0.25, turn=10.0, mirror=0.15)
SIDE = 40


def squares(path: Path, **lefts: int) -> LabelledPicture:
    """A black picture of 640 x 120 with squares of a colour each."""
    image = np.zeros((120, 640, 3), np.uint8)
    rows = []
    for name, left in lefts.items():
        image[SIDE : 2 * SIDE, left : left + SIDE] = COLOURS[name]
        rows.append([(left + SIDE / 2) / 640, 0.5, SIDE / 640, SIDE / 120])
    cv2.imwrite(str(path), image)
    return LabelledPicture(path, 120, 640, "", np.zeros(len(rows), np.int64), np.array(rows, np.float32))


def pairs(sights: Sights, *, change: PairChange = MOVED, absent: float = 1.0) -> SiamesePairs:
    drawing = Drawing(pairs=120, batch=8, absent=absent, change=change)
    return SiamesePairs(sights, sights, drawing, judged=0, device=torch.device("cpu"))


def seen(crop: ImageArray) -> set[str]:
    """The colours of a crop."""
    return {name for name, colour in COLOURS.items() if (np.abs(crop.astype(int) - colour).max(axis=-1) < 60).any()}


def searched(made: SiamesePairs) -> list[tuple[set[str], set[str]]]:
    """What each pair's target is, by its middle, and what its search region shows."""
    found = []
    for lesson in made.batches(1):
        assert torch.isnan(lesson.boxes).all()
        for template, search in zip(lesson.templates.numpy(), lesson.searches.numpy(), strict=True):
            found.append((seen(template[60:67, 60:67]), seen(search)))
    return found


def test_a_target_that_is_absent_is_nowhere_in_the_search_region(tmp_path: Path) -> None:
    near = squares(tmp_path / "a.png", red=100, blue=180)
    found = searched(pairs(Stills([near, squares(tmp_path / "b.png", green=300)], parts=0)))
    assert {name for target, _ in found for name in target} == set(COLOURS)
    for target, shown in found:
        assert len(target) == 1
        assert not target & shown
    assert any(shown for _, shown in found)


def test_others_of_the_same_picture_are_shown_where_the_target_is_too_far_to_be_seen(tmp_path: Path) -> None:
    found = searched(pairs(Stills([squares(tmp_path / "a.png", red=20, blue=580)], parts=0)))
    assert {(*target, *shown) for target, shown in found} == {("red", "blue"), ("blue", "red")}


def test_along_a_video_the_target_is_looked_for_in_the_others_picture(tmp_path: Path) -> None:
    """Red is beside blue in the first two pictures and has gone far in the last two."""
    (tmp_path / "gt").mkdir()
    (tmp_path / "img1").mkdir()
    rows = []
    for number, red in enumerate((180, 180, 560, 560), start=1):
        squares(tmp_path / "img1" / f"{number}.png", blue=100, red=red)
        rows += [f"{number},{id_},{left + 1},{SIDE + 1},{SIDE},{SIDE},1,1,1\n" for id_, left in ((1, 100), (2, red))]
    (tmp_path / "gt" / "gt.txt").write_text("".join(rows))
    walk = Walk(tmp_path, gap=3)
    first, _ = walk.draw(np.random.default_rng(0))
    np.testing.assert_array_equal(first.objects[first.owner], first.box)
    found = searched(pairs(walk))
    assert {(*target, *shown) for target, shown in found} == {("red", "blue"), ("blue", "red")}


def test_where_nothing_is_without_the_target_it_is_said(tmp_path: Path) -> None:
    alone = Stills([squares(tmp_path / "a.png", red=100)], parts=0)
    with pytest.raises(ConfigError, match="there is only one object"):
        pairs(alone)
    assert len(list(pairs(alone, absent=0.0).batches(1))) == 15
    beside = Stills([squares(tmp_path / "b.png", red=100, blue=150)], parts=0)
    with pytest.raises(ConfigError, match="no search region without its target"):
        list(pairs(beside, change=NO_CHANGE).batches(1))
