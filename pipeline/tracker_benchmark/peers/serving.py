"""What a process does that runs trackers of many objects when it is told to; commands beside those of loop.py:

{"do": "time", "entry": name, "frames": file, "skip": n, "limit": s} -> {"seconds": [of each frame from the n-th]}
{"do": "track", "entry": name, "frames": file, "motion": bool, "out": file} -> {"seconds": s}; rows in `out`

Seconds are the processor's, of this process: on a quiet machine the same as those that pass, and on a busy one not
lengthened by what others do.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from pipeline.peer_process.loop import converse, own_stdout

from .discovery import discover
from .shots import Adapter, Entry, Maker, Shot, read_shots


def time_frames(adapter: Adapter, shots: Sequence[Shot], *, skip: int, limit: float) -> list[float]:
    """Seconds of each frame but the first `skip`. After `limit` seconds it ends early, with two frames at least."""
    prepared = [adapter.prepare(shot) for shot in shots]
    gc.collect()
    spent: list[float] = []
    for given in prepared:
        started = time.process_time()
        adapter.update(given)
        spent.append(time.process_time() - started)
        if len(spent) >= skip + 2 and sum(spent) > limit:
            break
    return spent[skip:]


def track_frames(adapter: Adapter, shots: Sequence[Shot]) -> tuple[dict[str, Any], float]:
    """Columns `frames` (n,) from 1 and `rows` (n, 6) of all tracks, and the seconds it took."""
    rows, frames, spent = [np.zeros((0, 6))], [np.zeros(0, int)], 0.0
    for number, shot in enumerate(shots, start=1):
        given = adapter.prepare(shot)
        started = time.process_time()
        result = adapter.update(given)
        spent += time.process_time() - started
        rows.append(adapter.read(result))
        frames.append(np.full(len(rows[-1]), number))
    return {"frames": np.concatenate(frames), "rows": np.concatenate(rows)}, spent


def answer(command: Mapping[str, Any], makers: Mapping[str, tuple[Entry, Maker]]) -> dict[str, Any]:
    """Do what a command says."""
    entry, make = makers[command["entry"]]
    shots, rate = read_shots(command["frames"])
    if not entry.features:
        shots = [Shot(one.boxes, one.scores, None, one.motion, one.seconds) for one in shots]
    motion = bool(command.get("motion", False)) and entry.motion
    if not motion:
        shots = [Shot(one.boxes, one.scores, one.features, None, one.seconds) for one in shots]
    adapter = make(rate, motion)
    if command["do"] == "time":
        return {"seconds": time_frames(adapter, shots, skip=command["skip"], limit=command["limit"])}
    columns, spent = track_frames(adapter, shots)
    with open(command["out"], "wb") as file:  # noqa: PTH123
        np.savez(file, **columns)
    return {"seconds": spent}


def serve(
    found: Mapping[Entry, Maker], missing: Sequence[Mapping[str, str]], commands: TextIO, answers: TextIO
) -> None:
    """Say what is here, then answer commands until there are no more."""

    makers = {entry.name: (entry, make) for entry, make in found.items()}
    converse(list(found), missing, lambda command: answer(command, makers), commands=commands, answers=answers)


def main(_words: Sequence[str]) -> None:
    """Run other people's trackers, as peer.py asks."""
    answers = own_stdout()
    serve(*discover(), sys.stdin, answers)
