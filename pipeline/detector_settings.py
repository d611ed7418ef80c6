"""Settings of what stands around a detector's network: light, suppression, a second detector."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat

from pipeline.bundled_models import resolved
from pipeline.section import ImageSize, Section, Share

NmsName = Literal["class-wise", "agnostic", "soft-linear", "soft-gaussian", "wbf"]


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
