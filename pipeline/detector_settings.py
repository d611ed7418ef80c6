"""Settings of what stands around a detector's network: light, suppression, a second detector, when it looks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, model_validator

from pipeline.bundled_models import resolved
from pipeline.section import ImageSize, Seconds, Section, Share

NmsName = Literal["class-wise", "agnostic", "soft-linear", "soft-gaussian", "wbf"]
ScheduleName = Literal["every", "adaptive", "budget"]


class LightSettings(Section):
    """Changes of the picture that the detector alone sees; nothing is changed as it is."""

    clahe: Annotated[float, Field(ge=0, le=40)] = Field(
        0.0, description="contrast is made even, limited to so much (2 is usual); 0: it is not"
    )
    tiles: Annotated[int, Field(ge=1, le=64)] = Field(8, description="parts a side in which contrast is made even")
    gamma: Annotated[float, Field(gt=0, le=10)] | Literal["auto"] = Field(
        1.0, description="brightness b (0..1) becomes b^gamma: below 1 brighter; auto: towards `brightness`"
    )
    brightness: Annotated[float, Field(gt=0, lt=1)] = Field(0.4, description="auto: mean brightness to come near")

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.clahe > 0 or self.gamma != 1.0


class FusionSettings(Section):
    """A second detector, whose boxes are fused with the first one's."""

    weights: Annotated[str, AfterValidator(resolved)] = Field(description="file, name of a model, or bundled:NAME")
    input_size: ImageSize | None = Field(None, description="height, width in pixels, where the file leaves it open")
    names: dict[str, str] = Field(
        {}, description="the second's names of classes -> the first's, where they differ: {car: vehicle}"
    )
    shares: tuple[PositiveFloat, PositiveFloat] = Field((1.0, 1.0), description="how much each detector counts")
    iou: Share = Field(0.55, description="boxes of a class that overlap more are one object")
    skip: Share = Field(0.0, description="weaker boxes do not take part")


class AdaptiveSettings(Section):
    """Schedule `adaptive`: when the detector looks."""

    heartbeat_seconds: PositiveFloat = Field(2.0, description="after so long it looks, though nothing may have changed")
    calm_seconds: PositiveFloat = Field(
        0.2, description="after so long where something moves, and no track is in doubt"
    )
    doubt_seconds: Seconds = Field(
        0.08, description="after so long where tracks meet, one is hidden, or flow has lost one"
    )
    least_seconds: Seconds = Field(0.0, description="never sooner than so long after the last look")
    meeting: Share = Field(
        0.1, description="IoU of two tracks from which on they may be taken for each other, or one may hide the other"
    )
    missed: Share = Field(
        0.35,
        description="share of the located and hidden tracks; after a look that has missed more of them it looks at "
        "every frame in which anything moves, until a look misses no more",
    )
    crowd: Annotated[int, Field(ge=1)] = Field(
        50,
        description="of so many located tracks on it looks at every frame in which anything moves: flow gets dear",
    )
    difference: Annotated[float, Field(gt=0, le=255)] = Field(
        12.0, description="grey levels by which a 64th of the picture's width and height has changed"
    )
    newcomer: Annotated[float, Field(gt=0, le=100)] = Field(
        0.6, description="share of a usual track's area that must change where no track is to be looked at at once"
    )

    @model_validator(mode="after")
    def _rise(self) -> AdaptiveSettings:
        if not self.least_seconds <= self.heartbeat_seconds:
            raise ValueError("least_seconds must not be longer than heartbeat_seconds")
        return self


class BudgetSettings(Section):
    """Schedule `budget`: how much of this machine the detector may take."""

    share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.7, description="of the time that passes, in which the detector may be busy; the rest is for all else"
    )
    slowest_seconds: PositiveFloat = Field(1.0, description="each camera is looked at so often at least")
    least_size: Share = Field(
        0.5, description="smallest input that may be given to the network, in its usual one's sides; 1: only that"
    )
