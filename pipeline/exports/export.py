"""Exporting a run: one file a source, in a format that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import ConfigError, StoreError
from pipeline.exports.content import Content, TrackFile
from pipeline.store.database import Database
from pipeline.store.detection_reader import DetectionReader
from pipeline.store.filters import Scope
from pipeline.store.rows import RunSourceRow
from pipeline.store.run_queries import run_detail
from pipeline.store.run_tracks import RunTracks, machine_tracks, reviewed_tracks
from pipeline.store.tracked_boxes import TrackedBoxes

NAME = "{name}"  # in a path: stands for the source's name without suffix
Progress = Callable[[int, int], None]  # boxes done and in all, of one source after the other


class ExportFormat(StrEnum):
    """What other programs read."""

    MOT = "mot"  # MOTChallenge text
    CSV = "csv"
    COCO = "coco"  # JSON
    PARQUET = "parquet"
    MOTS = "mots"  # masks as text

    @property
    def suffix(self) -> str:
        """Of its files."""
        match self:
            case ExportFormat.MOT | ExportFormat.MOTS:
                return ".txt"
            case ExportFormat.COCO:
                return ".json"
            case _:
                return f".{self.value}"

    @property
    def masks(self) -> bool:
        """Whether it can hold them."""
        return self not in (ExportFormat.MOT, ExportFormat.CSV)


def export_run(
    database: Database,
    scope: Scope,
    run: UUID,
    *,
    format: ExportFormat,
    out: Path,
    reviewed: bool,
    source: UUID | None = None,
    told: Progress | None = None,
) -> list[Path]:
    """Write a run's tracks (`reviewed`: its objects as reviewers left them), and return the files.

    `out`: a file; `{name}` in it becomes each source's name, and without it several sources put their names behind
    its stem. `source`: only this one, by public id. Each file is complete or absent, and shows one state of the store.
    Raises StoreError where the run or source is not in the scope, ConfigError for a path that would overwrite what the
    run stands on and for masks that are not there, OutputError where a file cannot be written.
    """
    with database.read("export a run") as connection:
        sources = _sources(scope, connection, run, source)
        paths = file_names(out, [one.name for one in sources])
        _refuse_overwriting(database, sources, paths)
        view = reviewed_tracks if reviewed else machine_tracks
        for one, path in zip(sources, paths, strict=True):
            tracks = view(scope, connection, one.run_source_id)
            content = Content(run, one, tracks.names, reviewed)
            blocks = _blocks(connection, one, tracks, masks=format.masks)
            with _open(format, path, content) as file:
                _copy(blocks, file, tracks.count, told)
    return paths


def file_names(out: Path, names: Sequence[str]) -> list[Path]:
    """A file for each source, all different. `names`: of the sources, of which only plain letters are used."""
    if len(names) == 1 and NAME not in out.name:
        return [out]
    pattern = out.name if NAME in out.name else f"{out.stem}-{NAME}{out.suffix}"
    found: list[Path] = []
    for name in names:
        stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in Path(name).stem)
        stem = stem.strip(".") or "source"
        place, number = out.with_name(pattern.replace(NAME, stem)), 1
        while place in found:
            number += 1
            place = out.with_name(pattern.replace(NAME, f"{stem}-{number}"))
        found.append(place)
    return found


def _sources(scope: Scope, connection: Connection, run: UUID, wanted: UUID | None) -> list[RunSourceRow]:
    detail = run_detail(scope, connection, run)
    if detail is None:
        raise StoreError(f"there is no run {run}; `sightline runs` lists them")
    sources = [one for one in detail.sources if wanted in (None, one.public_id)]
    if not sources:
        raise StoreError(f"run {run} has no source {wanted}; it has {', '.join(one.name for one in detail.sources)}")
    return sources


def _refuse_overwriting(database: Database, sources: Sequence[RunSourceRow], paths: Sequence[Path]) -> None:
    held = {Path(one.uri_redacted).resolve(): f"the source '{one.name}'" for one in sources}
    if database.engine.dialect.name == "sqlite" and database.engine.url.database:
        file = database.engine.url.database
        held |= {Path(f"{file}{suffix}").resolve(): "the database" for suffix in ("", "-wal", "-shm")}
    for path in paths:
        if path.resolve() in held:
            raise ConfigError(f"{path} is {held[path.resolve()]}; name another file")


def _blocks(connection: Connection, source: RunSourceRow, tracks: RunTracks, *, masks: bool) -> Iterator[TrackedBoxes]:
    """Where masks are wanted, a box without one of its own takes that of its detection."""
    if not masks:
        yield from tracks.blocks()
        return
    reader = DetectionReader(connection, source.run_source_id)
    for boxes in tracks.blocks():
        found = reader.masks(boxes.frames, boxes.det_rows)
        yield replace(boxes, masks=tuple(own or other for own, other in zip(boxes.masks, found, strict=True)))


def _copy(blocks: Iterator[TrackedBoxes], file: TrackFile, total: int, told: Progress | None) -> None:
    done = 0
    for boxes in blocks:
        file.write(boxes)
        done += len(boxes)
        if told is not None:
            told(done, total)


def _open(format: ExportFormat, path: Path, content: Content) -> TrackFile:
    match format:
        case ExportFormat.MOT:
            from pipeline.exports.plain_text import MotFile

            return MotFile(path, content)
        case ExportFormat.CSV:
            from pipeline.exports.plain_text import CsvFile

            return CsvFile(path, content)
        case ExportFormat.MOTS:
            from pipeline.exports.plain_text import MotsFile

            return MotsFile(path, content)
        case ExportFormat.COCO:
            from pipeline.exports.coco_json import CocoFile

            return CocoFile(path, content)
        case ExportFormat.PARQUET:
            from pipeline.exports.parquet_table import ParquetFile

            return ParquetFile(path, content)
