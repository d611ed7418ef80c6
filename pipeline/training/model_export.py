"""Models as files that run anywhere: ONNX or OpenVINO IR, in 32, 16 or 8 bits."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from pipeline.errors import ConfigError, ModelError, OutputError
from pipeline.models.compression import open_network, quantized, quantized_onnx, write_ir
from pipeline.models.label_names import CALIBRATION, calibration_text
from pipeline.models.onnx_weights import restored, with_metadata
from pipeline.training.whole_file import make_folder, write_whole
from trackers.structures import ImageArray

READABLE = (".pt", ".safetensors", ".onnx", ".xml")


class ModelFormat(StrEnum):
    """Forms of file."""

    ONNX = "onnx"
    OPENVINO = "openvino"

    @property
    def suffix(self) -> str:
        """Of the file that is named."""
        return ".onnx" if self is ModelFormat.ONNX else ".xml"


class Precision(StrEnum):
    """In how many bits weights are stored; int8 computes in 8 bits, too."""

    F32 = "f32"
    F16 = "f16"
    INT8 = "int8"


def plain_form(weights: Path, size: tuple[int, int] | None, folder: Path) -> Path:
    """The model as a file that runtimes read: itself, or for .pt and .safetensors an ONNX file of float32 in `folder`.

    `size`: height, width for which a detector is made. Raises ModelError, ConfigError.
    """
    match weights.suffix.lower():
        case ".onnx" | ".xml":
            return weights
        case ".pt" | ".safetensors":
            path = folder / f"{weights.stem}.onnx"
            write_whole(path, _from_torch(weights, size, half=False))
            return path
    raise ConfigError(f"{weights} is no model that can be exported; known suffixes: {', '.join(READABLE)}")


def task_of(plain: Path) -> str:
    """ "detect" or "embed", of a file of `plain_form`. Raises ModelError where it is neither."""
    return open_network(plain).task


def check_output(out: Path, form: ModelFormat) -> None:
    """Raise ConfigError or OutputError where the file cannot be written, before anything is computed."""
    if out.suffix.lower() != form.suffix:
        raise ConfigError(f"--out {out}: a file of format {form} ends in {form.suffix}")
    make_folder(out.parent)
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}-"):
            pass
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror}; check the folder and the disk") from error


def export_model(
    weights: Path,
    plain: Path,
    out: Path,
    *,
    form: ModelFormat,
    precision: Precision,
    size: tuple[int, int] | None = None,
    pictures: Sequence[ImageArray] = (),
    scores: Sequence[Sequence[float]] | None = None,
) -> tuple[Path, ...]:
    """Write the files of a model; returns them.

    `plain`: of `plain_form`. `size`: height, width of the input. `pictures`: to calibrate 8 bits with; crops for an
    embedder. `scores`: score -> precision of a detector, which the file is to say. Raises ModelError, ConfigError,
    OutputError.
    """
    check_output(out, form)
    known = {} if scores is None else {CALIBRATION: calibration_text(scores)}
    if known and task_of(plain) != "detect":
        raise ConfigError(f"{weights} is no detector, so it has no scores to be worth something; leave --scores out")
    if form is ModelFormat.ONNX:
        content = _onnx(weights, plain, precision, size, pictures)
        write_whole(out, with_metadata(content, known) if known else content)
        return (out,)
    opened = open_network(plain, input_size=size)
    model = quantized(opened, pictures) if precision is Precision.INT8 else opened.model
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}-") as work:
        made = write_ir(model, opened.said | known, Path(work), out.stem, half=precision is not Precision.F32)
        return tuple(_moved(path, out.parent) for path in reversed(made))


def _onnx(
    weights: Path, plain: Path, precision: Precision, size: tuple[int, int] | None, pictures: Sequence[ImageArray]
) -> bytes:
    if plain.suffix.lower() != ".onnx":
        raise ModelError(f"{plain} is an OpenVINO IR, of which no ONNX file can be made; use --format openvino")
    if size is not None and plain == weights:
        raise ModelError(f"{plain} stays of the size it is made for as ONNX; leave --image-size out, or export the .pt")
    if precision is Precision.INT8:
        return quantized_onnx(open_network(plain), pictures)
    half = precision is Precision.F16
    return restored(weights, half=half) if plain == weights else _from_torch(weights, size, half=half)


def _from_torch(weights: Path, size: tuple[int, int] | None, *, half: bool) -> bytes:
    if weights.suffix.lower() == ".pt":
        from pipeline.models.ultralytics_library import load_network
        from pipeline.training.detector_onnx import detector_onnx

        return detector_onnx(load_network(weights), size, half=half)
    from pipeline.training.embedder_file import read_safetensors, to_onnx_file

    network = read_safetensors(weights)
    if size not in (None, network.plan.input_size):
        height, width = network.plan.input_size
        raise ModelError(f"{weights} takes crops of {height}x{width} only; leave --image-size out")
    return to_onnx_file(network, half=half)


def _moved(path: Path, folder: Path) -> Path:
    try:
        return path.replace(folder / path.name)
    except OSError as error:
        raise OutputError(f"{folder / path.name} cannot be written: {error.strerror}; check the folder") from error
