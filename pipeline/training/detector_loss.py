"""The loss of a detector: ultralytics' own, with focal loss, class weights, and processes that share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from pipeline.models.ultralytics_library import ultralytics
from pipeline.training.labelled import LabelledPicture
from pipeline.training.soft_labels import soften

_LABELS = 3  # place of the true labels among what the assigner is given
Share = Callable[[torch.Tensor], torch.Tensor]  # a number of this process -> the sum over all


class FocalLoss(torch.nn.Module):
    """Cross-entropy of each class, lowered where it is right already: -alpha_t (1 - p_t)^gamma log p_t
    (Lin et al. 2017, eq. 5).

    Targets t may lie between 0 and 1; then p_t = t p + (1 - t)(1 - p), and alpha_t alike.
    """

    def __init__(self, gamma: float, *, alpha: float = 0.25) -> None:
        """`alpha`: weight of what is there; what is not has 1 - alpha. The paper's choice with gamma 2."""
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss of each element, of the shape of `logits`."""
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        probability = logits.sigmoid()
        right = targets * probability + (1 - targets) * (1 - probability)
        weight = targets * self.alpha + (1 - targets) * (1 - self.alpha)
        return weight * (1 - right) ** self.gamma * entropy


class DetectionLoss(ultralytics.utils.loss.v8DetectionLoss):  # type: ignore[misc]
    """Box, class and distribution losses of the anchors that task-aligned assignment chose (Feng et al. 2021)."""

    def __init__(
        self,
        network: torch.nn.Module,
        tal_topk: int = 10,
        tal_topk2: int | None = None,
        *,
        focal: float = 0.0,
        class_weights: torch.Tensor | None = None,
        share: Share | None = None,
    ) -> None:
        """`focal`: gamma; 0: cross-entropy. `class_weights`: (classes,). `share`: None in a single process."""
        super().__init__(network, tal_topk, tal_topk2)
        if focal > 0:
            self.bce = FocalLoss(focal)
        if class_weights is not None:
            self.class_weights = class_weights.to(self.device).view(1, 1, -1)
        self._share = share
        self._assigned = torch.zeros((), device=self.device)
        self.assigner.register_forward_hook(self._remember)

    def loss(
        self, preds: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The three losses times the pictures of the batch, and each by name.

        The library divides by the sum of targets of this process's part of the batch; with several processes that
        becomes the sum over the whole batch, so that the sum of their losses is the loss of one process.
        """
        total, items = super().loss(preds, batch)
        if self._share is None:
            return total, items
        own = self._assigned.clamp(min=1)
        every = self._share(self._assigned.clone()).clamp(min=1)
        pictures = torch.tensor(float(preds["boxes"].shape[0]), device=self.device)
        scale = own / every
        return total * scale * self._share(pictures.clone()) / pictures, {k: v * scale for k, v in items.items()}

    def _remember(
        self, _module: torch.nn.Module, inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, ...]:
        """Soften what the assigner gives, where labels are not sure."""
        labels, boxes, scores, chosen, owners = outputs
        scores = soften(scores, inputs[_LABELS], owners)
        self._assigned = scores.sum().detach()
        return labels, boxes, scores, chosen, owners


def make_loss(
    network: Any, *, focal: float = 0.0, class_weights: torch.Tensor | None = None, share: Share | None = None
) -> Any:
    """The loss that fits the network's head: one branch, or two (YOLOv10, YOLO26) of which one needs no suppression."""

    def branch(network: torch.nn.Module, tal_topk: int = 10, tal_topk2: int | None = None) -> DetectionLoss:
        return DetectionLoss(network, tal_topk, tal_topk2, focal=focal, class_weights=class_weights, share=share)

    if getattr(network.model[-1], "one2one_cv2", None) is not None:
        return ultralytics.utils.loss.E2ELoss(network, branch)
    return branch(network)


def balanced_weights(pictures: Sequence[LabelledPicture], classes: int) -> torch.Tensor:
    """(classes,) float32: inverse of how often each class is there, mean 1; a class without boxes gets the mean."""
    counts = np.bincount(np.concatenate([picture.labels for picture in pictures]), minlength=classes)
    present = counts > 0
    weights = np.zeros(classes)
    weights[present] = 1 / counts[present]
    weights[~present] = weights[present].mean()
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))
