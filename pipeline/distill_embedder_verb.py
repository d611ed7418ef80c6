"""What the `sightline` command does to teach a small embedder what a large one knows: distill embedder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipeline.errors import ConfigError, SourceError
from pipeline.input_size import parse_size
from pipeline.run_verbs import INCOMPLETE, SetOption
from pipeline.stopping import INTERRUPTED, stopping
from pipeline.train_display import TrainDisplay

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.models.base import Embedder
    from pipeline.training.crop_sources import CropSource, Finder

_ALL = 1 << 30  # crops of an identity


def distill_embedder(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the student, its log and its state go.")],
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="SOURCE...", help="Videos, folders of videos or of pictures.")
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The teacher's weights; or --set embedder.weights=FILE.")
    ] = None,
    detector: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Finds the objects in SOURCE; or --set detector.weights=FILE.")
    ] = None,
    settings: SetOption = None,
    classes: Annotated[str, typer.Option(metavar="NAMES", help="Of the detector or of --data.")] = "person",
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Boxes of this score become crops.")] = 0.4,
    every: Annotated[float, typer.Option(min=0, help="Seconds between two looked at pictures of a video.")] = 0.5,
    data: Annotated[
        list[Path] | None, typer.Option(metavar="DATA.yaml", help="Labelled pictures, as `train detector` takes them.")
    ] = None,
    crops: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Crops, as `train embedder` takes them: a folder each, or MOTChallenge."),
    ] = None,
    most: Annotated[int, typer.Option(min=4, help="Crops kept of all that are found, by chance.")] = 20_000,
    epochs: Annotated[int, typer.Option(min=1, max=100_000, help="Times all crops are seen.")] = 30,
    batch: Annotated[int, typer.Option(min=2, max=4096, help="Crops a step.")] = 128,
    learning_rate: Annotated[float, typer.Option(min=0, max=1, help="The greatest.")] = 2e-3,
    mix: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of crops that are no whole object: halves, parts, boxes that miss."),
    ] = 0.2,
    clean: Annotated[
        float, typer.Option(min=0, max=1, help="Share of crops for which the teacher is shown the unchanged one.")
    ] = 0.0,
    views: Annotated[
        int,
        typer.Option(min=0, help="Change each crop in so many ways, and note what the teacher says; 0: always new."),
    ] = 0,
    relation: Annotated[
        float, typer.Option(min=0, help="Weight of the distances between crops, beside the cosine.")
    ] = 10.0,
    dimension: Annotated[int, typer.Option(min=8, max=4096, help="Of the student's features.")] = 128,
    size: Annotated[str, typer.Option(metavar="HxW", help="Of the student's crops, pixels.")] = "128x64",
    student: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A .safetensors or .onnx of ours that goes on learning, instead of a new one."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Another number, other chances.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    amp: Annotated[bool, typer.Option("--amp/--no-amp", help="Compute in bfloat16 where the processor can.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in FOLDER.")] = False,
) -> None:
    """Teach a small embedder to describe objects as a large one does, on crops that nobody has named.

    Both look at the same changed crop; the student learns the teacher's direction, and how far crops are apart.
    FOLDER/best.onnx is the student that ranks held-out crops most as the teacher does; use it with
    `sightline run --set embedder.backend=auto --set embedder.weights=FOLDER/best.onnx`.

    Example: `sightline distill embedder videos/ --detector people.onnx --teacher large.xml --out small`

    Exit code 0: done. 1: done, but some sources cannot be read. 2: bad input, or the loss is no number. 130: ended by
    Ctrl-C; `--resume` goes on.
    """
    from pipeline.training.embedder_distillation import Distillation, EmbedderDistillation
    from pipeline.training.embedder_file import read_embedder
    from pipeline.training.embedder_network import EmbedderPlan
    from pipeline.training.imitation import Lessons
    from pipeline.training.learning import MODEL
    from pipeline.training.precision import training_device

    if not (sources or data or crops):
        raise ConfigError("there is nothing to learn from; give videos or pictures, --data or --crops")
    chosen = _settings(teacher, detector, settings or [], min_score)
    shown, shown_size = _teacher(chosen)
    begun = None if student is None else read_embedder(student)
    side = parse_size(size, option="--size")
    plan = EmbedderPlan(input_size=side, dimension=dimension) if begun is None else begun.plan
    named = [one.strip() for one in classes.split(",")]
    found, unread = _sources(sources or [], chosen, shown_size, named, every)
    found += _made(data or [], crops or [], shown_size, named)
    if not found:
        raise SourceError("no source can be read: " + "; ".join(unread[:3]))
    wanted = Distillation(
        plan=plan,
        lessons=Lessons(batch=batch, mix=mix, clean=clean, views=views, seed=seed),
        relation=relation,
        most=most,
        epochs=epochs,
        learning_rate=learning_rate,
        amp=amp,
        sources=tuple(source.digest for source in found),
    )
    work = EmbedderDistillation(shown, wanted, device=training_device(device), student=begun)
    with TrainDisplay(Console(), epochs=epochs) as display:
        for reason in unread:
            display.say(f"left out    {reason}")
        with stopping(work, display.say):
            learned = work.run(
                out,
                found,
                resume=resume,
                gathered=lambda count: display.say(f"{count} crops so far") if count % 1000 == 0 else None,
                watcher=display,
            )
        if learned.best_epoch:
            rank = f"rank agreement {learned.best_score:.4f}"
            display.say(f"best        epoch {learned.best_epoch}, {rank} -> {out / MODEL}")
        if learned.stopped:
            display.say("stopped     the same command with --resume goes on")
    if learned.stopped:
        raise typer.Exit(INTERRUPTED)
    if unread:
        raise typer.Exit(INCOMPLETE)


def _settings(teacher: Path | None, detector: Path | None, overrides: list[str], min_score: float) -> Settings:
    from pipeline.config import load_settings

    ours = [] if teacher is None else [f"embedder.weights={json.dumps(str(teacher))}"]
    if detector is not None:
        ours += [f"detector.weights={json.dumps(str(detector))}", f"detector.min_score={min_score}"]
    chosen = load_settings(None, [*ours, *overrides])
    return chosen.model_copy(update={"embedder": chosen.embedder.model_copy(update={"min_score": 0.0})})


def _teacher(chosen: Settings) -> tuple[Embedder, tuple[int, int]]:
    """Who teaches, and the height and width of the crops it is shown."""
    from pipeline import build

    model = build.embedder(chosen.embedder)
    if model is None or model.card.input_size is None:
        raise ConfigError("there is no teacher; give --teacher FILE, a network that describes crops")
    return model, model.card.input_size


def _made(data: list[Path], crops: list[Path], size: tuple[int, int], classes: list[str]) -> list[CropSource]:
    """Sources whose objects somebody has marked."""
    from pipeline.training.crop_sources import from_crops, from_labels
    from pipeline.training.detection_data import read_detection_data
    from pipeline.training.identity_data import read_folder

    return [
        *(from_labels(str(file), read_detection_data(file), classes, size=size) for file in data),
        *(from_crops(str(one), read_folder(one, size, most=_ALL)) for one in crops),
    ]


def _sources(
    addresses: list[str], chosen: Settings, size: tuple[int, int], classes: list[str], every: float
) -> tuple[list[CropSource], list[str]]:
    """Sources in which a detector finds the objects; and why others cannot be read."""
    from pipeline.addresses import expand

    found: list[CropSource] = []
    unread: list[str] = []
    if not addresses:
        return found, unread
    finder = _finder(chosen, classes)
    for address in expand(addresses).sources:
        try:
            found.append(_found(address, chosen, finder, size, every))
        except SourceError as error:
            unread.append(str(error))
    return found, unread


def _finder(chosen: Settings, classes: list[str]) -> Finder:
    from pipeline import build
    from pipeline.training.crop_sources import Finder

    model = build.detector(chosen.detector)
    known = model.card.classes
    if unknown := [one for one in classes if one not in known]:
        raise ConfigError(f"--classes asks for {', '.join(unknown)}, but {model.card.name} finds {', '.join(known)}")
    return Finder(model, [known.index(one) for one in classes], chosen.detector.min_score)


def _found(address: str, chosen: Settings, finder: Finder, size: tuple[int, int], every: float) -> CropSource:
    from pipeline import build
    from pipeline.sources.stills import list_pictures
    from pipeline.training.crop_sources import from_recording, from_stills

    path = Path(address)
    if path.is_dir():
        return from_stills(path.name, list_pictures(path), finder, size=size)
    return from_recording(path.name, lambda: build.source(address, chosen.source), finder, size=size, every=every)
