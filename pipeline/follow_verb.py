"""What the `sightline` command does to follow one target: follow, and going on with it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console

from pipeline.errors import ConfigError, SightlineError
from pipeline.progress_line import counting
from pipeline.redaction import redact
from pipeline.run_verbs import SetOption
from pipeline.stopping import INTERRUPTED, stopping
from pipeline.tracker_names import TargetName

if TYPE_CHECKING:
    from pipeline.follow_plan import FollowPlan
    from pipeline.follow_settings import TargetBox
    from pipeline.following import Following
    from pipeline.outputs import Outputs
    from pipeline.store.rows import RunDetail
    from pipeline.stored_target import StoredTarget
    from pipeline.target_settings import FollowSettings

INCOMPLETE = 1  # exit code: the source broke off, or the store failed; what came before is written


@dataclass(frozen=True, slots=True)
class _Order:
    """What is wanted."""

    source: str
    settings: FollowSettings
    target: TargetBox
    outputs: Outputs
    plan: FollowPlan | None = None  # where it is stored, too


@dataclass(slots=True)
class _Done:
    """What became of it so far."""

    work: Following | None = None
    stored: StoredTarget | None = None

    @property
    def run(self) -> UUID | None:
        """The run, as soon as the store knows of it."""
        return None if self.stored is None else self.stored.run


def follow(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A video, or a folder of pictures.")],
    box: Annotated[
        str | None,
        typer.Option(metavar="X,Y,W,H", help="The target in the first picture: left, top, width, height; pixels."),
    ] = None,
    select: Annotated[
        bool, typer.Option("--select", help="Draw the box in a window instead; needs a display.")
    ] = False,
    start_frame: Annotated[int, typer.Option(metavar="N", min=0, help="The picture that shows it; from 0.")] = 0,
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many pictures, from there on.")] = None,
    tracker: Annotated[TargetName | None, typer.Option(help="How to follow it.  [default: correlation]")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write x,y,w,h,score of every picture, and FILE.json beside it.")
    ] = None,
    video_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Annotated H.264 video (.mp4, .mkv).")] = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            envvar="SIGHTLINE_DATABASE",
            metavar="URL",
            help="Store the target as a track, too: SQLite file or SQLAlchemy URL.",
        ),
    ] = None,
    label: Annotated[str, typer.Option(metavar="NAME", help="What the target is: its class in the store.")] = "target",
    again: Annotated[bool, typer.Option("--again", help="Also what was stored before, followed in this way.")] = False,
    settings: SetOption = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Keep the newest picture for the page.", hidden=True)
    ] = False,
    run_id: Annotated[UUID | None, typer.Option(hidden=True, help="Public id of the new run.")] = None,
) -> None:
    """Follow what a box shows through a video, without a detector.

    The first row of --out is the given box; while the target is lost, rows hold its last box and a low score. Ctrl-C
    ends it, and what was followed until then is written. Settings are those of `target`: `--set target.profile=fast`.
    With --database the target becomes a track of a run of its own; `sightline resume` goes on with it.

    Example: `sightline follow street.mp4 --box 210,96,40,92 --out boxes.txt --video-out followed.mp4`
    """
    from pipeline.config import change_settings
    from pipeline.follow_plan import FollowPlan
    from pipeline.follow_settings import TargetBox, stored_follow_settings
    from pipeline.outputs import Outputs
    from pipeline.section import parse
    from pipeline.store.database import open_database
    from pipeline.target_settings import FollowSettings

    place = _place(source, box, select=select, start_frame=start_frame)
    target = parse({"box": place, "start_frame": start_frame, "label": label}, TargetBox)
    overrides = [] if tracker is None else [f"target.name={tracker}"]
    overrides += [] if max_frames is None else [f"source.max_frames={max_frames}"]
    overrides += settings or []
    outputs = Outputs(mot=out, video=video_out)
    if database is None:
        _carry_out(_Order(source, change_settings({}, overrides, FollowSettings), target, outputs))
        return
    chosen = stored_follow_settings(target, [f"store.database={json.dumps(database)}", *overrides])
    with open_database(chosen.store.database) as store:
        plan = FollowPlan(store, source, chosen, outputs=outputs, public_id=run_id, preview=preview)
        before = None if again else plan.finished_before()
        if before is None:
            _carry_out(_Order(source, chosen, target, outputs, plan))
        else:
            _say(f"skipped   {source}: this was followed before, in run {before}; --again does it anyway")


def resume_following(run: RunDetail, database: str, *, preview: bool) -> None:
    """Go on with a stored run that ended early. `database`: its address. Raises ConfigError where that cannot be."""
    from pipeline.follow_plan import FollowPlan
    from pipeline.follow_settings import read_kept
    from pipeline.run_record import stored_outputs
    from pipeline.store.database import open_database
    from pipeline.stored_runs import refuse_resume

    refuse_resume(run)
    chosen, outputs = read_kept(run.run.settings, database), stored_outputs(run.run.settings)
    source = run.sources[0].uri_redacted
    with open_database(database) as store:
        plan = FollowPlan(store, source, chosen, outputs=outputs, resumed=run, preview=preview)
        _carry_out(_Order(source, chosen, chosen.follow, outputs, plan))


def _place(source: str, box: str | None, *, select: bool, start_frame: int) -> tuple[float, float, float, float]:
    """The box that was given, or is drawn now."""
    from pipeline.box_window import draw_box
    from pipeline.build import source as open_source
    from pipeline.config import SourceSettings
    from pipeline.errors import SourceError
    from pipeline.follow_settings import parse_box

    if (box is None) is not select:
        raise ConfigError("say where the target is: --box X,Y,W,H, or --select to draw it; one of them")
    if box is not None:
        return parse_box(box)
    with open_source(source, SourceSettings(), first_frame=start_frame) as opened:
        frame = next(iter(opened), None)
    if frame is None:
        raise SourceError(f"{source} has no picture {start_frame}; choose an earlier one")
    return draw_box(frame.image)


def _carry_out(order: _Order) -> None:
    """Follow a target into files and, with a plan, into the store. Ends with the exit code that says how it went."""
    done = _Done()
    try:
        _follow(order, done)
    except SightlineError as error:
        if done.run is None:  # nothing was done
            raise
        _go_on_with(done.run, order)
        _complain(error)
        raise typer.Exit(INCOMPLETE) from error
    _conclude(order, done)


def _follow(order: _Order, done: _Done) -> None:
    from pipeline import build
    from pipeline.follow_files import FollowFiles, check_files
    from pipeline.follow_settings import limited
    from pipeline.following import Following
    from pipeline.stored_target import StoredTarget

    target, plan, tracker = order.target, order.plan, order.settings.target
    check_files(order.outputs, order.source, {} if plan is None else plan.inputs)
    opened = limited(order.settings.source, target.start_frame) if plan is None else plan.source_settings()
    with ExitStack() as stack:
        video = stack.enter_context(build.source(order.source, opened, first_frame=target.start_frame))
        follower = build.target_tracker(tracker, frame_rate=video.fps)
        work = done.work = Following(video, follower, target.corners)
        # The files are left first: where they cannot be completed, the run has failed and can be gone on with.
        stored = done.stored = None if plan is None else stack.enter_context(StoredTarget(plan, work, video))
        with (
            FollowFiles(order.outputs, video, label=target.label) as files,
            counting("pictures") as told,
            stopping(work, Console(stderr=True).print),
        ):
            for step in work:
                files.take(step)
                if stored is not None:
                    stored.take(step)
                told(work.count.frames)
            if work.count.frames == 0:  # stopped before the first picture: what stood in the files stays
                raise typer.Exit(INTERRUPTED)
        files.tell(
            {
                "tracker": tracker.name,
                "frames_per_second": round(work.count.frames_per_second, 2),
                "source": order.source,
                "start_frame": target.start_frame,
                "settings": tracker.model_dump(mode="json"),
            }
        )


def _conclude(order: _Order, done: _Done) -> None:
    """Say what came of it, and end with the exit code that says it."""
    work = done.work
    assert work is not None, "nothing has failed"
    lost = f", lost in {work.count.lost}" if work.count.lost else ""
    _say(f"followed  {work.count.frames} pictures{lost}; {work.count.frames_per_second:.0f} a second")
    for path in order.outputs.paths:
        _say(f"written   {path}")
    if done.run is not None and order.plan is not None:
        _say(f"stored    run {done.run} in {order.plan.store_name}")
        if work.stopped:
            _go_on_with(done.run, order)
    if work.damage is not None:
        _complain(work.damage)
        raise typer.Exit(INCOMPLETE)
    if work.stopped:
        raise typer.Exit(INTERRUPTED)


def _go_on_with(run: UUID, order: _Order) -> None:
    assert order.plan is not None, "the store knows of the run"
    _say(f"go on with: sightline resume {run} --database {redact(order.plan.settings.store.database)}")


def _say(line: str) -> None:
    Console().print(line, soft_wrap=True, highlight=False, markup=False)


def _complain(error: SightlineError) -> None:
    Console(stderr=True).print(f"error: {error}", soft_wrap=True, highlight=False, markup=False)
