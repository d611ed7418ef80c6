"""Watching: what a teacher sees in a whole recording, kept in pieces, so that a process that is killed loses little."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from zipfile import BadZipFile

import numpy as np

from pipeline.errors import DamagedSourceError, SourceError, TrainingError
from pipeline.models.base import Detector, Learner
from pipeline.training.whole_file import write_whole
from trackers.structures import Detections, Frame
from trackers.track_rows import Recording

PIECE = 200  # watched frames of a file


class Pictures(Protocol):
    """What is watched: a source, or stills."""

    @property
    def width(self) -> int:
        """Pixels; 0: each has its own."""

    @property
    def height(self) -> int:
        """Likewise."""

    @property
    def frame_count(self) -> int | None:
        """How many iteration should give, None if unknown."""

    def __iter__(self) -> Iterator[Frame]:
        """Frames by rising index and time."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


OpenPictures = Callable[[int], Pictures]  # index of the first frame to give
Told = Callable[[int, int | None], None]  # frames so far, frames in all


@dataclass(slots=True, eq=False)
class Watched:
    """What the teacher saw, a row a frame it was shown."""

    width: int  # pixels
    height: int
    frames: list[int] = field(default_factory=list)  # indices in the source, rising
    times: list[float] = field(default_factory=list)  # seconds, rising
    found: list[Detections] = field(default_factory=list)
    ended: bool = False  # no frames follow
    damage: str = ""  # why the source broke off

    @property
    def recording(self) -> Recording:
        """The frames as hindsight takes them."""
        return Recording(np.array(self.frames, np.int64), np.array(self.times), self.width, self.height)


def watch(
    open_source: OpenPictures, detector: Detector, *, folder: Path, stride: int, batch: int, told: Told
) -> Watched:
    """Show every `stride`-th frame to the detector.

    What it found is kept in `folder` in pieces; those that are there are not made again. A detector that learns from
    every frame begins anew. `batch`: frames given at once. A source that breaks off gives what came before. Raises
    SourceError for one without a picture, OutputError.
    """
    learns = isinstance(detector, Learner) and detector.card.learns
    pieces = [] if learns else _stored(folder)
    if not pieces or not pieces[-1].ended:
        begun = pieces[-1].frames[-1] + 1 if pieces else 0
        with open_source(begun) as source, _forgetting(detector):
            total = None if source.frame_count is None else begun + source.frame_count
            told(begun, total)
            for piece in _pieces(source, detector, stride=stride, batch=batch):
                _store(folder, len(pieces), piece)
                pieces.append(piece)
                told(piece.frames[-1] + 1 if piece.frames else begun, total)
    last = pieces[-1]
    watched = Watched(last.width, last.height, ended=True, damage=last.damage)
    for piece in pieces:
        watched.frames += piece.frames
        watched.times += piece.times
        watched.found += piece.found
    if not watched.frames:
        raise SourceError(watched.damage or "the source gave no frame; check that it holds pictures")
    return watched


@contextmanager
def _forgetting(detector: Detector) -> Iterator[None]:
    """What the detector has learned of a recording does not count for the next."""
    try:
        yield
    finally:
        if isinstance(detector, Learner):
            detector.forget(0)


def _pieces(source: Pictures, detector: Detector, *, stride: int, batch: int) -> Iterator[Watched]:
    """PIECE frames at a time; the last piece, which may be empty, says that it is."""
    piece = Watched(source.width, source.height)
    waiting: list[Frame] = []
    try:
        for frame in source:
            if frame.index % stride:
                continue
            waiting.append(frame)
            if len(waiting) == batch:
                _look(piece, detector, waiting)
                waiting = []
            if len(piece.frames) >= PIECE:
                yield piece
                piece = Watched(source.width, source.height)
    except DamagedSourceError as damage:
        piece.damage = str(damage)
    _look(piece, detector, waiting)
    piece.ended = True
    yield piece


def _look(piece: Watched, detector: Detector, frames: Sequence[Frame]) -> None:
    if not frames:
        return
    found = detector.detect(frames)
    piece.frames += [frame.index for frame in frames]
    piece.times += [frame.time for frame in frames]
    piece.found += [Detections(one.boxes, one.scores, one.labels)[one.usable] for one in found]


def _store(folder: Path, number: int, piece: Watched) -> None:
    held = io.BytesIO()
    found = [Detections.empty(), *piece.found]  # there may be no frame
    np.savez_compressed(
        held,
        size=np.array([piece.width, piece.height]),
        frames=np.array(piece.frames, np.int64),
        times=np.array(piece.times, np.float64),
        counts=np.array([len(one) for one in piece.found], np.int64),
        boxes=np.concatenate([one.boxes for one in found]),
        scores=np.concatenate([one.scores for one in found]),
        labels=np.concatenate([one.labels for one in found]),
        ended=np.array(piece.ended),
        damage=np.array(piece.damage),
    )
    write_whole(folder / f"{number:06d}.npz", held.getvalue())


def _stored(folder: Path) -> list[Watched]:
    """The pieces from the first on; one that is missing ends them."""
    pieces: list[Watched] = []
    while (file := folder / f"{len(pieces):06d}.npz").exists():
        try:
            with file.open("rb") as content, np.load(content, allow_pickle=False) as held:
                pieces.append(_read(held))
        except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
            raise TrainingError(f"{file} is damaged: {error}; delete it, what it held is then made again") from error
    return pieces


def _read(held: np.lib.npyio.NpzFile) -> Watched:
    width, height = held["size"].tolist()
    stops = np.cumsum(held["counts"])
    boxes, scores, labels = held["boxes"], held["scores"], held["labels"]
    rows = [slice(stop - count, stop) for stop, count in zip(stops.tolist(), held["counts"].tolist(), strict=True)]
    found = [Detections(boxes[row], scores[row], labels[row]) for row in rows]
    ended, damage = bool(held["ended"]), str(held["damage"])
    return Watched(width, height, held["frames"].tolist(), held["times"].tolist(), found, ended, damage)
