"""Fetching models of the catalogue into the cache: one process at a time, checked, whole or not at all."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from pipeline.errors import ModelError
from pipeline.models.catalog import Entry, RemoteFile
from pipeline.models.download_watchers import Unwatched, Watcher
from pipeline.models.model_cache import VARIABLE, Looked, ModelCache, State, fits, remember, sha256_of

NO_NETWORK = "SIGHTLINE_NO_NETWORK"  # environment: 1 forbids fetching
_PART = ".part"
_LOG = logging.getLogger(__name__)


class Onlooker(Protocol):
    """Is told how fetching goes."""

    def begins(self, file: RemoteFile) -> Watcher:
        """A file is to be fetched; what is returned sees how far it is."""

    def waits(self, entry: Entry) -> None:
        """Another process is fetching the same model."""


class Quiet:
    """Tells the log."""

    def begins(self, file: RemoteFile) -> Watcher:
        """As a warning, since a run stands still for so long."""
        _LOG.warning("fetching %s", file.address)
        return _Logged()

    def waits(self, entry: Entry) -> None:
        """Likewise."""
        _LOG.warning("another process is fetching %s; waiting for it", entry.name)


class _Logged(Unwatched):
    """Tells the log what makes it last longer."""

    def again(self, why: str, seconds: float) -> None:
        """As a warning, since a run stands still for so long."""
        _LOG.warning("%s; asking again in %.0f s", why, seconds)


def network_forbidden(environment: Mapping[str, str]) -> bool:
    """Whether the environment says that nothing is to be fetched."""
    return environment.get(NO_NETWORK, "").strip().lower() not in ("", "0", "no", "false")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model whose files are here."""

    entry: Entry
    paths: tuple[Path, ...]  # in the order of the entry's files; the first is the one to open

    @property
    def by_role(self) -> dict[str, Path]:
        """The files that have a role; none of what comes with Sightline has."""
        pairs = zip(self.entry.files, self.paths, strict=False)
        return {file.role: path for file, path in pairs if file.role is not None}


class Fetcher:
    """Brings models into a cache, if that is allowed."""

    def __init__(
        self,
        cache: ModelCache,
        *,
        forbidden: str | None,
        onlooker: Onlooker | None = None,
        attempts: int = 5,
        pause: float = 1.0,
    ) -> None:
        """`forbidden`: why nothing may be fetched (who says so); None: it may. `attempts`, `pause`: see download."""
        self._cache = cache
        self._forbidden = forbidden
        self._onlooker = onlooker or Quiet()
        self._attempts, self._pause = attempts, pause

    def ready(self, entry: Entry) -> Fetched:
        """The model's files: those that are there, else fetched. Raises ModelError, which says what to do."""
        if entry.bundled is not None:
            return Fetched(entry, (entry.bundled,))
        missing = self._missing(entry)
        if missing:
            self._fetch(entry, missing)
        if not entry.verified:
            why = entry.note or "nobody confirms what it should be"
            _LOG.warning("%s is unverified: %s", entry.name, why)
        return Fetched(entry, tuple(self._cache.path(entry, file) for file in entry.files))

    def anew(self, entry: Entry) -> Fetched:
        """Likewise; a file that is another one than the catalogue's is replaced, as soon as the catalogue's is here."""
        if entry.bundled is None and (wrong := self._wrong(entry)):
            self._require_network(entry, wrong)
            with self._locked(entry):
                for file in self._wrong(entry):  # another process may have replaced them while this one waited
                    self._fetch_one(entry, file)
        return self.ready(entry)

    def _wrong(self, entry: Entry) -> list[RemoteFile]:
        return [file for file in entry.files if self._cache.looked(entry, file).state is State.WRONG]

    def _missing(self, entry: Entry) -> list[RemoteFile]:
        """Raises ModelError for a file that is there, but another one."""
        looked = {file.name: self._cache.looked(entry, file) for file in entry.files}
        for file in entry.files:
            if looked[file.name].state is State.WRONG:
                raise ModelError(_other_file(entry, file, looked[file.name]))
        return [file for file in entry.files if looked[file.name].state is State.ABSENT]

    def _fetch(self, entry: Entry, missing: list[RemoteFile]) -> None:
        self._require_network(entry, missing)
        with self._locked(entry):
            for file in self._missing(entry):  # another process may have fetched them while this one waited
                self._fetch_one(entry, file)

    def _fetch_one(self, entry: Entry, file: RemoteFile) -> None:
        # here, since its library takes longer to import than most commands need, and few fetch anything
        from pipeline.models.download import UnreachableError, Wanted, discard, download, finish

        path = self._cache.path(entry, file)
        part = path.with_name(f"{path.name}{_PART}")
        wanted = Wanted(file.address, file.bytes, known=(file.sha256 or file.sha256_begins) is not None)
        try:
            watcher = self._onlooker.begins(file)
            download(wanted, part, watcher=watcher, attempts=self._attempts, pause=self._pause)
        except UnreachableError as error:
            raise UnreachableError(f"{error}. {by_hand(self._cache, entry, [file])}") from error
        sha256 = sha256_of(part)
        if not fits(file, sha256):
            discard(part)
            expected = file.sha256 or f"{file.sha256_begins}..."
            raise ModelError(
                f"{file.address} gave a file with SHA-256 {sha256}, but the catalogue says {expected}: refused and "
                f"removed. It was changed on its way or where it lies; {_what_then(file)}"
            )
        finish(part, path)
        remember(path, sha256)

    def _require_network(self, entry: Entry, missing: list[RemoteFile] | None = None) -> None:
        if self._forbidden is not None:
            files = list(entry.files) if missing is None else missing
            raise ModelError(
                f"model {entry.name!r} is not here as it should be, and {self._forbidden}. "
                f"{by_hand(self._cache, entry, files)}"
            )

    @contextmanager
    def _locked(self, entry: Entry) -> Iterator[None]:
        """Only one process at a time."""
        folder = self._cache.folder / entry.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / ".lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                self._onlooker.waits(entry)
                lock.acquire()
        except (OSError, NotImplementedError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ModelError(
                f"models cannot be kept in {folder}: {reason}; set {VARIABLE} to a folder that can be written"
            ) from error
        try:
            yield
        finally:
            lock.release()


def fetcher(*, onlooker: Onlooker | None = None) -> Fetcher:
    """As the environment says."""
    forbidden = f"{NO_NETWORK} forbids fetching it" if network_forbidden(os.environ) else None
    return Fetcher(ModelCache.of(os.environ), forbidden=forbidden, onlooker=onlooker)


def by_hand(cache: ModelCache, entry: Entry, files: list[RemoteFile]) -> str:
    """What somebody without network has to put where."""
    steps = [
        f"{file.address}{'' if file.sha256 is None else f' (SHA-256 {file.sha256})'} to {cache.path(entry, file)}"
        for file in files
    ]
    return f"Where there is a network, fetch {' and '.join(steps)}"


def _other_file(entry: Entry, file: RemoteFile, looked: Looked) -> str:
    expected = file.sha256 or (f"{file.sha256_begins}..." if file.sha256_begins else "what it had when it came")
    return (
        f"{looked.path} is not the file of model {entry.name!r}: its SHA-256 is {looked.sha256}, not {expected}. Use "
        f"it by its path if you trust it, or let `sightline models fetch {entry.name}` replace it"
    )


def _what_then(file: RemoteFile) -> str:
    if file.verified is None:
        return "the catalogue's hash is unverified and may be wrong itself: fetch the file by hand, and use its path"
    return "try again later, or fetch it by hand and use its path if you trust it"
