"""What the `sightline` command does to hand things on: export tracks of a run, or a model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipeline import run_verbs
from pipeline.bundled_models import resolved
from pipeline.errors import ConfigError
from pipeline.evaluate_verbs import ClassesOption, ImageSizeOption
from pipeline.export_model import ModelOrder, export_model_file
from pipeline.input_size import parse_size
from pipeline.models.catalog import VARIABLE as CATALOG
from pipeline.models.catalog import load_catalog
from pipeline.models.named import named_file
from pipeline.run_verbs import DatabaseOption

if TYPE_CHECKING:
    from pipeline.training.model_export import ModelFormat, Precision

_MODELS = (".pt", ".safetensors", ".onnx", ".xml")
_TRACKS, _MODEL = "Tracks of a run", "Models"


def export(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|WEIGHTS", help="`last`, a piece of a run's id, or a model's file or `bundled:NAME`."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="PATH", help="File or folder; `{name}` in it becomes each source's name.")
    ],
    form: Annotated[
        Literal["mot", "csv", "coco", "parquet", "mots", "onnx", "openvino"] | None,
        typer.Option("--format", help="[default: told by the suffix: .txt mot, .csv, .json coco, .onnx, .xml]"),
    ] = None,
    reviewed: Annotated[
        bool,
        typer.Option(
            "--reviewed",
            help="Objects after review: merged, split, renamed; none that was rejected.",
            rich_help_panel=_TRACKS,
        ),
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Only this one: its name, or a piece of its id.", rich_help_panel=_TRACKS),
    ] = None,
    database: DatabaseOption = None,
    precision: Annotated[
        Literal["f32", "f16", "int8"] | None,
        typer.Option(help="Of weights; int8 computes in 8 bits, too.  [default: f16]", rich_help_panel=_MODEL),
    ] = None,
    image_size: ImageSizeOption = None,
    calibration: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE", help="int8: video or pictures like those to come.", rich_help_panel=_MODEL),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="int8: pictures to calibrate with.", rich_help_panel=_MODEL)] = 300,
    truth: Annotated[
        list[Path] | None,
        typer.Option(metavar="T", help="Measure accuracy, as `sightline evaluate` does.", rich_help_panel=_MODEL),
    ] = None,
    classes: ClassesOption = None,
    every: Annotated[
        int, typer.Option(min=1, help="Take every n-th frame of a video's truth.", rich_help_panel=_MODEL)
    ] = 1,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yaml",
            help="What a detector's scores are worth, by `evaluate detector --calibration-out`; runs go by it.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Write accuracy, size and speed.", rich_help_panel=_MODEL),
    ] = None,
) -> None:
    """Write a run's tracks to files that other programs read, one for each source; or a model to a file that runs.

    Tracks: mot: MOTChallenge text. csv: a table with times and class names. coco: JSON with a `track_id`. parquet: a
    table for data frames. mots: masks as text, where the run stored masks.

    Models: a detector's .pt, an embedder's .safetensors, .onnx or .xml becomes ONNX or OpenVINO IR. Accuracy, size and
    speed before and after are shown. ONNX files of f32 and f16 can be trained on.

    Example: `sightline export last --format coco --reviewed --out tracks.json`

    Example: `sightline export best.pt --precision int8 --calibration street.mp4 --truth val.json --out small.xml`
    """
    model_words = {
        "--precision": precision,
        "--image-size": image_size,
        "--calibration": calibration,
        "--truth": truth,
        "--classes": classes,
        "--scores": scores,
        "--report": report,
    }
    try:
        what = resolved(what)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if what in load_catalog(os.environ.get(CATALOG)):
        what = named_file(what, tasks=("detect", "embed"), setting="what to export")
    track_words = {"--reviewed": reviewed or None, "--source": source}
    if Path(what).suffix.lower() not in _MODELS:
        _refuse(model_words, f"{what} is a run")
        if form == "onnx" or form == "openvino":
            raise ConfigError(f"--format {form} is for models; {what} is no file that ends in {', '.join(_MODELS)}")
        run_verbs.export(what, out, form, reviewed, source, database)
        return
    _refuse(track_words, f"{what} is a model")
    order = ModelOrder(
        weights=Path(what),
        out=out,
        form=_model_format(form, out),
        precision=_precision(precision or "f16", calibration),
        size=None if image_size is None else parse_size(image_size, option="--image-size"),
        calibration=tuple(calibration or ()),
        frames=frames,
        truth=tuple(truth or ()),
        classes=classes,
        every=every,
        score_map=scores,
    )
    export_model_file(order, report)


def _model_format(form: str | None, out: Path) -> ModelFormat:
    from pipeline.training.model_export import ModelFormat

    told = form or {".onnx": "onnx", ".xml": "openvino"}.get(out.suffix.lower())
    if told not in ("onnx", "openvino"):
        raise ConfigError(f"a model becomes --format onnx (.onnx) or openvino (.xml), not {form or out.suffix or out}")
    return ModelFormat(told)


def _precision(text: str, calibration: Sequence[str] | None) -> Precision:
    from pipeline.training.model_export import Precision

    if text == "int8" and not calibration:
        raise ConfigError("--precision int8 needs --calibration: a video or pictures like those to come")
    return Precision(text)


def _refuse(words: dict[str, Any], why: str) -> None:
    if given := [name for name, value in words.items() if value is not None]:
        raise ConfigError(f"{why}, for which there is no {', '.join(given)}")
