"""The YAML file of a data set of labelled pictures: which classes it has, and where its pictures are said to be."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import FormatError

_KEYS = ("path", "train", "val", "test", "names", "nc", "classes", "scores")
_MISSPELT = 0.75  # likeness from which another key is one of ours that is misspelt


def load_data_file(file: Path) -> dict[str, Any]:
    """What it says. Keys of other programs (`download`, `license`, ...) may stand there. Raises FormatError."""
    try:
        held = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{file} cannot be read: {error.strerror}; name the YAML file of a data set") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise FormatError(f"{file} is no YAML: {error}") from error
    if not isinstance(held, dict):
        raise FormatError(f"{file} holds no data set; it needs names, train and val")
    for key in map(str, held):
        near = difflib.get_close_matches(key, _KEYS, 1, _MISSPELT)
        if key not in _KEYS and near:
            raise FormatError(f"{file}: there is no {key!r}; did you mean {near[0]!r}?")
    return held


def base_of(file: Path, held: Mapping[str, Any]) -> Path:
    """The folder that its paths start from: `path`, else its own."""
    return file.parent / str(held.get("path") or "")


def class_names(said: Any, where: str) -> tuple[str, ...]:
    """A list of classes, or classes by number from 0, in label order. Raises FormatError."""
    if isinstance(said, dict) and set(said) == set(range(len(said))):
        said = [said[index] for index in range(len(said))]
    if not isinstance(said, list) or not said or len(set(map(str, said))) != len(said):
        raise FormatError(f"{where} is {said!r}; it must list the classes, each once, or number them from 0")
    return tuple(str(name) for name in said)


def class_list(file: Path) -> tuple[str, ...]:
    """Classes of a text file, one a line, in label order. Raises FormatError."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{file} cannot be read: {error}; it must list the classes, one a line") from error
    return class_names([line.strip() for line in lines if line.strip()], str(file))


def class_mapping(said: Any, names: Sequence[str], where: str) -> dict[str, str] | None:
    """Their names -> ours; None where nothing is said. Raises FormatError."""
    if said is None:
        return None
    if not isinstance(said, dict):
        raise FormatError(f"{where} must be a mapping of their names to ours, such as {{car: vehicle}}")
    for theirs, ours in said.items():
        if str(ours) not in names:
            raise FormatError(f"{where}: {theirs} becomes {ours!r}, which is not in names ({', '.join(names)})")
    return {str(theirs): str(ours) for theirs, ours in said.items()}
