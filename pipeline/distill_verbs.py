"""What the `sightline` command does to teach a small model what a large one knows: distill."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.distill_backbone_verb import distill_backbone
from pipeline.distill_embedder_verb import distill_embedder
from pipeline.distill_masks_verb import distill_masks
from pipeline.errors import ConfigError, SourceError
from pipeline.run_verbs import INCOMPLETE, SetOption
from pipeline.stopping import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.config import Settings
    from pipeline.models.base import Detector
    from pipeline.training.class_map import ClassMap
    from pipeline.training.harvest import Harvest
    from pipeline.training.kept_labels import KeptSet
    from pipeline.training.labelling_rules import Rules
    from pipeline.training.pseudo_labels import PseudoLabels

distill_app = typer.Typer(help="Teach a small model what a large one knows.", no_args_is_help=True)
distill_app.command("embedder")(distill_embedder)
distill_app.command("masks")(distill_masks)
distill_app.command("backbone")(distill_backbone)


@distill_app.callback()
def distill() -> None:
    """Teach a small model what a large one knows."""


@distill_app.command("detector")
def distill_detector(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The training set to make.")],
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="SOURCE...", help="Videos, folders of videos or of pictures.")
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The teacher's weights; or --set detector.weights=FILE.")
    ] = None,
    settings: SetOption = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What the student learns, such as person,vehicle=car+truck,bicycle=bike.  [default: all, as they are]",
        ),
    ] = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="A box of this score is believed.")] = 0.5,
    doubt_score: Annotated[
        float,
        typer.Option(min=0, max=1, help="A box of this one may be an object: a track decides, or it is painted over."),
    ] = 0.2,
    confirm: Annotated[
        bool, typer.Option("--confirm/--no-confirm", help="Tracks decide which boxes of a recording are labels.")
    ] = True,
    every: Annotated[float, typer.Option(min=0, help="Seconds between two pictures of a recording at least.")] = 1.0,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Pictures of a recording at most, evenly spread over it.")
    ] = None,
    moved: Annotated[
        float, typer.Option(min=0, max=1, help="Share of a picture that must differ from the one taken before.")
    ] = 0.002,
    stride: Annotated[int, typer.Option(min=1, help="Show the teacher every so manieth frame.")] = 1,
    image_size: Annotated[int, typer.Option(min=32, help="Longest side of the written pictures, pixels.")] = 640,
    val_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share for validation: the end of each recording.")
    ] = 0.1,
    empty_share: Annotated[
        float, typer.Option(min=0, help="Pictures without objects, for each picture with one.")
    ] = 0.1,
    as_recording: Annotated[
        bool, typer.Option("--as-recording", help="A folder of pictures is a video (settings: source.fps).")
    ] = False,
    keep_labels: Annotated[
        list[Path] | None,
        typer.Option(metavar="DATA", help="A set labelled by people (data.yaml, or a folder with classes.txt)."),
    ] = None,
    add_classes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="With --keep-labels: classes that the teacher adds there.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the set in --out, or add sources to it.")
    ] = False,
) -> None:
    """Make a training set out of unlabelled videos and pictures, labelled by a detector: the teacher.

    In videos tracks decide: a weak box that belongs to one is a label, a strong one that flickers is none. What is
    neither object nor background is painted over. Then `sightline train detector` teaches the student.

    Example: `sightline distill detector videos/ --teacher large.onnx --out labelled --classes person,vehicle=car+truck`

    Exit code 1: some sources could not be read to their end; the rest is there.
    """
    from pipeline import build
    from pipeline.training.class_map import ClassMap
    from pipeline.training.harvest import refuse_empty
    from pipeline.training.kept_labels import read_set
    from pipeline.training.label_set import LabelSet
    from pipeline.training.labelling_rules import Rules
    from pipeline.training.pseudo_labels import PseudoLabels

    if not sources and not keep_labels:
        raise ConfigError("there is nothing to label; give videos or folders of pictures, or --keep-labels")
    rules = Rules(min_score, doubt_score, confirm, every, frames, moved, stride, image_size, val_share, empty_share)
    chosen = _settings(teacher, settings or [], rules)
    labelled = {path: read_set(path) for path in keep_labels or []}
    model = build.detector(chosen.detector)
    known = dict.fromkeys([*model.card.classes, *(name for one in labelled.values() for name in one.names)])
    class_map = ClassMap.parse(classes, list(known))
    added = _added(add_classes, class_map.names, labelled)
    console = Console()
    label_set = LabelSet.begin(out, _record(model, class_map, rules, chosen, added), resume=resume)
    work = PseudoLabels(
        model,
        class_map,
        rules,
        label_set,
        new_tracker=lambda: build.tracker(chosen.tracker),
        refiner=build.refiner(chosen.refine),
        batch=chosen.detector.batch,
    )
    try:
        with _Bars(console) as bars:
            harvests = _harvest(work, sources or [], chosen, labelled, added, as_recording=as_recording, bars=bars)
    except KeyboardInterrupt as stop:
        console.print(f"stopped; the same command with --resume goes on with {out}", highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from stop
    refuse_empty(harvests, model.card.name, rules)
    data = label_set.finish(class_map.names)
    for line in [*map(_line, harvests), f"data      {data}"]:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if any(one.damage for one in harvests):
        raise typer.Exit(INCOMPLETE)


class _Bars:
    """A bar a source on a terminal; nothing elsewhere."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(
            *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal, transient=True
        )

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begun(self, name: str) -> Callable[[int, int | None], None]:
        """What moves a new bar: steps done, steps in all."""
        task: TaskID = self._progress.add_task(name, total=None)
        return lambda done, total: self._progress.update(task, completed=done, total=total)


