"""What the `sightline` command does to let a segmenter say which pixels of labelled boxes count: distill masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.progress_line import counting
from pipeline.stopping import INTERRUPTED


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
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what a stopped one left in --out.")] = False,
) -> None:
    """Give labelled boxes masks: those that a large segmenter sees there.

    FOLDER/annotations.json is COCO's json of all pictures of `train` in DATA.yaml, with all their boxes, and a mask for
    those that the teacher found, too. `sightline train mask-rcnn` learns boxes from all, and masks from those that have
    one. Pictures stay where they are. FOLDER/manifest.json says how it was made, which --resume asks for again.

    Example: `sightline distill masks boxes.yaml --teacher yolo11x-seg.onnx --out masks --classes person,vehicle=car`
    """
    from pipeline import build
    from pipeline.config import DetectorSettings
    from pipeline.training.class_map import ClassMap
    from pipeline.training.detection_data import read_training_pictures
    from pipeline.training.label_manifest import LabelManifest, taught_by
    from pipeline.training.mask_labels import ANNOTATIONS, digest_of, label_masks, require_masks

    names, pictures, digest = read_training_pictures(data)
    settings = DetectorSettings(weights=str(teacher), min_score=min_score)
    network = build.detector(settings)
    require_masks(network.card)
    wanted = ClassMap.parse(classes or ",".join(names), network.card.classes)
    if wanted.names != names:
        raise ConfigError(
            f"--classes names {', '.join(wanted.names)}, but {data} has {', '.join(names)}; in that order"
        )
    source = digest_of(pictures, digest, out)
    detector = settings.model_dump(mode="json", exclude={"weights", "device", "threads", "batch"})
    record = {"data": source, **taught_by(network.card, wanted), "overlap": overlap, "detector": detector}
    manifest = LabelManifest.begin(out, record, resume=resume)
    console = Console()
    if source not in manifest.sources or not (out / ANNOTATIONS).exists():
        work = manifest.work(source)
        try:
            with counting("pictures looked at") as told:
                found = label_masks(
                    pictures, wanted, teacher=network, folder=out, work=work, overlap=overlap, told=told
                )
        except KeyboardInterrupt as stop:
            console.print(
                f"stopped; the same command with --resume goes on with {out}", highlight=False, soft_wrap=True
            )
            raise typer.Exit(INTERRUPTED) from stop
        found.write()
        manifest.finish_source(source, {"pictures": len(found), "boxes": found.boxes, "masks": found.masks})
    manifest.finish()
    made = manifest.sources[source]
    console.print(
        f"{made['masks']} of {made['boxes']} boxes in {made['pictures']} pictures have masks -> {out / ANNOTATIONS}"
    )
