"""Detectors and embedders tried: scores by hand with made-up ones, and what the commands write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline import build
from pipeline.cli import app
from pipeline.config import SourceSettings, load_settings
from pipeline.errors import ConfigError, FormatError, SourceError
from pipeline.models.base import ModelCard
from pipeline.models.colour import ColourEmbedder
from pipeline.sources.base import Source
from pipeline.trials.detector_trial import teacher_truth, try_detector
from pipeline.trials.embedder_trial import try_embedder
from pipeline.trials.mot_sequence import read_mot_sequence
from pipeline.trials.trial_report import precision_recall_plot
from pipeline.trials.truth_set import TruthSet, boxes_as_truth, unmarked
from tests.fakes import make_frame
from tests.integration.command import call_main
from trackers.structures import Detections, FloatArray, Frame, Masks

RUNNER = CliRunner()
BOXES = ((0, 0, 10, 10), (20, 0, 30, 10))


def opened(address: str) -> Source:
    return build.source(address, SourceSettings())


def frames() -> Iterator[Frame]:
    return (make_frame(index) for index in range(4))


def seen(labels: list[int], scores: list[float]) -> Detections:
    boxes = np.array(BOXES[: len(labels)], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array(scores, np.float32), np.array(labels, np.int64))


class Recalling:
    """A detector that finds what it was told, by the frame's index."""

    def __init__(self, found: dict[int, Detections], classes: tuple[str, ...]) -> None:
        self.card = ModelCard("recalling", "detect", "1", "0" * 64, "none", None, classes)
        self._found = found

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [self._found.get(frame.index, Detections.empty()) for frame in frames]


def truth(found: dict[int, Detections], classes: tuple[str, ...], name: str = "set") -> TruthSet:
    return boxes_as_truth(name, classes, frames, found)


def test_classes_are_matched_by_name_and_merged() -> None:
    """The truth has a car and two trucks, the detector vehicles: two are found before a wrong box, one after it."""
    marked = truth({0: seen([0, 1], [1, 1]), 2: seen([1], [1])}, ("car", "truck"))
    found = {0: seen([1, 1], [0.9, 0.8]), 2: seen([1], [0.6]), 3: seen([1], [0.7])}
    detector = Recalling(found, ("person", "vehicle"))
    result = try_detector(detector, [marked], classes="vehicle=vehicle+car+truck")
    assert result.classes == ("vehicle",)
    assert result.pooled.pictures == 4
    assert result.pooled.scores.truths.tolist() == [3]
    assert result.pooled.scores.ap50 == pytest.approx([(67 + 34 * 3 / 4) / 101])


def test_of_two_classes_that_become_one_an_object_counts_once() -> None:
    both = Detections(np.array([BOXES[0]] * 2, np.float32), np.array([0.9, 0.8], np.float32), np.array([0, 1]))
    detector = Recalling({0: both}, ("car", "truck"))
    marked = truth({0: seen([0], [1])}, ("vehicle",))
    result = try_detector(detector, [marked], classes="vehicle=vehicle+car+truck")
    assert result.pooled.judged.scores.tolist() == pytest.approx([0.9])


def test_what_a_set_does_not_mark_is_not_judged_there() -> None:
    """People are marked in one set only: a person found in the other one is neither right nor wrong."""
    people, cars = truth({0: seen([0], [1])}, ("person",), "people"), truth({1: seen([0], [1])}, ("car",), "cars")
    detector = Recalling({0: seen([0, 1], [0.9, 0.8]), 1: seen([1, 0], [0.9, 0.8])}, ("person", "car"))
    result = try_detector(detector, [people, cars])
    assert result.classes == ("person", "car")
    assert [one.judged.labels.tolist() for one in result.sets] == [[0, 0], [1, 1]]
    assert result.pooled.name == "ALL"
    assert result.pooled.pictures == 8
    assert result.pooled.scores.ap50.tolist() == [1.0, 1.0]


def test_classes_that_cannot_be_compared() -> None:
    detector = Recalling({}, ("person", "vehicle"))
    marked = truth({0: seen([0], [1])}, ("car",))
    for classes, says in (
        (None, "no name is the same"),
        ("vehicle", "truth knows none of vehicle"),
        ("car", "detector knows none of car"),
        ("plane", "plane"),
    ):
        with pytest.raises(ConfigError, match=says):
            try_detector(detector, [marked], classes=classes)
    with pytest.raises(SourceError, match="set has no picture"):
        try_detector(detector, [boxes_as_truth("set", ("person",), lambda: iter(()), {0: seen([0], [1])})])
    with pytest.raises(ConfigError, match=r"no person in the truth \(set\): nothing to find"):
        try_detector(detector, [truth({}, ("person",))])


