"""Weights inside ONNX files of ours: kept under the names of the torch state dict, so that a file can be trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.errors import ModelError

if TYPE_CHECKING:
    import onnx

COUNTER = "num_batches_tracked"  # of batch norm; counts steps of a training, and is in no file
_FLOAT, _FLOAT16 = 1, 10  # TensorProto.DataType (onnx.proto)
_OF_BYTES = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger")  # operators
_LARGEST = float(np.finfo(np.float16).max)


def read_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors by name, as float32 where the file stores float16, and what the file says of itself.

    What torch counts while it trains (`num_batches_tracked`) is not there. Raises ModelError where the file is no ONNX
    file, or its weights are not those of a torch network by name.
    """
    model = load_onnx(path)
    state = state_of(model)
    if not any("." in name for name in state):
        raise ModelError(
            f"{path} does not hold weights by their names in a network; give a file that `sightline export` wrote"
        )
    return state, said_by(model)


def load_onnx(path: Path) -> onnx.ModelProto:
    """The file as it is. Raises ModelError where there is none, or it is no ONNX file."""
    import onnx

    if not path.is_file():
        raise ModelError(f"no weights file {path}; check the path")
    try:
        return onnx.load(str(path))
    except Exception as error:  # protobuf's errors have no common base with onnx's
        raise ModelError(f"{path} is not an ONNX file, or it is cut short: {type(error).__name__}") from error


def state_of(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """Tensors by name, as float32 where the file stores float16."""
    kept = [tensor for tensor in model.graph.initializer if tensor.data_type in (_FLOAT, _FLOAT16)]
    return {tensor.name: torch.from_numpy(_array(tensor).astype(np.float32)) for tensor in kept}


def said_by(model: onnx.ModelProto) -> dict[str, str]:
    """What the file says of itself."""
    return {entry.key: entry.value for entry in model.metadata_props}


def in_bytes(model: onnx.ModelProto) -> bool:
    """Whether it computes in 8 bits, so that its weights are rounded, folded and of other names."""
    return any(node.op_type in _OF_BYTES for node in model.graph.node)


def load_weights(network: torch.nn.Module, path: Path) -> dict[str, str]:
    """Put the weights of a file into a network of the same architecture; returns what the file says of itself.

    Raises ModelError where it is no such file, or a tensor is missing or of another shape.
    """
    state, metadata = read_weights(path)
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    wrong = [name for name, tensor in wanted.items() if name not in state or state[name].shape != tensor.shape]
    if wrong:
        raise ModelError(
            f"{path} is of another architecture: {len(wrong)} of {len(wanted)} tensors are missing or of another "
            f"shape, {wrong[0]} among them"
        )
    network.load_state_dict({name: state[name] for name in wanted}, strict=False)
    return metadata


def store_float16(model: onnx.ModelProto) -> None:
    """Store weights as float16 with a Cast to float32 behind each, which keeps the name; arithmetic stays float32.

    A tensor with numbers that float16 does not hold stays as it is. Runtimes undo the Cast while they load.
    """
    import onnx

    used = {name for node in model.graph.node for name in node.input}
    casts, renamed = [], {}
    for tensor in model.graph.initializer:
        if tensor.data_type != _FLOAT or tensor.name not in used:
            continue
        values = _array(tensor)
        if values.size < 2 or np.abs(values).max() > _LARGEST:
            continue
        name, wide = tensor.name, f"{tensor.name}/float32"
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), name))
        casts.append(onnx.helper.make_node("Cast", [name], [wide], name=wide, to=_FLOAT))
        renamed[name] = wide
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
    nodes = [*casts, *(onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def store_float32(model: onnx.ModelProto) -> None:
    """The inverse of `store_float16`, but for what rounding took."""
    import onnx

    halves = {tensor.name: tensor for tensor in model.graph.initializer if tensor.data_type == _FLOAT16}
    back, nodes = {}, []
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in halves and node.attribute[0].i == _FLOAT:
            back[node.output[0]] = node.input[0]
        else:
            nodes.append(node)
    for name in set(back.values()):
        halves[name].CopyFrom(onnx.numpy_helper.from_array(_array(halves[name]).astype(np.float32), name))
    for node in nodes:
        for place, name in enumerate(node.input):
            node.input[place] = back.get(name, name)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def restored(path: Path, *, half: bool) -> bytes:
    """The content of an ONNX file, its weights stored as float16 or as float32. Raises ModelError (NaN, no ONNX)."""
    model = load_onnx(path)
    for tensor in model.graph.initializer:
        if tensor.data_type in (_FLOAT, _FLOAT16) and not np.isfinite(_array(tensor)).all():
            raise ModelError(f"{path}: weight {tensor.name} holds numbers that are not finite (NaN)")
    (store_float16 if half else store_float32)(model)
    return bytes(model.SerializeToString())


def with_metadata(content: bytes, more: Mapping[str, str]) -> bytes:
    """The content of an ONNX file that says more of itself."""
    import onnx

    model = onnx.load_from_string(content)
    said = {one.key: one.value for one in model.metadata_props}
    onnx.helper.set_model_props(model, said | dict(more))
    return bytes(model.SerializeToString())


def put_weights(model: onnx.ModelProto, state: dict[str, torch.Tensor]) -> None:
    """Replace the numbers of every initialiser that has the name of a tensor of `state`. Shapes must be the same."""
    import onnx

    for tensor in model.graph.initializer:
        if tensor.name in state:
            values = state[tensor.name].detach().cpu().float().numpy()
            assert list(tensor.dims) == list(values.shape), f"{tensor.name}: {tensor.dims} and {values.shape}"
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))


def _array(tensor: onnx.TensorProto) -> npt.NDArray[Any]:
    import onnx

    return np.asarray(onnx.numpy_helper.to_array(tensor))
