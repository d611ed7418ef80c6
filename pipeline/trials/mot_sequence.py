"""A MOTChallenge sequence with its pictures: who is where in every frame, in the pictures' own pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.errors import FormatError
from pipeline.evaluation.benchmark import Benchmark
from pipeline.evaluation.sequences import Layout, SequenceBoxes, find_layout, read_truth
from pipeline.evaluation.sidecars import read_seqinfo
from pipeline.sources.base import Source
from trackers.structures import BoolArray, Frame

OpenSource = Callable[[str], Source]  # of the pictures' address
_PERSON = 1  # class of MOT16 and later
_VIDEOS = ("video.mp4", "video.avi", "video.mkv")
_AT_VIDEO_SCALE = "gt_at_video_scale.txt"


@dataclass(frozen=True, slots=True, eq=False)
class MotSequence:
    """People of a sequence."""

    name: str
    address: str  # of its pictures: a video, or a folder of them
    frame_rate: float  # frames a second
    people: SequenceBoxes  # boxes in the pictures' pixels; frames count from 1
    ignored: BoolArray  # (n,) marked as not to count, or something that looks like a person

    def frames(self, opened: OpenSource, every: int) -> Iterator[Frame]:
        """Every n-th frame, the first one first."""
        with opened(self.address) as source:
            for frame in source:
                if frame.index % every == 0:
                    yield frame


def read_mot_sequence(folder: Path, opened: OpenSource) -> MotSequence:
    """Read `seqinfo.ini`, `gt/` and the pictures' size; `opened`: opens the pictures.

    The pictures are `video.mp4` or the folder `img1`. Where they are smaller or larger than `seqinfo.ini` says, the
    boxes are scaled, or `gt/gt_at_video_scale.txt` is taken where it is there. Raises FormatError, SourceError.
    """
    address = _address(folder)
    info = read_seqinfo(folder / "seqinfo.ini")
    scaled = folder / "gt" / _AT_VIDEO_SCALE
    file = scaled if scaled.is_file() else folder / "gt" / "gt.txt"
    layout = find_layout(file) or Layout.WORLD
    truth = read_truth(file, layout=layout)
    ignored = truth.scores == 0
    if layout is Layout.CLASS:
        alike = np.isin(truth.classes, Benchmark.MOT17.distractors)
        people = (truth.classes == _PERSON) | alike
        truth, ignored = truth[people], (ignored | alike)[people]
    if file != scaled:
        with opened(address) as source:
            factor = np.array([source.width / info.width, source.height / info.height] * 2)
        truth = replace(truth, boxes=truth.boxes * factor)
    return MotSequence(folder.name, address, info.frame_rate, truth, ignored)


def _address(folder: Path) -> str:
    for name in (*_VIDEOS, "img1"):
        if (folder / name).exists():
            return str(folder / name)
    raise FormatError(f"{folder} has no pictures; a sequence needs video.mp4 or a folder img1")
