"""Crops by identity from folders: a folder an identity, or a MOTChallenge sequence with its pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from pipeline.errors import TrainingError
from pipeline.evaluation.benchmark import PEDESTRIAN
from pipeline.evaluation.sequences import Layout, SequenceBoxes, find_layout, read_truth
from pipeline.evaluation.sidecars import read_seqinfo
from pipeline.sources.excerpt import Footage, open_footage
from pipeline.sources.stills import SUFFIXES, list_pictures, read_picture
from pipeline.training.crop_augmentation import padded_size
from pipeline.training.crop_set import LEAST_HEIGHT, CropSet, cut_crop, joined, spread
from trackers.structures import BoolArray, FloatArray, Frame, ImageArray, IntArray

LEAST_VISIBILITY = 0.3  # of a box of ground truth, where it is told
_END = 1 << 62  # microseconds, after everything


def read_folder(folder: Path, size: tuple[int, int], *, most: int) -> CropSet:
    """Crops of one source of data. `size`: height, width of boxes. `most`: crops an identity, spread over time.

    A folder with `gt/gt.txt` is a sequence, a folder of such folders several; any other has a folder of pictures for
    each identity. Raises TrainingError, FormatError (ground truth), SourceError (video, picture), each naming the file.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder} is no folder; give one with a folder an identity, or a sequence with gt/gt.txt")
    if _is_sequence(folder):
        return read_sequence(folder, size, most=most)
    inside = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    if sequences := [entry for entry in inside if _is_sequence(entry)]:
        return joined([read_sequence(entry, size, most=most) for entry in sequences], size)
    return _read_identities(inside, folder, size, most=most)


def read_sequence(folder: Path, size: tuple[int, int], *, most: int) -> CropSet:
    """Crops of a MOTChallenge sequence: `gt/gt.txt` with `video.mp4` or `img1/`, and `seqinfo.ini` where it is there.

    Boxes count that the ground truth considers, of pedestrians where it has classes, of which 30 % can be seen where it
    tells, at least 20 pixels tall. Where the video is smaller than `seqinfo.ini` says, boxes shrink with it.
    """
    path = folder / "gt" / "gt.txt"
    truth = read_truth(path, layout=find_layout(path) or Layout.CLASS)
    truth = truth[_considered(truth)]
    rows = [spread(np.flatnonzero(truth.ids == one), most) for one in np.unique(truth.ids)]
    chosen = truth[np.sort(np.concatenate([np.zeros(0, np.int64), *rows]))]
    info = folder / "seqinfo.ini"
    told = read_seqinfo(info) if info.is_file() else None
    pictures, times, kept = [np.zeros((0, *padded_size(size), 3), np.uint8)], [], []
    shown: set[int] = set()
    for frame, among in _frames(_footage(folder, told.frame_rate if told else 25.0), chosen.frames):
        shown.add(frame.index + 1)
        scale = np.ones(2) if told is None else np.array([frame.width / told.width, frame.height / told.height])
        boxes = chosen.boxes[among] * np.tile(scale, 2)
        fit = np.flatnonzero(_inside(boxes, frame.width, frame.height))
        pictures.extend(cut_crop(frame.image, box, size)[None] for box in boxes[fit])
        times.extend([frame.time] * len(fit))
        kept.append(among[fit])
    rest = np.concatenate([np.zeros(0, np.int64), *kept])
    if lost := sorted(set(chosen.frames.tolist()) - shown):
        raise TrainingError(
            f"{folder}: {path} has boxes in {len(lost)} frames that are not among the pictures, the first is frame "
            f"{lost[0]}; put the missing pictures or the whole video there"
        )
    if len(chosen) and not len(rest):
        raise TrainingError(f"{folder}: no box of {path} lies in a picture of the sequence; do they belong together?")
    return CropSet(np.concatenate(pictures), chosen.ids[rest], np.zeros(len(rest), np.int64), np.array(times))


def _is_sequence(folder: Path) -> bool:
    return (folder / "gt" / "gt.txt").is_file()


def _considered(truth: SequenceBoxes) -> BoolArray:
    seen = (truth.visibility < 0) | (truth.visibility >= LEAST_VISIBILITY)
    person = (truth.classes < 0) | (truth.classes == PEDESTRIAN)
    return np.asarray((truth.scores != 0) & seen & person)


def _inside(boxes: FloatArray, width: int, height: int) -> BoolArray:
    """Boxes (n, 4) that are tall enough and of which at least half lies in the picture."""
    sides = boxes[:, 2:] - boxes[:, :2]
    clipped = np.clip(boxes, 0, [width, height, width, height])
    shown = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1)
    return np.asarray((sides[:, 1] >= LEAST_HEIGHT) & (sides[:, 0] > 0) & (shown >= sides.prod(axis=1) / 2))


def _footage(folder: Path, fps: float) -> Footage:
    if (video := folder / "video.mp4").is_file():
        return open_footage("file", video, start_at=0)
    if (pictures := folder / "img1").is_dir():
        return open_footage("images", pictures, start_at=0, fps=fps)
    raise TrainingError(f"{folder} has ground truth, but no pictures; put video.mp4 or img1/ beside gt/")


def _frames(footage: Footage, numbers: IntArray) -> Iterator[tuple[Frame, IntArray]]:
    """Frames that have boxes, and the rows of these. `numbers` (n,): frame of each, from 1, rising."""
    last = int(numbers[-1]) if len(numbers) else 0
    for frame in footage.between(0, _END):
        if frame.index >= last:
            return
        start, end = np.searchsorted(numbers, (frame.index + 1, frame.index + 2)).tolist()
        if end > start:
            yield frame, np.arange(start, end)


def _read_identities(folders: Iterable[Path], root: Path, size: tuple[int, int], *, most: int) -> CropSet:
    """A folder an identity. Pictures follow each other by name, a second apart, as nothing tells their time."""
    found: dict[int, list[ImageArray]] = defaultdict(list)
    for number, folder in enumerate(folders):
        if not any(path.suffix.lower() in SUFFIXES for path in folder.iterdir()):
            continue
        files = list_pictures(folder)
        for place in spread(np.arange(len(files)), most).tolist():
            image = read_picture(files[place])
            whole = np.array([0, 0, image.shape[1], image.shape[0]], np.float64)
            found[number].append(cut_crop(image, whole, size))
    if not found:
        raise TrainingError(
            f"{root} has neither folders of pictures ({', '.join(sorted(SUFFIXES))}), one an identity, nor gt/gt.txt"
        )
    counts = [len(pictures) for pictures in found.values()]
    return CropSet(
        pictures=np.stack([picture for pictures in found.values() for picture in pictures]),
        identities=np.repeat(np.array(list(found), np.int64), counts),
        sequences=np.zeros(sum(counts), np.int64),
        times=np.concatenate([np.arange(count, dtype=np.float64) for count in counts]),
    )
