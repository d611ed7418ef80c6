"""What detection networks put out, read into boxes. Which form it is shows in the outputs' names and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any

import cv2
import numpy as np

from pipeline.errors import ModelError
from pipeline.models.inputs import PLAIN, UNIT_RGB, YOLOX, Placement, Recipe
from pipeline.models.prototypes import masks_of
from trackers.geometry import to_xywh
from trackers.structures import Detections, FloatArray, IntArray

STRIDES = (8, 16, 32)  # input pixels a cell of each grid of YOLOX and YOLOv8
_LABELS = 1 << 24  # up to here float32 holds every integer
_NMS_ROWS = 3000  # rows of highest score that enter suppression: enough for every crowd, and bounds its time


class Form(StrEnum):
    """Forms of output; the values are what the setting `detector.decoder` takes."""

    BOXES_LABELS = "boxes-labels"  # boxes (n, 5) x1 y1 x2 y2 score in input pixels, labels (n,); one picture
    DETECTION_OUTPUT = "detection-output"  # (1, 1, n, 7) picture label score x1 y1 x2 y2, 0..1; -1 ends the list
    YOLOX = "yolox"  # (b, cells, 5 + classes) centre and log size in cells, objectness, class scores
    YOLOV8 = "yolov8"  # (b, 4 + classes [+ mask coefficients], cells) centre and size in input pixels, class scores
    # (b, n, 6 [+ mask coefficients]) x1 y1 x2 y2 in input pixels, score, label; nothing left to suppress
    END_TO_END = "end-to-end"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One output of a network."""

    name: str
    shape: tuple[int | None, ...]  # None: known only when it runs


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known of a network besides its outputs."""

    class_count: int | None = None  # as the settings or the file tell
    final: bool = False  # the file says that its boxes are final: nothing left to suppress


@dataclass(frozen=True, slots=True)
class Limits:
    """Which boxes a detector keeps."""

    min_score: float = 0.05  # 0..1, inclusive
    nms_iou: float = 0.65  # overlap above which the weaker box of a class goes; networks that suppress are left alone
    max_detections: int = 300  # a picture, by falling score


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes of one picture before suppression, in input pixels."""

    boxes: FloatArray  # (n, 4) x1 y1 x2 y2
    scores: FloatArray  # (n,)
    labels: IntArray  # (n,)
    coefficients: FloatArray | None = None  # (n, k) of the k prototypes, where the network gives masks


@dataclass(frozen=True, slots=True)
class Decoder:
    """Reads the outputs of one network."""

    form: Form
    size: tuple[int, int]  # height, width of the input, pixels
    class_count: int | None  # None where the outputs do not tell
    order: tuple[int, ...]  # positions of the outputs that `form` names
    prototypes: int | None = None  # position of the output (b, k, h, w) that masks are made of

    @property
    def recipe(self) -> Recipe:
        """The input that networks with such outputs were trained on."""
        match self.form:
            case Form.BOXES_LABELS | Form.DETECTION_OUTPUT:
                return PLAIN
            case Form.YOLOX:
                return YOLOX
            case Form.YOLOV8 | Form.END_TO_END:
                return UNIT_RGB

    @property
    def batches(self) -> bool:
        """Whether the outputs keep the pictures of a batch apart."""
        return self.form in (Form.YOLOX, Form.YOLOV8, Form.END_TO_END)

    def reads(self, outputs: Sequence[TensorSpec], size: tuple[int, int]) -> bool:
        """Whether outputs (as `choose` takes them) for an input of `size` (height, width) are of the same form."""
        if self.form is Form.END_TO_END:
            return len(outputs) > max(self.order)
        return _fits(self.form, outputs, size)

    @property
    def suppresses(self) -> bool:
        """Whether the network leaves overlapping boxes in, so that they must be suppressed here."""
        return self.form in (Form.YOLOX, Form.YOLOV8)

    def candidates(self, outputs: Sequence[FloatArray], row: int, min_score: float) -> Candidates:
        """Boxes of picture `row` of the batch with at least `min_score`. Raises ModelError on a number that is NaN."""
        used = [outputs[position] for position in self.order]
        match self.form:
            case Form.BOXES_LABELS:
                found = read_boxes_labels(used[0], used[1], min_score)
            case Form.DETECTION_OUTPUT:
                found = read_detection_output(used[0], self.size, min_score)
            case Form.YOLOX:
                found = read_yolox(used[0][row], self.size, min_score)
            case Form.YOLOV8:
                classes = used[0].shape[1] - 4 if self.class_count is None else self.class_count
                found = read_yolov8(used[0][row], classes, min_score)
            case Form.END_TO_END:
                found = read_end_to_end(used[0][row], min_score)
        if np.isnan(found.boxes).any():
            raise ModelError("the network gave boxes that are not numbers (NaN)")
        return found

    def detections(self, outputs: Sequence[FloatArray], row: int, place: Placement, limits: Limits) -> Detections:
        """Picture `row` in its own pixels: clipped, suppressed, by falling score, at most `max_detections`.

        With masks, where the network gives prototypes for them.
        """
        found = self.candidates(outputs, row, limits.min_score)
        kept, rows = _chosen(found, place, limits, suppress=self.suppresses)
        if self.prototypes is None or found.coefficients is None:
            return kept
        prototypes = outputs[self.prototypes][row]
        return replace(kept, masks=masks_of(prototypes, found.coefficients[rows], kept.boxes, place, self.size))


