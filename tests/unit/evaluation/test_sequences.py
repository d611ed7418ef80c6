"""MOTChallenge text: what each column becomes, round trips, and every way to be malformed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import FormatError
from pipeline.evaluation.sequences import (
    Layout,
    SequenceBoxes,
    find_layout,
    format_tracks,
    read_detections,
    read_tracks,
    read_truth,
    write_tracks,
    write_truth,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gt.txt"


def columns(boxes: SequenceBoxes) -> dict[str, list[object]]:
    return {field.name: getattr(boxes, field.name).tolist() for field in fields(boxes)}


def test_truth_with_classes(file: Path) -> None:
    file.write_text("2,7,10,20,30,40,0,8,0.25\n1,5,-1,2,3,4,1,1,1\n")
    assert columns(read_truth(file, layout=Layout.CLASS)) == {
        "frames": [1, 2],  # sorted
        "ids": [5, 7],
        "boxes": [[-1, 2, 2, 6], [10, 20, 40, 60]],
        "scores": [1, 0],
        "classes": [1, 8],
        "visibility": [1, 0.25],
    }


def test_truth_with_positions_in_the_world(file: Path) -> None:
    file.write_text("1,5,1,2,3,4,1,4.4852,5.5,0\n")
    boxes = read_truth(file, layout=Layout.WORLD)
    assert (boxes.classes.tolist(), boxes.visibility.tolist()) == ([-1], [-1])


def test_tracks_may_lack_what_follows_the_box(file: Path) -> None:
    file.write_text("1,5,1,2,3,4\n")
    boxes = read_tracks(file)
    assert (boxes.scores.tolist(), boxes.classes.tolist(), boxes.visibility.tolist()) == ([1], [-1], [-1])


def test_detections_have_no_ids(file: Path) -> None:
    file.write_text("1,-1,1,2,3,4,0.9,-1,-1,-1\n1,-1,5,6,7,8,0.5,-1,-1,-1\n")
    boxes = read_detections(file)
    assert (boxes.ids.tolist(), boxes.scores.tolist()) == ([-1, -1], [0.9, 0.5])
    with pytest.raises(FormatError, match=r"line 2: id -1 occurs twice in frame 1 \(first in line 1\)"):
        read_tracks(file)


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_file_is_no_box(file: Path, text: str) -> None:
    file.write_text(text)
    empty = columns(SequenceBoxes.empty())
    assert columns(read_tracks(file)) == columns(read_detections(file)) == empty
    assert all(columns(read_truth(file, layout=layout)) == empty for layout in Layout)


@pytest.mark.parametrize("read", [read_tracks, read_detections, lambda path: read_truth(path, layout=Layout.CLASS)])
def test_a_missing_file_is_an_error(file: Path, read: Callable[[Path], SequenceBoxes]) -> None:
    with pytest.raises(FormatError, match=r"gt\.txt: no such file"):
        read(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,0,0,1\n", "line 1: 5 columns, expected 6 to 10"),
        ("1,1,0,0,1,1,1,1,1,1,1\n", "line 1: 11 columns, expected 6 to 10"),
        ("1,1,0,0,1,one,1\n", "line 1: column 6 .height. is 'one', not a number"),
        ("1,1,0,NaN,1,1,1\n", "line 1: column 4 .top. is nan, not a finite number"),
        ("1,1,0,0,1,1,1\n2,1,0,0,-1,1,1\n", "line 2: column 5 .width. is -1, not a length from 0"),
        ("1,1,0,0,1,-0.5,1\n", "line 1: column 6 .height. is -0.5, not a length from 0"),
        ("0,1,0,0,1,1,1\n", "line 1: column 1 .frame. is 0, not a frame from 1"),
        ("1.5,1,0,0,1,1,1\n", "line 1: column 1 .frame. is 1.5, not a whole number"),
        ("1,1.5,0,0,1,1,1\n", "line 1: column 2 .id. is 1.5, not a whole number"),
        ("1,1,0,0,1,1,1,4.4,1\n", "line 1: column 8 .class. is 4.4, not a whole number"),
        ("1,3,0,0,1,1,1\n2,3,0,0,1,1,1\n1,3,5,0,1,1,1\n", "line 3: id 3 occurs twice in frame 1 .first in line 1."),
    ],
)
def test_malformed_tracks_are_refused(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(FormatError, match=rf"gt\.txt, {message}"):
        read_tracks(file)


@pytest.mark.parametrize(
    ("text", "layout", "message"),
    [
        ("1,1,0,0,1,1\n", Layout.WORLD, "line 1: 6 columns, expected 7 to 10"),
        ("1,1,0,0,1,1,1\n", Layout.CLASS, "line 1: 7 columns, expected 8 to 10"),
        ("1,1,0,0,1,1,1,-1,-1,-1\n", Layout.CLASS, "line 1: column 8 .class. is -1, not a class from 1 .in MOT15"),
        ("1,1,0,0,1,1,1\n1,1,5,0,1,1,1\n", Layout.WORLD, "line 2: id 1 occurs twice in frame 1"),
    ],
)
def test_malformed_truth_is_refused(file: Path, text: str, layout: Layout, message: str) -> None:
    file.write_text(text)
    with pytest.raises(FormatError, match=rf"gt\.txt, {message}"):
        read_truth(file, layout=layout)


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("", None),
        ("1,1,0,0,1,1,1\n", Layout.WORLD),
        ("1,1,0,0,1,1,1,1,0.5\n", Layout.CLASS),
        ("1,1,0,0,1,1,1,-1,-1,-1\n", Layout.WORLD),
        ("1,1,0,0,1,1,1,4,5.5,0\n1,2,0,0,1,1,1,4.5,5,0\n", Layout.WORLD),
    ],
)
def test_layout_follows_from_the_columns(file: Path, text: str, layout: Layout | None) -> None:
    file.write_text(text)
    assert find_layout(file) is layout


@pytest.mark.parametrize("text", ["1,1,0,0,1,1,1,1\n", "1,1,0,0,1,1,1,1,1,-1\n"])
def test_an_ambiguous_layout_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(FormatError, match=r"column 8 may be a class .* or not .*; name the benchmark"):
        find_layout(file)


def test_layouts_of_real_files(shared: Path) -> None:
    for folder, layout in (("mot15", Layout.WORLD), ("mot17-val", Layout.CLASS)):
        files = sorted((shared / "data" / folder).glob("*/gt/gt*.txt"))
        assert len(files) >= 4
        assert {find_layout(path) for path in files} == {layout}


def test_written_text(file: Path) -> None:
    boxes = SequenceBoxes(
        frames=np.array([1]),
        ids=np.array([3]),
        boxes=np.array([[1.5, -0.0001, 11.5, 20.12345]]),
        scores=np.array([0.875]),
        classes=np.array([2]),
        visibility=np.array([0.5]),
    )
    assert format_tracks(boxes) == "1,3,1.5,0,10,20.124,0.875,2,-1,-1\n"
    write_truth(file, boxes)
    assert file.read_text() == "1,3,1.5,0,10,20.124,0.875,2,0.5\n"
    write_tracks(file, boxes[:0])
    assert file.read_text() == ""


@st.composite
def tables(draw: st.DrawFn) -> SequenceBoxes:
    """Rows as a file can hold them: thousandths of a pixel, a frame and an id once."""
    keys = draw(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 10**6)), unique=True, max_size=12))
    keys.sort(key=lambda key: key[0])
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corners = random.integers(-(10**6), 10**6, (len(keys), 2))
    return SequenceBoxes(
        frames=np.array([frame for frame, _ in keys], np.int64),
        ids=np.array([identity for _, identity in keys], np.int64),
        boxes=np.hstack([corners, corners + random.integers(0, 10**6, (len(keys), 2))]) / 1000,
        scores=random.integers(0, 1000, len(keys)) / 1000,
        classes=random.integers(1, 14, len(keys)),
        visibility=random.integers(0, 1000, len(keys)) / 1000,
    )


@given(boxes=tables())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example overwrites the file
def test_round_trip(file: Path, boxes: SequenceBoxes) -> None:
    write_truth(file, boxes)
    back = read_truth(file, layout=Layout.CLASS)
    np.testing.assert_allclose(back.boxes, boxes.boxes, atol=1e-9)
    assert columns(replace(back, boxes=boxes.boxes)) == columns(boxes)
    write_tracks(file, boxes)
    assert columns(read_tracks(file))["scores"] == columns(boxes)["scores"]


def test_columns_of_different_length_are_refused() -> None:
    empty = SequenceBoxes.empty()
    with pytest.raises(ValueError, match=r"boxes must be \(0, 4\)"):
        replace(empty, boxes=np.zeros((1, 4)))
    with pytest.raises(ValueError, match="scores has 1 rows, frames 0"):
        replace(empty, scores=np.zeros(1))