def test_a_set_without_objects_beside_one_with_some_can_be_plotted() -> None:
    detector = Recalling({0: seen([0], [0.9])}, ("person",))
    result = try_detector(detector, [truth({0: seen([0], [1])}, ("person",)), truth({}, ("person",), "empty")])
    assert result.sets[1].scores.truths.tolist() == [0]
    assert precision_recall_plot(result).startswith(b"\x89PNG")


def test_a_sequence_in_which_nobody_comes_again_is_named(shared: Path) -> None:
    sequence = read_mot_sequence(shared / "data/mot15/TUD-Campus", opened)
    with pytest.raises(FormatError, match="TUD-Campus: there are no two crops of the same object at least 99 s apart"):
        try_embedder(ColourEmbedder(), [sequence], opened=opened, every=30, least_seconds=99)


class LeftHalves:
    """A segmenter that gives the left half of every box, and nothing of the first one of a frame."""

    card = ModelCard("halves", "segment", "1", "0" * 64, "none", None)

    def segment(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Masks]:
        return [self._halves(found.boxes) for found in detections]

    def _halves(self, boxes: FloatArray) -> Masks:
        crops = []
        for row, (x1, y1, x2, y2) in enumerate(boxes.astype(int).tolist()):
            crop = np.zeros((y2 - y1, x2 - x1), bool)
            crop[:, : (x2 - x1) // 2] = row > 0
            crops.append(crop)
        return Masks(boxes[:, :2].astype(np.int64), tuple(crops))


class Shown:
    """An embedder that keeps what it was shown, and describes it by its colours."""

    def __init__(self) -> None:
        self._colours = ColourEmbedder()
        self.card = self._colours.card
        self.masks: list[Masks | None] = []

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        self.masks += [found.masks for found in detections]
        return self._colours.embed(frames, detections)


def test_a_segmenters_masks_are_shown_to_the_embedder_and_counted(shared: Path) -> None:
    sequence = read_mot_sequence(shared / "data/mot15/TUD-Campus", opened)
    bare, shown = Shown(), Shown()
    [plain] = try_embedder(bare, [sequence], opened=opened, every=10)
    [masked] = try_embedder(shown, [sequence], opened=opened, segmenter=LeftHalves(), every=10)
    assert bare.masks == [None] * 8
    assert sum(len(masks.crops) for masks in shown.masks if masks is not None) == masked.crops == plain.crops == 40
    assert (plain.masks, masked.masks) == (None, 40 - 8)
    assert masked.auc == plain.auc  # this one looks at no mask


def test_a_detector_that_finds_nothing() -> None:
    result = try_detector(Recalling({}, ("person",)), [truth({0: seen([0], [1])}, ("person",))])
    assert result.pooled.scores.ap50.tolist() == [0.0]


def test_a_teachers_sure_boxes_are_the_truth(shared: Path) -> None:
    teacher = Recalling({0: seen([1, 1], [0.9, 0.4]), 5: seen([1], [0.5])}, ("person", "vehicle"))
    plain = unmarked(str(shared / "data/mot15/TUD-Campus/video.mp4"), opened=opened, every=5)
    taught = teacher_truth(teacher, plain, least_score=0.5)
    assert (taught.name, taught.classes) == ("video", ("person", "vehicle"))
    assert taught.truth.pictures.tolist() == [0, 5]
    assert len(list(taught.frames())) == 15


def test_an_embedder_on_real_people(shared: Path) -> None:
    sequence = read_mot_sequence(shared / "data/mot15/TUD-Campus", opened)
    results = try_embedder(ColourEmbedder(), [sequence, sequence], opened=opened, every=5)
    assert [one.name for one in results] == ["TUD-Campus", "TUD-Campus", "ALL"]
    assert [one.crops for one in results] == [75, 75, 150]
    assert [one.identities for one in results] == [8, 8, 16]
    assert results[0].auc == results[1].auc == pytest.approx(0.796, abs=0.01)
    assert results[2].auc < results[0].auc  # the same people in another sequence count as others


def test_evaluate_detector(shared: Path, tmp_path: Path) -> None:
    weights = shared / "weights/person-vehicle-bike-detection-2000/person-vehicle-bike-detection-2000.xml"
    data, video = shared / "data/mot15/TUD-Campus", shared / "data/videos/car-detection.mp4"
    words = ["evaluate", "detector", "--weights", str(weights), "--truth", str(data), "--every", "10"]
    words += ["--teacher-weights", str(weights), "--source", str(video), "--classes", "person,vehicle"]
    outputs = [tmp_path / name for name in ("a.json", "a.png", "a.yaml")]
    for option, path in zip(("--json", "--plot", "--calibration-out"), outputs, strict=True):
        words += [option, str(path)]
    shown = RUNNER.invoke(app, words, env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    assert "TUD-Campus" in shown.output
    held = json.loads(outputs[0].read_text())
    person = held["sets"]["TUD-Campus"]["classes"]["person"]
    assert person["AP50"] > 0.8
    assert held["sets"]["TUD-Campus"]["pictures"] == 8
    assert held["sets"]["car-detection"]["classes"]["vehicle"]["AP50"] == pytest.approx(1.0)  # its own teacher
    assert held["model"]["name"] == weights.stem
    assert outputs[1].read_bytes().startswith(b"\x89PNG")
    pairs = load_settings(outputs[2]).tracker.calibration  # type: ignore[union-attr]
    assert pairs is not None
    assert pairs[-1][1] > 0.8


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["detector"], "nothing to compare with"),
        (["detector", "--teacher-weights", "a.xml"], "belong together"),
        (["detector", "--truth", "x.json", "--weights", "absent.onnx"], "no weights file absent.onnx"),
        (["detector", "--truth", "x.json", "--set", "tracker.name=sort"], "only settings under detector"),
        (["detector", "--truth", "x.json", "--weights", "a.onnx", "--image-size", "big"], "write one side"),
        (["reid", "nowhere"], "there is no embedder"),
        (["reid", "nowhere", "--set", "embedder.backend=colour"], "nowhere has no pictures"),
        (["reid", "nowhere", "--set", "segmenter.every=2"], "only settings under embedder. change"),
        (
            ["reid", "nowhere", "--segmenter", "no.onnx", "--set", "store.chunk=9"],
            "under embedder. and segmenter. change",
        ),
        (["reid", "nowhere", "--set", "embedder.background=suppress"], "needs masks; give --segmenter FILE"),
    ],
)
def test_bad_words_are_refused(words: list[str], says: str, tmp_path: Path) -> None:
    done = call_main("evaluate", *words, folder=tmp_path)
    assert done.code == 2
    assert says in " ".join(done.err.split())


