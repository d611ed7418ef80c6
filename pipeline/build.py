"""Settings -> objects. The only file that names concrete sources, models, trackers and sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from pipeline.camera_settings import AlertSettings, CameraSettings, RecordSettings
from pipeline.config import DetectorSettings, EmbedderSettings, RefineSettings, SourceSettings
from pipeline.errors import ConfigError, SourceError
from pipeline.events import Analyst, Tally
from pipeline.models.base import Detector, Embedder
from pipeline.models.inputs import IMAGENET, PLAIN, Recipe
from pipeline.models.selection import SelectedClasses, StrongOnly
from pipeline.redaction import redact
from pipeline.rule_settings import AnalyticsSettings, DrawnRule, LineSettings, ZoneSettings, merge_possible, merge_rules
from pipeline.secrets import Secret, Secrets
from pipeline.sinks.base import Sink
from pipeline.sinks.past import FileSink
from pipeline.sources.base import Source
from pipeline.target_settings import (
    AutoSettings,
    CorrelationSettings,
    FlowSettings,
    MdNetSettings,
    MosseSettings,
    SiameseSettings,
    TargetSettings,
)
from pipeline.tracker_settings import (
    ByteTrackSettings,
    DeepSortSettings,
    Held,
    OcSortSettings,
    SortSettings,
    TrackerSettings,
)
from trackers.siamese_networks import SiameseNetworks
from trackers.structures import Evidence, MultiObjectTracker
from trackers.targets import LOST, ResumableTargets, TargetTracker
from trackers.track_rows import Refiner

if TYPE_CHECKING:
    from pipeline.alerts.courier import Courier
    from pipeline.alerts.dispatcher import Receiver
    from pipeline.rule_board import RuleBoard
    from pipeline.sources.camera import Camera
    from pipeline.sources.outage_guard import OutageGuard
    from pipeline.sources.probe import Probe
    from pipeline.sources.recorder import Segment
    from pipeline.store.deliveries import AlertTarget
    from trackers.camera_motion import CameraMotion
    from trackers.holding import Carrier


def source(address: str, settings: SourceSettings, *, first_frame: int = 0) -> Source:
    """Open what a command line names: a video file or a folder of pictures. Raises SourceError.

    `first_frame`: index of the first to give; below `max_frames` where that is set.
    """
    if "://" in address:
        raise SourceError(f"{redact(address)}: a camera is no file; give a video file or a folder of pictures")
    path = Path(address)
    left = None if settings.max_frames is None else settings.max_frames - first_frame
    if path.exists() and not path.is_file() and not path.is_dir():
        raise SourceError(f"{address} is a device or a pipe; give a video file or a folder of pictures")
    if path.is_dir():
        from pipeline.sources.images import ImageFolder

        return ImageFolder(path, fps=settings.fps, start_at=settings.start_at, max_frames=left, first_frame=first_frame)
    from pipeline.sources.files import VideoFile

    return VideoFile(path, start_at=settings.start_at, max_frames=left, first_frame=first_frame)


def camera(
    name: str,
    settings: CameraSettings,
    record: RecordSettings,
    *,
    secret: Secret | None,
    guard: OutageGuard,
    media_folder: Path,
    on_segment: Callable[[Segment], None],
) -> Camera:
    """A camera, not yet started; paused where it is not enabled. Raises SourceError for an address that is none.

    `record`: of the service, unless the camera has its own. `guard`: one for all cameras. `on_segment`: called by a
    thread of the camera with every recorded segment that is complete.
    """
    from pipeline.sources.camera import Camera
    from pipeline.sources.reading import RecordOrder

    recording = settings.record or record
    order = None
    if recording.mode != "off":
        order = RecordOrder(media_folder, recording.segment_seconds, recording.segment_bytes)
    same = ("transport", "hardware", "max_fps", "open_seconds", "stall_seconds", "backoff_seconds", "loop")
    return Camera(
        name,
        settings.url,
        secret=secret,
        guard=guard,
        every=settings.policy == "batch",
        record=order,
        on_segment=on_segment,
        paused=not settings.enabled,
        **settings.model_dump(include=set(same)),
    )


def probe(
    address: str, *, secret: Secret | None, transport: str = "auto", hardware: str = "auto", seconds: float = 5.0
) -> Probe:
    """Look at a camera for so many seconds. Raises SourceError where no picture comes."""
    from pipeline.sources.probe import probe as look

    return look(address, secret=secret, transport=transport, hardware=hardware, seconds=seconds)


def detector(settings: DetectorSettings) -> Detector:
    """Load the detector. Raises ModelError, ConfigError."""
    found = _whole_detector(settings)
    return found if settings.keep is None else SelectedClasses(found, settings.keep)


def embedder(settings: EmbedderSettings) -> Embedder | None:
    """Load the embedder; None where there is to be none. Raises ModelError."""
    found = _whole_embedder(settings)
    return None if found is None else StrongOnly(found, settings.min_score)


def tracker(settings: TrackerSettings) -> MultiObjectTracker:
    """A new tracker for one stream."""
    values = settings.model_dump(exclude={"name"})
    match settings:
        case SortSettings():
            from trackers.sort import Sort

            return Sort(**values)
        case ByteTrackSettings():
            from trackers.bytetrack import ByteTrack

            return ByteTrack(**values)
        case OcSortSettings():
            from trackers.ocsort import OcSort

            return OcSort(**values)
        case DeepSortSettings():
            from trackers.calibration import ScoreCalibration
            from trackers.deepsort import DeepSort
            from trackers.holding import Holding

            pairs = values.pop("calibration")
            known = None if pairs is None else (tuple(score for score, _ in pairs), tuple(sure for _, sure in pairs))
            holding = Holding(_carrier(values.pop("hold"), values.pop("hold_score")), _carrier(values.pop("between")))
            camera = _camera_motion(values.pop("camera"))
            return DeepSort(calibration=ScoreCalibration(known=known), camera=camera, holding=holding, **values)


def _camera_motion(model: Literal["none", "similarity", "affine"]) -> CameraMotion | None:
    """What finds out how a camera moves."""
    from trackers.camera_motion import CameraMotion

    return None if model == "none" else CameraMotion(model=model)


def _carrier(held: Held, least: float = LOST) -> Carrier | None:
    """What carries tracks without a detection; `least`: see Carrier."""
    from trackers.holding import Carrier

    match held:
        case "none":
            return None
        case "flow":
            return Carrier(_resumable(FlowSettings()), evidence=Evidence.FLOW, least=least)
        case "correlation":
            return Carrier(_resumable(CorrelationSettings(profile="fast")), evidence=Evidence.TARGET, least=least)
        case "siamese":
            return Carrier(_resumable(SiameseSettings()), evidence=Evidence.TARGET, least=least)


def _resumable(settings: TargetSettings) -> ResumableTargets:
    """A target tracker that can be saved."""
    return cast("ResumableTargets", target_tracker(settings))


def target_tracker(settings: TargetSettings) -> TargetTracker:
    """A new one for one stream."""
    values = settings.model_dump(exclude={"name"})
    match settings:
        case MosseSettings():
            from trackers.mosse import Mosse

            return Mosse(**values)
        case AutoSettings():
            return _follower(settings)
        case SiameseSettings():
            from trackers.siamese import SiameseTracker

            return SiameseTracker(siamese_networks(settings))
        case MdNetSettings():
            from pipeline.models.first_blocks import FirstBlocks
            from trackers.mdnet import MdNet

            blocks = FirstBlocks(values.pop("weights"), device=values.pop("device"), threads=values.pop("threads"))
            return MdNet(blocks, side=blocks.side, **values)
        case FlowSettings():
            from trackers.flow_target import FlowTarget

            return FlowTarget(**values)
        case CorrelationSettings():
            from trackers.correlation import Correlation
            from trackers.patch_features import GradientsAndColours, gradients
            from trackers.scale_filter import ScaleFilter

            del values["profile"]
            match settings.profile:
                case "fast":
                    sizes = ScaleFilter(partial(gradients, directions=8), scales=11, step=1.04, side=16, rate=0.13)
                    features = GradientsAndColours(cell=2, directions=8)
                    return Correlation(features, scale=sizes, cell=2, every=8, rate=0.24, chance=0.2, **values)
                case "accurate":
                    sizes = ScaleFilter(partial(gradients, directions=10), rate=0.05)
                    features = GradientsAndColours(directions=10)
                    return Correlation(features, scale=sizes, every=2, rate=0.07, **values)


def siamese_networks(settings: SiameseSettings) -> SiameseNetworks:
    """The networks of a Siamese tracker: one file of ours, or NanoTrack's two. Raises ModelError."""
    precision, device, threads = settings.precision, settings.device, settings.threads
    if settings.backbone is not None and settings.head is not None:
        from pipeline.models.nanotrack import open_nanotrack

        return open_nanotrack(settings.backbone, settings.head, precision=precision, device=device, threads=threads)
    from pipeline.models.siamese_onnx import open_siamese

    assert settings.weights is not None  # the settings see to that
    return open_siamese(settings.weights, precision=precision, device=device, threads=threads)


