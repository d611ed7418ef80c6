"""Checked pictures as ultralytics' data set: augmented for training, as they are for judging."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.errors import TrainingError
from pipeline.models.ultralytics_library import ultralytics
from pipeline.training.labelled import LabelledPicture
from pipeline.training.soft_labels import soft_labels
from trackers.structures import FloatArray, ImageArray

_KEPT_BYTES = 1 << 30  # resized pictures held in memory, so that each is decoded once while there is room
Key = tuple[int, int]  # epoch, index of the picture


class DetectorPictures(ultralytics.data.dataset.YOLODataset):  # type: ignore[misc]
    """Pictures with their boxes, letterboxed, batches of like shape. For judging."""

    def __init__(
        self, pictures: Sequence[LabelledPicture], *, names: Sequence[str], args: Any, batch: int, augment: bool = False
    ) -> None:
        """`args`: ultralytics' settings. `augment`: only for subclasses that say by what the chances are drawn."""
        self._pictures = pictures
        self._sizes = {str(picture.path): (picture.height, picture.width) for picture in pictures}
        self._room = _KEPT_BYTES
        super().__init__(
            [],
            data={"names": dict(enumerate(names)), "nc": len(names), "channels": 3},
            imgsz=args.imgsz,
            augment=augment,
            hyp=args,
            rect=not augment,
            batch_size=batch,
            stride=32,
            pad=0.0 if augment else 0.5,
        )
        self.buffer = range(len(self.labels))  # whence mosaics take: any picture, whatever was read before

    def share_memory(self, processes: int) -> None:
        """So many hold pictures; this one keeps its part."""
        self._room = _KEPT_BYTES // processes

    def get_img_files(self, img_path: Sequence[str]) -> list[str]:  # noqa: ARG002  (their signature)
        """Paths, in the order of the pictures."""
        return [str(picture.path) for picture in self._pictures]

    def get_labels(self) -> list[dict[str, Any]]:
        """One entry a picture, as ultralytics keeps them."""
        return [
            {
                "im_file": str(picture.path),
                "shape": (picture.height, picture.width),
                "cls": self._classes(picture)[:, None],
                "bboxes": picture.boxes.copy(),
                "segments": [],
                "normalized": True,
                "bbox_format": "xywh",
            }
            for picture in self._pictures
        ]

    def _classes(self, picture: LabelledPicture) -> FloatArray:
        """(n,) numbers of the classes."""
        return picture.labels.astype(np.float32)

    def build_transforms(self, hyp: Any) -> Any:
        """Theirs, without a library of augmentations that may or may not be installed."""
        hyp.augmentations = []
        return super().build_transforms(hyp)

    def load_image(
        self, i: int, rect_mode: bool = True, resize_short: bool = False
    ) -> tuple[ImageArray, tuple[int, int], tuple[int, int]]:
        """Picture i with its longer side as asked, its own height and width, and those it has now."""
        assert rect_mode, "detectors keep the shape of pictures"
        assert not resize_short, "detectors keep the shape of pictures"
        image = self.ims[i]
        if image is None:
            image = self._read(i)
            if image.nbytes <= self._room:
                self._room -= image.nbytes
                self.ims[i] = image
        return image.copy(), self._sizes[self.im_files[i]], image.shape[:2]  # augmentation may write into it

    def _read(self, i: int) -> ImageArray:
        file, side = Path(self.im_files[i]), int(self.imgsz)
        try:
            image = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
        except OSError as error:
            raise TrainingError(f"{file} cannot be read any more: {error.strerror}") from error
        if image is None:
            raise TrainingError(f"{file} was changed while training: OpenCV cannot decode it any more")
        height, width = image.shape[:2]
        share = side / max(height, width)
        size = (min(math.ceil(width * share), side), min(math.ceil(height * share), side))
        resized: ImageArray = image if share == 1 else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        return resized


class AugmentedPictures(DetectorPictures):
    """For training: what a picture becomes depends on (seed, epoch, index) alone, not on who asks, and when."""

    def __init__(
        self, pictures: Sequence[LabelledPicture], *, names: Sequence[str], args: Any, batch: int, calm_from: int
    ) -> None:
        """`calm_from`: from this epoch on, pictures are not mixed any more."""
        super().__init__(pictures, names=names, args=args, batch=batch, augment=True)
        self._seed, self._calm_from = args.seed, calm_from
        calm = copy(args)
        calm.mosaic = calm.mixup = calm.cutmix = 0.0
        self._calm_transforms = self.build_transforms(calm)

    def _classes(self, picture: LabelledPicture) -> FloatArray:
        """(n,) numbers of the classes, and how sure they are, as the loss reads it."""
        return soft_labels(picture)

    def __getitem__(self, key: Key) -> dict[str, Any]:
        """Picture `key[1]` as it is in epoch `key[0]`."""
        epoch, index = key
        transforms = self.transforms if epoch < self._calm_from else self._calm_transforms
        with _drawing_from((self._seed, epoch, index)):
            sample: dict[str, Any] = transforms(self.get_image_and_label(index))
        return sample


@contextmanager
def _drawing_from(numbers: Sequence[int]) -> Iterator[None]:
    """The generators that augmentation draws from, Python's and NumPy's, start from `numbers`, and go on after it."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002  (theirs draws from it)
    first, second = np.random.SeedSequence(numbers).generate_state(2).tolist()
    random.seed(first)
    np.random.seed(second)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def batches_of(count: int, *, seed: int, epoch: int, batch: int, share: tuple[int, int] = (0, 1)) -> list[list[Key]]:
    """Keys of the batches of an epoch, in an order drawn from (seed, epoch); what fills no batch is left out.

    `share`: this process and how many there are; each gets its part of every batch.
    """
    size = min(batch, count)
    order = np.random.default_rng((seed, epoch)).permutation(count)
    own, of = share
    return [
        [(epoch, int(index)) for index in order[start + own * size // of : start + (own + 1) * size // of]]
        for start in range(0, count - size + 1, max(size, 1))
        if size
    ]
