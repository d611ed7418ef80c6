"""FollowFiles: what following one target writes beside the store: boxes as text, how they came to be, a video."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.annotate import Annotator
from pipeline.following import Step, as_tracks, row
from pipeline.outputs import Outputs, check_outputs
from pipeline.sinks.h264_file import H264File
from pipeline.sinks.text_file import TextFile
from pipeline.sources.base import Source


def check_files(outputs: Outputs, source: str, inputs: Mapping[Path, str]) -> None:
    """Refuse files that would overwrite something (ConfigError) or cannot be written (OutputError).

    `inputs`: what else is read or written, and what it is called.
    """
    check_outputs(replace(outputs, csv=_beside(outputs.mot)), [source], inputs)


class FollowFiles:
    """Complete or absent, as all outputs: left with an exception, it leaves what stood there before."""

    def __init__(self, outputs: Outputs, source: Source, *, label: str) -> None:
        """`outputs`: boxes as text (`mot`) and a video. `label`: what the target is called."""
        self._outputs = outputs
        self._source = source
        self._text = None if outputs.mot is None else TextFile(outputs.mot)
        self._video = None if outputs.video is None else H264File(outputs.video, fps=source.fps)
        self._annotator = Annotator((label,), source.width, source.height)
        self._first = True
        self._files = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as files:
            for file in (self._text, self._video):
                if file is not None:
                    files.enter_context(file)
            self._files = files.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def take(self, step: Step) -> None:
        """Write one picture's box."""
        if self._text is not None:
            self._text.write(row(step))
        if self._video is not None:
            picture = self._annotator.draw(step.frame, as_tracks(step, given=self._first))
            self._video.write(picture, step.frame.time)
        self._first = False

    def tell(self, information: dict[str, Any]) -> None:
        """Write how the boxes came to be, beside them."""
        beside = _beside(self._outputs.mot)
        if beside is not None:
            with TextFile(beside) as file:
                file.write(json.dumps(information, indent=2) + "\n")


def _beside(out: Path | None) -> Path | None:
    return None if out is None else out.with_name(f"{out.name}.json")
