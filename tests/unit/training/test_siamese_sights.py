"""Where pairs come from: objects of labelled pictures, and objects along videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import SourceError, TrainingError
from pipeline.training.labelled import LabelledPicture
from pipeline.training.siamese_sights import Mixture, Stills, Walk, mixed, sequences_in
from trackers.structures import FloatArray

SIZE = (160, 120)


def still(path: Path, *boxes: tuple[float, float, float, float]) -> LabelledPicture:
    """A picture of 160 x 120 with boxes centre x, centre y, width, height as shares."""
    cv2.imwrite(str(path), np.random.default_rng(len(boxes)).integers(0, 256, (120, 160, 3), dtype=np.uint8))
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    return LabelledPicture(path, 120, 160, "", np.zeros(len(rows), np.int64), rows)


def walk(folder: Path, *, frames: int = 6, boxes: str | None = None, info: str = "") -> Path:
    """Two grey squares, of which the second leaves; the picture's level is ten times its number."""
    (folder / "gt").mkdir(parents=True)
    (folder / "img1").mkdir()
    rows = []
    for number in range(1, frames + 1):
        cv2.imwrite(str(folder / "img1" / f"{number:06d}.png"), np.full((120, 160, 3), 10 * number, np.uint8))
        rows.append(f"{number},1,{10 + number},20,30,40,1,-1,-1,-1\n")
        if number <= 2:
            rows.append(f"{number},2,100,50,20,20,1,-1,-1,-1\n")
    (folder / "gt" / "gt.txt").write_text("".join(rows) if boxes is None else boxes)
    if info:
        (folder / "seqinfo.ini").write_text(info)
    return folder


def chances(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(number) for number in range(count)]


def test_both_sights_of_a_still_are_one(tmp_path: Path) -> None:
    stills = Stills([still(tmp_path / "a.png", (0.5, 0.5, 0.25, 0.5)), still(tmp_path / "b.png")], parts=0)
    assert (stills.objects, stills.pictures) == (1, 1)
    first, second = stills.draw(np.random.default_rng(0))
    assert first is second
    np.testing.assert_allclose(first.box, [60, 30, 100, 90])
    assert first.image.shape == (120, 160, 3)


def test_parts_lie_in_large_objects_only(tmp_path: Path) -> None:
    large = Stills([still(tmp_path / "a.png", (0.5, 0.5, 0.5, 0.75))], parts=1.0)
    boxes = np.stack([large.draw(chance)[0].box for chance in chances(20)])
    assert (boxes >= [40, 15, 40, 15]).all()
    assert (boxes <= [120, 105, 120, 105]).all()
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides <= [64.001, 72.001]).all()
    assert len(np.unique(boxes[:, 0])) > 10
    small = Stills([still(tmp_path / "b.png", (0.5, 0.5, 0.25, 0.5))], parts=1.0)  # 40 pixels wide
    np.testing.assert_allclose(small.draw(np.random.default_rng(0))[0].box, [60, 30, 100, 90])


def test_pictures_without_a_usable_object_are_refused(tmp_path: Path) -> None:
    useless = [still(tmp_path / "a.png", (0.5, 0.5, 0.01, 0.5), (0.5, 0.5, 1, 1)), still(tmp_path / "b.png")]
    with pytest.raises(TrainingError, match="none of 2 pictures has an object"):
        Stills(useless)


def test_a_picture_that_is_gone_is_said(tmp_path: Path) -> None:
    stills = Stills([still(tmp_path / "a.png", (0.5, 0.5, 0.25, 0.5))])
    (tmp_path / "a.png").unlink()
    with pytest.raises(SourceError, match=r"a\.png can no longer be read"):
        stills.draw(np.random.default_rng(0))


def shown(walk: Walk, count: int = 40) -> FloatArray:
    """(n, 2) numbers of the two pictures of each drawn pair."""
    pairs = [walk.draw(chance) for chance in chances(count)]
    return np.array([[round(float(sight.image.mean()) / 10) for sight in pair] for pair in pairs])


