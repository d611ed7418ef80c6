"""Where crops come from that nobody has named: recordings and pictures with a detector, labelled sets, folders."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import DamagedSourceError, SourceError, TrainingError
from pipeline.models.base import Detector
from pipeline.sources.base import Source
from pipeline.sources.fingerprint import fingerprint_files
from pipeline.sources.stills import Stills
from pipeline.training.crop_set import CropSet
from pipeline.training.crop_stock import Crops, Looked, cut_all
from pipeline.training.labelled import DetectionData
from pipeline.training.picture_choice import PictureChoice
from trackers.structures import Frame

_log = logging.getLogger(__name__)

_MOVED = 0.002  # share of a picture that must differ from the one before


@dataclass(frozen=True, slots=True)
class CropSource:
    """Crops to be made."""

    name: str
    digest: str  # changes with what the crops are made of
    crops: Callable[[], Crops]


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds the objects that become crops."""

    detector: Detector
    labels: Sequence[int]  # of the classes that count
    min_score: float

    @property
    def said(self) -> str:
        """Changes with what it finds."""
        card = self.detector.card
        classes = ",".join(card.classes[label] for label in self.labels)
        return f"{card.name} {card.sha256[:12]} {classes} from {self.min_score:g}"

    def looked(self, frames: Iterable[Frame]) -> Iterator[Looked]:
        """Each picture with the boxes found in it."""
        for frame in frames:
            (found,) = self.detector.detect([frame])
            wanted = found.usable & (found.scores >= self.min_score) & np.isin(found.labels, self.labels)
            yield frame.image, found.boxes[wanted]


def from_recording(
    name: str, open_source: Callable[[], Source], finder: Finder, *, size: tuple[int, int], every: float
) -> CropSource:
    """What a detector finds in pictures of a recording, `every` seconds apart at least and never two alike.

    Raises SourceError where it cannot be opened.
    """
    with open_source() as source:
        digest = source.fingerprint

    def frames() -> Iterator[Frame]:
        choice = PictureChoice(every=every, moved=_MOVED)
        with open_source() as source:
            try:
                for frame in source:
                    if choice.due(frame.time) and choice.changed(frame.image):
                        choice.take(frame.image, frame.time)
                        yield frame
            except DamagedSourceError as damage:
                _log.warning("%s; crops of what came before are used", damage)

    digest = f"{digest}, every {every:g} s, {finder.said}"
    return CropSource(name, digest, lambda: cut_all(finder.looked(frames()), size))


def from_stills(name: str, files: Sequence[Path], finder: Finder, *, size: tuple[int, int]) -> CropSource:
    """What a detector finds in pictures. Raises SourceError where one is gone."""
    try:
        digest = fingerprint_files(files)
    except OSError as error:
        raise SourceError(f"{error.filename} can no longer be read: {error.strerror}") from error
    return CropSource(name, f"{digest}, {finder.said}", lambda: cut_all(finder.looked(Stills(files)), size))


def from_labels(name: str, data: DetectionData, classes: Sequence[str], *, size: tuple[int, int]) -> CropSource:
    """The boxes of some classes of a labelled set. Raises TrainingError for a class that it does not have."""
    if unknown := [one for one in classes if one not in data.names]:
        raise TrainingError(f"{name} has no class {', '.join(unknown)}; it has {', '.join(data.names)}")
    wanted = [data.names.index(one) for one in classes]
    once = dict.fromkeys((*data.train, *data.val))  # whatever an epoch of a detector shows several times
    pictures = [one for one in once if np.isin(one.labels, wanted).any()]

    def looked() -> Iterator[Looked]:
        for frame in Stills([one.path for one in pictures]):
            own = pictures[frame.index]
            boxes = own.boxes[np.isin(own.labels, wanted)].astype(np.float64)
            low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
            yield frame.image, np.concatenate([low, high], axis=1) * ([frame.width, frame.height] * 2)

    return CropSource(name, f"{data.digest} {','.join(classes)}", lambda: cut_all(looked(), size))


def from_crops(name: str, crops: CropSet) -> CropSource:
    """Crops that are made already; their identities are not looked at."""
    return CropSource(name, crops.digest, lambda: iter(crops.pictures))
