"""TorchvisionQuestions: gradients of torchvision's detectors, with proposals (R-CNN) or anchors (SSD, RetinaNet)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD

from pipeline.errors import ModelError
from pipeline.explain.choice import chosen_cell
from pipeline.explain.question import Question
from pipeline.models.inputs import Placement
from trackers.structures import FloatArray, Frame, ImageArray, IntArray


class TorchvisionQuestions:
    """Asks the map of the pyramid, or of the backbone, that the object's proposal or anchor belongs to."""

    def __init__(self, network: Any, label_of: IntArray) -> None:
        """`network`: of torchvision. `label_of`: (k,) the detector's label for each of the network's, -1: none."""
        self._network = network.float().eval()
        self._label_of = label_of

    def about(self, frame: Frame, box: FloatArray, label: int) -> Question:
        """See DetectorQuestions."""
        theirs = int(np.flatnonzero(self._label_of == label)[0])
        images, _ = self._network.transform([_picture(frame.image)])
        rows, columns = images.image_sizes[0]
        place = Placement((columns / frame.width, rows / frame.height), (0, 0), frame.width, frame.height)
        with torch.no_grad():
            names = list(_maps(self._network.backbone(images.tensors)))
        tapped = _Tapped(self._network.backbone, names)
        if hasattr(self._network, "roi_heads"):
            level, score = self._of_proposal(images, box * np.tile(place.scale, 2), theirs, tapped)
        else:
            level, score = self._of_anchor(images, place, box, theirs, tapped)
        return Question(images.tensors, score, tapped.taps[level], place)

    def _of_proposal(
        self, images: ImageList, box: FloatArray, label: int, tapped: _Tapped
    ) -> tuple[int, Callable[[Tensor], Tensor]]:
        """What the box head says of the object's own box (4,), in input pixels, as its one proposal."""
        heads = self._network.roi_heads
        proposal, size = torch.tensor(box[None], dtype=torch.float32), images.image_sizes[0]

        def score(pictures: Tensor) -> Tensor:
            count = len(pictures)
            pooled = heads.box_roi_pool(tapped(pictures), [proposal] * count, [size] * count)
            logits, _ = heads.box_predictor(heads.box_head(pooled))
            found: Tensor = logits.softmax(1)[:, label]
            return found

        with torch.no_grad():
            score(images.tensors)  # from then on the pooling knows which level a box belongs to
        level = int(heads.box_roi_pool.map_levels([proposal])[0])
        return tapped.names.index(heads.box_roi_pool.featmap_names[level]), score

    def _of_anchor(
        self, images: ImageList, place: Placement, box: FloatArray, label: int, tapped: _Tapped
    ) -> tuple[int, Callable[[Tensor], Tensor]]:
        """What the head says at the anchor that found the object."""
        network = self._network
        if not isinstance(network, SSD | RetinaNet):
            raise ModelError(f"no gradients are known of {type(network).__name__}")
        with torch.no_grad():
            maps = list(tapped(images.tensors).values())
            told = network.head(maps)
            anchors = network.anchor_generator(images, maps)[0]
            boxes = network.box_coder.decode_single(told["bbox_regression"][0], anchors)
            scores = _scores(network, told["cls_logits"])[0, :, label]
        row = chosen_cell(place.to_picture(boxes.numpy()), scores.numpy(), box)
        cells = [one.shape[2] * one.shape[3] for one in maps]
        counts = [
            each * one for each, one in zip(network.anchor_generator.num_anchors_per_location(), cells, strict=True)
        ]
        level = int(np.searchsorted(np.cumsum(counts), row, side="right"))

        def score(pictures: Tensor) -> Tensor:
            logits = network.head(list(tapped(pictures).values()))["cls_logits"]
            return _scores(network, logits)[:, row, label]

        return level, score


class _Tapped(nn.Module):
    """A backbone each of whose maps goes through a module of its own, that can be asked."""

    def __init__(self, backbone: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.names = names
        self.taps = nn.ModuleList(nn.Identity() for _ in names)
        self._backbone = backbone

    def forward(self, pictures: Tensor) -> OrderedDict[str, Tensor]:
        maps = _maps(self._backbone(pictures))
        return OrderedDict((name, tap(maps[name])) for name, tap in zip(self.names, self.taps, strict=True))


def _maps(found: Tensor | OrderedDict[str, Tensor]) -> OrderedDict[str, Tensor]:
    return OrderedDict([("0", found)]) if isinstance(found, Tensor) else found


def _scores(network: Any, logits: Tensor) -> Tensor:
    """(n, anchors, classes) 0..1."""
    return logits.softmax(2) if isinstance(network, SSD) else logits.sigmoid()


def _picture(image: ImageArray) -> Tensor:
    """(3, h, w) red green blue 0..1."""
    return torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).permute(2, 0, 1).float() / 255