def test_two_pictures_of_one_object_near_each_other(tmp_path: Path) -> None:
    sequence = Walk(walk(tmp_path / "a"), gap=2)
    assert sequence.objects == 2
    numbers = shown(sequence)
    assert np.abs(numbers[:, 0] - numbers[:, 1]).max() == 2
    assert set(numbers.ravel().tolist()) == {1, 2, 3, 4, 5, 6}
    for chance in chances(10):
        first, second = sequence.draw(chance)
        assert (first.box[1] == second.box[1]).all()  # 20 of the first, 50 of the second
        if first.box[1] == 20:
            assert first.box[0] == pytest.approx(10 + round(float(first.image.mean()) / 10))


def test_boxes_shrink_with_the_pictures(tmp_path: Path) -> None:
    told = "[Sequence]\nname=a\nframeRate=10\nseqLength=6\nimWidth=320\nimHeight=240\n"
    sequence = Walk(walk(tmp_path / "a", boxes="1,1,40,40,60,80,1,1,1\n2,1,40,40,60,80,1,1,1\n", info=told), gap=5)
    np.testing.assert_allclose(sequence.draw(np.random.default_rng(0))[0].box, [20, 20, 50, 60])


def test_what_does_not_count_or_is_hidden_or_seen_once_is_left_out(tmp_path: Path) -> None:
    rows = ["1,1,40,40,60,60,0,1,1", "2,1,40,40,60,60,0,1,1"]  # does not count
    rows += ["1,2,40,40,60,60,1,1,0.1", "2,2,40,40,60,60,1,1,0.9"]  # seen once
    rows += ["1,3,40,40,5,60,1,1,1", "2,3,40,40,5,60,1,1,1"]  # too narrow
    with pytest.raises(TrainingError, match=r"no object of .* is seen in two pictures"):
        Walk(walk(tmp_path / "a", boxes="\n".join(rows) + "\n"), gap=5)


def test_other_pictures_or_boxes_have_another_digest(tmp_path: Path) -> None:
    one, same = (Walk(walk(tmp_path / name), gap=5).digest for name in "ab")
    fewer = Walk(walk(tmp_path / "c", frames=5), gap=5).digest
    assert one == same != fewer


def test_pictures_must_be_there(tmp_path: Path) -> None:
    folder = walk(tmp_path / "a")
    (folder / "img1").rename(folder / "elsewhere")
    with pytest.raises(TrainingError, match=r"put video\.mp4 or img1/ beside gt/"):
        Walk(folder, gap=5)


def test_sequences_are_found(tmp_path: Path) -> None:
    one, other = walk(tmp_path / "a"), walk(tmp_path / "b")
    assert sequences_in(one) == [one]
    assert sequences_in(tmp_path) == [one, other]
    with pytest.raises(TrainingError, match=r"gt/gt\.txt is missing"):
        sequences_in(one / "img1")
    with pytest.raises(TrainingError, match="is no folder"):
        sequences_in(tmp_path / "absent")


def test_kinds_come_as_often_as_they_are_said_to(tmp_path: Path) -> None:
    few = Stills([still(tmp_path / "a.png", (0.5, 0.5, 0.25, 0.5))])
    many = Stills([still(tmp_path / f"{number}.png", (0.5, 0.5, 0.25, 0.5)) for number in range(3)])
    moving = Walk(walk(tmp_path / "w"), gap=5)
    mixture = mixed([few, many], [moving], share=0.2)
    np.testing.assert_allclose(mixture.weights, [0.2, 0.6, 0.2])
    assert mixture.objects == 6
    assert mixed([few], [], share=0.2).weights == (1.0,)
    assert mixed([], [moving, moving], share=0.2).weights == (0.5, 0.5)
    drawn = [Mixture((few, moving), (0.0, 1.0)).draw(chance) for chance in chances(5)]
    assert all(first.box[1] in (20, 50) for first, _ in drawn)  # of the sequence
