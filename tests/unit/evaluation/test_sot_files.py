"""Files of one target: what is read, what is refused, and the real truths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import FormatError
from pipeline.evaluation.sidecars import FollowInfo
from pipeline.evaluation.sot_files import Target, evaluate_targets, find_targets, read_boxes, read_truth

CLIPS = {  # targets of the real material, and their frames
    "Car4": 659,
    "Crossing": 120,
    "DragonBaby": 113,
    "Girl": 500,
    "TinyTLP_MotorcycleChase": 600,
    "basketball": 725,
    "jogging.1": 307,
    "jogging.2": 307,
    "vot15_bag": 196,
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.txt"


def written(path: Path, text: str = "0,0,10,10\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("1,2,10,20\n3,4,30,40.5\n", id="commas"),
        pytest.param("1 2 10 20\r\n\r\n  3  4 30 40.5 \r\n", id="blanks, Windows lines and an empty one"),
        pytest.param("1\t2\t10\t20\n3\t4\t30\t40.5", id="tabs"),
        pytest.param("1, 2, 10, 20\n3 ,4,\t30,40.5\n", id="commas and blanks"),
        pytest.param("7,1,2,10,20,0\n8,3,4,30,40.5,0\n", id="with frames"),
        pytest.param("1,2,11,2,11,22,1,22\n3,4,33,4,33,44.5,3,44.5\n", id="corners"),
    ],
)
def test_one_truth_in_many_forms(file: Path, text: str) -> None:
    truth = read_truth(written(file, text))
    assert truth.boxes.tolist() == [[1, 2, 11, 22], [3, 4, 33, 44.5]]
    assert truth.present.tolist() == [True, True]


def test_the_upright_hull_of_a_turned_rectangle(file: Path) -> None:
    truth = read_truth(written(file, "5,0,10,5,5,10,0,5\n-5,-2,1,3,2,9,-7,4\n"))
    assert truth.boxes.tolist() == [[0, 0, 10, 10], [-7, -2, 2, 9]]


@pytest.mark.parametrize(
    ("text", "present"),
    [
        ("1,2,3,4\nNaN,nan,NAN,NaN\n1,2,0,4\n1,2,3,0\n0,0,0,0\n", "x...."),
        ("1 1 2 3 4 0\n2 1 2 3 4 1\n3 NaN NaN NaN NaN 1\n4 0 0 -1 -1 1\n5 nan nan nan nan 0\n6 1 2 3 4 0\n", "x....x"),
        ("0,0,1,0,1,1,0,1\nnan,nan,nan,nan,nan,nan,nan,nan\n2,2,2,2,2,2,2,2\n0,0,4,0,4,0,0,0\n", "x..."),
    ],
)
def test_rows_without_the_target(file: Path, text: str, present: str) -> None:
    assert read_truth(written(file, text)).present.tolist() == [mark == "x" for mark in present]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r": no rows; write x,y,width,height"),
        ("1,2,3\n", r", line 1: 3 columns, expected x,y,width,height or frame,x,y,width,height,isLost or x1,y1"),
        ("\n1,2,3,4,5\n", r", line 2: 5 columns, expected"),
        ("1,2,3,4\n\n1,2,3\n", r", line 3: 3 columns, expected 4 separated by commas, blanks or tabs"),
        ("x,y,w,h\n1,2,3,4\n", r", line 1: column 1 \(x\) is 'x', not a number"),
        ("1,2,3,4\n1,2,three,4\n", r", line 2: column 3 \(width\) is 'three', not a number"),
        ("1,,3,4\n", r", line 1: column 2 \(y\) is '', not a number"),
        ("1,2,inf,4\n", r", line 1: column 3 \(width\) is inf, not a finite number"),
        ("1,2,3,1e300\n", r", line 1: column 4 \(height\) is 1e\+300, larger than"),
        ("1,2,3,4\n1,nan,3,4\n", r", line 2: column 2 \(y\) is nan, not a number; a row holds the whole box, or NaN"),
        ("1,2,3,4\n1,2,3,-4\n", r", line 2: column 4 \(height\) is -4, not a length from 0"),
        ("1,1,2,3,4,0\n3,1,2,3,4,0\n", r", line 2: column 1 \(frame\) is 3, not the frame after"),
        ("1.5,1,2,3,4,0\n", r", line 1: column 1 \(frame\) is 1.5, not a whole number"),
        ("1,1,2,3,4,2\n", r", line 1: column 6 \(isLost\) is 2, not 0 or 1"),
        ("1,1,2,3,4,nan\n", r", line 1: column 6 \(isLost\) is nan, not 0 or 1"),
        ("nan,nan,nan,nan\n0,0,0,0\n", r": the target is in no frame; a row at least needs a box"),
    ],
)
def test_malformed_truths_are_refused(file: Path, text: str, says: str) -> None:
    with pytest.raises(FormatError, match=rf"rows\.txt{says}"):
        read_truth(written(file, text))


def test_boxes_with_and_without_scores(file: Path) -> None:
    followed = read_boxes(written(file, "1,2,10,20,0.5\n3,4,0,40,-2\n"))
    assert followed.boxes.tolist() == [[1, 2, 11, 22], [3, 4, 3, 44]]
    assert followed.scores is not None
    assert followed.scores.tolist() == [0.5, -2]
    assert read_boxes(written(file, "1 2 10 20\n")).scores is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ": no rows; write x,y,width,height,score for every frame"),
        ("1,2,3\n", ", line 1: 3 columns, expected 4 to 5 separated by"),
        ("1,2,3,4,0.5\n1,2,3,4\n", ", line 2: 4 columns, but line 1 has 5"),
        ("1,2,3,4\n1,2,-3,4\n", r", line 2: column 3 \(width\) is -3, not a length from 0"),
        ("1,2,3,4\n\nnan,nan,nan,nan\n", r", line 3: column 1 \(x\) is nan, not a number; every frame has a box"),
        ("1,2,3,4,nan\n", r", line 1: column 5 \(score\) is nan, not a number"),
        ("not at all\n", ", line 1: 3 columns, expected 4 to 5"),
        ("this is no box\n", r", line 1: column 1 \(x\) is 'this', not a number"),
    ],
)
def test_malformed_boxes_are_refused(file: Path, text: str, says: str) -> None:
    with pytest.raises(FormatError, match=rf"rows\.txt{says}"):
        read_boxes(written(file, text))


def test_both_need_a_row_a_frame(tmp_path: Path) -> None:
    truth, boxes = written(tmp_path / "t.txt", "0,0,9,9\n" * 3), written(tmp_path / "b.txt", "0,0,9,9\n" * 2)
    with pytest.raises(FormatError, match=r"b\.txt: 2 rows, but .*t\.txt has 3; both need a row for every frame"):
        evaluate_targets(find_targets(truth, boxes))


def test_boxes_from_a_later_frame_on_are_compared_with_that_one(tmp_path: Path) -> None:
    truth = written(tmp_path / "groundtruth.txt", "0,0,10,10\n5,5,10,10\n9,9,10,10\n")
    boxes = written(tmp_path / "boxes.txt", "5,5,10,10\n9,9,10,10\n")
    written(tmp_path / "boxes.txt.json", '{"start_frame": 1}')
    [result] = evaluate_targets([Target("car", truth, boxes)])
    assert result.scores.frames == 2
    assert result.scores.auc == pytest.approx(20 / 21)
    written(tmp_path / "boxes.txt.json", '{"start_frame": 2}')
    with pytest.raises(FormatError, match="has 1 from frame 2 on"):
        evaluate_targets([Target("car", truth, boxes)])


def test_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = written(tmp_path / "mine.txt")
    for place, name in (
        ("Car4/groundtruth.txt", "Car4"),
        ("jogging/groundtruth.2.txt", "jogging.2"),
        ("Human4/groundtruth_rect.2.txt", "Human4.2"),
        ("Girl/other.txt", "other"),
    ):
        truth = written(tmp_path / place)
        assert find_targets(truth, boxes) == [Target(name, truth, boxes)]
    monkeypatch.chdir(tmp_path / "Car4")
    assert find_targets(Path("groundtruth.txt"), boxes)[0].name == "Car4"


def test_two_folders(tmp_path: Path) -> None:
    truths, boxes = tmp_path / "clips", tmp_path / "boxes"
    for place in ("b/groundtruth.2.txt", "b/groundtruth.1.txt", "a/groundtruth.txt", "c/groundtruth_rect.txt"):
        written(truths / place)
    for beside in ("a/groundtruth.old.txt", "a/notes.txt", "README.txt"):
        written(truths / beside, "no truth")
    for name in ("a", "b.1", "b.2", "c", "z"):
        written(boxes / f"{name}.txt")
    found = find_targets(truths, boxes)
    assert [one.name for one in found] == ["a", "b.1", "b.2", "c"]
    assert [one.truth.relative_to(truths).as_posix() for one in found][1:3] == [
        "b/groundtruth.1.txt",
        "b/groundtruth.2.txt",
    ]
    assert found[1].boxes == boxes / "b.1.txt"


def test_files_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    truths, boxes = tmp_path / "clips", tmp_path / "boxes"
    truth = written(truths / "a/groundtruth.txt")
    one = written(boxes / "b.txt")
    for pair, says in (
        ((truths, one), "clips is a folder, .*b.txt a file; give two files, or two folders"),
        ((truth, boxes), "groundtruth.txt is a file, .*boxes a folder; give two files"),
        ((boxes, boxes), "boxes: no clip; expected NAME/groundtruth.txt in it"),
        ((truths / "a", boxes), "a: no clip; .*of one clip give the file itself"),
        ((truths, boxes), r"a\.txt: no such file; the boxes of .*a/groundtruth.txt belong there"),
        ((truths, tmp_path / "gone"), r"gone/a\.txt: no such file"),
    ):
        with pytest.raises(FormatError, match=says):
            find_targets(*pair)
    for pair in ((truth, boxes / "gone.txt"), (tmp_path / "gone.txt", one)):
        with pytest.raises(FormatError, match=r"gone\.txt: no such file"):
            evaluate_targets(find_targets(*pair))
    written(truths / "a/groundtruth_rect.txt")
    with pytest.raises(FormatError, match=r"groundtruth\.txt and .*groundtruth_rect\.txt are both the truth of 'a'"):
        find_targets(truths, boxes)


def test_what_stands_beside_the_boxes(tmp_path: Path) -> None:
    truth, boxes = written(tmp_path / "a/groundtruth.txt"), written(tmp_path / "a.txt")
    written(tmp_path / "a.txt.json", '{"frames_per_second": 40, "tracker": "still"}')
    [result] = evaluate_targets(find_targets(truth, boxes))
    assert result.told == FollowInfo(40, "still")
    assert result.scores.auc == pytest.approx(20 / 21)


def test_real_truths(shared: Path, tmp_path: Path) -> None:
    """Boxes .455 of the width aside overlap by .545 / 1.455 = .3746: above 0 .. .35, and within .46 .. .5 sizes."""
    clips = shared / "data/sot"
    near = {}
    for name, frames in CLIPS.items():
        clip, _, number = name.partition(".")
        rows = np.loadtxt(clips / clip / f"groundtruth{'.' * bool(number)}{number}.txt", delimiter=",")
        assert rows.shape == (frames, 4)
        near[name] = (0.455 * rows[:, 2] <= 20).mean()
        rows[:, 0] += 0.455 * rows[:, 2]
        np.savetxt(tmp_path / f"{name}.txt", np.column_stack([rows, np.linspace(0, 1, frames)]), delimiter="\t")
    results = evaluate_targets(find_targets(clips, tmp_path))
    assert {one.name: one.scores.frames for one in results} == CLIPS
    for one in results:
        scores = one.scores
        assert scores.present == scores.frames
        assert scores.success.tolist() == [1] * 8 + [0] * 13, one.name
        assert scores.normalised_precision.tolist() == [0] * 46 + [1] * 5, one.name
        assert scores.precision_near == pytest.approx(near[one.name]), one.name
        assert (scores.robustness, scores.score_auc) == (1, None)
        assert one.told == FollowInfo()
    assert {share for share in near.values() if 0 < share < 1}  # some clips have frames of both kinds
