"""Settings of following one target: what `target` may say, by the tracker's name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from pipeline.config import Settings
from pipeline.section import Section, Share


class MosseSettings(Section):
    """Correlation filter on grey values: the fastest; sizes stay as they were given."""

    name: Literal["mosse"] = "mosse"
    context: Annotated[float, Field(ge=1, le=10)] = Field(2.0, description="sides of the search region, in those given")
    rate: Share = Field(0.125, description="share of a new picture in what is known")
    lost_ratio: PositiveFloat = Field(8.0, description="peak-to-sidelobe ratio below which the target is lost")
    sure_ratio: PositiveFloat = Field(20.0, description="ratio from which the score is 1")


class CorrelationSettings(Section):
    """Correlation filter on gradients and colours that learns from the background."""

    name: Literal["correlation"] = "correlation"
    profile: Literal["fast", "accurate"] = Field("accurate", description="fast: for twenty targets at once")
    learn_share: Share = Field(0.6, description="score from which the target's new looks are learned")
    lost_share: Share = Field(0.3, description="score below which the target is lost")


class SiameseSettings(Section):
    """Siamese networks of the NanoTrack v2 family."""

    name: Literal["siamese"] = "siamese"
    backbone: str | None = Field(None, description="ONNX file of the network that looks at pictures")
    head: str | None = Field(None, description="ONNX file of the network that compares")
    precision: Literal["auto", "f32", "bf16", "f16"] = Field("f32", description="arithmetic of the networks")
    device: str = Field("CPU", description="where they run, as OpenVINO names it")
    threads: Annotated[int, Field(ge=0)] = Field(1, description="CPU threads, 0: the library's choice")

    @model_validator(mode="after")
    def _needs_networks(self) -> SiameseSettings:
        if self.backbone is None or self.head is None:
            raise ValueError(
                "siamese needs two networks; set target.backbone and target.head to NanoTrack's ONNX files"
            )
        return self


class FlowSettings(Section):
    """Median flow: the motion of points on the target."""

    name: Literal["flow"] = "flow"
    cells: PositiveInt = Field(5, description="points along each side of a target")
    found: Share = Field(0.2, description="share of the points that must agree")
    sure: Share = Field(0.35, description="with fewer, what the target looks like now is remembered")


TargetSettings = Annotated[
    MosseSettings | CorrelationSettings | SiameseSettings | FlowSettings, Field(discriminator="name")
]


class FollowSettings(Settings):
    """Everything that following one target can be told."""

    target: TargetSettings = CorrelationSettings()

    @field_validator("target", mode="before")
    @classmethod
    def _name_target(cls, value: Any) -> Any:
        """`target: {profile: fast}` without a name means the default."""
        return {"name": "correlation"} | value if isinstance(value, dict) else value