def _follower(settings: AutoSettings) -> TargetTracker:
    """Siamese networks, which are robust, beside a correlation filter, which is exact."""
    from trackers.backbone_looks import BackboneLooks
    from trackers.siamese import SiameseTracker
    from trackers.target_follower import TargetFollower

    networks = siamese_networks(settings)
    own = settings.model_dump(exclude=set(SiameseSettings.model_fields))
    filters = target_tracker(CorrelationSettings())
    return TargetFollower(SiameseTracker(networks), filters, BackboneLooks(networks), **own)


def refiner(settings: RefineSettings) -> Refiner:
    """Hindsight with these settings."""
    from trackers.refine import Refinement, refine

    chosen = Refinement(**settings.model_dump())
    return lambda rows, recording: refine(rows, chosen, recording=recording)


def merged(settings: AnalyticsSettings, drawn: Iterable[DrawnRule]) -> AnalyticsSettings:
    """What the settings say of a source, with what was drawn for it.

    Raises ConfigError where two have the same name, or a drawn zone asks for speeds and no scale is set.
    """
    return merge_rules(settings, drawn)


def merged_possible(
    settings: AnalyticsSettings, drawn: Iterable[DrawnRule], classes: Sequence[str]
) -> tuple[AnalyticsSettings, list[str]]:
    """What the settings say, with what of the drawn can be watched, and what is wrong with the rest, in words."""
    return merge_possible(settings, drawn, lambda rules: analyst(rules, classes))


