"""Torch networks as ONNX files that run in any runtime and can be trained on: weights keep their names, unfolded."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch

from pipeline.errors import ModelError
from pipeline.models.onnx_weights import put_weights, store_float16

OPSET = 17
IMAGES = "images"  # name of the input


@dataclass(frozen=True, slots=True)
class Graph:
    """What a network looks like from outside."""

    size: tuple[int, int]  # height, width of the input, pixels
    output: str  # name
    open_axes: Mapping[str, Mapping[int, str]]  # by input and output: axes of any length, with a name


def to_onnx(network: torch.nn.Module, graph: Graph, metadata: Mapping[str, str], *, half: bool) -> bytes:
    """The content of an ONNX file of a network that takes pictures. See `assembled`."""
    example = torch.zeros(2, 3, *graph.size)  # 1 would be taken for a length that never changes
    return assembled(network, {IMAGES: example}, (graph.output,), graph.open_axes, metadata, half=half)


def assembled(
    network: torch.nn.Module,
    examples: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    open_axes: Mapping[str, Mapping[int, str]],
    metadata: Mapping[str, str],
    *,
    half: bool,
) -> bytes:
    """The content of an ONNX file. The network is not changed.

    `examples`: inputs by name, in order; axes of length 1 stay 1. `outputs`: their names. `open_axes`: of both.
    Initialisers have the names of the state dict, and batch norm is not folded: runtimes do that while they load.
    `half`: weights stored as float16 (`store_float16`). Raises ModelError where a weight is not a finite number.
    """
    import onnx

    state = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise ModelError(f"weight {name} holds numbers that are not finite (NaN); the training went wrong")
    marked = _marked(network)
    model = onnx.load_from_string(_traced(marked, examples, outputs, open_axes))
    for output, shape in zip(model.graph.output, _output_shapes(marked, examples, len(outputs)), strict=True):
        _declare(output, shape, open_axes.get(output.name, {}))
    put_weights(model, state)
    if half:
        store_float16(model)
    onnx.helper.set_model_props(model, dict(metadata))
    return bytes(model.SerializeToString())


def _marked(network: torch.nn.Module) -> torch.nn.Module:
    """A copy with other numbers in every weight. The exporter joins weights that are equal, which loses their names."""
    copy = deepcopy(network).cpu().float().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in copy.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return copy


def _output_shapes(network: torch.nn.Module, examples: Mapping[str, torch.Tensor], count: int) -> list[tuple[int, ...]]:
    """Of the first `count` of what it gives."""
    with torch.inference_mode():
        found = network(*examples.values())
    return [tuple(one.shape) for one in ([found] if isinstance(found, torch.Tensor) else found)[:count]]


def _declare(output: Any, shape: tuple[int, ...], open_axes: Mapping[int, str]) -> None:
    """Write the length of every axis that is not open: the exporter loses it, and it tells of which form boxes are."""
    axes = output.type.tensor_type.shape.dim
    assert len(axes) == len(shape)
    for place, (axis, length) in enumerate(zip(axes, shape, strict=True)):
        if place not in open_axes:
            axis.dim_value = length


def _traced(
    network: torch.nn.Module,
    examples: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    open_axes: Mapping[str, Mapping[int, str]],
) -> bytes:
    content: Any = io.BytesIO()  # the exporter's signature knows paths only
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about shapes that are meant to be constant
        torch.onnx.export(
            network,
            tuple(examples.values()),
            content,
            opset_version=OPSET,
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in open_axes.items()},
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,  # EVAL would fold batch norm into the convolutions
            dynamo=False,  # the other exporter renames weights
        )
    return bytes(content.getvalue())
