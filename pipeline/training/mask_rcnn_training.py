"""MaskRcnnTraining: a light Mask R-CNN learns boxes and masks, from labelled pictures to a file that runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import fastrcnn_loss, maskrcnn_loss

from pipeline.errors import TrainingError
from pipeline.models.mask_rcnn import MaskRcnnPlan
from pipeline.training.backbone_distillation import NeckImitation, normalised, trunk_type
from pipeline.training.folder import TrainingFolder
from pipeline.training.labelled import LabelledPicture
from pipeline.training.learning import BEST, Course, Learned, Learning, Watcher
from pipeline.training.mask_lessons import MaskLesson, MaskLessons
from pipeline.training.mask_rcnn_file import digest_of, read_mask_rcnn, to_safetensors
from pipeline.training.neck_teacher import NeckTeacher
from pipeline.training.picture_views import ViewChange
from pipeline.training.precision import mixed_type, mixing
from pipeline.training.random_state import seed_generators

MODEL = "mask-rcnn.safetensors"  # the best epoch's network, for the product: half as large as `BEST`
_MOST_MASKS = 96  # regions of a batch that the mask head learns from


@dataclass(frozen=True, slots=True)
class MaskRcnnSettings:
    """What decides the result, beside the pictures and the network at the start."""

    side: int = 320  # pixels of the views
    pictures: int = 2000  # an epoch
    batch: int = 8
    epochs: int = 20
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    patience: int = 0
    amp: bool = True
    seed: int = 0
    change: ViewChange = field(default_factory=ViewChange)
    imitation: float = 1.0  # weight of what of a teacher's maps is not imitated, where there is a teacher
    freeze: bool = False  # the trunk stays as it is; pyramid and heads learn


class Segmenting:
    """The exercise of a Mask R-CNN (see `learning.Exercise`): the losses of He et al. 2017, section 3.

    Proposals and boxes learn from all objects, masks from those whose mask is known.
    """

    def __init__(
        self,
        network: MaskRCNN,
        plan: MaskRcnnPlan,
        course: Course,
        *,
        imitation: NeckImitation | None = None,
        weight: float = 1.0,
    ) -> None:
        """`imitation`: the backbone goes on to see what a teacher sees; `weight`: of that loss."""
        self._network, self._plan, self._course = network, plan, course
        self._imitation, self._weight = imitation, weight
        self._frozen = not any(one.requires_grad for one in network.backbone.body.parameters())

    def loss(self, batch: MaskLesson) -> Tensor:
        """Objectness and boxes of the proposals, classes, boxes and masks of the regions, and imitation, added up."""
        network, device = self._network, self._course.device
        if self._frozen:
            network.backbone.body.eval()  # what is frozen keeps its running means and variances, too
        targets = [{name: values.to(device) for name, values in one.items()} for one in batch.targets]
        pictures = normalised(batch.pictures.to(device), network)
        with mixing(device, trunk_type(self._course, self._plan)):
            maps = network.backbone(pictures)
        images = ImageList(pictures, [(pictures.shape[2], pictures.shape[3])] * len(pictures))
        maps = {name: level.float() for name, level in maps.items()}  # torchvision reckons coordinates in their numbers
        proposals, proposing = network.rpn(images, maps, targets)
        regional = self._of_regions(maps, proposals, images.image_sizes, targets)
        imitating = [] if self._imitation is None else [self._weight * self._imitation.of(maps, batch.taught)]
        return torch.stack([*proposing.values(), *regional, *imitating]).sum()

    def content(self) -> bytes:
        """The network as it is."""
        return to_safetensors(self._network, self._plan)

    def _of_regions(
        self,
        maps: dict[str, Tensor],
        proposals: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]],
    ) -> list[Tensor]:
        """Losses of classes, boxes and masks of regions drawn from the proposals."""
        heads = self._network.roi_heads
        proposals, matched, labels, wanted = heads.select_training_samples(proposals, targets)
        described = heads.box_head(heads.box_roi_pool(maps, proposals, sizes))
        logits, moves = heads.box_predictor(described)
        of_class, of_box = fastrcnn_loss(logits, moves, labels, wanted)
        return [of_class, of_box, self._of_masks(maps, proposals, sizes, targets, matched, labels)]

    def _of_masks(
        self,
        maps: dict[str, Tensor],
        proposals: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]],
        matched: list[Tensor],
        labels: list[Tensor],
    ) -> Tensor:
        """Loss of the masks of regions that show an object whose mask is known, evenly from all pictures."""
        heads, most = self._network.roi_heads, max(1, _MOST_MASKS // len(targets))
        chosen = []
        for target, objects, kinds in zip(targets, matched, labels, strict=True):
            known = target["masked"][objects] if len(target["masked"]) else torch.zeros_like(kinds, dtype=torch.bool)
            rows = torch.where((kinds > 0) & known)[0]
            chosen.append(rows[torch.randperm(len(rows), device=rows.device)[:most]])
        regions = [one[picked] for one, picked in zip(proposals, chosen, strict=True)]
        if not sum(map(len, regions)):
            return maps["0"].sum() * 0
        pooled = heads.mask_roi_pool(maps, regions, sizes)
        with mixing(self._course.device, self._course.mixed):
            logits = heads.mask_predictor(heads.mask_head(pooled))
        masks, classes = [one["masks"] for one in targets], [one["labels"] for one in targets]
        found: Tensor = maskrcnn_loss(
            logits.float(), regions, masks, classes, [one[picked] for one, picked in zip(matched, chosen, strict=True)]
        )
        return found


class MaskRcnnTraining:
    """One training."""

    def __init__(
        self,
        network: MaskRCNN,
        plan: MaskRcnnPlan,
        settings: MaskRcnnSettings,
        *,
        learned: Sequence[LabelledPicture],
        validated: Sequence[LabelledPicture],
        device: torch.device,
        said: Mapping[str, object],
        teacher: NeckTeacher | None = None,
    ) -> None:
        """`said`: of the data, for settings.yaml; where it differs, a training is not gone on with. `teacher`: its maps
        are imitated beside what the labels say.

        Raises TrainingError where no picture has masks.
        """
        if not any(one.shapes for one in learned):
            raise TrainingError("none of the pictures has masks; name a COCO json with `segmentation`")
        seed_generators(settings.seed)
        self._network, self._plan, self._settings = network, plan, settings
        self._course = Course(
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            patience=settings.patience,
            device=device,
            mixed=mixed_type(device, wanted=settings.amp),
        )
        self._lessons = MaskLessons(
            learned,
            validated,
            plan.classes,
            side=settings.side,
            pictures=settings.pictures,
            batch=settings.batch,
            change=settings.change,
            seed=settings.seed,
            teacher=teacher,
        )
        imitation = None if teacher is None else NeckImitation(plan.channels, teacher.channels)
        self._said: dict[str, object] = {**said, "plan": plan.to_text(), "weights": digest_of(network, plan)}
        self._said["teacher"] = "" if teacher is None else teacher.sha256
        self._said["masks"] = _digest_of_shapes([*learned, *validated])
        network.requires_grad_(True)
        network.backbone.body.requires_grad_(not settings.freeze)
        exercise = Segmenting(network, plan, self._course, imitation=imitation, weight=settings.imitation)
        self._learning = Learning(network, imitation or nn.Module(), self._course, exercise=exercise)

    def stop(self) -> None:
        """End soon; what finished epochs learned is kept. Safe in a signal handler."""
        self._learning.stop()

    def run(self, out: Path, *, resume: bool, watcher: Watcher | None = None) -> Learned:
        """Learn, and leave the best epoch's network in `out`: BEST, and MODEL with float16 weights.

        Raises TrainingError where the folder does not fit or the loss is no number, OutputError.
        """
        settings = {**asdict(self._settings), **self._course.said, **self._said}
        folder = self._learning.opened(out, settings, resume=resume)
        learned = self._learning.run(self._lessons, folder, watcher=watcher)
        if folder is not None and learned.best_epoch:
            folder.write_bytes(MODEL, to_safetensors(*read_mask_rcnn(out / BEST), half=True))
            folder.write_report(self._report(folder, learned))
        return learned

    def _report(self, folder: TrainingFolder, learned: Learned) -> dict[str, object]:
        return {
            "model": MODEL,
            "parameters": sum(one.numel() for one in self._network.parameters()),
            "epochs": learned.epochs,
            "best epoch": folder.rows[learned.best_epoch - 1],
            "stopped": learned.stopped,
        }


def _digest_of_shapes(pictures: Sequence[LabelledPicture]) -> str:
    """SHA-256 of the masks, which the digest of the data leaves out: those who learn boxes do not look at them."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(json.dumps([_plain(shape) for shape in picture.shapes], sort_keys=True).encode())
    return digest.hexdigest()


def _plain(shape: Any) -> Any:
    """COCO's run lengths with text in place of bytes, as JSON has none; polygons as they are."""
    if isinstance(shape, dict) and isinstance(shape.get("counts"), bytes):
        return {**shape, "counts": shape["counts"].decode()}
    return shape
