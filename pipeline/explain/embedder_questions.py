"""Gradients of embedders: our own networks, and torchvision's backbones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.explain.question import Question
from pipeline.models.inputs import Recipe, crop_bounds, to_batch, to_blob
from trackers.structures import FloatArray, Frame


class NetworkQuestions:
    """Asks one layer of a network that turns pictures (n, 3, H, W) into vectors (n, d) of any length."""

    def __init__(
        self,
        vectors: Callable[[Tensor], Tensor],
        layer: nn.Module,
        recipe: Recipe,
        *,
        size: tuple[int, int],
    ) -> None:
        """`layer`: inside the network. `size`: height, width of its input."""
        self._vectors, self._layer, self._recipe, self._size = vectors, layer, recipe, size

    def about(self, frame: Frame, box: FloatArray, reference: FloatArray) -> Question:
        """See EmbedderQuestions. The picture of the question is the crop."""
        left, top, right, bottom = crop_bounds(box[None], frame.width, frame.height)[0]
        batch, (place,) = to_batch([frame.image[top:bottom, left:right]], self._size, self._recipe)
        towards = torch.from_numpy(reference)

        def score(crops: Tensor) -> Tensor:
            return self._vectors(crops).flatten(1) @ towards

        return Question(torch.from_numpy(to_blob(batch, self._recipe)), score, self._layer, place)


def last_map(parts: Sequence[nn.Module], inputs: Tensor, network: nn.Module) -> nn.Module:
    """The last of a network's parts that still gives a map of more than one place. Raises ModelError."""
    found: list[nn.Module] = []

    def look(part: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            found.append(part)

    hooks = [part.register_forward_hook(look) for part in parts]
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise ModelError("the network has no layer that still knows where in the crop something is")
    return found[-1]
