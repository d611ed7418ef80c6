"""Crops by identity from folders and sequences, and what is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import FormatError, SourceError, TrainingError
from pipeline.models.embed import cut
from pipeline.training.crop_augmentation import centre
from pipeline.training.crop_set import CropSet, cut_crop, held_out, joined, spread, to_validate_on, without_singles
from pipeline.training.identity_data import read_folder
from trackers.structures import Detections, Frame

SIZE = (64, 32)


def write_identities(folder: Path, counts: dict[str, int]) -> Path:
    """A folder an identity, pictures of one colour each."""
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            picture = np.full((90, 40, 3), 40 * number + index, np.uint8)
            assert cv2.imwrite(str(folder / name / f"{index}.png"), picture)
    return folder


def crops(counts: list[int], *, seconds: float = 1.0) -> CropSet:
    identities = np.repeat(np.arange(len(counts)), counts)
    times = np.concatenate([np.arange(count) * seconds for count in counts])
    return CropSet(np.zeros((len(times), 80, 40, 3), np.uint8), identities, np.zeros(len(times), np.int64), times)


def test_a_folder_an_identity(tmp_path: Path) -> None:
    found = read_folder(write_identities(tmp_path, {"anna": 3, "ben": 5, "nobody": 0}), SIZE, most=4)
    assert found.identities.tolist() == [0] * 3 + [1] * 4
    assert found.times.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert found.pictures[:3, 40, 20, 0].tolist() == [0, 1, 2]
    assert found.pictures[3:, 40, 20, 0].tolist() == [40, 41, 43, 44]  # the first, the last, and two between


def test_pictures_follow_each_other_by_number(tmp_path: Path) -> None:
    found = read_folder(write_identities(tmp_path, {"anna": 12, "ben": 2}), SIZE, most=20)
    assert found.pictures[:12, 40, 20, 0].tolist() == list(range(12))  # 10 after 9


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    folder = write_identities(tmp_path, {"anna": 2, "ben": 2})
    (folder / "ben" / "1.png").write_bytes((folder / "ben" / "1.png").read_bytes()[:20])
    with pytest.raises(SourceError, match=r"ben/1\.png is not a picture that can be read"):
        read_folder(folder, SIZE, most=9)
    (folder / "ben" / "1.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"ben/1\.png is not a picture"):
        read_folder(folder, SIZE, most=9)


def test_what_holds_no_identities_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="has neither folders of pictures"):
        read_folder(tmp_path, SIZE, most=9)
    with pytest.raises(TrainingError, match="is no folder"):
        read_folder(tmp_path / "absent", SIZE, most=9)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="has neither folders of pictures"):
        read_folder(tmp_path, SIZE, most=9)


def test_a_sequence_whose_video_is_smaller_than_its_truth(shared: Path) -> None:
    folder = shared / "data" / "mot15" / "PETS09-S2L1"  # ground truth at 768x576, video at 480x360
    found = read_folder(folder, SIZE, most=4)
    assert found.count == 19
    assert (np.bincount(found.identities)[1:] <= 4).all()
    assert 70 < found.times.max() < 115
    image = cv2.VideoCapture(str(folder / "video.mp4")).read()[1]
    truth = np.loadtxt(folder / "gt" / "gt_at_video_scale.txt", delimiter=",")
    row = truth[(truth[:, 0] == 1) & (truth[:, 6] != 0)][0]
    expected = cut_crop(image, np.concatenate([row[2:4], row[2:4] + row[4:6]]), SIZE).astype(int)
    mine = found.pictures[(found.identities == row[1]) & (found.times == 0)][0]
    assert np.abs(mine - expected).mean() < 4  # boxes of the file are rounded


def test_a_sequence_needs_pictures_and_sound_truth(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.txt").write_text("1,1,10,10,20,40,1,1,1\n")
    with pytest.raises(TrainingError, match=r"put video\.mp4 or img1/ beside gt/"):
        read_folder(tmp_path, SIZE, most=9)
    (tmp_path / "video.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match=r"video\.mp4"):
        read_folder(tmp_path, SIZE, most=9)
    shutil.copy(shared / "data" / "mot15" / "TUD-Campus" / "video.mp4", tmp_path)
    assert len(read_folder(tmp_path, SIZE, most=9)) == 1
    (tmp_path / "gt" / "gt.txt").write_text("1,1,9010,10,20,40,1,1,1\n")
    with pytest.raises(TrainingError, match="do they belong together"):
        read_folder(tmp_path, SIZE, most=9)
    (tmp_path / "gt" / "gt.txt").write_text("1,1,ten,10,20,40,1,1,1\n")
    with pytest.raises(FormatError, match="line 1"):
        read_folder(tmp_path, SIZE, most=9)
    (tmp_path / "gt" / "gt.txt").write_text("")
    assert len(read_folder(tmp_path, SIZE, most=9)) == 0


def test_a_missing_picture_is_said(tmp_path: Path) -> None:
    (tmp_path / "gt").mkdir()
    (tmp_path / "img1").mkdir()
    (tmp_path / "gt" / "gt.txt").write_text("".join(f"{frame},1,10,10,20,40,1,1,1\n" for frame in range(1, 6)))
    for frame in (1, 2, 4, 5):
        assert cv2.imwrite(str(tmp_path / "img1" / f"{frame:06}.png"), np.zeros((60, 40, 3), np.uint8))
    with pytest.raises(TrainingError, match="1 frames that are not among the pictures, the first is frame 5"):
        read_folder(tmp_path, SIZE, most=9)
    assert cv2.imwrite(str(tmp_path / "img1" / "000003.png"), np.zeros((60, 40, 3), np.uint8))
    assert len(read_folder(tmp_path, SIZE, most=9)) == 5


def test_boxes_that_do_not_count_become_no_crops(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "gt").mkdir()
    lines = [
        "1,1,100,50,60,150,1,1,1",
        "1,2,100,50,60,150,0,1,1",  # not considered
        "1,3,100,50,60,150,1,8,1",  # a distractor
        "1,4,100,50,60,150,1,1,0.1",  # hidden
        "1,5,100,50,8,12,1,1,1",  # tiny
        "1,6,620,50,60,150,1,1,1",  # outside for the greater part
    ]
    (tmp_path / "gt" / "gt.txt").write_text("\n".join(lines))
    shutil.copy(shared / "data" / "mot15" / "TUD-Campus" / "video.mp4", tmp_path)
    assert read_folder(tmp_path, SIZE, most=9).identities.tolist() == [1]


def test_a_crop_is_cut_as_the_product_cuts_it(shared: Path) -> None:
    image = cv2.VideoCapture(str(shared / "data" / "mot15" / "TUD-Campus" / "video.mp4")).read()[1]
    boxes = np.array([[100.4, 60.6, 161.2, 221.7], [-8, -9, 30, 90]], np.float32)
    found = Detections(boxes=boxes, scores=np.ones(2, np.float32), labels=np.zeros(2, np.int64))
    expected = cut([Frame(picture=image, index=0, time=0.0, at=0)], [found], SIZE).astype(int)
    mine = np.stack([centre(cut_crop(image, box, SIZE), SIZE) for box in boxes])
    assert np.abs(mine - expected).max() <= 2


def test_identities_of_different_sources_stay_apart() -> None:
    both = joined([crops([2, 3]), crops([1]), CropSet.empty(SIZE)], SIZE)
    assert both.identities.tolist() == [0, 0, 1, 1, 1, 2]
    assert both.sequences.tolist() == [0] * 5 + [1]
    assert len(joined([], SIZE)) == 0
    assert joined([crops([2, 3])], SIZE).digest != both.digest


def test_identities_of_one_crop_are_dropped_and_counted() -> None:
    kept, dropped = without_singles(crops([2, 1, 3, 1]))
    assert (kept.count, dropped) == (2, 2)
    with pytest.raises(TrainingError, match=r"1 identities of two or more crops \(2 of a single crop left out\)"):
        without_singles(crops([4, 1, 1]))
    with pytest.raises(TrainingError, match="0 identities"):
        without_singles(CropSet.empty(SIZE))


def test_validation_has_other_identities() -> None:
    learned, validated = held_out(crops([3] * 10), share=0.3, seed=1)
    assert (learned.count, validated.count) == (7, 3)
    assert not set(learned.identities.tolist()) & set(validated.identities.tolist())
    again = held_out(crops([3] * 10), share=0.3, seed=1)[1]
    assert np.array_equal(again.identities, validated.identities)
    with pytest.raises(TrainingError, match="3 identities, 3 of them seen for a second or more, are too few"):
        held_out(crops([3] * 3), share=0.3, seed=1)
    with pytest.raises(TrainingError, match="0 of them seen for a second"):
        held_out(crops([3] * 9, seconds=0.1), share=0.3, seed=1)


def test_validation_that_shows_nobody_long_enough_is_refused() -> None:
    assert to_validate_on(crops([3, 1, 2])).count == 2
    with pytest.raises(TrainingError, match="none of the 2 identities to validate on is seen for a second"):
        to_validate_on(crops([3, 2], seconds=0.1))


def test_spread_takes_the_ends_and_what_lies_evenly_between() -> None:
    assert spread(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert spread(np.arange(3), 4).tolist() == [0, 1, 2]
    assert spread(np.arange(0), 4).tolist() == []
