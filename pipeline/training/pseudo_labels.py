"""Pseudo-labels: unlabelled recordings and pictures become a training set, labelled by a teacher.

Confidence filtering with temporal agreement: in a recording, what the tracker confirms is a label, however weak the box
of one frame; what it does not is painted over, however strong (agreement.py). Pictures without time go by scores alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import DamagedSourceError, SourceError
from pipeline.models.base import Detector
from pipeline.sources.base import Source
from pipeline.sources.fingerprint import fingerprint_files
from pipeline.sources.stills import Stills
from pipeline.training.agreement import Judged, by_score, by_tracks
from pipeline.training.class_map import ClassMap
from pipeline.training.harvest import Harvest
from pipeline.training.kept_labels import KeptSet, check_labels, read_labels
from pipeline.training.label_set import LabelSet
from pipeline.training.labelling_rules import Rules
from pipeline.training.painting import paint_over
from pipeline.training.picture_choice import PictureChoice
from pipeline.training.watching import OpenPictures, Told, Watched, watch
from trackers.geometry import clip_boxes, iou_matrix
from trackers.structures import BoolArray, Detections, Frame, ImageArray, MultiObjectTracker
from trackers.track_rows import Refiner

_SAME_LABEL = 0.95  # IoU from which two labels are one object that is labelled twice
_SAME_OBJECT = 0.5  # IoU from which a teacher's box is an object that a person has labelled
_SMALLEST = 3.0  # pixels of the written picture; smaller boxes teach nothing and are painted over

OpenSource = Callable[[int], Source]  # index of the first frame to give


class PseudoLabels:
    """Fills a LabelSet from sources, one after the other. A source that stands in its manifest is not done again."""

    def __init__(
        self,
        teacher: Detector,
        classes: ClassMap,
        rules: Rules,
        out: LabelSet,
        *,
        new_tracker: Callable[[], MultiObjectTracker],
        refiner: Refiner,
        batch: int = 1,
    ) -> None:
        """`teacher` must give boxes from `rules.doubt_score` on. `new_tracker`: one for each recording."""
        self._teacher = teacher
        self._classes = classes
        self._rules = rules
        self._out = out
        self._new_tracker = new_tracker
        self._refiner = refiner
        self._batch = batch

    def recording(self, open_source: OpenSource, told: Told) -> Harvest:
        """Pictures of a recording. Raises SourceError where it gives none, ModelError, OutputError."""
        with open_source(0) as source:
            fingerprint, name = source.fingerprint, source.name
        if (done := self._done(fingerprint)) is not None:
            return done
        watched = self._watched(open_source, fingerprint, told, stride=self._rules.stride)
        harvest = Harvest(name, damage=watched.damage)
        stem = _stem(Path(name).stem, fingerprint)
        with open_source(0) as source:
            try:
                self._choose(source, watched, stem, harvest)
            except DamagedSourceError as damage:
                harvest.damage = harvest.damage or str(damage)
        return self._finished(fingerprint, harvest)

    def stills(self, name: str, files: Sequence[Path], told: Told) -> Harvest:
        """Pictures that are no recording. One that cannot be read is left out. Raises SourceError where none can be."""
        fingerprint = _fingerprint(files)
        if (done := self._done(fingerprint)) is not None:
            return done
        harvest = Harvest(name)
        for frame, found in self._stills(files, fingerprint, harvest, told):
            file = files[frame.index]
            judged = by_score(found, min_score=self._rules.min_score)
            stem = f"{_stem(name, fingerprint)}-{_plain(file.stem)}-{frame.index:06d}"
            self._add(harvest, stem, self._split(file.name), frame.image, judged)
        return self._finished(fingerprint, harvest)

    def kept(self, name: str, labelled: KeptSet, add: Sequence[str], told: Told) -> Harvest:
        """Pictures that people have labelled: their labels, and the teacher's boxes of the student's classes `add`.

        A box of the teacher that overlaps a label of its class is that object. Raises FormatError for labels that are
        none, SourceError where no picture can be read.
        """
        files = [one.picture for one in labelled.pictures]
        fingerprint = _fingerprint([*files, *(one.labels for one in labelled.pictures)])
        if (done := self._done(fingerprint)) is not None:
            return done
        check_labels(labelled)  # before the teacher's work, not after it
        harvest = Harvest(name)
        wanted = [self._classes.names.index(one) for one in add]
        for frame, found in self._stills(files, fingerprint, harvest, told):
            one = labelled.pictures[frame.index]
            own = read_labels(one.labels, len(labelled.names), frame.width, frame.height)
            own = self._classes.translate(own, labelled.names, same=_SAME_LABEL)
            judged = by_score(_new_objects(found, own, wanted), min_score=self._rules.min_score)
            judged = replace(judged, labels=_together(own, judged.labels))
            stem = f"{_stem(name, fingerprint)}-{_plain(one.picture.stem)}-{frame.index:06d}"
            self._add(harvest, stem, one.split, frame.image, judged)
        return self._finished(fingerprint, harvest)

    def _choose(self, source: Source, watched: Watched, stem: str, harvest: Harvest) -> None:
        """Write the frames of a recording that are worth it."""
        rules, judged = self._rules, self._judge(watched)
        places = {index: place for place, index in enumerate(watched.frames)}
        seconds = watched.times[-1] - watched.times[0]
        first_val = watched.times[0] + (1 - rules.val_share) * seconds
        every = rules.every if rules.frames is None else max(rules.every, seconds / rules.frames)
        choice = PictureChoice(every=every, moved=rules.moved)
        for frame in source:
            place = places.get(frame.index)
            if place is not None and choice.due(frame.time) and choice.changed(frame.image):
                split = "val" if rules.val_share > 0 and frame.time > first_val else "train"
                if self._add(harvest, f"{stem}-{frame.index:07d}", split, frame.image, judged[place]):
                    choice.take(frame.image, frame.time)
                else:
                    choice.pass_over(frame.time)
            if frame.index >= watched.frames[-1] or (rules.frames is not None and harvest.pictures >= rules.frames):
                return

    def _stills(
        self, files: Sequence[Path], fingerprint: str, harvest: Harvest, told: Told
    ) -> Iterator[tuple[Frame, Detections]]:
        """Each picture that can be read, with what the teacher found in it."""
        watched = self._watched(lambda first: Stills(files, first=first), fingerprint, told, stride=1)
        found = dict(zip(watched.frames, watched.found, strict=True))
        with Stills(files) as source:
            yield from ((frame, found[frame.index]) for frame in source if frame.index in found)
            harvest.left_out += len(files) - len(found)
            harvest.damage = "; ".join(source.unreadable[:3])

    def _watched(self, open_pictures: OpenPictures, fingerprint: str, told: Told, *, stride: int) -> Watched:
        """What the teacher saw, in the student's classes."""
        watched = watch(
            open_pictures,
            self._teacher,
            folder=self._out.work(fingerprint),
            stride=stride,
            batch=self._batch,
            told=told,
        )
        watched.found = [self._translated(found) for found in watched.found]
        return watched

    def _judge(self, watched: Watched) -> list[Judged]:
        rules = self._rules
        if not rules.confirm:
            return [by_score(found, min_score=rules.min_score) for found in watched.found]
        return by_tracks(
            watched.found,
            watched.recording,
            tracker=self._new_tracker(),
            refiner=self._refiner,
            min_score=rules.min_score,
        )

    def _translated(self, found: Detections) -> Detections:
        """The teacher's boxes that may be objects, in the student's classes."""
        return self._classes.translate(found[found.scores >= self._rules.doubt_score], self._teacher.card.classes)

    def _add(self, harvest: Harvest, stem: str, split: str, image: ImageArray, judged: Judged) -> bool:
        """Write a picture, if it is one to learn from; True where it was."""
        rules = self._rules
        small, scale = _shrunk(image, rules.image_size)
        boxes = clip_boxes(judged.labels.boxes * scale, small.shape[1], small.shape[0])
        large: BoolArray = np.asarray(((boxes[:, 2:] - boxes[:, :2]) >= _SMALLEST).all(axis=1))
        labels = replace(judged.labels, boxes=boxes)[large]
        ignored = np.concatenate([judged.ignored * scale, boxes[~large]])
        if not len(labels) and harvest.empty + 1 > rules.empty_share * (harvest.pictures - harvest.empty):
            return False
        painted, share = paint_over(small, ignored, labels.boxes)
        if share > rules.most_painted:
            harvest.left_out += 1
            return False
        self._out.add(stem, split, painted, labels)
        harvest.pictures += 1
        harvest.boxes += len(labels)
        harvest.ignored += len(ignored)
        harvest.promoted += judged.promoted
        harvest.dropped += judged.dropped
        harvest.empty += not len(labels)
        return True

    def _split(self, name: str) -> str:
        """The same for the same name, whatever else there is."""
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
        return "val" if number < self._rules.val_share else "train"

    def _done(self, fingerprint: str) -> Harvest | None:
        entry = self._out.sources.get(fingerprint)
        return None if entry is None else Harvest(**entry)

    def _finished(self, fingerprint: str, harvest: Harvest) -> Harvest:
        self._out.finish_source(fingerprint, asdict(harvest))
        return harvest


