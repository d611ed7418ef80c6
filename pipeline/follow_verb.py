"""What the `sightline` command does to follow one target: follow."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.progress_line import counting
from pipeline.run_verbs import SetOption
from pipeline.stopping import INTERRUPTED, stopping

if TYPE_CHECKING:
    from trackers.structures import FloatArray

TargetName = Literal["mosse", "correlation", "siamese", "mdnet", "flow"]
_CLASSES = ("target",)
INCOMPLETE = 1  # exit code: the source broke off; what came before is written


def follow(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A video, or a folder of pictures.")],
    box: Annotated[
        str, typer.Option(metavar="X,Y,W,H", help="The target in the first picture: left, top, width, height; pixels.")
    ],
    start_frame: Annotated[int, typer.Option(metavar="N", min=0, help="The picture that shows it; from 0.")] = 0,
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many pictures.")] = None,
    tracker: Annotated[TargetName | None, typer.Option(help="How to follow it.  [default: correlation]")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write x,y,w,h,score of every picture, and FILE.json beside it.")
    ] = None,
    video_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Annotated H.264 video (.mp4, .mkv).")] = None,
    settings: SetOption = None,
) -> None:
    """Follow what a box shows through a video, without a detector.

    The first row of --out is the given box; while the target is lost, rows hold its last box and a low score. Ctrl-C
    ends it, and what was followed until then is written. Settings are those of `target`: `--set target.profile=fast`.

    Example: `sightline follow street.mp4 --box 210,96,40,92 --out boxes.txt --video-out followed.mp4`
    """
    from pipeline import build
    from pipeline.annotate import Annotator
    from pipeline.config import change_settings
    from pipeline.following import FollowCount, Following, as_tracks, row
    from pipeline.outputs import Outputs, check_outputs
    from pipeline.sinks.h264_file import H264File
    from pipeline.sinks.text_file import TextFile
    from pipeline.target_settings import FollowSettings

    place = _parse_box(box)
    beside = None if out is None else out.with_name(f"{out.name}.json")
    check_outputs(Outputs(mot=out, csv=beside, video=video_out), [source], {})
    named = [] if tracker is None else [f"target.name={tracker}"]
    limited = [] if max_frames is None else [f"source.max_frames={start_frame + max_frames}"]
    chosen = change_settings({}, [*named, *limited, *(settings or [])], FollowSettings)
    console, errors = Console(), Console(stderr=True)
    count = FollowCount()
    with ExitStack() as stack:
        video = stack.enter_context(build.source(source, chosen.source, first_frame=start_frame))
        work = Following(video, build.target_tracker(chosen.target), place)
        text = None if out is None else stack.enter_context(TextFile(out))
        drawn = None if video_out is None else stack.enter_context(H264File(video_out, fps=video.fps))
        annotator = None if drawn is None else Annotator(_CLASSES, video.width, video.height)
        told = stack.enter_context(counting("pictures"))
        stack.enter_context(stopping(work, errors.print))
        for step in work:
            if text is not None:
                text.write(row(step))
            if drawn is not None and annotator is not None:
                picture = annotator.draw(step.frame, as_tracks(step, given=count.frames == 0))
                drawn.write(picture, step.frame.time)
            count.add(step)
            told(count.frames)
        if count.frames == 0:  # stopped before the first picture: what stood in the files stays
            raise typer.Exit(INTERRUPTED)
    if beside is not None:
        info = {
            "tracker": chosen.target.name,
            "frames_per_second": round(count.frames_per_second, 2),
            "source": source,
            "start_frame": start_frame,
            "settings": chosen.target.model_dump(mode="json"),
        }
        with TextFile(beside) as file:
            file.write(json.dumps(info, indent=2) + "\n")
    lost = f", lost in {count.lost}" if count.lost else ""
    speed = f"{count.frames_per_second:.0f} a second"
    console.print(f"followed  {count.frames} pictures{lost}; {speed}", highlight=False)
    for path in (out, video_out):
        if path is not None:
            console.print(f"written   {path}", soft_wrap=True, highlight=False, markup=False)
    if work.damage is not None:
        errors.print(f"error: {work.damage}", soft_wrap=True, highlight=False, markup=False)
        raise typer.Exit(INCOMPLETE)
    if work.stopped:
        raise typer.Exit(INTERRUPTED)


def _parse_box(text: str) -> FloatArray:
    """`x,y,w,h` as (4,) x1 y1 x2 y2. Raises ConfigError."""
    import numpy as np

    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--box {text!r} is not X,Y,W,H: four numbers with commas, like 210,96,40,92") from error
    return np.array([x, y, x + width, y + height])
