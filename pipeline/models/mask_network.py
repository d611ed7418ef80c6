"""MaskNetwork: a torchvision Mask R-CNN that runs whole, or only as far as given boxes need it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import resize_boxes

from pipeline.errors import ModelError
from pipeline.models.torch_runtime import TorchRuntime
from pipeline.models.torchvision_models import to_tensor
from trackers.structures import BoolArray, FloatArray, Frame, IntArray

_HEADS = ("box_head", "box_predictor", "mask_head", "mask_predictor")
_LAYERS = ("backbone", "rpn.head", *(f"roi_heads.{head}" for head in _HEADS))


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """What the whole network finds in one picture, in its pixels. Row i of every column is the same object."""

    boxes: FloatArray  # (n, 4) x1 y1 x2 y2
    scores: FloatArray  # (n,) 0..1
    labels: IntArray  # (n,) the network's own, 0 is the background
    probabilities: FloatArray  # (n, side, side) of the mask in its box


class MaskNetwork:
    """Frames of one size are given at once; masks stay as small as the network makes them."""

    def __init__(self, network: MaskRCNN, running: TorchRuntime) -> None:
        self._device = running.device
        self._network = running.place(network, _LAYERS)
        self.runtime = running.name

    def find(self, frames: Sequence[Frame]) -> list[Instances]:
        """The full pass (He et al. 2017): proposals, boxes of them, masks of these."""
        if not frames:
            return []
        with self._running(frames[0]):
            images, maps = self._maps(frames)
            proposals, _ = self._network.rpn(images, maps)
            results, _ = self._network.roi_heads(maps, proposals, images.image_sizes)
            return [
                Instances(
                    _numbers(resize_boxes(one["boxes"].float(), size, [frame.height, frame.width])),
                    _numbers(one["scores"]),
                    one["labels"].cpu().numpy(),
                    _numbers(one["masks"])[:, 0],
                )
                for one, size, frame in zip(results, images.image_sizes, frames, strict=True)
            ]

    def masks(self, frames: Sequence[Frame], boxes: Sequence[FloatArray], classes: Sequence[BoolArray]) -> FloatArray:
        """Probabilities (n, side, side) of the masks in given boxes, those of all frames below each other.

        Backbone and mask head alone: nothing is proposed, no box moved. `boxes`: (n_i, 4) a frame, in its pixels.
        `classes`: (n_i, labels of the network) which of them each box may be of: a pixel has the greatest of their
        probabilities.
        """
        counted = sum(map(len, boxes))
        if not counted:
            return np.zeros((0, 1, 1), np.float32)
        with self._running(frames[0]):
            images, maps = self._maps(frames)
            placed = [
                resize_boxes(torch.from_numpy(one).to(self._device), [frame.height, frame.width], size)
                for one, frame, size in zip(boxes, frames, images.image_sizes, strict=True)
            ]
            heads = self._network.roi_heads
            regions = heads.mask_roi_pool(maps, placed, images.image_sizes)
            logits: Tensor = heads.mask_predictor(heads.mask_head(regions)).float()
            allowed = torch.from_numpy(np.concatenate(classes)).to(self._device)
            greatest = logits.masked_fill(~allowed[:, :, None, None], -torch.inf).amax(dim=1)
            return _numbers(greatest.sigmoid())

    def _maps(self, frames: Sequence[Frame]) -> tuple[ImageList, dict[str, Tensor]]:
        """The resized pictures, and the levels of the pyramid over them."""
        images, _ = self._network.transform([to_tensor(frame.image).to(self._device) for frame in frames])
        images.tensors = images.tensors.contiguous(memory_format=torch.channels_last)
        return images, self._network.backbone(images.tensors)

    @contextmanager
    def _running(self, frame: Frame) -> Iterator[None]:
        """Within it torch computes; what it raises becomes a ModelError that says on which frame."""
        try:
            with torch.inference_mode():
                yield
        except (RuntimeError, AssertionError, ValueError) as error:
            raise ModelError(f"Mask R-CNN failed on frame {frame.index} of stream {frame.stream}: {error}") from error


def _numbers(values: Tensor) -> FloatArray:
    return values.float().cpu().numpy()