def _settings(teacher: Path | None, overrides: list[str], rules: Rules) -> Settings:
    """The teacher, and a tracker that takes its scores at their word."""
    from pipeline.config import load_settings

    ours = [f"detector.min_score={rules.doubt_score}"]
    if teacher is not None:
        ours.append(f"detector.weights={json.dumps(str(teacher))}")
    if not any(one.replace(" ", "").startswith("tracker.name=") for one in overrides):
        ours += [
            "tracker.calibration=[[0, 0], [1, 1]]",
            f"tracker.strong_score={rules.min_score}",
            f"tracker.weak_score={rules.doubt_score}",
            f"tracker.new_score={rules.min_score}",
            "tracker.tentative_seconds=0.3",  # hindsight weighs what comes of it
        ]
    chosen = load_settings(None, [*ours, *overrides])
    if chosen.detector.min_score > rules.doubt_score:
        raise ConfigError("--set detector.min_score hides what --doubt-score asks for; leave it out")
    return chosen


def _added(text: str | None, names: tuple[str, ...], labelled: dict[Path, KeptSet]) -> list[str]:
    """The student's classes that the teacher adds to labelled pictures."""
    if (text is None) != (not labelled):
        raise ConfigError("--keep-labels and --add-classes belong together: where, and what is missing there")
    added = [] if text is None else [one.strip() for one in text.split(",")]
    if unknown := [one for one in added if one not in names]:
        raise ConfigError(f"--add-classes asks for {', '.join(unknown)}; the student learns {', '.join(names)}")
    return added


def _record(
    model: Detector, class_map: ClassMap, rules: Rules, chosen: Settings, added: list[str]
) -> dict[str, object]:
    """What decides the labels, as JSON values."""
    from pipeline.training.label_manifest import taught_by

    detector = chosen.detector.model_dump(mode="json", exclude={"weights", "device", "threads", "batch"})
    return {
        **taught_by(model.card, class_map),
        "rules": asdict(rules),
        "detector": detector,
        "tracker": chosen.tracker.model_dump(mode="json"),
        "refine": chosen.refine.model_dump(mode="json"),
        "added": added,
    }


def _harvest(
    work: PseudoLabels,
    sources: list[str],
    chosen: Settings,
    labelled: dict[Path, KeptSet],
    added: list[str],
    *,
    as_recording: bool,
    bars: _Bars,
) -> list[Harvest]:
    """All sources; one that cannot be read is told and left out. Raises SourceError where none can be."""
    from pipeline.addresses import expand
    from pipeline.training.harvest import Harvest

    jobs = [((path.parent if path.suffix else path).resolve().name, path) for path in labelled]
    harvests = [work.kept(name, labelled[path], added, bars.begun(name)) for name, path in jobs]
    for address in expand(sources).sources if sources else ():
        name = Path(address).name
        try:
            harvests.append(_one(work, address, chosen, as_recording=as_recording, told=bars.begun(name)))
        except SourceError as error:
            harvests.append(Harvest(name, damage=str(error)))
    if all(one.damage and not one.pictures for one in harvests):
        raise SourceError("no source can be read: " + "; ".join(one.damage for one in harvests[:3]))
    return harvests


def _one(
    work: PseudoLabels, address: str, chosen: Settings, *, as_recording: bool, told: Callable[[int, int | None], None]
) -> Harvest:
    from pipeline import build
    from pipeline.sources.stills import list_pictures

    path = Path(address)
    if path.is_dir() and not as_recording:
        return work.stills(path.name, list_pictures(path), told)
    return work.recording(lambda first: build.source(address, chosen.source, first_frame=first), told)


def _line(one: Harvest) -> str:
    """A source in words."""
    line = f"{one.name}: {one.pictures} pictures, {one.boxes} boxes"
    counts = {
        "promoted by tracks": one.promoted,
        "confirmed by none and dropped": one.dropped,
        "areas painted over": one.ignored,
        "pictures left out": one.left_out,
    }
    line += "".join(f", {count} {what}" for what, count in counts.items() if count)
    return f"{line}; {one.damage}" if one.damage else line
