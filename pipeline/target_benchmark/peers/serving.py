"""What a process does that runs target trackers when it is told to; commands beside those of loop.py:

{"do": "follow", "entry": name, "pictures": file, "box": [x1, y1, x2, y2], "out": file}
    -> {"seconds": [of each picture]}; columns `boxes` (n, 4) and `scores` (n,) in `out`; the first row is the given box
{"do": "many", "entry": name, "pictures": file, "boxes": [[...], ...], "count": pictures}
    -> {"seconds": [of each picture after the first]}, all boxes followed at once

`pictures` is a numpy file (n, height, width, 3). Seconds are the processor's, of this process with one thread, without
reading the picture: on a busy machine they are not lengthened by what others do.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from pipeline.peer_process.loop import converse, own_stdout

from .opencv import find_opencv
from .shapes import TargetAdapter, TargetEntry, TargetMaker


def follow(adapter: TargetAdapter, pictures: Any, boxes: Any) -> tuple[Any, Any, list[float]]:
    """Boxes (n, k, 4) and scores (n, k) in all pictures, and the seconds each took."""
    found, scores, seconds = [np.array(boxes, float)], [np.ones(len(boxes))], []
    gc.collect()
    for number, picture in enumerate(pictures):
        picture = np.array(picture)
        started = time.process_time()
        if number == 0:
            adapter.add(picture, np.array(boxes, float))
        else:
            places, sure = adapter.update(picture)
        seconds.append(time.process_time() - started)
        if number:
            found.append(np.array(places, float))
            scores.append(np.array(sure, float))
    return np.stack(found), np.stack(scores), seconds


def answer(command: Mapping[str, Any], makers: Mapping[str, TargetMaker]) -> dict[str, Any]:
    """Do what a command says."""
    adapter = makers[command["entry"]]()
    pictures = np.load(command["pictures"], mmap_mode="r", allow_pickle=False)
    if command["do"] == "many":
        _, _, seconds = follow(adapter, pictures[: command["count"]], command["boxes"])
        return {"seconds": seconds[1:]}
    boxes, scores, seconds = follow(adapter, pictures, [command["box"]])
    with open(command["out"], "wb") as file:  # noqa: PTH123
        np.savez(file, boxes=boxes[:, 0], scores=scores[:, 0])
    return {"seconds": seconds}


def serve(
    found: Mapping[TargetEntry, TargetMaker],
    missing: Sequence[Mapping[str, str]],
    commands: TextIO,
    answers: TextIO,
) -> None:
    """Say what is here, then answer commands until there are no more."""
    makers = {entry.name: make for entry, make in found.items()}
    converse(list(found), missing, lambda command: answer(command, makers), commands=commands, answers=answers)


def main(words: Sequence[str]) -> None:
    """Run OpenCV's trackers, as peer.py asks. `words`: NanoTrack's two files, or none."""
    answers = own_stdout()
    found, missing = find_opencv((words[0], words[1]) if words else None)
    serve(found, missing, sys.stdin, answers)
