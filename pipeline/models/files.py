"""Weights files: what one is, whether it is whole, its fingerprint. Looked at before a native library touches it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from pipeline.errors import ModelError
from pipeline.models.onnx_file import ExternalData, read_onnx

_CONSTANT = re.compile(rb'offset="(\d+)"[^>]*?\bsize="(\d+)"')
_HEAD = 4096  # bytes enough to tell text from binary


class Form(StrEnum):
    """How weights are written."""

    IR = "OpenVINO IR"
    ONNX = "ONNX"
    TORCH = "PyTorch"
    SAFETENSORS = "safetensors"
    YAML = "YAML architecture"


_SUFFIXES = {
    ".xml": Form.IR,
    ".onnx": Form.ONNX,
    ".pt": Form.TORCH,
    ".pth": Form.TORCH,
    ".safetensors": Form.SAFETENSORS,
    ".yaml": Form.YAML,
    ".yml": Form.YAML,
}


# Ends the name of the IR with the same network in 8 bits. No ONNX file: without AMX, OpenVINO 2026.4 computes those
# that NNCF quantises with signed activations wrongly.
_BYTES = "-int8"


def bytes_beside(weights: Path) -> Path:
    """Where the same network in 8 bits would be; the file itself where it is that one."""
    return weights if weights.stem.endswith(_BYTES) else weights.with_name(f"{weights.stem}{_BYTES}.xml")


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file that was looked at and found whole."""

    path: Path
    form: Form
    sha256: str  # of the bytes; for IR of .xml and then .bin, for ONNX of the file and then those it keeps tensors in
    metadata: dict[str, str] = field(default_factory=dict)  # what the exporter wrote into an ONNX file

    @property
    def stem(self) -> str:
        """File name without its suffix: the model's name on its card."""
        return self.path.stem

    def require(self, *forms: Form, backend: str) -> None:
        """Raise ModelError unless this is one of the forms that `backend` reads."""
        if self.form not in forms:
            readable = " or ".join(forms)
            raise ModelError(
                f"{self.path} is {self.form}, but backend {backend!r} reads {readable}; "
                "choose the backend that fits the file"
            )


def inspect(path: str | Path) -> WeightsFile:
    """Look at a weights file (.xml with its .bin, .onnx, .pt, .pth, .safetensors, .yaml) without loading it.

    Raises ModelError where it is missing, empty, cut short, or not what its suffix says, and where an ONNX file keeps
    tensors in files that are missing or lie outside its folder.
    """
    path = Path(path)
    form = _SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise ModelError(f"{path} is no weights file; known suffixes: {', '.join(_SUFFIXES)}")
    _require_bytes(path)
    match form:
        case Form.IR:
            return WeightsFile(path, form, _sha256(path, _check_ir(path)))
        case Form.ONNX:
            said = read_onnx(path)
            return WeightsFile(path, form, _sha256(path, *_external(path, said.external)), said.metadata)
        case Form.TORCH:
            _check_start(path, (b"PK\x03\x04", b"\x80"), "a PyTorch file")
        case Form.SAFETENSORS:
            _check_safetensors(path)
        case Form.YAML:
            _check_text(path)
    return WeightsFile(path, form, _sha256(path))


def _require_bytes(path: Path) -> None:
    if not path.is_file():
        raise ModelError(f"no weights file {path}; check the path")
    if path.stat().st_size == 0:
        raise ModelError(f"{path} is empty (0 bytes); fetch it again")


def _sha256(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _check_ir(xml: Path) -> Path:
    """The .bin of an IR, after checking that the .xml is a network and that every constant lies inside the .bin."""
    text = xml.read_bytes()
    if b"<net" not in text[:_HEAD] or b"</net>" not in text[-_HEAD:]:
        raise ModelError(f"{xml} is not an OpenVINO network (no <net> ... </net>), or it is cut short; fetch it again")
    binary = xml.with_suffix(".bin")
    if not binary.is_file():
        raise ModelError(f"{xml} needs its weights {binary.name} beside it; put both into one folder")
    needed = max((int(offset) + int(size) for offset, size in _CONSTANT.findall(text)), default=0)
    held = binary.stat().st_size
    if held < needed:
        raise ModelError(f"{binary} has {held} bytes, but {xml.name} needs {needed}; fetch both again")
    return binary


def _check_start(path: Path, beginnings: tuple[bytes, ...], what: str) -> None:
    with path.open("rb") as file:
        head = file.read(16)
    if not head.startswith(beginnings):
        raise ModelError(f"{path} is not {what}; its first bytes are {head[:8]!r}")


def _check_safetensors(path: Path) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        opening = file.read(1)
    if opening != b"{" or length + 8 > path.stat().st_size:
        raise ModelError(f"{path} is not a safetensors file, or it is cut short; fetch it again")


def _check_text(path: Path) -> None:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not a YAML text file ({error.reason}); check the path") from error


def _external(path: Path, pieces: Sequence[ExternalData]) -> list[Path]:
    """The files beside an ONNX file that hold its tensors, in the order of their first use, found whole."""
    found: dict[Path, None] = {}
    for piece in pieces:
        place = PurePosixPath(piece.location)
        if not piece.location or place.is_absolute() or ".." in place.parts:
            raise ModelError(
                f"{path} names weights outside its folder ({piece.location!r}); refused: fetch a file that keeps them "
                "beside it"
            )
        beside = path.parent / place
        if not beside.is_file():
            raise ModelError(f"{path} needs its weights {piece.location} beside it; put both into one folder")
        held = beside.stat().st_size
        if held < piece.end:
            raise ModelError(f"{beside} has {held} bytes, but {path.name} needs {piece.end}; fetch both again")
        found[beside] = None
    return list(found)
