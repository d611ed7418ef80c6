"""What the `sightline` command does to see how good masks are: evaluate masks."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import ConfigError
from pipeline.progress_line import counting
from pipeline.run_verbs import SetOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.trials.mask_trial import MaskResult

_LEAST_SCORE = 0.01  # average precision needs weak objects too


def evaluate_masks(
    weights: Annotated[str, typer.Option(metavar="FILE", help="Segmenting network; more is told by --set.")],
    truth: Annotated[
        list[Path], typer.Option("--truth", metavar="FILE.json", help="COCO json with masks, images/ beside it.")
    ],
    classes: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="What to compare: `person,vehicle=car+truck`.  [default: names of both]"),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The boxes are this one's, as in a run; --weights draws their masks."),
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")] = None,
    settings: SetOption = None,
) -> None:
    """Average precision of the masks and boxes that a segmenting network finds, as COCO's own tools compute it.

    Settings are the detector's: `--set detector.nms_iou=0.5`; with --detector also the segmenter's. Objects of score
    0.01 and above are looked at, unless `detector.min_score` says otherwise. What is marked `iscrowd` is neither to be
    found nor a fault to find.

    Example: `sightline evaluate masks --weights yolo11n-seg.onnx --truth coco/val.json --classes person`
    """
    from pipeline import build
    from pipeline.config import load_settings
    from pipeline.training.whole_file import write_whole
    from pipeline.trials.mask_trial import BoxesAndMasks, read_mask_truth, try_masks

    parts = ("detector.",) if detector is None else ("detector.", "segmenter.")
    for one in settings or []:
        if not one.startswith(parts):
            raise ConfigError(f"--set {one}: only settings under {' and '.join(parts)} change something here")
    keys = [f"detector.min_score={_LEAST_SCORE}", f"detector.weights={json.dumps(detector or weights)}"]
    if detector is not None:
        keys += [f"segmenter.min_score={_LEAST_SCORE}", f"segmenter.weights={json.dumps(weights)}"]
    truths = [read_mask_truth(file) for file in truth]
    chosen = load_settings(None, [*keys, *(settings or [])])
    finder = build.detector(chosen.detector)
    drawer = build.segmenter(chosen.segmenter, finder.card.classes)
    if drawer is not None:
        finder = BoxesAndMasks(finder, drawer)
    with counting("pictures") as told:
        results = [try_masks(finder, one, classes=classes, told=told) for one in truths]
    Console().print(_table(results))
    if json_out is not None:
        write_whole(json_out, (json.dumps([asdict(one) for one in results], indent=2) + "\n").encode())


def _table(results: Sequence[MaskResult]) -> Table:
    """A row a set and class; ratios in per cent."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, title="Average precision as COCO defines it, %")
    for name in ("Set", "Class"):
        table.add_column(name, no_wrap=True)
    for name in ("masks AP50", "AP", "boxes AP50", "AP", "objects", "pictures", "ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in results:
        for scores in one.scores:
            numbers = (scores.masks.ap50, scores.masks.ap, scores.boxes.ap50, scores.boxes.ap)
            cells = [f"{100 * number:.1f}" for number in numbers]
            table.add_row(
                Text(one.name),
                Text(scores.name),
                *cells,
                str(scores.objects),
                str(one.pictures),
                f"{one.milliseconds:.1f}",
            )
    return table
