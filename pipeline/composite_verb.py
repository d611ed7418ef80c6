"""What the `sightline` command does to make pictures for training out of parts of others: composite."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from pipeline.errors import ConfigError
from pipeline.stopping import INTERRUPTED

if TYPE_CHECKING:
    from pipeline.training.composites import Composer, CompositeStyle
    from pipeline.training.cutouts import Cutout
    from pipeline.training.label_set import LabelSet
    from pipeline.training.scenes import Opened

_RENDERED_SEEDS = 8  # rendered scenes, each with other walkers
_RENDERED_SHARE = 1 / 9  # of the scenes


def composite(
    scenes: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled pictures to paste over: a data.yaml.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The training set to make.")],
    masks: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="COCO json with masks: its objects are cut out.")
    ] = None,
    images: Annotated[Path | None, typer.Option(metavar="DIR", help="Pictures of --masks.")] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Which of --masks are ours: vehicle=car+truck.")
    ] = None,
    still: Annotated[
        list[Path] | None,
        typer.Option(metavar="DATA", help="Labelled pictures of a camera that stands still: what moves is cut out."),
    ] = None,
    most_of_still: Annotated[int, typer.Option(min=1, help="Cut-outs of each --still at most.")] = 80,
    rendered: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Also paste over rendered scenes; their walkers are of this class."),
    ] = None,
    rendered_share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            min=0.01,
            max=1,
            help="How much of the scenes are rendered ones; 1: all, DATA only names the classes.  [default: a ninth]",
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="How many to make.")] = 3000,
    shares: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="How often each class is pasted.  [default: all alike]")
    ] = None,
    heights: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="Height of each class beside the first.  [default: 1]")
    ] = None,
    near: Annotated[
        str,
        typer.Option(metavar="NUMBERS", help="Height of the first class at the lower border, shares of the picture."),
    ] = "0.12,0.9",
    most: Annotated[
        int, typer.Option(min=0, help="Objects pasted into a picture at most; 0: none, parts of scenes as they are.")
    ] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Another one gives other pictures.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the set in --out.")] = False,
) -> None:
    """Make pictures for training: objects cut out of some pictures, pasted into others.

    Nearer objects stand lower, are larger, and cover those behind; sizes, colours, light, blur and noise vary. All
    boxes are known. Objects of other classes than ours hide some of them.

    Example: `sightline composite data.yaml --masks instances.json --images pictures --out composites`
    """
    from pipeline.training.composites import Composer
    from pipeline.training.cutouts import digest_of
    from pipeline.training.detection_data import read_training_pictures
    from pipeline.training.label_set import LabelSet
    from pipeline.training.scenes import opened

    if rendered_share is not None and rendered is None:
        raise ConfigError("--rendered-share needs --rendered: the class of the walkers")
    if not most and (masks or still):
        raise ConfigError("--most 0 pastes nothing; leave out --masks and --still")
    if most and not masks and not still:
        raise ConfigError("there is nothing to cut out; give --masks or --still")
    names, labelled, digest = read_training_pictures(scenes)
    style = _style(names, shares, heights, near, most)
    held: list[Opened] = [partial(opened, picture) for picture in labelled]
    cutouts, empty = _cutouts(masks or [], images, classes, still or [], most_of_still, names)
    held += empty * max(1, len(held) // 40)
    if rendered is not None:
        held = _with_rendered(held, names, rendered, rendered_share or _RENDERED_SHARE, pictures, seed)
    composer = Composer(held, cutouts, style, seed)
    record: dict[str, object] = {
        "scenes": digest,
        "rendered": rendered,
        "cutouts": digest_of(cutouts),
        "style": asdict(style),
        "seed": seed,
        "pictures": pictures,
    }
    if rendered_share is not None:
        record["rendered_share"] = rendered_share
    made = LabelSet.begin(out, record, resume=resume)
    console = Console()
    try:
        before, boxes = _make(composer, made, pictures, console)
    except KeyboardInterrupt as stop:
        console.print(f"stopped; the same command with --resume goes on with {out}", highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from stop
    there = f", {before} were there" if before else ""
    console.print(
        f"{pictures - before} pictures with {boxes} boxes made{there}; of {len(cutouts)} cut-outs, {len(held)} scenes",
        highlight=False,
    )
    console.print(f"data      {made.finish(names)}", highlight=False, soft_wrap=True, markup=False)


def _make(composer: Composer, made: LabelSet, pictures: int, console: Console) -> tuple[int, int]:
    """Write the composites that are not there; returns how many were, and how many boxes the others have."""
    from trackers.structures import Detections

    before = boxes = 0
    steps = track(range(pictures), "composites", console=console, disable=not console.is_terminal, transient=True)
    for index in steps:
        stem = f"composite_{index:06d}"
        if made.holds(stem, "train"):
            before += 1
            continue
        one = composer(index)
        boxes += len(one.boxes)
        sure = Detections(boxes=one.boxes, scores=np.ones(len(one.boxes), np.float32), labels=one.labels)
        made.add(stem, "train", one.image, sure)
    return before, boxes


def _with_rendered(
    held: list[Opened], names: tuple[str, ...], walker: str, share: float, pictures: int, seed: int
) -> list[Opened]:
    """The scenes, and moments of rendered ones that make up their share."""
    from pipeline.training.scenes import RenderedScenes

    if walker not in names:
        raise ConfigError(f"--rendered {walker}: the scenes label {', '.join(names)}")
    moments = RenderedScenes(range(seed * 100 + 1, seed * 100 + 1 + _RENDERED_SEEDS), names.index(walker))
    if share == 1:
        return [partial(moments, index) for index in range(pictures)]
    count = int(len(held) * share / (1 - share) + 1e-9)  # of a whole number that came out a little less
    return held + [partial(moments, index) for index in range(max(1, count))]


def _style(names: tuple[str, ...], shares: str | None, heights: str | None, near: str, most: int) -> CompositeStyle:
    from pipeline.training.composites import CompositeStyle

    weights = _numbers("--shares", shares, names)
    least, largest = _numbers("--near", near, ("least", "largest"))
    return CompositeStyle(
        most_objects=most,
        near_height=(min(least, largest), max(least, largest)),
        class_shares=tuple(weight / sum(weights) for weight in weights),
        class_heights=_numbers("--heights", heights, names),
    )


def _numbers(option: str, text: str | None, names: tuple[str, ...]) -> tuple[float, ...]:
    """One number above 0 a class."""
    if text is None:
        return (1.0,) * len(names)
    try:
        numbers = tuple(float(one) for one in text.split(","))
    except ValueError as error:
        raise ConfigError(f"{option} {text}: {error}; separate numbers by commas, such as 0.7,0.2,0.1") from error
    if len(numbers) != len(names) or not all(0 < number < float("inf") for number in numbers):
        raise ConfigError(f"{option} {text}: give one number above 0 for each of {', '.join(names)}")
    return numbers


def _cutouts(
    masks: list[Path], images: Path | None, classes: str | None, still: list[Path], most: int, names: tuple[str, ...]
) -> tuple[list[Cutout], list[Opened]]:
    """All cut-outs, and the empty scenes of the cameras that stand still."""
    from pipeline.training.cutout_sources import coco_cutouts, still_cutouts
    from pipeline.training.scenes import Labelled

    if masks and images is None:
        raise ConfigError("--masks needs --images: the folder of its pictures")
    if classes is not None and not masks:
        raise ConfigError("--classes says which classes of --masks are ours; give --masks, or leave it out")
    mapping = _mapping(classes, names, masks)
    cutouts = [one for file in masks if images for one in coco_cutouts(file, images, names, mapping)]
    empty: list[Opened] = []

    def same(scene: Labelled) -> Labelled:
        return scene

    for data in still:
        found, scene = still_cutouts(data, names, most)
        cutouts += found
        empty.append(partial(same, scene))
    return cutouts, empty


def _mapping(text: str | None, names: tuple[str, ...], masks: list[Path]) -> dict[str, str]:
    """Theirs -> ours of `vehicle=car+truck,bicycle=bike`; theirs are classes of one of `masks`."""
    from pipeline.training.class_map import ClassMap
    from pipeline.training.cutouts import coco_classes

    if text is None:
        return {}
    known = dict.fromkeys(name for file in masks for name in coco_classes(file))
    chosen = ClassMap.parse(text, list(known))
    if unknown := [name for name in chosen.names if name not in names]:
        raise ConfigError(f"--classes names {', '.join(unknown)}; the scenes label {', '.join(names)}")
    return {theirs: ours for ours, group in zip(chosen.names, chosen.of, strict=True) for theirs in sorted(group)}
