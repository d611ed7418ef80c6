"""Settings -> trackers of single targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pipeline.building.models import detector, embedder
from pipeline.config import DetectorSettings, EmbedderSettings
from pipeline.models.catalog import Task
from pipeline.models.fetching import Fetched
from pipeline.models.named import named_file, named_model
from pipeline.target_settings import (
    NONE,
    AutoSettings,
    CorrelationSettings,
    FlowSettings,
    MdNetSettings,
    MosseSettings,
    NetworkSettings,
    SiameseSettings,
    TargetSettings,
)
from trackers.siamese_networks import SiameseNetworks
from trackers.targets import ResumableTargets, TargetTracker

if TYPE_CHECKING:
    from trackers.likeness import Embed
    from trackers.target_follower import Candidates

_FRAME_RATE = 25.0  # pictures a second, where nobody says it
# what the models that settings name are for
_SIAMESE: tuple[Task, ...] = ("target",)
_OF_MDNET: tuple[Task, ...] = ("detect",)
_LOOKS: tuple[Task, ...] = ("embed",)
_CANDIDATES: tuple[Task, ...] = ("detect", "segment")
_LEAST_SCORE = 0.2  # of a detection that may be a lost target; its looks decide


def target_tracker(settings: TargetSettings, *, frame_rate: float = _FRAME_RATE) -> TargetTracker:
    """A new one for one stream of so many pictures a second. Raises ModelError."""
    values = settings.model_dump(exclude={"name"})
    match settings:
        case MosseSettings():
            from trackers.mosse import Mosse

            return Mosse(**values)
        case AutoSettings():
            return _follower(settings, frame_rate)
        case SiameseSettings():
            from trackers.siamese import SiameseTracker

            return SiameseTracker(siamese_networks(settings))
        case MdNetSettings():
            from pipeline.models.first_blocks import FirstBlocks
            from trackers.mdnet import MdNet

            weights = named_file(values.pop("weights"), tasks=_OF_MDNET, setting="target.weights")
            blocks = FirstBlocks(weights, device=values.pop("device"), threads=values.pop("threads"))
            return MdNet(blocks, side=blocks.side, **values)
        case FlowSettings():
            from trackers.flow_target import FlowTarget

            return FlowTarget(**values)
        case CorrelationSettings():
            return _correlation(settings)


def target_models(settings: TargetSettings) -> dict[str, Fetched | None]:
    """The models that settings name, by the setting; None for a file of one's own. Fetched where they are not here.

    Raises ModelError.
    """
    asked: dict[str, tuple[Task, ...]] = {}
    match settings:
        case MdNetSettings():
            asked = {"weights": _OF_MDNET}
        case AutoSettings():
            asked = {"weights": _SIAMESE, "embedder": _LOOKS, "detector": _CANDIDATES}
        case SiameseSettings():
            asked = {"weights": _SIAMESE}
    said = {name: getattr(settings, name) for name in asked}
    if isinstance(settings, NetworkSettings) and settings.backbone is not None:
        del said["weights"]
        return {"backbone": None, "head": None} | _named(said, asked)
    return _named(said, asked)


def _named(said: Mapping[str, str], asked: Mapping[str, Sequence[Task]]) -> dict[str, Fetched | None]:
    return {
        name: named_model(weights, tasks=asked[name], setting=f"target.{name}")
        for name, weights in said.items()
        if weights != NONE
    }


def siamese_networks(settings: NetworkSettings) -> SiameseNetworks:
    """The networks of a Siamese tracker: one file of ours, or NanoTrack's two. Raises ModelError."""
    how = settings.model_dump(include={"precision", "device", "threads"})
    weights, pair = settings.weights, (settings.backbone, settings.head)
    named = None if weights is None else named_model(weights, tasks=_SIAMESE, setting="target.weights")
    if named is not None:
        roles = {role: str(path) for role, path in named.by_role.items()}
        weights, pair = str(named.paths[0]), (roles.get("backbone"), roles.get("head"))
    if None not in pair:
        from pipeline.models.nanotrack import open_nanotrack

        backbone, head = pair
        return open_nanotrack(str(backbone), str(head), **how)
    from pipeline.models.siamese_onnx import open_siamese

    assert weights is not None  # the settings see to that
    return open_siamese(weights, **how)


def _follower(settings: AutoSettings, frame_rate: float) -> TargetTracker:
    """Siamese networks, which are robust, beside a correlation filter, which is exact."""
    from trackers.siamese import SiameseTracker
    from trackers.target_follower import TargetFollower

    networks = siamese_networks(settings)
    return TargetFollower(
        SiameseTracker(networks),
        _correlation(CorrelationSettings()),
        _looks(settings, networks),
        candidates=_candidates(settings),
        patience=round(settings.patience * frame_rate),
        frame_rate=frame_rate,
        **settings.model_dump(include={"sure", "lost_share", "back_share", "places"}),
    )


def _looks(settings: AutoSettings, networks: SiameseNetworks) -> Embed:
    """What targets are known again by."""
    from pipeline.models.target_looks import EmbeddedLooks
    from trackers.backbone_looks import BackboneLooks
    from trackers.likeness import JoinedLooks

    how = {"device": settings.device, "threads": settings.threads, "precision": settings.precision}
    looks = BackboneLooks(networks)
    if settings.embedder == NONE:
        return looks
    found = embedder(EmbedderSettings(weights=settings.embedder, **how), setting="target.embedder")
    return looks if found is None else JoinedLooks(looks, EmbeddedLooks(found))


def _candidates(settings: AutoSettings) -> Candidates | None:
    """What a lost target may be, where there is a detector."""
    if settings.detector == NONE:
        return None
    from pipeline.models.target_looks import DetectedCandidates

    how = {"device": settings.device, "threads": settings.threads, "precision": settings.precision}
    chosen = DetectorSettings(weights=settings.detector, min_score=_LEAST_SCORE, **how)
    return DetectedCandidates(detector(chosen, setting="target.detector"))


def _correlation(settings: CorrelationSettings) -> ResumableTargets:
    from trackers.correlation import Correlation
    from trackers.patch_features import GradientsAndColours, gradients
    from trackers.scale_filter import ScaleFilter

    values = settings.model_dump(exclude={"name", "profile"})
    match settings.profile:
        case "fast":
            sizes = ScaleFilter(partial(gradients, directions=8), scales=11, step=1.04, side=16, rate=0.13)
            features = GradientsAndColours(cell=2, directions=8)
            return Correlation(features, scale=sizes, cell=2, every=8, rate=0.24, chance=0.2, **values)
        case "accurate":
            sizes = ScaleFilter(partial(gradients, directions=10), rate=0.05)
            features = GradientsAndColours(directions=10)
            return Correlation(features, scale=sizes, every=2, rate=0.07, **values)
