"""Bundled models: networks that come with Sightline and need no download, named `bundled:NAME`."""

from __future__ import annotations

import difflib
from pathlib import Path

PREFIX = "bundled:"
FOLDER = Path(__file__).parent / "bundled"
_SUFFIXES = (".onnx", ".safetensors")


def bundled_names() -> list[str]:
    """The models that are there."""
    return sorted(_files())


def resolved(weights: str) -> str:
    """The path of a file that is named `bundled:NAME`; any other text as it is.

    Raises ValueError for a name that is not there.
    """
    if not weights.startswith(PREFIX):
        return weights
    name, known = weights.removeprefix(PREFIX).strip(), bundled_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {PREFIX}{near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
        raise ValueError(f"no model {name!r} comes with Sightline; {hint}")
    return str(_files()[name])


def bundled_name(weights: str | Path) -> str | None:
    """`bundled:NAME` for the path of such a file; None for any other."""
    path = Path(weights).absolute()
    return next((f"{PREFIX}{name}" for name, file in _files().items() if file.absolute() == path), None)


def _files() -> dict[str, Path]:
    """By name."""
    return {file.stem: file for file in FOLDER.iterdir() if file.suffix in _SUFFIXES}
