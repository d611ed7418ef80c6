"""VideoSink: the source's frames with the tracks drawn on them, as H.264 video."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.annotate import PATH_FRAMES, Annotator
from pipeline.rule_board import RuleBoard
from pipeline.sinks.base import ChunkEnd, Result
from pipeline.sinks.fragments import FragmentedVideo
from pipeline.sinks.past import Past
from pipeline.store.tracked_boxes import TrackedBoxes


class VideoSink:
    """Writes every frame at its own time. Without any frame there is no file. Raises OutputError.

    Each chunk of frames is a fragment of its own, which a run that was killed need not draw again.
    """

    def __init__(
        self,
        path: Path | str,
        classes: Sequence[str],
        *,
        fps: float = 25.0,
        quality: int = 23,
        owner: str = "",
        board: RuleBoard | None = None,
    ) -> None:
        """`classes`: names in label order. `fps`: nominal, a hint to players. `quality`: x264's crf; lower: better.

        `owner`: the run that may be resumed and then looks for its fragments. `board`: draws zones and lines.
        """
        self._video = FragmentedVideo(path, fps=fps, quality=quality, owner=owner)
        self._classes = tuple(classes)
        self._board = board
        self._annotator: Annotator | None = None
        self._before: list[TrackedBoxes] = []  # of the last frames before the first, one frame each

    def resume(self, past: Past) -> None:
        """Go on after what was stored."""
        self._video.resume(past.next_frame, past.processed)
        if self._board is not None:
            self._board.go_on(past.counted())
        latest: deque[TrackedBoxes] = deque(maxlen=2)  # a block holds more frames than a path, but may end with few
        for block in past.blocks():
            latest.append(block)
        self._before = [
            block[block.frames == frame]
            for block in latest
            for frame in range(max(0, past.next_frame - PATH_FRAMES), past.next_frame)
            if (block.frames == frame).any()
        ]

    def __enter__(self) -> Self:
        self._video.__enter__()
        return self

    def write(self, result: Result) -> None:
        """Draw and encode one frame. Every frame must have the size of the first."""
        frame = result.frame
        if self._annotator is None:
            self._annotator = Annotator(self._classes, frame.width, frame.height)
            for boxes in self._before:
                self._annotator.follow(boxes.boxes, boxes.ids)
        picture = self._annotator.draw(frame, result.tracks, result.detections.masks)
        if self._board is not None:
            self._board.count(result.events)
            picture = self._board.draw(picture)
        self._video.write(picture, frame.time, frame.index)
        if result.end is not ChunkEnd.NONE:
            self._video.cut()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._video.__exit__(kind, error, trace)