def finish(found: Candidates, place: Placement, limits: Limits, *, suppress: bool) -> Detections:
    """Candidates as detections in the picture's pixels. Boxes without area inside the picture are left out."""
    return _chosen(found, place, limits, suppress=suppress)[0]


def _chosen(found: Candidates, place: Placement, limits: Limits, *, suppress: bool) -> tuple[Detections, IntArray]:
    """The detections of `finish`, and which candidates they were (n,)."""
    best = np.argsort(-found.scores, kind="stable")[:_NMS_ROWS]
    boxes = place.to_picture(found.boxes[best])
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    best, boxes = best[inside], boxes[inside]
    scores = np.clip(found.scores[best], 0, 1).astype(np.float32)
    labels = found.labels[best].astype(np.int64)
    if suppress and len(best):
        kept = _suppress(boxes, scores, labels, limits.nms_iou)
        best, boxes, scores, labels = best[kept], boxes[kept], scores[kept], labels[kept]
    top = slice(limits.max_detections)
    return Detections(boxes[top], scores[top], labels[top]), best[top]


def _suppress(boxes: FloatArray, scores: FloatArray, labels: IntArray, iou: float) -> IntArray:
    """Rows that stay, by falling score: greedy within each class. OpenCV's loop needs no n x n matrix."""
    left_top_sides: Any = to_xywh(boxes).astype(np.float64)  # Any: OpenCV's stubs ask for lists, it takes arrays
    strengths: Any = scores
    classes: Any = labels.astype(np.int32)
    kept = cv2.dnn.NMSBoxesBatched(left_top_sides, strengths, classes, 0.0, iou)
    return np.array(kept, np.int64).reshape(-1)


def read_boxes_labels(boxes: FloatArray, labels: IntArray | FloatArray, min_score: float) -> Candidates:
    """(n, 5) x1 y1 x2 y2 score and (n,) labels; a leading axis of 1 is allowed."""
    boxes, labels = boxes.reshape(-1, 5), labels.reshape(-1)
    strong = _strong(boxes[:, 4], min_score)
    return Candidates(boxes[strong, :4], boxes[strong, 4], _whole(labels[strong]))


def read_detection_output(table: FloatArray, size: tuple[int, int], min_score: float) -> Candidates:
    """(1, 1, n, 7) of one picture; a picture number of -1 ends the list. `size`: height, width of the input."""
    rows = table.reshape(-1, 7)
    ends = np.flatnonzero(rows[:, 0] < 0)
    rows = rows[: ends[0]] if len(ends) else rows
    rows = rows[_strong(rows[:, 2], min_score)]
    pixels = np.array([size[1], size[0], size[1], size[0]], rows.dtype)
    return Candidates(rows[:, 3:7] * pixels, rows[:, 2], _whole(rows[:, 1]))


