"""Networks made smaller: weights in 16 bits, arithmetic in 8 bits by what calibration frames show."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ModelError
from pipeline.models import decoders, files, label_names
from pipeline.models.decoders import Hints
from pipeline.models.embed import feature_length
from pipeline.models.inputs import IMAGENET, PLAIN, Recipe, embedded_recipe, recipe_text, to_batch, to_blob
from pipeline.models.messages import last_line
from pipeline.models.openvino_core import signal_stack_kept
from pipeline.models.openvino_library import ov
from pipeline.models.openvino_models import (
    find_input_size,
    output_specs,
    read_model,
    rt_metadata,
    rt_names,
    set_size,
)
from pipeline.models.openvino_network import channels_last
from trackers.structures import FloatArray, ImageArray

_NO_PICTURES = "quantisation needs calibration pictures, and there is none; give --calibration"
_HEAVY = ("Conv", "Convolution", "GroupConvolution", "MatMul", "Gemm")  # layers worth 8 bits


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A network that was read, and what is known of it."""

    file: files.WeightsFile
    model: ov.Model  # takes pictures of `size`
    task: str  # "detect" or "embed"
    size: tuple[int, int]  # height, width of the input, pixels
    recipe: Recipe

    def blob(self, picture: ImageArray) -> FloatArray:
        """A picture as the network's input, (1, 3, H, W) or (1, H, W, 3) float32."""
        made = to_blob(to_batch([picture], self.size, self.recipe)[0], self.recipe)
        return np.ascontiguousarray(made.transpose(0, 2, 3, 1)) if channels_last(self.model) else made

    @property
    def said(self) -> dict[str, str]:
        """What an OpenVINO IR of it should say of itself: class names with underscores for blanks, recipe, scores."""
        written = label_names.embedded_names(self.file.metadata, self.file.path) or rt_names(self.model)
        names = written or label_names.KNOWN_STEMS.get(self.file.stem, ())
        known = {"labels": " ".join(name.replace(" ", "_") for name in names)} if names else {}
        kept = self.file.metadata | rt_metadata(self.model)
        if label_names.CALIBRATION in kept:
            known[label_names.CALIBRATION] = kept[label_names.CALIBRATION]
        return known | {"recipe": recipe_text(self.recipe)}


def open_network(weights: str | Path, *, input_size: tuple[int, int] | None = None) -> Opened:
    """Read a .onnx or .xml. Raises ModelError where it is neither a detector nor an embedder."""
    file, model = read_model(weights)
    size = find_input_size(model, file, input_size)
    _fold(model)  # before its size is set: what depends on the size stays, so that another one can be set later
    set_size(model, file, size)
    specs = output_specs(model)
    if len(specs) == 1 and len(specs[0].shape) == 2:
        feature_length(specs, file.stem)
        usual = PLAIN if file.form is files.Form.IR else IMAGENET
        known = embedded_recipe(file.metadata) or embedded_recipe(rt_metadata(model))
        return Opened(file, model, "embed", size, known or usual)
    hints = Hints(
        len(label_names.embedded_names(file.metadata, file.path)) or None, label_names.suppresses(file.metadata)
    )
    decoder = decoders.choose(specs, size, form=None, hints=hints, name=file.path.name)
    return Opened(file, model, "detect", size, decoder.recipe)


def quantized(opened: Opened, pictures: Sequence[ImageArray]) -> ov.Model:
    """Weights and activations in 8 bits, by what the network computes of calibration pictures.

    Post-training quantisation of NNCF: symmetric for weights, asymmetric for activations, bias corrected (Kozlov et al.
    2021). The arithmetic that turns cells into boxes stays as it is. Raises ModelError without pictures.
    """
    nncf = _nncf()
    if not pictures:
        raise ModelError(_NO_PICTURES)
    dataset = nncf.Dataset(pictures, opened.blob)  # one at a time: all at once may be gigabytes
    try:
        with signal_stack_kept():
            return nncf.quantize(
                opened.model.clone(),
                dataset,
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(pictures),
                ignored_scope=_decoding(nncf, opened),
            )
    except Exception as error:  # NNCF's and OpenVINO's errors have no common base
        raise ModelError(f"{opened.file.path} cannot be quantised: {last_line(error)}") from error


