"""LabelManifest: what decides the labels in a folder and which sources are finished, so that `--resume` can go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pipeline.errors import TrainingError
from pipeline.models.base import ModelCard
from pipeline.training.class_map import ClassMap
from pipeline.training.folder import differing
from pipeline.training.whole_file import make_folder, write_whole

MANIFEST, WORK = "manifest.json", ".work"


class LabelManifest:
    """`manifest.json`: what decides the labels, and the sources that are finished. Beside it `.work/` keeps what was
    done so far of those that are not."""

    def __init__(self, path: Path, held: dict[str, Any]) -> None:
        """Use `begin`."""
        self._path = path
        self._held = held

    @classmethod
    def begin(cls, path: Path, settings: Mapping[str, object], *, resume: bool) -> Self:
        """Make the folder, or with `resume` go on with what it holds. `settings`: what decides the labels, JSON values.

        Raises TrainingError where it holds something else or was begun with other settings, OutputError.
        """
        wanted = json.loads(json.dumps(dict(settings)))
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            make_folder(path)
            made = cls(path, {"settings": wanted, "sources": {}})
            made._write()
            return made
        if not resume:
            hint = "--resume goes on with it" if (path / MANIFEST).is_file() else "name a new folder"
            raise TrainingError(f"{path} is not an empty folder; {hint}")
        held = _read(path / MANIFEST)
        if differences := differing(held["settings"], wanted):
            raise TrainingError(
                f"{path} was begun with other settings: {'; '.join(differences)}; give the same ones, or another folder"
            )
        return cls(path, held)

    @property
    def sources(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of the finished sources, by fingerprint."""
        found: Mapping[str, Mapping[str, Any]] = self._held["sources"]
        return found

    def work(self, fingerprint: str) -> Path:
        """Where unfinished work on a source is kept."""
        return self._path / WORK / fingerprint.rpartition(":")[2][:32]

    def finish_source(self, fingerprint: str, entry: Mapping[str, object]) -> None:
        """All labels of a source are there. Raises OutputError."""
        self._held["sources"][fingerprint] = dict(entry)
        self._write()
        shutil.rmtree(self.work(fingerprint), ignore_errors=True)

    def finish(self) -> None:
        """All sources are there: `.work` is removed if nothing lies in it."""
        if (self._path / WORK).is_dir() and not any((self._path / WORK).iterdir()):
            (self._path / WORK).rmdir()

    def _write(self) -> None:
        write_whole(self._path / MANIFEST, (json.dumps(self._held, indent=1, ensure_ascii=False) + "\n").encode())


def taught_by(card: ModelCard, classes: ClassMap) -> dict[str, object]:
    """What settings say of a teacher and of what the student takes from it, as JSON values."""
    return {
        "teacher": {"name": card.name, "sha256": card.sha256, "classes": list(card.classes)},
        "classes": {name: sorted(of) for name, of in zip(classes.names, classes.of, strict=True)},
    }


def _read(file: Path) -> dict[str, Any]:
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(
            f"{file.parent} cannot be gone on with: {MANIFEST} cannot be read ({error.strerror})"
        ) from error
    except ValueError as error:
        raise TrainingError(f"{file} is damaged: {error}; begin again in another folder") from error
    if not (isinstance(held, dict) and isinstance(held.get("settings"), dict) and "sources" in held):
        raise TrainingError(f"{file} is no manifest of labelled pictures; begin again in another folder")
    return held
