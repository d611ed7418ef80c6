"""Settings of the segmenter: which network says which pixels of a box are the object's, and when it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from pipeline.bundled_models import resolved
from pipeline.section import Device, ImageSize, Names, Seconds, Section, Share

_UNUSED = {  # backend -> settings that it does not look at
    "torchvision": {"match_iou"},
    "openvino": {"architecture"},
    "onnx": {"architecture", "precision"},
    "ultralytics": {"architecture", "precision"},
}


class SegmenterSettings(Section):
    """Which network says which pixels of a detector's box are the object's; none unless one is chosen."""

    backend: Literal["auto", "none", "torchvision", "openvino", "onnx", "ultralytics"] = Field(
        "auto",
        description="auto: by the weights file, none without one; torchvision: Mask R-CNN on the detector's boxes; the "
        "others: a YOLO -seg, whose instances are matched with the boxes",
    )
    weights: Annotated[str, AfterValidator(resolved)] | None = Field(
        None, description="file, or bundled:NAME; for torchvision also 'default' (download) or 'none' (random)"
    )
    architecture: str = Field(
        "maskrcnn_resnet50_fpn_v2", description="torchvision: name of the model, where the file does not say it"
    )
    when: Literal["always", "asked"] = Field(
        "always", description="asked: only boxes that the tracker is unsure of, and each of the others now and then"
    )
    every: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="of the frames that the detector looks at, those whose number is a multiple of it"
    )
    refresh_seconds: Seconds = Field(0.5, description="asked: after so long a sure one is segmented again, too")
    overlap: Share = Field(
        0.1,
        description="asked, where the tracker cannot say (sort, bytetrack, ocsort): share of one of two boxes that "
        "lies in the other, from which both are",
    )
    weak_score: Share = Field(0.5, description="likewise: boxes of a lower score are, too")
    classes: Names | None = Field(None, description="the detector's classes that are segmented; all where empty")
    min_score: Share = Field(0.3, description="weaker detections are not segmented")
    match_iou: Share = Field(0.5, description="YOLO -seg: overlap from which an instance is that of a box")
    input_size: ImageSize | None = Field(
        None,
        description="height, width in pixels, where the file leaves it open; torchvision: a picture's shorter side is "
        "made the lesser of them",
    )
    batch: PositiveInt = Field(1, description="frames given to the network at once")
    precision: Literal["auto", "f32", "bf16", "f16"] = Field(
        "auto", description="arithmetic; auto: the fastest the device is good at, f32: the same everywhere"
    )
    device: Device = Field(
        "auto",
        description="auto: an NVIDIA card where torch has one and the network runs in torch, else the CPU; CPU, CUDA, "
        "CUDA:1",
    )
    threads: Annotated[int, Field(ge=0)] = Field(0, description="CPU threads, 0: the backend's choice")

    @property
    def wanted(self) -> bool:
        """Whether there is to be one."""
        return self.backend != "none" and (self.backend != "auto" or self.weights is not None)

    @property
    def backend_of_file(self) -> str | None:
        """The backend that is set, or that the suffix of `weights` tells; None where neither does."""
        if self.backend != "auto":
            return self.backend
        match Path(self.weights or "").suffix.lower():
            case ".safetensors" | ".pth":
                return "torchvision"
            case ".xml" | ".onnx":
                return "openvino"
            case ".pt":
                return "ultralytics"
            case _:
                return None

    def unused_by(self, backend: str | None) -> str:
        """What is wrong where something is set that `backend` does not look at; nothing where all is well."""
        unused = sorted(self.model_fields_set & _UNUSED.get(backend or "", set()))
        return f"backend {backend} has no setting {', '.join(unused)}; remove it" if unused else ""

    @model_validator(mode="after")
    def _needs_weights(self) -> SegmenterSettings:
        if self.weights is None and self.backend in ("openvino", "onnx", "ultralytics"):
            raise ValueError(f"backend {self.backend} needs weights; set segmenter.weights to a file")
        if self.weights is not None and self.backend == "none":
            raise ValueError(
                "backend none takes no weights; set segmenter.weights=null, or backend=auto to use the file"
            )
        if self.backend == "torchvision" and self.precision == "f16":
            raise ValueError("backend torchvision computes in f32 or bf16, not in f16; set segmenter.precision")
        if not self.wanted and (unused := self.model_fields_set - {"backend", "weights"}):
            raise ValueError(
                f"there is no segmenter, so {', '.join(sorted(unused))} does nothing; set segmenter.weights"
            )
        if problem := self.unused_by(self.backend_of_file):
            raise ValueError(problem)
        return self
