"""seqinfo.ini, gmc.txt and FILE.json: real files, round trips, and every way to be malformed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import FormatError
from pipeline.evaluation.sidecars import (
    FollowInfo,
    SequenceInfo,
    read_camera_motion,
    read_follow_info,
    read_seqinfo,
    write_camera_motion,
    write_seqinfo,
)

GOOD = "[Sequence]\nname=A\nframeRate=7\nseqLength=795\nimWidth=768\nimHeight=576\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_reads_real_files(shared: Path) -> None:
    info = read_seqinfo(shared / "data/mot15/PETS09-S2L1/seqinfo.ini")
    assert info == SequenceInfo("PETS09-S2L1", 7.0, 795, 768, 576)
    motion = read_camera_motion(shared / "data/mot17-val/MOT17-05/gmc.txt")
    assert sorted(motion) == list(range(1, 419))
    assert motion[1].tolist() == [[1.007553, 0.000054, -7.800873], [-0.000054, 1.007553, -3.859573]]


def test_seqinfo_survives_a_round_trip(file: Path) -> None:
    info = SequenceInfo("100% [odd] name", 29.97, 10, 640, 480)
    write_seqinfo(file, info)
    assert read_seqinfo(file) == info


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no section \[Sequence\]"),
        ("[Other]\nname=A\n", r"no section \[Sequence\]"),
        ("name=A\n", "not an INI file: .*line: 1"),
        (GOOD + "name=B\n", r"not an INI file: .*\[line +7\]"),
        (GOOD.replace("seqLength=795\n", ""), r"\[Sequence\] lacks seqLength"),
        (GOOD.replace("name=A", "name="), r"\[Sequence\] lacks name"),
        (GOOD.replace("795", "many"), "line 4: seqLength is 'many', not a number above 0"),
        (GOOD.replace("795", "0"), "line 4: seqLength is '0', not a number above 0"),
        (GOOD.replace("795", "79.5"), "line 4: seqLength is '79.5', not a whole number"),
        (GOOD.replace("=7\n", " = nan\n"), "line 3: frameRate is 'nan', not a number above 0"),
    ],
)
def test_malformed_seqinfo_is_refused(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_seqinfo(file)


def test_missing_files_are_refused(file: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        read_seqinfo(file)
    with pytest.raises(FormatError, match="no such file"):
        read_camera_motion(file)


def test_camera_motion_survives_a_round_trip(file: Path) -> None:
    motion = {2: np.array([[1, 0, 2.5], [0, 1, -3.25]]), 1: np.array([[0.5, 0.25, 0], [-0.25, 0.5, 0]])}
    write_camera_motion(file, motion)
    assert file.read_text() == "1,0.5,0.25,0,-0.25,0.5,0\n2,1,0,2.5,0,1,-3.25\n"
    back = read_camera_motion(file)
    assert {frame: back[frame].tolist() for frame in (1, 2)} == {frame: motion[frame].tolist() for frame in (1, 2)}


def test_no_motion_is_no_line(file: Path) -> None:
    write_camera_motion(file, {})
    assert file.read_text() == ""
    assert read_camera_motion(file) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,0,0,0,1\n", "line 1: 6 columns, expected 7 separated by commas"),
        ("0,1,0,0,0,1,0\n", "line 1: column 1 .frame. is 0, not a frame from 1"),
        ("1.5,1,0,0,0,1,0\n", "line 1: column 1 .frame. is 1.5, not a whole number"),
        (
            "1,1,0,0,0,1,0\n2,1,0,0,0,1,0\n1,1,0,0,0,1,0\n",
            "line 3: column 1 .frame. is 1, not a frame that has no line",
        ),
    ],
)
def test_malformed_camera_motion_is_refused(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_camera_motion(file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"frames_per_second": 61.5, "tracker": "nanotrack", "video": "a.mp4"}', FollowInfo(61.5, "nanotrack")),
        ('{"frames_per_second": 30}', FollowInfo(30.0, None)),
        ('{"frames_per_second": null, "tracker": "still"}', FollowInfo(None, "still")),
        ("{}", FollowInfo(None, None)),
        ('{"start_frame": 40}', FollowInfo(None, None, 40)),
    ],
)
def test_what_is_told_of_followed_boxes(tmp_path: Path, text: str, expected: FollowInfo) -> None:
    (tmp_path / "car.1.txt.json").write_text(text)
    assert read_follow_info(tmp_path / "car.1.txt") == expected


def test_nothing_may_be_told_of_followed_boxes(tmp_path: Path) -> None:
    assert read_follow_info(tmp_path / "car.txt") == FollowInfo(None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: not JSON"),
        ('{"tracker":\n rubbish}', "line 2: not JSON"),
        ("[30]", "not an object; write"),
        ('{"frames_per_second": "30"}', "frames_per_second is '30', not a number above 0"),
        ('{"frames_per_second": 0}', "frames_per_second is 0, not a number above 0"),
        ('{"frames_per_second": true}', "frames_per_second is True, not a number above 0"),
        ('{"frames_per_second": NaN}', "frames_per_second is nan, not a number above 0"),
        ('{"frames_per_second": 1' + "0" * 400 + "}", "frames_per_second is 10+, not a number above 0"),
        ('{"tracker": 7}', "tracker is 7, not a text"),
        ('{"start_frame": -1}', "start_frame is -1, not a whole number"),
        ('{"start_frame": 1.5}', "start_frame is 1.5, not a whole number"),
    ],
)
def test_malformed_words_on_followed_boxes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "car.txt.json").write_text(text)
    with pytest.raises(FormatError, match=rf"car\.txt\.json.*{message}"):
        read_follow_info(tmp_path / "car.txt")