def analyst(settings: AnalyticsSettings, classes: Sequence[str]) -> Analyst | None:
    """A new one for one stream; None where there is no zone and no line. `classes`: of the detector, in label order.

    Raises ConfigError for a rule that asks for a class the detector does not know.
    """
    if not settings.zones and not settings.lines:
        return None
    from pipeline.analytics.analyst import RuleAnalyst
    from pipeline.analytics.ground import Ground
    from pipeline.analytics.lines import Line
    from pipeline.analytics.zones import Zone

    zones = [
        Zone(name, labels=_labels(name, zone, classes), **zone.model_dump(exclude={"classes"}))
        for name, zone in settings.zones.items()
    ]
    lines = [
        Line(name, labels=_labels(name, line, classes), **line.model_dump(exclude={"classes"}))
        for name, line in settings.lines.items()
    ]
    ground = Ground(**settings.scale.model_dump()) if settings.scale.known else None
    return RuleAnalyst(zones, lines, ground=ground)


def rule_board(settings: AnalyticsSettings) -> RuleBoard | None:
    """What draws the zones and lines of one stream; None where there are none."""
    if not settings.zones and not settings.lines:
        return None
    from pipeline.rule_board import RuleBoard

    return RuleBoard(
        {name: zone.polygon for name, zone in settings.zones.items()},
        {name: (line.start, line.end) for name, line in settings.lines.items()},
        {name: line.directions for name, line in settings.lines.items()},
    )


