"""MaskLessons: batches of views with boxes and masks for a Mask R-CNN to learn from, and pictures to judge it by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN

from pipeline.errors import TrainingError
from pipeline.evaluation.segmentation import PictureTruth, evaluate_masks
from pipeline.training.ahead import made_ahead
from pipeline.training.labelled import LabelledPicture
from pipeline.training.learning import SCORE
from pipeline.training.neck_teacher import NeckTeacher
from pipeline.training.picture_order import shown_in
from pipeline.training.picture_views import View, ViewChange, stacked, view_of
from trackers.structures import BoolArray, Detections, Masks

_SURE = 0.5  # of a pixel that is the object's
_COUNTED = 20  # objects of a class from which its figures mean something


@dataclass(frozen=True, slots=True, eq=False)
class MaskLesson:
    """A batch."""

    pictures: Tensor  # (n, side, side, 3) uint8 blue green red
    targets: list[dict[str, Tensor]]  # n, as torchvision takes them, and `masked` (k,): whose masks are known
    taught: tuple[Tensor, ...] = ()  # a teacher's maps of the pictures, a level each


class MaskLessons:
    """See `learning.Material`."""

    def __init__(
        self,
        learned: Sequence[LabelledPicture],
        validated: Sequence[LabelledPicture],
        names: Sequence[str],
        *,
        side: int,
        pictures: int,
        batch: int,
        change: ViewChange,
        seed: int,
        teacher: NeckTeacher | None = None,
    ) -> None:
        """`pictures`: an epoch. `teacher`: is shown the views, too.

        Raises TrainingError where no picture to judge by has masks.
        """
        self._learned, self._names = learned, names
        self._validated = [one for one in validated if one.shapes or not len(one.boxes)]
        self._side, self._pictures, self._batch, self._change, self._seed = side, pictures, batch, change, seed
        self._teacher = teacher
        if not any(one.shapes for one in validated):
            raise TrainingError("none of the pictures to validate on has masks; name a COCO json with `segmentation`")

    def __len__(self) -> int:
        return max(1, self._pictures // self._batch)

    def batches(self, epoch: int) -> Iterator[MaskLesson]:
        """The batches of an epoch, from 1; the next is made while this one is learned from."""
        shown = shown_in(epoch, of=len(self._learned), count=len(self) * self._batch, seed=self._seed)
        parts = shown.reshape(-1, self._batch).tolist()
        return made_ahead(partial(self._lesson, epoch, step, part) for step, part in enumerate(parts))

    def validate(self, network: MaskRCNN) -> dict[str, float]:
        """AP50 in %: SCORE, of masks, mean over the classes with enough objects; and of each of them, masks and boxes.

        What is found in a picture without objects is a fault; pictures whose objects have no masks are left out.
        Objects without one beside others that have, and crowds, are not known here, and `sightline evaluate masks` has
        the product's limits of scores and overlap: its figures differ.
        """
        training = network.training
        network.eval()
        truths = [_truth(one) for one in self._validated]
        found = [detected(network, one) for one in self._validated]
        network.train(training)
        scores = [one for one in evaluate_masks(truths, found, self._names) if one.objects]
        counted = [one for one in scores if one.objects >= _COUNTED] or scores
        figures = {SCORE: 100 * float(np.mean([one.masks.ap50 for one in counted]))}
        for one in counted:
            figures[f"{one.name} masks"] = 100 * one.masks.ap50
            figures[f"{one.name} boxes"] = 100 * one.boxes.ap50
        return figures

    def _lesson(self, epoch: int, step: int, rows: Sequence[int]) -> MaskLesson:
        views = [
            view_of(
                self._learned[row], self._side, self._change, np.random.default_rng((self._seed, epoch, step, place))
            )
            for place, row in enumerate(rows)
        ]
        pictures = stacked(views)
        taught = () if self._teacher is None else tuple(map(torch.from_numpy, self._teacher.maps(pictures)))
        return MaskLesson(torch.from_numpy(pictures), [_target(view) for view in views], taught)


def _target(view: View) -> dict[str, Tensor]:
    """As torchvision takes it: label 0 is the background."""
    return {
        "boxes": torch.from_numpy(view.boxes),
        "labels": torch.from_numpy(view.labels) + 1,
        "masks": torch.from_numpy(view.masks),
        "masked": torch.from_numpy(view.masked),
    }


def _truth(picture: LabelledPicture) -> PictureTruth:
    rows = [row for row, shape in enumerate(picture.shapes) if shape is not None]
    shapes = tuple(picture.shapes[row] for row in rows)
    return PictureTruth(picture.height, picture.width, picture.labels[rows], shapes, (False,) * len(rows))


def detected(network: MaskRCNN, picture: LabelledPicture) -> Detections:
    """What the network, set to judging, finds in a picture. Raises TrainingError where it can no longer be read."""
    image = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
    if image is None:
        raise TrainingError(f"picture {picture.path} can no longer be read; check the data set")
    device = next(network.parameters()).device
    with torch.inference_mode():
        blob = torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).to(device).permute(2, 0, 1).float() / 255
        result = {name: values.cpu().numpy() for name, values in network([blob])[0].items()}
    return Detections(
        result["boxes"],
        result["scores"],
        result["labels"].astype(np.int64) - 1,
        masks=_cropped(result["masks"][:, 0] > _SURE),
    )


def _cropped(planes: BoolArray) -> Masks:
    """n planes (height, width) as what there is in each: whole ones of a large set would fill the memory."""
    origins, crops = np.zeros((len(planes), 2), np.int64), []
    for origin, plane in zip(origins, planes, strict=True):
        rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
        if len(rows):
            origin[:] = columns[0], rows[0]
            plane = plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        else:
            plane = plane[:0, :0]
        crops.append(plane.copy())
    return Masks(origins, tuple(crops))