def quantized_onnx(opened: Opened, pictures: Sequence[ImageArray]) -> bytes:
    """Likewise, as the content of an ONNX file that says what the given one said of itself.

    Batch norm is folded first: behind an integer convolution no runtime would do that. Activations are symmetric, too:
    OpenVINO 2026.4 cannot compile an ONNX file with asymmetric ones for bf16.
    """
    import onnx

    nncf = _nncf()
    if not pictures:
        raise ModelError(_NO_PICTURES)
    try:
        model = _folded(opened.file.path)
        name = model.graph.input[0].name
        with signal_stack_kept():
            made = nncf.quantize(
                model,
                nncf.Dataset(pictures, lambda one: {name: opened.blob(one)}),
                preset=nncf.QuantizationPreset.PERFORMANCE,
                subset_size=len(pictures),
                ignored_scope=_decoding_of_onnx(nncf, model, opened.task),
            )
    except Exception as error:  # NNCF's, ONNX's and its runtime's errors have no common base
        raise ModelError(f"{opened.file.path} cannot be quantised: {last_line(error)}") from error
    onnx.helper.set_model_props(made, opened.file.metadata)
    return bytes(made.SerializeToString())


def write_ir(model: ov.Model, said: dict[str, str], folder: Path, name: str, *, half: bool) -> tuple[Path, Path]:
    """Write NAME.xml and NAME.bin into a folder. `half`: weights as float16. Raises ModelError where that fails."""
    for key, value in said.items():
        model.set_rt_info(value, ["model_info", key])
    xml = folder / f"{name}.xml"
    try:
        ov.save_model(model, xml, compress_to_fp16=half)
    except RuntimeError as error:
        raise ModelError(f"{xml} cannot be written: {last_line(error)}") from error
    return xml, xml.with_suffix(".bin")


def _decoding(nncf: Any, opened: Opened) -> Any:
    """What must not be quantised of a detector: everything behind its last convolutions."""
    if opened.task == "embed":
        return None
    layers = [
        (
            layer.get_friendly_name(),
            layer.get_type_name(),
            [port.get_node().get_friendly_name() for output in layer.outputs() for port in output.get_target_inputs()],
        )
        for layer in opened.model.get_ordered_ops()
    ]
    return _behind(nncf, layers)


def _decoding_of_onnx(nncf: Any, model: Any, task: str) -> Any:
    if task == "embed":
        return None
    readers: dict[str, list[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.name)
    layers = [
        (node.name, node.op_type, [reader for name in node.output for reader in readers.get(name, [])])
        for node in model.graph.node
    ]
    return _behind(nncf, layers)


def _behind(nncf: Any, layers: Sequence[tuple[str, str, Sequence[str]]]) -> Any:
    """Layers with no heavy one after them; each comes with its kind and its readers, in the order of computing."""
    kinds = {name: kind for name, kind, _ in layers}
    followed: dict[str, bool] = {}  # whether a heavy layer comes after
    for name, _, readers in reversed(layers):
        followed[name] = any(followed[one] or kinds[one] in _HEAVY for one in readers)
    passive = (*_HEAVY, "Constant", "Parameter", "Result", "Convert")
    behind = [name for name, later in followed.items() if not later and kinds[name] not in passive]
    return nncf.IgnoredScope(names=behind, validate=False)


def _folded(path: Path) -> Any:
    """The graph of an ONNX file with everything computed that does not depend on the picture."""
    import onnx
    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        options.log_severity_level = 3
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _fold(model: ov.Model) -> None:
    """Compute what does not depend on the picture, batch norm among it: only what is left is worth 8 bits."""
    from openvino._offline_transformations import apply_moc_transformations  # as ov.convert_model, which tells Intel

    apply_moc_transformations(model, cf=True)


def _nncf() -> Any:
    """The library, without the telemetry it sends otherwise, and quiet."""
    before = os.environ.get("NNCF_CI")
    os.environ["NNCF_CI"] = "1"  # read once, while it is imported
    try:
        import nncf
        from nncf.common.logging.logger import set_log_level
    finally:
        if before is None:
            del os.environ["NNCF_CI"]
        else:
            os.environ["NNCF_CI"] = before
    set_log_level(logging.ERROR)
    return nncf
