"""What the `sightline train` command does: learn a model from labelled pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from pipeline.progress_line import counting
from pipeline.starting_weights import starting_weights
from pipeline.stopping import INTERRUPTED, stopping
from pipeline.train_display import TrainDisplay
from pipeline.train_embedder_verb import train_embedder
from pipeline.train_mask_rcnn_verb import train_mask_rcnn
from pipeline.train_siamese_verb import train_siamese

train_app = typer.Typer(help="Train models of your own.", no_args_is_help=True, rich_markup_mode="markdown")


@train_app.command("detector")
def train_detector(
    data: Annotated[Path, typer.Argument(metavar="DATA.yaml", help="Labelled pictures: YOLO or COCO.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the model, its log and its state go.")],
    architecture: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="One that ultralytics knows, or a YAML file.  [default: that of --weights, else yolo11n]",
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option(metavar="FILE|none", help="Start from a .pt or .onnx, or bundled:NAME. none: random numbers.")
    ] = "none",
    freeze: Annotated[int, typer.Option(min=0, help="So many modules from the input on stay as they are.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, max=10000, help="Times all pictures are seen.")] = 100,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Pictures a step, over all processes.")] = 16,
    image_size: Annotated[int, typer.Option(min=32, max=2048, help="Longer side in pixels, a multiple of 32.")] = 320,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="The greatest.  [default: what fits the optimizer]")
    ] = None,
    patience: Annotated[
        int, typer.Option(min=0, help="End after so many epochs without a better score; 0: never.")
    ] = 30,
    validate_every: Annotated[int, typer.Option(min=1, help="Score the model every so many epochs.")] = 1,
    class_weights: Annotated[
        Literal["none", "balanced"], typer.Option(help="balanced: rare classes count more.")
    ] = "none",
    focal: Annotated[float, typer.Option(metavar="GAMMA", min=0, max=10, help="Focal loss; 0: cross-entropy.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Another number, other chances.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes that prepare pictures.")] = 0,
    threads: Annotated[int, typer.Option(min=0, max=1024, help="That compute; 0: one for each core.")] = 0,
    amp: Annotated[bool, typer.Option("--amp/--no-amp", help="Compute in bfloat16 where the processor can.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in FOLDER.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Augmentation, optimiser: mosaic=0.5, optimizer=SGD, ..."),
    ] = None,
) -> None:
    """Train a detector on labelled pictures, from random numbers or from a model that is there.

    DATA.yaml names the classes and the pictures: `train` and `val` are folders or lists of pictures with YOLO labels,
    or `{images: FOLDER, annotations: FILE.json}` for COCO; `classes: {car: vehicle, bus: vehicle}` joins classes.
    FOLDER/best.pt is the model with the best AP50-95 on the pictures of `val`; use it with
    `sightline run --set detector.weights=FOLDER/best.pt`. Ctrl-C keeps what the finished epochs learned; `--resume`
    goes on to the very result an undisturbed training gives.

    With several processes, each computes its part of every batch:
    `torchrun --nproc-per-node 2 -m pipeline train detector ...`

    With `--architecture` of the same modules (Conv, C2f, SPPF, as in YOLOv8) but fewer channels than `--weights` has,
    the channels that count most are taken over: a faster detector that need not begin from nothing.

    Example: `sightline train detector yard.yaml --out yard --weights best.pt --freeze 10 --epochs 30`

    Exit code 0: done. 2: bad input, or the loss is no number. 130: ended by Ctrl-C; `--resume` goes on.
    """
    from pipeline.training.data_parallel import joined_ranks
    from pipeline.training.detector_settings import NO_WEIGHTS, OF_WEIGHTS, DetectorSettings, parse_library
    from pipeline.training.detector_training import DetectorTraining, Place

    start = weights if weights == NO_WEIGHTS else str(starting_weights(weights, tasks=("detect",)))
    chosen = DetectorSettings(
        architecture=architecture or ("yolo11n" if weights == NO_WEIGHTS else OF_WEIGHTS),
        weights=start,
        freeze=freeze,
        epochs=epochs,
        batch=batch,
        image_size=image_size,
        learning_rate=learning_rate,
        patience=patience,
        class_weights=class_weights,
        focal=focal,
        seed=seed,
        amp=amp,
        validate_every=validate_every,
        library=parse_library(settings or []),
    )
    console = Console()
    place = Place(device, workers, threads, int(os.environ.get("LOCAL_RANK", "0")))
    with joined_ranks(device) as ranks:
        with counting("pictures looked at") as told:
            training = DetectorTraining(data, chosen, place=place, ranks=ranks, told=told if ranks.first else None)
        with TrainDisplay(console, epochs=epochs, silent=not ranks.first) as display:
            for line in training.lines():
                display.say(line)
            with stopping(training.trainer, display.say):
                outcome = training.run(out, display, resume=resume)
            for line in training.closing_lines(out, outcome):
                display.say(line)
    if outcome.stopped:
        raise typer.Exit(INTERRUPTED)


train_app.command("embedder")(train_embedder)
train_app.command("siamese")(train_siamese)
train_app.command("mask-rcnn")(train_mask_rcnn)
