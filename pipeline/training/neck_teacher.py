"""NeckTeacher: what a YOLO network sees in pictures at three sizes of cells, just before it says what is where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx.utils import Extractor

from pipeline.errors import ModelError, TrainingError
from pipeline.models.pyramid import STRIDES
from pipeline.sources.fingerprint import fingerprint_file
from trackers.structures import FloatArray, ImageArray

_MODULE = re.compile(r"^/model\.(\d+)/")
_OUTPUT = re.compile(r"^/model\.(\d+)/.*?_output_0")
_ERRORS_ONLY = 3  # ONNX Runtime's log level


class NeckTeacher:
    """A detector or segmenter that ultralytics exported as ONNX (YOLOv8 to YOLO11), its last module taken off."""

    def __init__(self, file: Path, *, threads: int = 1) -> None:
        """Raises TrainingError where the file is no such network, ModelError where it cannot be read."""
        try:
            model = onnx.load(str(file))
        except Exception as error:  # protobuf's and onnx's errors have no common base
            raise ModelError(f"{file} cannot be read as ONNX: {error}") from error
        outputs = _neck(model.graph)
        if len(outputs) != len(STRIDES):
            raise TrainingError(
                f"{file} has {len(outputs)} maps before its last module, not {len(STRIDES)}; give the .onnx of a YOLO "
                "detector or segmenter that ultralytics exported"
            )
        entry = model.graph.input[0]
        for axis, name in ((0, "pictures"), (2, "height"), (3, "width")):
            entry.type.tensor_type.shape.dim[axis].dim_param = name
        part = Extractor(_with_outputs(model, outputs)).extract_model([entry.name], outputs)
        options = ort.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = threads
        try:
            self._session = ort.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise ModelError(f"ONNX Runtime cannot run the first part of {file}: {error}") from error
        self._input = entry.name
        self.sha256 = fingerprint_file(file)
        self.channels = tuple(int(found.shape[1]) for found in self.maps(np.zeros((1, 64, 64, 3), np.uint8)))

    def maps(self, pictures: ImageArray) -> list[FloatArray]:
        """[(n, c, side / stride, side / stride)] for each stride, of pictures (n, side, side, 3) blue green red.

        One after the other: a quantised network fits its scales to all that it is given at once.
        """
        blob = np.ascontiguousarray(pictures[..., ::-1].transpose(0, 3, 1, 2), np.float32) / 255
        found = [self._session.run(None, {self._input: one[None]}) for one in blob]
        return [np.concatenate(level) for level in zip(*found, strict=True)]


def _neck(graph: onnx.GraphProto) -> list[str]:
    """Names of what the last module takes from those before it, from the smallest cells to the largest."""
    numbers = [int(part[1]) for node in graph.node if (part := _MODULE.match(node.name))]
    last = f"/model.{max(numbers, default=-1)}/"
    made = {name for node in graph.node for name in node.output}
    found: dict[str, int] = {}
    for node in graph.node:
        if not node.name.startswith(last):
            continue
        for name in node.input:
            output = _OUTPUT.match(name)
            if output and not name.startswith(last) and output[0] in made:
                found[output[0]] = int(output[1])
    return sorted(found, key=lambda name: found[name])


def _with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """With these as known values of any shape, and without the shapes that were noted for one size of pictures."""
    del model.graph.value_info[:]
    float32 = onnx.TensorProto.FLOAT
    model.graph.value_info.extend(onnx.helper.make_tensor_value_info(name, float32, None) for name in names)
    return model
