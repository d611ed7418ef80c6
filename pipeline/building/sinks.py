"""Settings -> where results go: files and previews."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.building.rules import rule_board
from pipeline.events import Tally
from pipeline.rule_settings import AnalyticsSettings
from pipeline.sinks.base import Sink
from pipeline.sinks.past import FileSink


def file_sinks(
    classes: Sequence[str],
    *,
    mot_out: Path | None = None,
    csv_out: Path | None = None,
    video_out: Path | None = None,
    owner: str = "",
    analytics: AnalyticsSettings | None = None,
) -> list[FileSink]:
    """The sinks for the output files that are wanted. Raises OutputError for one that cannot be written.

    `owner`: the run, which finds its half-written files by it when it is resumed. `analytics`: zones and lines to draw.
    """
    sinks: list[FileSink] = []
    if mot_out is not None:
        from pipeline.sinks.mot_text import MotTextSink

        sinks.append(MotTextSink(mot_out, owner=owner))
    if csv_out is not None:
        from pipeline.sinks.csv_rows import CsvSink

        sinks.append(CsvSink(csv_out, classes, owner=owner))
    if video_out is not None:
        from pipeline.sinks.video import VideoSink

        board = None if analytics is None else rule_board(analytics)
        sinks.append(VideoSink(video_out, classes, owner=owner, board=board))
    return sinks


def preview_sink(
    path: Path, classes: Sequence[str], *, analytics: AnalyticsSettings | None = None, before: Tally | None = None
) -> Sink:
    """The sink that shows the newest annotated picture.

    `analytics`: zones and lines to draw. `before`: what was counted at them so far.
    """
    from pipeline.sinks.preview import PreviewSink

    board = None if analytics is None else rule_board(analytics)
    if board is not None and before is not None:
        board.go_on(before)
    return PreviewSink(path, classes, board=board)


def camera_preview(path: Path, classes: Sequence[str]) -> Sink:
    """Likewise, for a camera: what it shows never keeps the results waiting."""
    from pipeline.sinks.aside import AsideSink

    return AsideSink(preview_sink(path, classes))