def read_yolox(table: FloatArray, size: tuple[int, int], min_score: float) -> Candidates:
    """(cells, 5 + classes), not yet decoded: score = objectness x best class (Ge et al. 2021; head as exported)."""
    objectness, classes = table[:, 4], table[:, 5:]
    rows = _strong(objectness, min_score)  # a class score is at most 1, so the product cannot be stronger
    labels = classes[rows].argmax(axis=1)
    scores = objectness[rows] * classes[rows, labels]
    again = _strong(scores, min_score)
    rows, scores, labels = rows[again], scores[again], labels[again]
    corners, strides = grid_cells(size)
    centres = (table[rows, :2] + corners[rows]) * strides[rows, None]
    with np.errstate(over="ignore"):  # an absurdly large box becomes infinite and is clipped to the picture
        halves = np.exp(table[rows, 2:4]) * strides[rows, None] / 2
    return Candidates(np.concatenate([centres - halves, centres + halves], axis=1), scores, labels)


def read_yolov8(table: FloatArray, class_count: int, min_score: float) -> Candidates:
    """(4 + classes + mask coefficients, cells): centre x y, width, height in input pixels, then class scores."""
    classes = table[4 : 4 + class_count]
    peaks = classes.max(axis=0)
    columns = _strong(peaks, min_score)
    x, y, width, height = table[:4, columns]
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    coefficients = table[4 + class_count :, columns].T
    return Candidates(boxes, peaks[columns], classes[:, columns].argmax(axis=0), coefficients)


def read_end_to_end(table: FloatArray, min_score: float) -> Candidates:
    """(n, 6 + mask coefficients) x1 y1 x2 y2 score label in input pixels."""
    rows = table[_strong(table[:, 4], min_score)]
    return Candidates(rows[:, :4], rows[:, 4], _whole(rows[:, 5]), rows[:, 6:])


def _strong(scores: FloatArray, min_score: float) -> IntArray:
    """Rows with at least `min_score`. Raises ModelError on NaN: a network that computes NaN cannot be believed."""
    if np.isnan(scores).any():
        raise ModelError("the network gave scores that are not numbers (NaN)")
    return np.flatnonzero(scores >= min_score)


def _whole(labels: IntArray | FloatArray) -> IntArray:
    """Labels as integers. Raises ModelError where one is negative or no number: no class has it."""
    if not (np.isfinite(labels) & (labels >= 0) & (labels < _LABELS)).all():
        raise ModelError("the network gave labels that are no class numbers (negative, NaN or infinite)")
    return labels.astype(np.int64)


