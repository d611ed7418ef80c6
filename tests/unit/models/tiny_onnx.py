"""Networks of a few nodes, written as ONNX files: their outputs can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from trackers.structures import Frame

Array = npt.NDArray[np.generic]
Side = int | str  # a name leaves the side open


def frame(value: int = 0, *, width: int = 64, height: int = 64, index: int = 0, stream: int = 0) -> Frame:
    """A picture of one grey."""
    return Frame(np.full((height, width, 3), value, np.uint8), index, index / 10, index, stream)


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, Array],
    outputs: dict[str, tuple[int, list[Side] | None]],
    *,
    shape: list[Side] | None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a network of one input `images`; `outputs`: name -> (element type, shape). None leaves the axes open."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, kind, sides) for name, (kind, sides) in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


def brightness_times(
    path: Path, table: Array, *, batch: Side = "n", size: tuple[int, int] = (64, 64), **more: dict[str, str]
) -> Path:
    """Output (batch, rows, columns) = `table` (rows, columns) x the picture's mean: a black picture puts out zeros."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2], keepdims=0),  # (b, width)
        helper.make_node("ReduceMean", ["mean"], ["each"], axes=[1], keepdims=1),  # (b, 1)
        helper.make_node("Unsqueeze", ["each", "axis"], ["lifted"]),  # (b, 1, 1)
        helper.make_node("Mul", ["lifted", "table"], ["output0"]),
    ]
    constants: dict[str, Array] = {"table": table[None].astype(np.float32), "axis": np.array([2], np.int64)}
    outputs: dict[str, tuple[int, list[Side] | None]] = {"output0": (TensorProto.FLOAT, [batch, *table.shape])}
    return save(path, nodes, constants, outputs, shape=[batch, 3, *size], **more)


def brightness_of_any_size(path: Path, column: Array, *, least_height: int = 1) -> Path:
    """Output (batch, rows, cells of YOLO's grids) = `column` (rows,) x the picture's mean, for pictures of any size.

    It cannot be compiled for pictures that are less than `least_height` high; its mean is then of the means of so many
    rows.
    """
    nodes, grids = [], []
    for stride in (8, 16, 32):
        sides = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        nodes.append(helper.make_node("AveragePool", ["images"], [f"pooled{stride}"], **sides))
        nodes.append(helper.make_node("Reshape", [f"pooled{stride}", "flat"], [f"grid{stride}"]))
        grids.append(f"grid{stride}")
    nodes += [
        helper.make_node("Concat", grids, ["grids"], axis=2),
        helper.make_node("ReduceMean", ["grids"], ["first"], axes=[1], keepdims=1),  # (b, 1, cells)
        helper.make_node("Sub", ["first", "first"], ["zeros"]),
        helper.make_node("AveragePool", ["images"], ["rows"], kernel_shape=[least_height, 1]),
        helper.make_node("ReduceMean", ["rows"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Squeeze", ["mean", "last"], ["level"]),  # (b, 1, 1)
        helper.make_node("Add", ["zeros", "level"], ["levels"]),
        helper.make_node("Mul", ["levels", "column"], ["output0"]),
    ]
    constants: dict[str, Array] = {
        "flat": np.array([0, 3, -1], np.int64),
        "last": np.array([3], np.int64),
        "column": column[None, :, None].astype(np.float32),
    }
    outputs: dict[str, tuple[int, list[Side] | None]] = {"output0": (TensorProto.FLOAT, ["n", len(column), "cells"])}
    return save(path, nodes, constants, outputs, shape=["n", 3, "height", "width"])


def channel_means(path: Path, *, batch: Side = "n", size: tuple[int, int] = (16, 8)) -> Path:
    """An embedder: the three channels' means (batch, 3)."""
    nodes = [helper.make_node("ReduceMean", ["images"], ["output"], axes=[2, 3], keepdims=0)]
    return save(path, nodes, {}, {"output": (TensorProto.FLOAT, [batch, 3])}, shape=[batch, 3, *size])


def open_axes_in(path: Path) -> Path:
    """A network that takes and gives arrays of any number of axes."""
    outputs: dict[str, tuple[int, list[Side] | None]] = {"output": (TensorProto.FLOAT, None)}
    return save(path, [helper.make_node("Relu", ["images"], ["output"])], {}, outputs, shape=None)


def open_axes_out(path: Path) -> Path:
    """A network that takes a picture (64 x 64) and whose output's number of axes depends on what it shows."""
    nodes = [
        helper.make_node("NonZero", ["images"], ["places"]),
        helper.make_node("ReduceMax", ["places"], ["sides"], axes=[0], keepdims=0),
        helper.make_node("Reshape", ["images", "sides"], ["output"]),
    ]
    outputs: dict[str, tuple[int, list[Side] | None]] = {"output": (TensorProto.FLOAT, None)}
    return save(path, nodes, {}, outputs, shape=[1, 3, 64, 64])


def four_crops(path: Path) -> Path:
    """An embedder that takes 4 crops (16 x 8) at once and no other number: its inner shape is written down."""
    nodes = [
        helper.make_node("Reshape", ["images", "sides"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["output"], axes=[2], keepdims=0),
    ]
    constants: dict[str, Array] = {"sides": np.array([4, 3, 128], np.int64)}
    return save(path, nodes, constants, {"output": (TensorProto.FLOAT, [4, 3])}, shape=[4, 3, 16, 8])


def boxes_and_labels(path: Path, boxes: Array, labels: Array) -> Path:
    """Outputs `boxes` (n, 5) and `labels` (n,), whatever the picture (64 x 64) shows."""
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["peak"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["peak", "zero"], ["nothing"]),
        helper.make_node("Add", ["table", "nothing"], ["boxes"]),
        helper.make_node("Identity", ["numbers"], ["labels"]),
    ]
    constants: dict[str, Array] = {
        "zero": np.zeros((), np.float32),
        "table": boxes.astype(np.float32),
        "numbers": labels.astype(np.int64),
    }
    outputs: dict[str, tuple[int, list[Side] | None]] = {
        "boxes": (TensorProto.FLOAT, list(boxes.shape)),
        "labels": (TensorProto.INT64, list(labels.shape)),
    }
    return save(path, nodes, constants, outputs, shape=[1, 3, 64, 64])
