"""TrainingFolder: where a training keeps its settings, its log, and all it needs to go on."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
import yaml

from pipeline.errors import OutputError, TrainingError
from pipeline.sinks.part_file import PartFile
from pipeline.training.log_plot import draw_log

SETTINGS, LOG, PLOT, STATE, REPORT = "settings.yaml", "log.csv", "log.png", "state.pt", "report.json"
EPOCH = "epoch"  # first column of the log, from 1
_ROWS = "log"  # key of the state under which the rows of the log lie
_REDRAWN = 5.0  # seconds after which the plot is drawn anew, which takes half a second


class TrainingFolder:
    """The folder of one training.

    `settings.yaml` says all that decides the result; `state.pt` is what the last finished epoch left, log included;
    `log.csv` and `log.png` show the log, the latter of quick epochs a few seconds later. Each file is written beside
    its place and renamed, so a process that is killed leaves whole files of the epoch before.
    """

    def __init__(self, path: Path, rows: Sequence[Mapping[str, float]]) -> None:
        """Use `begin` or `resume`."""
        self.path = path
        self._rows = [dict(row) for row in rows]
        self._drawn = 0  # rows that the plot shows, as far as this process knows
        self._drawn_at = time.monotonic()

    @classmethod
    def begin(cls, path: Path, settings: Mapping[str, object]) -> Self:
        """Make the folder. `settings`: what YAML can say (numbers, texts, lists, mappings), data digest included.

        Raises TrainingError where the folder holds anything, OutputError where it cannot be written.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            hint = "--resume goes on with the training in it" if (path / SETTINGS).is_file() else "name a new folder"
            raise TrainingError(f"{path} is not an empty folder; {hint}")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path} cannot be made: {error.strerror}; check the folder above it") from error
        folder = cls(path, [])
        folder.write_bytes(SETTINGS, yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True).encode())
        return folder

    @classmethod
    def resume(cls, path: Path, settings: Mapping[str, object]) -> tuple[Self, dict[str, Any]]:
        """The folder of a training that ended early, and the state that `save` left (without the log).

        Raises TrainingError where nothing was begun there, where the state is damaged, or where settings differ.
        """
        held = read_settings(path)
        differences = differing(held, yaml.safe_load(yaml.safe_dump(dict(settings))))
        if differences:
            raise TrainingError(
                f"{path} was begun with other settings or data: {'; '.join(differences)}; "
                "give the same ones, or another folder"
            )
        state = read_state(path)
        rows = state.pop(_ROWS)
        return cls(path, rows), state

    @property
    def rows(self) -> list[dict[str, float]]:
        """The log so far, one row an epoch."""
        return [dict(row) for row in self._rows]

    def save(self, state: Mapping[str, Any], row: Mapping[str, float] | None = None) -> None:
        """Keep what is needed to go on after an epoch, and the epoch's row of the log.

        `state`: tensors and plain values, anything `torch.load(weights_only=True)` reads. `row`: numbers by name, all
        rows with the same names; None before the first epoch. Raises OutputError, ValueError on a row of other names.
        """
        if row is not None:
            if next(iter(row)) != EPOCH or (self._rows and list(row) != list(self._rows[0])):
                raise ValueError(f"a row of the log starts with {EPOCH!r} and has the columns of the first row")
            self._rows.append(dict(row))
        self.write_state(STATE, {**state, _ROWS: self._rows})
        if self._rows:
            self.write_bytes(LOG, _csv(self._rows))
            if time.monotonic() - self._drawn_at >= _REDRAWN:
                self._draw()

    def write_state(self, name: str, state: Mapping[str, Any]) -> None:
        """Write tensors and plain values as a file of the folder. Raises OutputError."""
        held = io.BytesIO()
        torch.save(dict(state), held)
        self.write_bytes(name, held.getvalue())

    def write_report(self, report: Mapping[str, object]) -> None:
        """Write report.json, and the plot of all epochs. Raises OutputError."""
        if self._drawn < len(self._rows):
            self._draw()
        self.write_bytes(REPORT, (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file of the folder, whole or not at all, and wait for the disk. Raises OutputError."""
        with PartFile(self.path / name) as file:
            try:
                with file.part.open("wb") as part:
                    part.write(content)
                    part.flush()
                    os.fsync(part.fileno())
            except OSError as error:
                raise file.failure(error) from error

    def _draw(self) -> None:
        self.write_bytes(PLOT, draw_log(self._rows, along=EPOCH))
        self._drawn, self._drawn_at = len(self._rows), time.monotonic()


def read_settings(path: Path) -> dict[str, Any]:
    """What settings.yaml of a training folder says. Raises TrainingError where there is none or it is no mapping."""
    file = path / SETTINGS
    try:
        held = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"no training was begun in {path}: {SETTINGS} cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise TrainingError(f"{file} is damaged: {error}; begin again in another folder") from error
    if not isinstance(held, dict):
        raise TrainingError(f"{file} is damaged: it holds no settings; begin again in another folder")
    return held


def read_state(path: Path) -> dict[str, Any]:
    """What the last `save` left in a training folder, the log under its key. Raises TrainingError."""
    file = path / STATE
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"{path} has no {STATE}: nothing to go on with; begin in another folder") from error
    except Exception as error:  # a damaged file fails in torch in many ways
        raise TrainingError(f"{file} is damaged: {error}; begin again in another folder") from error
    if not isinstance(state, dict) or not isinstance(state.get(_ROWS), list):
        raise TrainingError(f"{file} is no state of a training; begin again in another folder")
    return state


def differing(held: Mapping[str, object], wanted: Mapping[str, object], *, under: str = "") -> list[str]:
    """What two settings disagree on, e.g. "epochs is 5 there and 9 here"; mappings are looked into."""
    found = []
    for key in dict.fromkeys([*held, *wanted]):
        there, here = held.get(key, "absent"), wanted.get(key, "absent")
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            found += differing(there, here, under=f"{under}{key}.")
        elif there != here:
            found.append(f"{under}{key} is {there} there and {here} here")
    return found


def _csv(rows: Sequence[Mapping[str, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