def test_evaluate_reid(shared: Path, tmp_path: Path) -> None:
    words = ["evaluate", "reid", str(shared / "data/mot15/TUD-Campus"), "--every", "10"]
    shown = RUNNER.invoke(app, [*words, "--set", "embedder.backend=colour", "--json", str(tmp_path / "a.json")])
    assert shown.exit_code == 0, shown.output
    held = json.loads((tmp_path / "a.json").read_text())
    assert 0.7 < held["sequences"]["TUD-Campus"]["auc"] < 1
    assert held["sequences"]["TUD-Campus"]["crops"] == 40


def test_evaluate_reid_without_what_is_behind_people(shared: Path, tmp_path: Path) -> None:
    """The same crops, once as they are and once with the background suppressed."""
    segmenter = shared / "weights/yolov8n_seg_int8/yolov8n-seg_int8.onnx"
    words = ["evaluate", "reid", str(shared / "data/mot15/TUD-Campus"), "--every", "10", "--segmenter", str(segmenter)]
    words += [
        "--set",
        "embedder.backend=colour",
        "--set",
        "segmenter.match_iou=0.4",
        "--json",
        str(tmp_path / "a.json"),
    ]
    shown = RUNNER.invoke(app, words, env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    assert [line.split()[:2] for line in shown.output.splitlines() if "TUD" in line] == [
        ["TUD-Campus", "kept"],
        ["TUD-Campus", "suppressed"],
    ]
    held = json.loads((tmp_path / "a.json").read_text())
    kept, without = held["sequences"]["TUD-Campus"], held["suppressed"]["sequences"]["TUD-Campus"]
    assert (held["suppressed"]["segmenter"]["name"], held["suppressed"]["model"]["name"]) == (
        "yolov8n-seg_int8",
        f"{held['model']['name']}-foreground",
    )
    assert kept["crops"] == without["crops"] == 40
    assert "masks" not in kept
    assert 25 <= without["masks"] <= 40
    assert 0.7 < without["auc"] < 1
    assert without["auc"] != kept["auc"]