@cache
def grid_cells(size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Column and row (cells, 2) and stride (cells,) of every cell of the three grids, in the order of the output."""
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full(rows.size, stride))
    cells = np.concatenate(corners).astype(np.float32), np.concatenate(strides).astype(np.float32)
    for array in cells:
        array.setflags(write=False)  # shared by every caller
    return cells


def choose(
    outputs: Sequence[TensorSpec],
    size: tuple[int, int],
    *,
    form: Form | str | None = None,
    hints: Hints | None = None,
    name: str = "the network",
) -> Decoder:
    """The decoder for a network with these outputs and an input of `size` (height, width).

    `form`: taken instead of what the outputs suggest. `hints`: what else is known, for outputs that may be of several
    forms. `name`: of the file, for errors. ModelError where none fits.
    """
    if form is not None:
        return _decoder(_parse(form), outputs, size)
    if len(outputs) == 1 and len(outputs[0].shape) == 2:
        raise ModelError(
            f"{name}: its only output {outputs[0].name!r} {_written(outputs[0].shape)} is a feature vector: "
            "an embedder, not a detector; set it as embedder.weights"
        )
    if _six_wide(outputs):
        return _decoder(_six(outputs[0], size, Hints() if hints is None else hints, name), outputs, size)
    for candidate in Form:
        if _fits(candidate, outputs, size):
            return _decoder(candidate, outputs, size)
    listed = ", ".join(f"{spec.name} {_written(spec.shape)}" for spec in outputs)
    raise ModelError(
        f"{name}: its outputs ({listed}) are of no known form; known: {', '.join(Form)}. "
        "If it is one of these, set detector.decoder"
    )


def _six_wide(outputs: Sequence[TensorSpec]) -> bool:
    if not outputs or len(outputs[0].shape) != 3:
        return False
    position = _prototypes(outputs)
    coefficients = 0 if position is None else outputs[position].shape[1] or 0
    return len(outputs) == 1 + (position is not None) and outputs[0].shape[2] == 6 + coefficients


def _prototypes(outputs: Sequence[TensorSpec]) -> int | None:
    """Position of a -seg model's prototypes (b, k, h, w): the one output of four axes behind the first, if any."""
    found = [position for position, spec in enumerate(outputs) if position and len(spec.shape) == 4]
    return found[0] if len(found) == 1 else None


def _six(output: TensorSpec, size: tuple[int, int], hints: Hints, name: str) -> Form:
    """Rows of 6 numbers: final boxes with score and label, YOLOX's 5 + 1 class, or RT-DETR's 4 + 2 classes.

    YOLOX has a row a cell. Final boxes must be supported: by the file's metadata, or by a number of classes with which
    the other two would have another width. Raises ModelError where they are not.
    """
    rows = output.shape[1]
    if rows == _cells(size) and not hints.final:
        return Form.YOLOX
    others = {2} if rows is not None else {1, 2}  # numbers of classes with which it may be RT-DETR or YOLOX
    if hints.final or (hints.class_count is not None and hints.class_count not in others):
        return Form.END_TO_END
    told = "an unknown number of" if hints.class_count is None else str(hints.class_count)
    raise ModelError(
        f"{name}: its output {output.name!r} {_written(output.shape)} with {told} classes may be {Form.END_TO_END} "
        "(x1 y1 x2 y2 score label) or raw scores; if it is the former, set detector.decoder to "
        f"{Form.END_TO_END}, or export it again with its metadata"
    )


def _parse(form: Form | str) -> Form:
    try:
        return Form(form)
    except ValueError as error:
        raise ModelError(f"detector.decoder {form!r} is unknown; use one of {', '.join(Form)}") from error


def _fits(form: Form, outputs: Sequence[TensorSpec], size: tuple[int, int]) -> bool:
    names = {spec.name for spec in outputs}
    shape = outputs[0].shape if outputs else ()
    cells = _cells(size)
    match form:
        case Form.BOXES_LABELS:
            return {"boxes", "labels"} <= names and outputs[_position(outputs, "boxes")].shape[-1] == 5
        case Form.DETECTION_OUTPUT:
            return len(outputs) == 1 and len(shape) == 4 and shape[:2] == (1, 1) and shape[3] == 7
        case Form.YOLOX:
            return len(shape) == 3 and shape[1] in (cells, None) and shape[2] is not None and shape[2] > 5
        case Form.YOLOV8:
            return len(shape) == 3 and shape[2] in (cells, None) and shape[1] is not None and shape[1] > 4
        case Form.END_TO_END:
            return False  # see _six: a shape alone does not show it


def _cells(size: tuple[int, int]) -> int:
    return sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)


def _decoder(form: Form, outputs: Sequence[TensorSpec], size: tuple[int, int]) -> Decoder:
    shape, count, prototypes = outputs[0].shape, None, _prototypes(outputs)
    match form:
        case Form.BOXES_LABELS:
            order = _position(outputs, "boxes"), _position(outputs, "labels")
            return Decoder(form, size, None, order)
        case Form.YOLOX if len(shape) == 3 and shape[2] is not None:
            count = shape[2] - 5
        case Form.YOLOV8 if len(shape) == 3 and shape[1] is not None:
            count = shape[1] - 4 - (0 if prototypes is None else outputs[prototypes].shape[1] or 0)
    if count is not None and count < 1:
        raise ModelError(f"output {outputs[0].name!r} {_written(shape)} leaves no class for decoder {form}")
    masked = form in (Form.YOLOV8, Form.END_TO_END)
    return Decoder(form, size, count, (0,), prototypes if masked else None)


def _position(outputs: Sequence[TensorSpec], name: str) -> int:
    for position, spec in enumerate(outputs):
        if spec.name == name:
            return position
    raise ModelError(f"the network has no output {name!r}, which decoder {Form.BOXES_LABELS} needs")


def _written(shape: Sequence[int | None]) -> str:
    return "x".join("?" if side is None else str(side) for side in shape)
