"""What the `sightline` command does to see how good a model is: evaluate detector, masks, reid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.evaluate_masks_verb import evaluate_masks
from pipeline.input_size import parse_size
from pipeline.progress_line import counting
from pipeline.run_verbs import SetOption
from pipeline.track_verbs import evaluate_app as evaluate_app  # with the verbs below

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.models.base import Detector
    from pipeline.sources.base import Source
    from pipeline.trials.detector_trial import DetectorResult, Told
    from pipeline.trials.embedder_trial import SequenceResult
    from pipeline.trials.truth_set import TruthSet

_LEAST_SCORE = 0.01  # average precision needs weak boxes too
_PERSON = "person"  # what MOTChallenge's boxes show

TruthOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--truth",
        metavar="T",
        help="A MOTChallenge folder, COCO .json, data.yaml, or folder of YOLO labels; may be given several times.",
    ),
]
ClassesOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES", help="What to compare: `person,vehicle=car+truck,bicycle=bike`.  [default: names of both]"
    ),
]
EveryOption = Annotated[int, typer.Option(min=1, help="Take every n-th frame of a video.")]
ImageSizeOption = Annotated[str | None, typer.Option(metavar="SIZE", help="Of the network's input: 320 or 288x512.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")]


@evaluate_app.command("detector")
def evaluate_detector(
    weights: Annotated[str | None, typer.Option(metavar="FILE", help="Detector; more is told by --set.")] = None,
    truth: TruthOption = None,
    classes: ClassesOption = None,
    every: EveryOption = 1,
    image_size: ImageSizeOption = None,
    teacher_weights: Annotated[
        str | None, typer.Option(metavar="FILE", help="Take another detector's boxes in --source as the truth.")
    ] = None,
    teacher_score: Annotated[float, typer.Option(min=0, max=1, help="Its boxes count from this score on.")] = 0.5,
    source: Annotated[
        list[str] | None, typer.Option(metavar="VIDEO", help="Where the teacher looks; may be given several times.")
    ] = None,
    json_out: JsonFile = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Precision over recall as PNG.")] = None,
    calibration_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write score -> precision as settings of the tracker (YAML).")
    ] = None,
    settings: SetOption = None,
) -> None:
    """Average precision of a detector on pictures whose objects are known, or known to a better detector.

    Settings are the detector's: `--set detector.nms_iou=0.5`. Boxes of score 0.01 and above are looked at, unless
    `detector.min_score` says otherwise.

    Example: `sightline evaluate detector --weights best.pt --truth mot15/TUD-Campus --truth coco/val.json`
    """
    from pipeline.training.whole_file import write_whole
    from pipeline.trials.trial_report import detector_table, detector_to_dict, precision_recall_plot

    if (teacher_weights is None) != (not source):
        raise ConfigError("--teacher-weights and --source belong together; give both")
    if not truth and not source:
        raise ConfigError("nothing to compare with; give --truth, or --teacher-weights and --source")
    detector = open_detector(weights, image_size, settings)
    with counting("pictures") as told:
        truths = read_truth_sets(truth or [], every=every)
        if teacher_weights is not None:
            teacher = open_detector(teacher_weights, None, [])
            truths += _taught(teacher, source or [], every=every, least_score=teacher_score, told=told)
        result = _tried(detector, truths, classes, told)
    Console().print(detector_table(result))
    if json_out is not None:
        write_whole(json_out, _json(detector_to_dict(detector.card, result)))
    if plot is not None:
        write_whole(plot, precision_recall_plot(result))
    if calibration_out is not None:
        write_whole(calibration_out, _calibration(result).encode())


evaluate_app.command("masks")(evaluate_masks)


@evaluate_app.command("reid")
def evaluate_reid(
    sequences: Annotated[
        list[Path], typer.Argument(metavar="SEQ...", help="MOTChallenge folders: gt/, seqinfo.ini, video.mp4 or img1/.")
    ],
    weights: Annotated[str | None, typer.Option(metavar="FILE", help="Embedder; more is told by --set.")] = None,
    every: EveryOption = 1,
    least_seconds: Annotated[
        float, typer.Option(min=0, help="Crops of one person closer in time are no pair: they are nearly one picture.")
    ] = 1.0,
    segmenter: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Draws masks: once more without what is behind people, beside the first."),
    ] = None,
    json_out: JsonFile = None,
    settings: SetOption = None,
) -> None:
    """How well an embedder tells people apart: same or different (AUC), and the nearest one (rank 1).

    All pairs of crops of different people are compared with the pairs of one person at least a second apart in one
    sequence. People of different sequences are different. With --segmenter settings are also the segmenter's; it draws
    masks on the true boxes, and a crop without one is shown whole, as with `embedder.background=suppress`.

    Example: `sightline evaluate reid --weights osnet.onnx mot15/PETS09-S2L1 mot15/TUD-Campus --segmenter yolov8n-seg`
    """
    from pipeline import build
    from pipeline.training.whole_file import write_whole
    from pipeline.trials.embedder_trial import try_embedder
    from pipeline.trials.mot_sequence import read_mot_sequence
    from pipeline.trials.trial_report import embedder_table, embedder_to_dict, model_to_dict

    chosen = _reid_settings(weights, segmenter, settings)
    embedder = build.embedder(chosen.embedder)
    if embedder is None:
        raise ConfigError("there is no embedder to try; give --weights FILE or --set embedder.backend=colour")
    read = [read_mot_sequence(folder, open_pictures) for folder in sequences]
    drawer = build.segmenter(chosen.segmenter, (_PERSON,))
    suppressed: list[SequenceResult] = []
    with counting("frames") as told:
        trial = partial(try_embedder, opened=open_pictures, every=every, least_seconds=least_seconds, told=told)
        results = trial(embedder, read)
        held = embedder_to_dict(embedder.card, results)
        if drawer is not None:
            blind = build.embedder(chosen.embedder.model_copy(update={"background": "suppress"}))
            assert blind is not None, "the same settings made one before"
            suppressed = trial(blind, read, segmenter=drawer)
            without = embedder_to_dict(blind.card, suppressed)
            held["suppressed"] = {"segmenter": model_to_dict(drawer.card), **without}
    Console().print(embedder_table(results, suppressed))
    if json_out is not None:
        write_whole(json_out, _json(held))


def _reid_settings(weights: str | None, segmenter: str | None, settings: Sequence[str] | None) -> Settings:
    """Those of the embedder and, where there is to be one, of the segmenter. Raises ConfigError."""
    from pipeline.config import load_settings

    keys = ["embedder.min_score=0"]
    if weights is not None:
        keys.append(f"embedder.weights={json.dumps(weights)}")
    if segmenter is not None:
        keys += ["segmenter.min_score=0", f"segmenter.weights={json.dumps(segmenter)}"]
    sections = ("embedder",) if segmenter is None else ("embedder", "segmenter")
    chosen = load_settings(None, [*keys, *_section(settings, *sections)])
    if chosen.embedder.background == "suppress":
        raise ConfigError("embedder.background=suppress needs masks; give --segmenter FILE in its place: it tries both")
    return chosen


def open_pictures(address: str) -> Source:
    """A video or a folder of pictures."""
    from pipeline import build
    from pipeline.config import SourceSettings

    return build.source(address, SourceSettings())


def open_detector(weights: str | None, image_size: str | None, settings: Sequence[str] | None) -> Detector:
    """The detector that options describe. Raises ConfigError, ModelError."""
    from pipeline import build
    from pipeline.config import load_settings

    keys = [f"detector.min_score={_LEAST_SCORE}"]
    if weights is not None:
        keys.append(f"detector.weights={json.dumps(weights)}")
    if image_size is not None:
        keys.append(f"detector.input_size={list(parse_size(image_size, option='--image-size'))}")
    return build.detector(load_settings(None, [*keys, *_section(settings, "detector")]).detector)


def read_truth_sets(paths: Sequence[Path], *, every: int) -> list[TruthSet]:
    """All sets that paths name. Raises FormatError, SourceError."""
    from pipeline.trials.truth_set import read_truths

    return [one for path in paths for one in read_truths(path, opened=open_pictures, every=every)]


def _taught(teacher: Detector, sources: Sequence[str], *, every: int, least_score: float, told: Told) -> list[TruthSet]:
    from pipeline.trials.detector_trial import teacher_truth
    from pipeline.trials.truth_set import unmarked

    plain = [unmarked(address, opened=open_pictures, every=every) for address in sources]
    return [teacher_truth(teacher, one, least_score=least_score, told=told) for one in plain]


def _tried(detector: Detector, truths: Sequence[TruthSet], classes: str | None, told: Told) -> DetectorResult:
    from pipeline.trials.detector_trial import try_detector

    return try_detector(detector, truths, classes=classes, told=told)


def _calibration(result: DetectorResult) -> str:
    """Settings that `--config` and `--set tracker.calibration=` take. Raises ConfigError where no box was found."""
    from pipeline.evaluation.detection import precision_by_score

    pairs = precision_by_score(result.pooled.judged)
    if not pairs:
        raise ConfigError("the detector found nothing, so that nothing is known of its scores")
    return f"tracker:\n  calibration: {json.dumps(pairs)}\n"


def _section(settings: Sequence[str] | None, *names: str) -> list[str]:
    """`--set` of some sections only. Raises ConfigError for another one, which would change nothing."""
    parts = tuple(f"{name}." for name in names)
    for one in settings or []:
        if not one.startswith(parts):
            raise ConfigError(f"--set {one}: only settings under {' and '.join(parts)} change something here")
    return list(settings or [])


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
