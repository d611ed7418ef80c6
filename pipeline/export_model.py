"""What `sightline export` does with a model: writes it in another form, and shows what that changed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.evaluate_verbs import open_pictures, read_truth_sets
from pipeline.progress_line import counting

if TYPE_CHECKING:
    from pipeline.models.base import Detector, Embedder
    from pipeline.tracker_settings import Calibration
    from pipeline.training.model_export import ModelFormat, Precision
    from pipeline.trials.export_report import ExportRow
    from trackers.structures import Frame, ImageArray

_TIMED = 40  # frames that speed is measured on, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOrder:
    """A model to export, as the options say."""

    weights: Path
    out: Path
    form: ModelFormat
    precision: Precision
    size: tuple[int, int] | None
    calibration: tuple[str, ...]  # videos or pictures that int8 is fitted to
    frames: int  # of them, at most
    truth: tuple[Path, ...]
    classes: str | None
    every: int
    score_map: Path | None  # settings with what a detector's scores are worth


def export_model_file(order: ModelOrder, report: Path | None) -> None:
    """Write the model, print what changed, and write that to `report` as JSON too.

    Raises ModelError, ConfigError, FormatError, SourceError, OutputError.
    """
    from pipeline.training.model_export import check_output, export_model, plain_form, task_of
    from pipeline.training.whole_file import write_whole
    from pipeline.trials.export_report import export_table, export_to_dict

    console = Console()
    check_output(order.out, order.form)
    score_map = None if order.score_map is None else _read_score_map(order.score_map)
    with tempfile.TemporaryDirectory() as folder:
        plain = plain_form(order.weights, order.size, Path(folder))
        task = task_of(plain)
        pictures = _pictures(order, task)
        files = export_model(
            order.weights,
            plain,
            order.out,
            form=order.form,
            precision=order.precision,
            size=order.size,
            pictures=pictures if order.precision == "int8" else (),
            scores=score_map,
        )
        for file in files:
            console.print(f"written   {file}", soft_wrap=True, highlight=False, markup=False)
        rows = _rows(order, plain, files, task, pictures)
    console.print(export_table(rows))
    if score_map is None and (order.precision == "int8" or order.size is not None) and _knows_scores(order, task):
        console.print("note      what its scores are worth was measured before; measure again, and give --scores")
    if report is not None:
        written = {"weights": str(order.weights), "out": str(order.out), "task": task, "rows": export_to_dict(rows)}
        write_whole(report, (json.dumps(written, indent=2) + "\n").encode())


def _rows(
    order: ModelOrder, plain: Path, files: Sequence[Path], task: str, pictures: Sequence[ImageArray]
) -> list[ExportRow]:
    """The model before and after, run in every way that matters."""
    ways = [("before", plain, "auto", "f32"), ("before", plain, "auto", "auto"), ("after", order.out, "auto", "auto")]
    if order.form == "onnx":
        ways.append(("after", order.out, "onnx", "auto"))
    sizes = {"before": _bytes(plain, order.weights), "after": sum(file.stat().st_size for file in files)}
    opened = [(name, _detector_or_embedder(task, order, path, backend, how)) for name, path, backend, how in ways]
    if opened[0][1].card.runtime == opened[1][1].card.runtime:
        del opened[1]
    return _measured(order, opened, sizes, pictures)


def _measured(
    order: ModelOrder,
    opened: Sequence[tuple[str, Detector | Embedder]],
    sizes: dict[str, int],
    pictures: Sequence[ImageArray],
) -> list[ExportRow]:
    from pipeline.trials.export_report import ExportRow
    from pipeline.trials.speed import milliseconds

    models = [model for _, model in opened]
    speeds = milliseconds([_call(model) for model in models], [_frame(image) for image in pictures[:_TIMED]])
    with counting("pictures tried") as told:
        scores = [_scores(order, model, told) for model in models]
    return [
        ExportRow(name, model.card.runtime, sizes[name], speed, score)
        for (name, model), speed, score in zip(opened, speeds, scores, strict=True)
    ]


def _scores(order: ModelOrder, model: Detector | Embedder, told: Callable[[int], None]) -> dict[str, float]:
    if not order.truth:
        return {}
    if model.card.task == "embed":
        from pipeline.trials.embedder_trial import try_embedder
        from pipeline.trials.mot_sequence import read_mot_sequence

        read = [read_mot_sequence(folder, open_pictures) for folder in order.truth]
        last = try_embedder(model, read, opened=open_pictures, every=order.every, told=told)[-1]  # type: ignore[arg-type]
        return {"AUC": last.auc, "rank 1": last.rank_one}
    from pipeline.trials.detector_trial import try_detector

    truths = read_truth_sets(order.truth, every=order.every)
    result = try_detector(model, truths, classes=order.classes, told=told)  # type: ignore[arg-type]
    return {"AP50": result.pooled.scores.mean_ap50, "AP": result.pooled.scores.mean_ap}


def _pictures(order: ModelOrder, task: str) -> list[ImageArray]:
    """To calibrate with, and to measure speed on: of --calibration, else some of --truth."""
    from pipeline.trials.calibration_pictures import calibration_crops, calibration_frames

    gather = calibration_crops if task == "embed" else calibration_frames
    if order.calibration:
        return gather(order.calibration, order.frames, opened=open_pictures)
    if task == "embed":
        return calibration_crops([str(one) for one in order.truth], _TIMED, opened=open_pictures) if order.truth else []
    some: list[ImageArray] = []
    for one in read_truth_sets(order.truth, every=order.every):
        for frame in one.frames():
            if len(some) == _TIMED:
                return some
            some.append(frame.image)
    return some


def _detector_or_embedder(
    task: str, order: ModelOrder, path: Path, backend: str, precision: str
) -> Detector | Embedder:
    from pipeline import build
    from pipeline.config import load_settings

    section = "embedder" if task == "embed" else "detector"
    keys = {"weights": json.dumps(str(path)), "backend": backend, "precision": precision}
    if task == "detect":
        keys["min_score"] = "0.01"
        if order.size is not None:
            keys["input_size"] = str(list(order.size))
    else:
        keys["min_score"] = "0"
    settings = load_settings(None, [f"{section}.{key}={value}" for key, value in keys.items()])
    if task == "detect":
        return build.detector(settings.detector)
    found = build.embedder(settings.embedder)
    assert found is not None, "it has weights"
    return found


def _call(model: Any) -> Callable[[Frame], object]:
    """What runs a model on one frame; an embedder takes the whole of it as a crop."""
    import numpy as np

    from trackers.structures import Detections

    if model.card.task == "detect":
        return lambda frame: model.detect([frame])

    def whole(frame: Frame) -> Detections:
        box = np.array([[0, 0, frame.width, frame.height]], np.float32)
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64))

    return lambda frame: model.embed([frame], [whole(frame)])


def _frame(image: ImageArray) -> Frame:
    from trackers.structures import Frame

    return Frame(image, 0, 0.0, 0)


def _bytes(plain: Path, weights: Path) -> int:
    binary = plain.with_suffix(".bin")
    if plain.suffix == ".xml" and binary.is_file():
        return weights.stat().st_size + binary.stat().st_size
    return weights.stat().st_size


def _read_score_map(file: Path) -> Calibration:
    """Of a settings file. Raises ConfigError where it has none."""
    from pipeline.config import load_settings

    known = getattr(load_settings(file).tracker, "calibration", None)
    if known is None:
        raise ConfigError(
            f"--scores {file}: it has no tracker.calibration; write one with sightline evaluate detector "
            "--calibration-out"
        )
    return tuple(known)


def _knows_scores(order: ModelOrder, task: str) -> bool:
    """Whether the written file says what its scores are worth."""
    return _detector_or_embedder(task, order, order.out, "auto", "auto").card.calibration is not None
