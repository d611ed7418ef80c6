"""The clips of a benchmark of target trackers: a folder each, with a video or pictures and the truth of its targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline import build
from pipeline.config import SourceSettings
from pipeline.errors import FormatError
from pipeline.evaluation.sot import Truth
from pipeline.evaluation.sot_files import find_truths, read_truth
from trackers.structures import ImageArray

_VIDEOS = {".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg"}
_FOLDERS = ("img", "imgs", "color", "images", "frames")  # of pictures, as OTB, VOT and others call them


@dataclass(frozen=True, slots=True, eq=False)
class TargetClip:
    """One target of a clip, from the first picture that shows it on."""

    name: str
    source: Path  # a video, or a folder of pictures
    start: int  # of the source, the picture that belongs to the first row of `truth`
    truth: Truth


@dataclass(frozen=True, slots=True, eq=False)
class ClipPictures:
    """The pictures of a clip in a file that several processes can read."""

    path: Path  # numpy, (n, height, width, 3) blue green red
    pictures: Sequence[ImageArray]
    frame_rate: float  # frames a second; of a folder of pictures 25


def find_clips(folder: Path) -> list[TargetClip]:
    """The targets of a folder of clips. FormatError where there is none, or one lacks pictures or a good truth."""
    found = []
    for name, path in find_truths(folder).items():
        truth = read_truth(path)
        start = int(np.argmax(truth.present))
        found.append(TargetClip(name, _source(path.parent), start, Truth(truth.boxes[start:], truth.present[start:])))
    return found


@contextmanager
def clip_pictures(clip: TargetClip, path: Path) -> Iterator[ClipPictures]:
    """Its pictures in a file that goes afterwards. FormatError where there are not as many as rows of the truth."""
    with build.source(str(clip.source), SourceSettings(), first_frame=clip.start) as source:
        shape = (len(clip.truth), source.height, source.width, 3)
        try:
            stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
            count = 0
            for frame in source:
                if count < len(stored):
                    stored[count] = frame.image
                count += 1
            if count != len(clip.truth):
                raise FormatError(
                    f"{clip.source}: {count} pictures from number {clip.start} on, but the truth of {clip.name} has "
                    f"{len(clip.truth)} rows; both must be of the same video"
                )
            stored.flush()
            yield ClipPictures(path, list(stored), source.fps)  # views: no picture is read by that
        finally:
            path.unlink(missing_ok=True)


def _source(folder: Path) -> Path:
    """The video or the pictures of a clip."""
    videos = sorted(one for one in folder.iterdir() if one.suffix.lower() in _VIDEOS)
    if len(videos) > 1:
        raise FormatError(f"{folder}: {videos[0].name} and {videos[1].name}; a clip has one video")
    if videos:
        return videos[0]
    for name in _FOLDERS:
        if (folder / name).is_dir():
            return folder / name
    return folder
