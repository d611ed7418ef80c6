"""Pictures that show a network what it will see: frames for a detector, crops for an embedder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import SourceError
from pipeline.sources.stills import Stills, list_pictures
from pipeline.trials.mot_sequence import OpenSource, read_mot_sequence
from trackers.structures import Frame, ImageArray


def calibration_frames(sources: Sequence[str], count: int, *, opened: OpenSource) -> list[ImageArray]:
    """At most `count` pictures, as many of each video or folder of pictures, spread over its length.

    `opened`: opens a video. Raises SourceError where one cannot be read or there is no picture.
    """
    share = -(-count // max(1, len(sources)))
    found = [frame.image for address in sources for frame in _spread(address, share, opened)]
    if not found:
        raise SourceError("there is no calibration picture; give --calibration a video or a folder of pictures")
    return found[:count]


def calibration_crops(sources: Sequence[str], count: int, *, opened: OpenSource) -> list[ImageArray]:
    """At most `count` crops: people of MOTChallenge folders, or the pictures of a folder as they are.

    Raises SourceError where there is none, or for a video: nobody says who is where in it.
    """
    share = -(-count // max(1, len(sources)))
    found: list[ImageArray] = []
    for address in sources:
        if (Path(address) / "gt").is_dir():
            found += _people(Path(address), share, opened)
        elif Path(address).is_dir():
            found += [frame.image for frame in _spread(address, share, opened)]
        else:
            raise SourceError(
                f"{address}: an embedder is calibrated with crops; give a MOTChallenge folder or a folder of crops"
            )
    if not found:
        raise SourceError("there is no crop to calibrate with; give --calibration a folder that holds some")
    return found[:count]


def _spread(address: str, share: int, opened: OpenSource) -> Iterator[Frame]:
    if Path(address).is_dir():
        files = list_pictures(Path(address))
        with Stills([files[row] for row in _rows(len(files), share)]) as stills:
            yield from stills
        return
    with opened(address) as source:
        step = max(1, (source.frame_count or share) // share)
        taken = 0
        for frame in source:
            if frame.index % step == 0:
                yield frame
                taken += 1
                if taken == share:
                    return


def _people(folder: Path, share: int, opened: OpenSource) -> list[ImageArray]:
    sequence = read_mot_sequence(folder, opened)
    people = sequence.people[~sequence.ignored]
    chosen = people[np.array(_rows(len(people), share), np.int64)]
    crops = []
    for frame in sequence.frames(opened, 1):
        for box in chosen.boxes[chosen.frames == frame.index + 1]:
            left, top = np.clip(box[:2].round().astype(int), 0, [frame.width - 1, frame.height - 1])
            right, bottom = np.maximum(box[2:].round().astype(int), [left + 1, top + 1])
            crops.append(np.ascontiguousarray(frame.image[top:bottom, left:right]))
    return crops


def _rows(count: int, share: int) -> list[int]:
    """At most `share` rows of so many, spread evenly, rising."""
    wanted = min(share, count)
    return [row * count // wanted for row in range(wanted)]