def _fingerprint(files: Sequence[Path]) -> str:
    """Of those that are there; what is missing is told where it is read. Raises SourceError."""
    try:
        return fingerprint_files([file for file in files if file.exists()])
    except OSError as error:
        raise SourceError(f"{error.filename} can no longer be read: {error.strerror}") from error


def _stem(name: str, fingerprint: str) -> str:
    """What the files of a source begin with; two of one name do not get in each other's way."""
    return f"{_plain(name)}-{fingerprint.rpartition(':')[2][:8]}"


def _new_objects(found: Detections, own: Detections, wanted: Sequence[int]) -> Detections:
    """The teacher's boxes of the classes `wanted` that are none of the objects labelled already."""
    same = (iou_matrix(found.boxes, own.boxes) >= _SAME_OBJECT) & (found.labels[:, None] == own.labels[None, :])
    return found[np.isin(found.labels, wanted) & ~same.any(axis=1)]


def _together(one: Detections, other: Detections) -> Detections:
    return Detections(
        np.concatenate([one.boxes, other.boxes]),
        np.concatenate([one.scores, other.scores]),
        np.concatenate([one.labels, other.labels]),
    )


def _shrunk(image: ImageArray, longest: int) -> tuple[ImageArray, float]:
    """The picture with its longest side at most `longest`, and by what its boxes are to be multiplied."""
    height, width = image.shape[:2]
    scale = min(1.0, longest / max(height, width))
    if scale == 1.0:
        return image, 1.0
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA)), scale


def _plain(name: str) -> str:
    """A name with nothing in it that a list of files or a shell could misread."""
    return re.sub(r"[^A-Za-z0-9_.]+", "_", name)[:60] or "source"
