"""Bundled models: networks that come with Sightline and need no download, named `bundled:NAME`."""

from __future__ import annotations

import difflib
from pathlib import Path

PREFIX = "bundled:"
FOLDER = Path(__file__).parent / "bundled"
_SUFFIX = ".onnx"


def bundled_names() -> list[str]:
    """The models that are there."""
    return sorted(file.stem for file in FOLDER.glob(f"*{_SUFFIX}"))


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
    return str(FOLDER / f"{name}{_SUFFIX}")
