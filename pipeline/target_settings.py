"""Settings of following one target: what `target` may say, by the tracker's name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, field_validator, model_validator

from pipeline.config import SourceSettings, Weights
from pipeline.section import Section, Share

BUNDLED_SIAMESE = "bundled:siamese"
NONE = "none"  # in place of a network
InnerShare = Annotated[float, Field(gt=0, lt=1)]


class MosseSettings(Section):
    """Correlation filter on grey values: the fastest; sizes stay as they were given."""

    name: Literal["mosse"] = "mosse"
    context: Annotated[float, Field(ge=1, le=10)] = Field(2.0, description="sides of the search region, in those given")
    rate: Share = Field(0.125, description="share of a new picture in what is known")
    lost_ratio: PositiveFloat = Field(8.0, description="peak-to-sidelobe ratio below which the target is lost")
    sure_ratio: PositiveFloat = Field(20.0, description="ratio from which the score is 1")

    @model_validator(mode="after")
    def _in_order(self) -> MosseSettings:
        if self.lost_ratio >= self.sure_ratio:
            raise ValueError(f"lost_ratio {self.lost_ratio:g} must be below sure_ratio {self.sure_ratio:g}")
        return self


_LOST_SHARES = {"fast": 0.3, "accurate": 0.4}  # by profile


class CorrelationSettings(Section):
    """Correlation filter on gradients and colours that learns from the background."""

    name: Literal["correlation"] = "correlation"
    profile: Literal["fast", "accurate"] = Field(
        "accurate", description="fast: coarser and learns less often; several times as fast, less exact"
    )
    learn_share: Share = Field(
        0.7, description="share of its usual answer from which the target's new looks are learned"
    )
    lost_share: InnerShare = Field(
        default_factory=lambda read: _LOST_SHARES[read["profile"]] if "profile" in read else 0.4,
        description="share below which the target is lost; unset: 0.4, with the fast profile 0.3",
    )

    @model_validator(mode="after")
    def _in_order(self) -> CorrelationSettings:
        if self.lost_share > self.learn_share:
            raise ValueError(f"lost_share {self.lost_share:g} must not be above learn_share {self.learn_share:g}")
        return self


class NetworkSettings(Section):
    """Which Siamese networks: a file of ours, or NanoTrack v2's two."""

    weights: Weights | None = Field(
        None,
        description="ONNX file of `sightline train siamese`, a model's name (nanotrack_v2), or bundled:NAME; "
        "bundled:siamese where no backbone and head are given",
    )
    backbone: str | None = Field(None, description="NanoTrack v2: ONNX file of the network that looks at pictures")
    head: str | None = Field(None, description="NanoTrack v2: ONNX file of the network that compares")
    precision: Literal["auto", "f32", "bf16", "f16"] = Field("f32", description="arithmetic of the networks")
    device: str = Field("CPU", description="where they run, as OpenVINO names it")
    threads: Annotated[int, Field(ge=0)] = Field(1, description="CPU threads, 0: the library's choice")

    @model_validator(mode="before")
    @classmethod
    def _bundled_unless_told(cls, value: Any) -> Any:
        told = isinstance(value, dict) and any(value.get(key) is not None for key in ("weights", "backbone", "head"))
        return {**value, "weights": BUNDLED_SIAMESE} if isinstance(value, dict) and not told else value

    @model_validator(mode="after")
    def _one_or_two(self) -> NetworkSettings:
        if (self.backbone is None) != (self.head is None):
            given, missing = ("head", "backbone") if self.backbone is None else ("backbone", "head")
            raise ValueError(f"NanoTrack has two networks; set target.{missing}, too, or leave target.{given} out")
        if self.backbone is not None and self.weights is not None:
            raise ValueError("target.weights and target.backbone name different networks; leave one of them out")
        return self


class SiameseSettings(NetworkSettings):
    """Siamese networks: a file of ours, or NanoTrack v2's two."""

    name: Literal["siamese"] = "siamese"


class MdNetSettings(Section):
    """Classifiers that learn while they track, on the first blocks of a detector."""

    name: Literal["mdnet"] = "mdnet"
    weights: Weights = Field(
        "bundled:person-vehicle-bicycle",
        description="YOLOv8 detector as ONNX: file, name of a model, or bundled:NAME",
        validate_default=True,
    )
    candidates: Annotated[int, Field(ge=16)] = Field(256, description="boxes looked at in a picture")
    lost_odds: Annotated[float, Field(ge=-10, le=10)] = Field(
        3.0, description="logarithm of the odds below which the target is lost"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of its random numbers; the same gives the same boxes")
    device: str = Field("CPU", description="where the network runs, as OpenVINO names it")
    threads: Annotated[int, Field(ge=0)] = Field(0, description="CPU threads of it, 0: the library's choice")


class FlowSettings(Section):
    """Median flow: the motion of points on the target."""

    name: Literal["flow"] = "flow"
    cells: Annotated[int, Field(ge=2, le=32)] = Field(5, description="points along each side of a target")
    found: InnerShare = Field(0.2, description="share of the points that must agree")
    sure: Share = Field(0.35, description="with fewer, what the target looks like now is remembered")

    @model_validator(mode="after")
    def _in_order(self) -> FlowSettings:
        if self.found > self.sure:
            raise ValueError(f"found {self.found:g} must not be above sure {self.sure:g}")
        return self


class AutoSettings(NetworkSettings):
    """Siamese networks and a correlation filter that check each other; what is lost is searched in the picture."""

    name: Literal["auto"] = "auto"
    embedder: Weights = Field(
        "bundled:person-reid",
        description="file, name of a model, or bundled:NAME, that targets are known again by, too; none: by the "
        "backbone alone",
        validate_default=True,
    )
    detector: Weights = Field(
        "bundled:person-vehicle-bicycle",
        description="file, name of a model, or bundled:NAME, whose boxes a lost target is looked for among, too; none: "
        "without",
        validate_default=True,
    )
    sure: InnerShare = Field(0.6, description="score from which the filter's box counts, too, which is the more exact")
    lost_share: InnerShare = Field(0.35, description="likeness, in shares of the usual, below which it is lost")
    back_share: InnerShare = Field(0.65, description="likeness from which a lost one is taken up again elsewhere")
    patience: Annotated[float, Field(ge=0)] = Field(0.4, description="seconds without it after which it is searched")
    places: Annotated[int, Field(ge=1)] = Field(4, description="places looked at in a picture while it is away")

    @model_validator(mode="after")
    def _in_order(self) -> AutoSettings:
        if self.lost_share > self.back_share:
            raise ValueError(f"lost_share {self.lost_share:g} must not be above back_share {self.back_share:g}")
        return self


TargetSettings = Annotated[
    MosseSettings | CorrelationSettings | SiameseSettings | MdNetSettings | FlowSettings | AutoSettings,
    Field(discriminator="name"),
]


class FollowSettings(Section):
    """Everything that following one target can be told."""

    source: SourceSettings = SourceSettings()
    target: TargetSettings = CorrelationSettings()

    @field_validator("target", mode="before")
    @classmethod
    def _name_target(cls, value: Any) -> Any:
        """`target: {profile: fast}` without a name means the default."""
        return {"name": "correlation"} | value if isinstance(value, dict) else value
