"""PairNetwork: a compiled network that compares two maps, as the heads of Siamese trackers do."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.errors import ModelError
from pipeline.models.compiled_networks import compiled_networks
from pipeline.models.messages import last_line
from pipeline.models.openvino_library import ov
from trackers.structures import FloatArray


class PairNetwork:
    """Two maps (n, c, rows, columns) of any n, in the order of the network's inputs, to its outputs."""

    def __init__(
        self, model: ov.Model, *, precision: str = "f32", device: str = "CPU", threads: int = 0, name: str
    ) -> None:
        """`threads`: 0 lets OpenVINO choose. `name`: for errors. Raises ModelError where it cannot be compiled."""
        self._name = name
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if precision == "auto":
            del hints["INFERENCE_PRECISION_HINT"]
        if threads > 0:
            hints["INFERENCE_NUM_THREADS"] = threads
        try:
            shapes = {port: port.get_partial_shape() for port in model.inputs}
            for shape in shapes.values():
                shape[0] = -1
            model.reshape(shapes)
            self._request = compiled_networks().compile(model, device, hints).create_infer_request()
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot compile {name} on {device}: {last_line(error)}") from error

    def __call__(self, one: FloatArray, other: FloatArray) -> list[FloatArray]:
        """Outputs, in order. Raises ModelError where the library fails."""
        try:
            results = self._request.infer([one, other], share_inputs=True)
        except RuntimeError as error:
            raise ModelError(f"OpenVINO failed on {self._name}: {last_line(error)}") from error
        return [np.array(results[position]) for position in range(len(results))]
