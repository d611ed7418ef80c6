"""What the `sightline` command does to train a light Mask R-CNN: train mask-rcnn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.progress_line import counting
from pipeline.starting_weights import starting_weights
from pipeline.stopping import INTERRUPTED, stopping
from pipeline.train_display import TrainDisplay

_CELL = 32  # pixels; of the largest cells of a backbone


def train_mask_rcnn(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA.yaml", help="As `train detector` takes it; masks come from COCO's `segmentation`."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the model, its log and its state go.")],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Start from a .safetensors of this command or of `distill backbone`, or on the layers of a detector, "
            "as bundled:person-vehicle-bicycle. [default: MobileNetV3 of random numbers]",
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(metavar="FILE.onnx", help="A YOLO network whose maps the backbone imitates beside the labels."),
    ] = None,
    imitation: Annotated[float, typer.Option(min=0, max=100, help="Weight of that, with --teacher.")] = 1.0,
    image_size: Annotated[int, typer.Option(min=64, help="Side of the views of pictures, pixels; of 32.")] = 320,
    zoom: Annotated[
        str, typer.Option(metavar="LEAST,MOST", help="Size of a picture in its views; 1: the whole just fits.")
    ] = "0.7,1.8",
    freeze: Annotated[
        bool, typer.Option("--freeze", help="The trunk keeps what it knows; pyramid and heads learn, which is faster.")
    ] = False,
    width: Annotated[
        float | None,
        typer.Option(min=0.1, max=2, help="Share of MobileNetV3-Large's channels; not with --weights. [default: 0.75]"),
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="An epoch.")] = 2000,
    epochs: Annotated[int, typer.Option(min=1, max=100_000, help="Times so many pictures are seen.")] = 20,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Pictures a step.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, max=1, help="The greatest.")] = 1e-3,
    patience: Annotated[
        int, typer.Option(min=0, help="End after so many epochs without a better score; 0: never.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Another number, other chances.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    amp: Annotated[bool, typer.Option("--amp/--no-amp", help="Compute in bfloat16 where the processor can.")] = True,
    threads: Annotated[int, typer.Option(min=0, help="Threads of torch; 0: as many as there are cores.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in FOLDER.")] = False,
) -> None:
    """Train a light Mask R-CNN to find objects and their pixels: a feature pyramid and heads over MobileNetV3, or over
    the layers of a detector that has learned already (--weights bundled:person-vehicle-bicycle), which is far quicker.

    Boxes are learned from all labels, masks from those that have one (`sightline distill masks` makes some). FOLDER/
    mask-rcnn.safetensors is the network of the epoch with the best AP50 of masks on `val`; use it with `sightline run
    --set segmenter.weights=FOLDER/mask-rcnn.safetensors`. Ctrl-C keeps what the finished epochs learned; `--resume`
    goes on to the very result an undisturbed training gives.

    Example: `sightline train mask-rcnn coco.yaml --weights bundled:person-vehicle-bicycle --freeze --out mine`

    Exit code 0: done. 2: bad input, or the loss is no number. 130: ended by Ctrl-C; `--resume` goes on.
    """
    from pipeline.models.mask_rcnn import MaskRcnnPlan, light_mask_rcnn
    from pipeline.training.detection_data import read_detection_data
    from pipeline.training.mask_rcnn_start import require_start, starting_point
    from pipeline.training.mask_rcnn_training import MODEL, MaskRcnnSettings, MaskRcnnTraining
    from pipeline.training.neck_teacher import NeckTeacher
    from pipeline.training.picture_views import ViewChange
    from pipeline.training.precision import training_device, use_threads
    from pipeline.training.random_state import seed_generators

    if image_size % _CELL:
        raise ConfigError(f"--image-size {image_size} is no multiple of {_CELL}; take {image_size // _CELL * _CELL}")
    if weights is not None and width is not None:
        raise ConfigError(f"--width {width:g} and --weights {weights} exclude each other: the file has its own width")
    if freeze and weights is None:
        raise ConfigError("--freeze keeps what was learned before; give --weights, or leave it out")
    start = None if weights is None else starting_weights(weights, tasks=("segment", "detect"))
    if start is not None:
        require_start(start)
    change = ViewChange.of_zoom(zoom)
    place = training_device(device)
    use_threads(threads)
    with counting("pictures looked at") as told:
        held = read_detection_data(data, told)
    seed_generators(seed)
    plan = MaskRcnnPlan(classes=held.names)
    if width is not None:
        plan = replace(plan, width=width)
    network, plan = (light_mask_rcnn(plan), plan) if start is None else starting_point(start, held.names)
    chosen = MaskRcnnSettings(
        side=image_size,
        pictures=pictures,
        batch=batch,
        epochs=epochs,
        learning_rate=learning_rate,
        patience=patience,
        amp=amp,
        seed=seed,
        change=change,
        imitation=imitation,
        freeze=freeze,
    )
    work = MaskRcnnTraining(
        network,
        plan,
        chosen,
        learned=held.train,
        validated=held.val,
        device=place,
        said={"data": held.digest},
        teacher=None if teacher is None else NeckTeacher(teacher),
    )
    masks = sum(shape is not None for one in set(held.train) for shape in one.shapes)
    boxes = sum(len(one.labels) for one in set(held.train))
    with TrainDisplay(Console(), epochs=epochs) as display:
        display.say(f"learning    {boxes} boxes, {masks} masks in {len(set(held.train))} pictures; {pictures} an epoch")
        display.say(f"validating  {len(held.val)} pictures")
        with stopping(work, display.say):
            learned = work.run(out, resume=resume, watcher=display)
        if learned.best_epoch:
            display.say(
                f"best        epoch {learned.best_epoch}, AP50 of masks {learned.best_score:.1f} % -> {out / MODEL}"
            )
        if learned.stopped:
            display.say("stopped     the same command with --resume goes on")
    if learned.stopped:
        raise typer.Exit(INTERRUPTED)
