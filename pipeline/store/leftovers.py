"""Leftovers: crops and recordings that no row knows, as a process leaves them that was killed between a file and its
row; uploads that no run reads.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from pipeline.errors import OutputError, StoreError
from pipeline.store.batches import BATCH, batches
from pipeline.store.database import Database
from pipeline.store.tables import Media, Source

MIN_AGE = 3600.0  # seconds; a younger file may be about to get its row
UPLOAD_AGE = 30 * 86_400.0  # seconds; who sent a video wants to run something on it before that
UPLOADS = "uploads"  # in the media folder: a folder named by its id for each
_PLACES = (("crops", "*/*", (".jpg", ".part")), ("recordings", "*/*/*", (".mp4", ".mkv", ".part")))
_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that no row knows."""

    path: Path
    size: int  # bytes
    alone: bool = False  # in a folder of its own, which goes with it


def find_leftovers(database: Database, media_folder: Path, *, min_age: float = MIN_AGE) -> list[Leftover]:
    """Crops and recordings that are unknown to the store and to the SQLite stores that share the media folder.

    Those are the ones beside the folder: where nothing else is said, each keeps its crops there. `min_age`: seconds
    since a file was last written. Raises StoreError if a store cannot be asked, OutputError if the folder cannot be
    read.
    """
    neighbours = _neighbours(database, media_folder)
    found: list[Leftover] = []
    for files in _files(media_folder, before=time.time() - min_age):
        names = [file.path.relative_to(media_folder).as_posix() for file in files]
        known = _known(database, names).union(*(_known_to(file, names) for file in neighbours))
        found += [file for file, name in zip(files, names, strict=True) if name not in known]
    return found


def unknown_files(database: Database, media_folder: Path, names: Sequence[str]) -> set[str]:
    """Those of some paths (relative to the media folder, with /) that no store knows which shares the folder.

    Raises StoreError if a store cannot be asked.
    """
    known: set[str] = set()
    neighbours = _neighbours(database, media_folder) if names else []
    for some in batches(names):
        known |= _known(database, some).union(*(_known_to(file, some) for file in neighbours))
    return set(names) - known


def find_old_uploads(database: Database, media_folder: Path, *, min_age: float = UPLOAD_AGE) -> list[Leftover]:
    """Uploads, whole or broken off, that no run of the store or of its neighbours has read. As `find_leftovers`.

    A source that was linked to another place since does not need its upload any more.
    """
    folder, before = media_folder / UPLOADS, time.time() - min_age
    try:
        files = [path for path in folder.glob("*/*") if path.is_file()] if folder.is_dir() else []
        old = [Leftover(path, path.lstat().st_size, alone=True) for path in files if path.lstat().st_mtime < before]
    except OSError as error:
        raise OutputError(f"cannot look into {folder}: {error.strerror}; check its rights") from error
    if not old:
        return []
    pattern = f"%/{UPLOADS}/%"
    with database.read("look for uploads") as connection:
        read = set(connection.scalars(select(Source.uri_redacted).where(Source.uri_redacted.like(pattern))))
    for neighbour in _neighbours(database, media_folder):
        read |= _asked(neighbour, "SELECT uri_redacted FROM sources WHERE uri_redacted LIKE ?", [pattern])
    ids = {Path(address).parent.name for address in read}  # wherever the media folder was then
    return [leftover for leftover in old if leftover.path.parent.name not in ids]


def remove_leftovers(leftovers: Sequence[Leftover], *, told: Callable[[int, int], None] | None = None) -> None:
    """Delete the files. `told`: files gone, and how many there were. Raises OutputError for one that has to stay."""
    for done, leftover in enumerate(leftovers, start=1):
        try:
            leftover.path.unlink(missing_ok=True)
            if leftover.alone and not any(leftover.path.parent.iterdir()):
                leftover.path.parent.rmdir()
        except OSError as error:
            raise OutputError(f"cannot delete {leftover.path}: {error.strerror}; check its rights") from error
        if told is not None:
            told(done, len(leftovers))


def _files(media_folder: Path, *, before: float) -> Iterator[list[Leftover]]:
    """Crops, recordings and unfinished ones last written before a time (seconds since 1970), at most BATCH together."""
    some: list[Leftover] = []
    for folder, pattern, suffixes in _PLACES:
        for path, status in _found(media_folder / folder, pattern):
            if path.suffix in suffixes and status.st_mtime < before:
                some.append(Leftover(path, status.st_size))
            if len(some) == BATCH:
                yield some
                some = []
    if some:
        yield some


def _found(folder: Path, pattern: str) -> Iterator[tuple[Path, os.stat_result]]:
    """Files in a folder. One that goes meanwhile is left out."""
    try:
        for path in folder.glob(pattern) if folder.is_dir() else ():
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status
    except OSError as error:
        raise OutputError(f"cannot look into {folder}: {error.strerror}; check its rights") from error


def _known(database: Database, names: Sequence[str]) -> set[str]:
    with database.read("look for files") as connection:
        return set(connection.scalars(select(Media.path).where(Media.path.in_(names))))


def _neighbours(database: Database, media_folder: Path) -> list[Path]:
    """Other SQLite stores in the folder that holds the media folder."""
    url = database.engine.url
    own = Path(url.database).resolve() if url.get_backend_name() == "sqlite" and url.database else None
    around = media_folder.resolve().parent
    files = [file for file in sorted(around.iterdir()) if file.is_file() and file.resolve() != own]
    return [file for file in files if _begins_like_sqlite(file) and _has_media(file)]


def _begins_like_sqlite(file: Path) -> bool:
    try:
        with file.open("rb") as content:
            return content.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise StoreError(f"{file} may know crops in the same folder, but cannot be read: {error.strerror}") from error


def _has_media(file: Path) -> bool:
    found = _asked(file, "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'media'", ())
    return bool(found)


def _known_to(file: Path, names: Sequence[str]) -> set[str]:
    marks = ",".join("?" * len(names))
    return _asked(file, f"SELECT path FROM media WHERE path IN ({marks})", names)  # noqa: S608 - only question marks


def _asked(file: Path, query: str, values: Sequence[str]) -> set[str]:
    """First column of what another store answers; it is not changed."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return {row[0] for row in connection.execute(query, tuple(values))}
    except sqlite3.Error as error:
        raise StoreError(f"{file} may know crops in the same folder, but cannot be asked: {error}") from error
