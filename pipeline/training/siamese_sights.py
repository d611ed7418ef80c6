"""Sights: objects in pictures and along videos, from which pairs for a Siamese network are drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pipeline.errors import SourceError, TrainingError
from pipeline.evaluation.sequences import Layout, SequenceBoxes, find_layout, read_truth
from pipeline.evaluation.sidecars import read_seqinfo
from pipeline.sources.excerpt import Footage, open_footage
from pipeline.training.labelled import LabelledPicture
from pipeline.training.siamese_crops import Sight
from trackers.structures import FloatArray, ImageArray, IntArray

_LEAST = 10.0  # pixels: the shorter side of an object that something can be learned from
_LARGEST = 0.9  # of a picture's sides
_VISIBLE = 0.3  # share of an object that can be seen, where the ground truth tells
_PART = 48.0  # pixels: an object of this shorter side has parts that can be followed
_QUALITY = 95  # of a video's pictures, which are kept in memory as JPEG
_END = 1 << 62  # microseconds, after everything


class Sights(Protocol):
    """Where pairs come from."""

    @property
    def objects(self) -> int:
        """How many there are."""

    def draw(self, random: np.random.Generator) -> tuple[Sight, Sight]:
        """Two sights of one object, and what else their pictures show."""


class Stills:
    """Objects of labelled pictures: each is seen once, so both sights are the same."""

    def __init__(self, pictures: Sequence[LabelledPicture], *, parts: float = 0.15) -> None:
        """`parts`: how often a part of a large object is taken for the object. Raises TrainingError without objects."""
        found = [(one.path, _large_enough(_in_pixels(one), one.width, one.height)) for one in pictures]
        self._found = [(path, boxes) for path, boxes in found if len(boxes)]
        self._parts = parts
        self.pictures = len(self._found)
        self.objects = sum(len(boxes) for _, boxes in self._found)
        if not self._found:
            raise TrainingError(f"none of {len(pictures)} pictures has an object of {_LEAST:g} x {_LEAST:g} pixels")

    def draw(self, random: np.random.Generator) -> tuple[Sight, Sight]:
        """A picture, then one of its objects."""
        path, boxes = self._found[int(random.integers(len(self._found)))]
        row = int(random.integers(len(boxes)))
        box = boxes[row]
        if random.random() < self._parts and (box[2:] - box[:2]).min() >= _PART:
            sides = (box[2:] - box[:2]) * random.uniform(0.35, 0.8, 2)
            low = box[:2] + random.uniform(0, 1, 2) * (box[2:] - box[:2] - sides)
            box = np.concatenate([low, low + sides])
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise SourceError(f"{path} can no longer be read; it was there when the training began")
        owners = {f"{path}#{number}": one for number, one in enumerate(boxes)}
        sight = Sight(np.asarray(image), box, f"{path}#{row}", owners)
        return sight, sight


class Walk:
    """Objects along one video with ground truth, as MOTChallenge stores them."""

    def __init__(self, folder: Path, *, gap: int) -> None:
        """`folder`: with `gt/gt.txt` and `video.mp4` or `img1/`. `gap`: pictures between two sights at most.

        Boxes shrink with the pictures where `seqinfo.ini` tells that they did. Raises TrainingError, FormatError
        (ground truth), SourceError (video), each naming the file.
        """
        path = folder / "gt" / "gt.txt"
        truth = read_truth(path, layout=find_layout(path) or Layout.CLASS)
        truth = truth[(truth.scores != 0) & ((truth.visibility < 0) | (truth.visibility >= _VISIBLE))]
        self._gap = gap
        self._pictures, boxes = _shown(folder, truth)
        self._tracks = _tracks(boxes)
        self._objects: dict[int, dict[str, FloatArray]] = {}  # boxes by frame and owner
        for owner, (frames, places) in enumerate(self._tracks):
            for frame, place in zip(frames.tolist(), places, strict=True):
                self._objects.setdefault(frame, {})[f"{folder}#{owner}"] = place
        self._folder = folder
        self.objects = len(self._tracks)
        self.digest = hashlib.sha256(path.read_bytes() + b"".join(self._pictures.values())).hexdigest()
        if not self._tracks:
            raise TrainingError(f"{folder}: no object of {path} is seen in two pictures, {_LEAST:g} pixels large")

    def draw(self, random: np.random.Generator) -> tuple[Sight, Sight]:
        """An object, then two of its pictures, any first."""
        track = int(random.integers(len(self._tracks)))
        frames, boxes = self._tracks[track]
        first = int(random.integers(len(frames)))
        near = np.flatnonzero(np.abs(frames - frames[first]) <= self._gap)
        second = int(random.choice(near))
        owner = f"{self._folder}#{track}"
        one, other = (self._sight(int(frames[row]), boxes[row], owner) for row in (first, second))
        return one, other

    def _sight(self, frame: int, box: FloatArray, owner: str) -> Sight:
        image = cv2.imdecode(np.frombuffer(self._pictures[frame], np.uint8), cv2.IMREAD_COLOR)
        return Sight(np.asarray(image), box, owner, self._objects[frame])


@dataclass(frozen=True, slots=True)
class Mixture:
    """Sights from several places, each as often as its weight says."""

    places: tuple[Sights, ...]
    weights: tuple[float, ...]

    @property
    def objects(self) -> int:
        """In all places together."""
        return sum(place.objects for place in self.places)

    def draw(self, random: np.random.Generator) -> tuple[Sight, Sight]:
        """A place, then a pair of it."""
        shares = np.array(self.weights) / sum(self.weights)
        return self.places[int(random.choice(len(self.places), p=shares))].draw(random)


def mixed(stills: Sequence[Stills], walks: Sequence[Walk], *, share: float) -> Mixture:
    """Sets of pictures, each as often as it has pictures, and videos, all as often, which are `share` of all.

    Where there is only one of the two kinds, it is all.
    """
    still, walking = (1 - share, share) if stills and walks else (1.0, 1.0)
    pictures = sum(one.pictures for one in stills)
    weights = [still * one.pictures / pictures for one in stills] + [walking / len(walks) for _ in walks]
    return Mixture((*stills, *walks), tuple(weights))


def sequences_in(folder: Path) -> list[Path]:
    """The folder, or the sequences in it. Raises TrainingError where it is none and has none."""
    if not folder.is_dir():
        raise TrainingError(
            f"{folder} is no folder; give a sequence with gt/gt.txt, or a DATA.yaml of labelled pictures"
        )
    if (folder / "gt" / "gt.txt").is_file():
        return [folder]
    found = sorted(entry for entry in folder.iterdir() if (entry / "gt" / "gt.txt").is_file())
    if not found:
        raise TrainingError(f"{folder} is no sequence, and there is none in it: gt/gt.txt is missing")
    return found


def _in_pixels(picture: LabelledPicture) -> FloatArray:
    """Boxes (n, 4) x1 y1 x2 y2."""
    boxes = picture.boxes.astype(np.float64)
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    return np.asarray(corners * [picture.width, picture.height, picture.width, picture.height])


def _large_enough(boxes: FloatArray, width: int, height: int) -> FloatArray:
    """Those of the boxes (n, 4) that a network can learn from: neither tiny nor the whole picture."""
    sides = boxes[:, 2:] - boxes[:, :2]
    fits = (sides >= _LEAST).all(axis=1) & ~(sides > np.array([width, height]) * _LARGEST).all(axis=1)
    return boxes[fits]


def _shown(folder: Path, truth: SequenceBoxes) -> tuple[dict[int, bytes], SequenceBoxes]:
    """Pictures that have boxes as JPEG, by frame from 1, and the boxes (in their pixels) that lie in them."""
    info = folder / "seqinfo.ini"
    told = read_seqinfo(info) if info.is_file() else None
    wanted = set(truth.frames.tolist())
    pictures: dict[int, bytes] = {}
    kept = []
    for frame in _footage(folder, told.frame_rate if told else 25.0).between(0, _END):
        number = frame.index + 1
        if number not in wanted:
            continue
        scale = (1.0, 1.0) if told is None else (frame.width / told.width, frame.height / told.height)
        among = truth[truth.frames == number]
        boxes = np.clip(among.boxes * (scale * 2), 0, [frame.width, frame.height] * 2)
        among = replace(among, boxes=boxes)
        rows = [row for row, box in enumerate(boxes) if len(_large_enough(box[None], frame.width, frame.height))]
        if rows:
            kept.append(among[np.array(rows)])
            pictures[number] = _packed(frame.image)
    return pictures, _all(kept)


def _all(parts: Sequence[SequenceBoxes]) -> SequenceBoxes:
    """The rows of all parts."""
    names = [field.name for field in fields(SequenceBoxes)]
    return SequenceBoxes(
        *(np.concatenate([getattr(one, name) for one in (SequenceBoxes.empty(), *parts)]) for name in names)
    )


def _tracks(boxes: SequenceBoxes) -> list[tuple[IntArray, FloatArray]]:
    """Frames (n,) and boxes (n, 4) of every object that is seen twice at least."""
    owned = (boxes[boxes.ids == one] for one in np.unique(boxes.ids))
    return [(one.frames, one.boxes) for one in owned if len(one) > 1]


def _footage(folder: Path, fps: float) -> Footage:
    if (video := folder / "video.mp4").is_file():
        return open_footage("file", video, start_at=0)
    if (pictures := folder / "img1").is_dir():
        return open_footage("images", pictures, start_at=0, fps=fps)
    raise TrainingError(f"{folder} has ground truth, but no pictures; put video.mp4 or img1/ beside gt/")


def _packed(image: ImageArray) -> bytes:
    done, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done
    return packed.tobytes()