def _labels(name: str, rule: ZoneSettings | LineSettings, classes: Sequence[str]) -> frozenset[int] | None:
    """Of the classes that a rule counts; None: all."""
    if not rule.classes:
        return None
    if unknown := [one for one in rule.classes if one not in classes]:
        known = ", ".join(classes) or "none by name"
        raise ConfigError(f"analytics: '{name}' counts {', '.join(unknown)}, but the detector knows {known}")
    return frozenset(classes.index(one) for one in rule.classes)


def alert_targets(alerts: Mapping[str, AlertSettings]) -> tuple[AlertTarget, ...]:
    """Which events are for whom."""
    from pipeline.store.deliveries import AlertTarget

    return tuple(
        AlertTarget(name, cameras=one.cameras or (), rules=one.rules or (), kinds=one.kinds or ())
        for name, one in alerts.items()
    )


def receivers(alerts: Mapping[str, AlertSettings], secrets: Secrets) -> list[Receiver]:
    """The ways to all who are to be told of events; nothing connects yet. Raises ConfigError for a missing secret."""
    from pipeline.alerts.dispatcher import Receiver

    found = {name: None if one.secret is None else secrets.find(one.secret) for name, one in alerts.items()}
    return [Receiver(name, _courier(one, found[name]), one.timeout_seconds) for name, one in alerts.items()]


def _courier(settings: AlertSettings, secret: Secret | None) -> Courier:
    credentials = None if secret is None else (secret.user, secret.password)
    match settings.kind:
        case "webhook":
            from pipeline.alerts.webhook import Webhook

            return Webhook(settings.url, credentials=credentials, timeout=settings.timeout_seconds)
        case "mqtt":
            from pipeline.alerts.mqtt import Mqtt

            return Mqtt(settings.url, topic=settings.topic, credentials=credentials, timeout=settings.timeout_seconds)


def file_sinks(
    classes: Sequence[str],
    *,
    mot_out: Path | None = None,
    csv_out: Path | None = None,
    video_out: Path | None = None,
    owner: str = "",
    analytics: AnalyticsSettings | None = None,
) -> list[FileSink]:
    """The sinks for the output files that are wanted. Raises OutputError for one that cannot be written.

    `owner`: the run, which finds its half-written files by it when it is resumed. `analytics`: zones and lines to draw.
    """
    sinks: list[FileSink] = []
    if mot_out is not None:
        from pipeline.sinks.mot_text import MotTextSink

        sinks.append(MotTextSink(mot_out, owner=owner))
    if csv_out is not None:
        from pipeline.sinks.csv_rows import CsvSink

        sinks.append(CsvSink(csv_out, classes, owner=owner))
    if video_out is not None:
        from pipeline.sinks.video import VideoSink

        board = None if analytics is None else rule_board(analytics)
        sinks.append(VideoSink(video_out, classes, owner=owner, board=board))
    return sinks


def preview_sink(
    path: Path, classes: Sequence[str], *, analytics: AnalyticsSettings | None = None, before: Tally | None = None
) -> Sink:
    """The sink that shows the newest annotated picture.

    `analytics`: zones and lines to draw. `before`: what was counted at them so far.
    """
    from pipeline.sinks.preview import PreviewSink

    board = None if analytics is None else rule_board(analytics)
    if board is not None and before is not None:
        board.go_on(before)
    return PreviewSink(path, classes, board=board)


