"""What the `sightline` command does to let a segmenter say which pixels of labelled boxes count: distill masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.progress_line import counting


def distill_masks(
    data: Annotated[
        Path, typer.Argument(metavar="DATA.yaml", help="Labelled pictures, as `train detector` takes them.")
    ],
    teacher: Annotated[Path, typer.Option(metavar="FILE", help="Weights of a segmenting network.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where annotations.json goes.")],
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Our classes and the teacher's, such as person,vehicle=car+truck.  [default: the same names]",
        ),
    ] = None,
    overlap: Annotated[
        float, typer.Option(min=0.05, max=1, help="IoU of a labelled and the teacher's box that are one object.")
    ] = 0.6,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="The teacher's boxes of this score count.")] = 0.25,
) -> None:
    """Give labelled boxes masks: those that a large segmenter sees there.

    FOLDER/annotations.json is COCO's json of all pictures of `train` in DATA.yaml, with all their boxes, and a mask for
    those that the teacher found, too. `sightline train mask-rcnn` learns boxes from all, and masks from those that have
    one. Pictures stay where they are.

    Example: `sightline distill masks boxes.yaml --teacher yolo11x-seg.onnx --out masks --classes person,vehicle=car`
    """
    from pipeline import build
    from pipeline.config import DetectorSettings
    from pipeline.training.class_map import ClassMap
    from pipeline.training.detection_data import read_training_pictures
    from pipeline.training.mask_labels import ANNOTATIONS, label_masks

    if (out / ANNOTATIONS).exists():
        raise ConfigError(f"{out / ANNOTATIONS} is there already; name another folder, or remove it")
    names, pictures, _ = read_training_pictures(data)
    network = build.detector(DetectorSettings(weights=str(teacher), min_score=min_score))
    wanted = ClassMap.parse(classes or ",".join(names), network.card.classes)
    if wanted.names != names:
        raise ConfigError(
            f"--classes names {', '.join(wanted.names)}, but {data} has {', '.join(names)}; in that order"
        )
    with counting("pictures looked at") as told:
        found = label_masks(pictures, wanted, teacher=network, folder=out, overlap=overlap, told=told)
    console = Console()
    console.print(f"{found.masks} of {found.boxes} boxes in {len(pictures)} pictures have masks -> {found.write()}")