def camera_preview(path: Path, classes: Sequence[str]) -> Sink:
    """Likewise, for a camera: what it shows never keeps the results waiting."""
    from pipeline.sinks.aside import AsideSink

    return AsideSink(preview_sink(path, classes))


def _whole_embedder(settings: EmbedderSettings) -> Embedder | None:
    """The embedder for all detections."""
    weights, recipe = settings.weights or "", _recipe(settings)
    common = settings.model_dump(include={"device", "threads"})
    match _embedder_backend(settings):
        case "none":
            return None
        case "colour":
            from pipeline.models.colour import ColourEmbedder

            return ColourEmbedder()
        case "torchvision":
            from pipeline.models import torchvision_models

            return torchvision_models.open_embedder(
                settings.architecture,
                weights=weights or "default",
                recipe=recipe or IMAGENET,
                input_size=settings.input_size or (256, 128),
                **common,
            )
        case "onnx":
            from pipeline.models import onnx_models

            return onnx_models.open_embedder(weights, recipe=recipe, input_size=settings.input_size, **common)
        case _:
            from pipeline.models import openvino_models

            return openvino_models.open_embedder(
                weights, recipe=recipe, input_size=settings.input_size, precision=settings.precision, **common
            )


def _whole_detector(settings: DetectorSettings) -> Detector:
    """The detector with all its classes."""
    weights = settings.weights or ""
    limits = settings.model_dump(include={"min_score", "max_detections"})
    common = limits | settings.model_dump(include={"classes", "nms_iou", "batch", "device", "threads"})
    match _detector_backend(settings):
        case "motion":
            from pipeline.models.motion import MotionDetector

            return MotionDetector(**settings.motion.model_dump(), **limits)
        case "ultralytics":
            from pipeline.models.yolo import YoloDetector

            return YoloDetector(weights, input_size=settings.input_size, **common)
        case "torchvision":
            from pipeline.models.torchvision_models import TorchvisionDetector

            side = None if settings.input_size is None else min(settings.input_size)
            return TorchvisionDetector(
                settings.architecture, weights=weights or "default", shortest_side=side, **common
            )
        case "onnx":
            from pipeline.models import onnx_models

            return onnx_models.open_detector(
                weights, decoder=settings.decoder, input_size=settings.input_size, **common
            )
        case _:
            from pipeline.models import openvino_models

            return openvino_models.open_detector(
                weights,
                decoder=settings.decoder,
                input_size=settings.input_size,
                precision=settings.precision,
                **common,
            )


def _detector_backend(settings: DetectorSettings) -> str:
    if settings.backend != "auto":
        return settings.backend
    if settings.weights is None:
        raise ConfigError(
            "no detector is chosen; set detector.weights to a file (.xml, .onnx, .pt), or detector.backend to motion "
            "(fixed camera, no weights) or torchvision"
        )
    match Path(settings.weights).suffix.lower():
        case ".xml" | ".onnx":
            return "openvino"
        case ".pt" | ".yaml" | ".yml":
            return "ultralytics"
        case suffix:
            raise ConfigError(
                f"detector.weights {settings.weights}: no backend is known for {suffix or 'a file without suffix'}; "
                "use .xml, .onnx, .pt or .yaml, or set detector.backend"
            )


def _embedder_backend(settings: EmbedderSettings) -> str:
    if settings.backend != "auto":
        return settings.backend
    if settings.weights is None:
        return "none"
    suffix = Path(settings.weights).suffix.lower()
    if suffix not in (".xml", ".onnx"):
        raise ConfigError(
            f"embedder.weights {settings.weights}: no backend is known for {suffix or 'a file without suffix'}; "
            "use .xml or .onnx, or set embedder.backend"
        )
    return "openvino"


def _recipe(settings: EmbedderSettings) -> Recipe | None:
    """None: what is usual for the file."""
    match settings.recipe:
        case "plain":
            return PLAIN
        case "imagenet":
            return IMAGENET
        case "auto":
            return None
