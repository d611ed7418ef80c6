"""Stored runs: how one is found again, what of it is left to do, and whether it can go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import DetectorSettings, EmbedderSettings, Settings
from pipeline.errors import ConfigError, StoreError
from pipeline.run_plan import Seen
from pipeline.run_record import differences, stored_arithmetic
from pipeline.segmenter_settings import SegmenterSettings
from pipeline.store.database import Database, open_database
from pipeline.store.filters import project_scope
from pipeline.store.finished import finished_places
from pipeline.store.liveness import ShownStatus, can_resume, shown_status
from pipeline.store.records import RunRecord
from pipeline.store.rows import RunDetail
from pipeline.store.run_queries import find_run, list_runs, run_detail
from pipeline.store.states import SourceStatus
from pipeline.store.writer import now_microseconds

LATEST = 200  # runs that are looked through for one to resume

_NamesFile = DetectorSettings | SegmenterSettings | EmbedderSettings


def find_stored_run(database: str, text: str) -> RunDetail:
    """The run that a person means: its id, a part of it, or "last". Raises StoreError where that is none or several."""
    with open_database(database) as store:
        scope = project_scope(store)
        if scope is None:
            raise StoreError(f"there is no run in {store.name}; begin one with: sightline run")
        with store.read("find a run") as connection:
            found = run_detail(scope, connection, find_run(scope, connection, text))
    assert found is not None, "it was found"
    return found


def last_over(database: Database, places: set[str]) -> RunDetail | None:
    """The newest run over these sources, unless it is finished; None if there is none.

    Sources that were finished before with its settings may be missing from it: it had left them out.
    """
    scope = project_scope(database)
    if scope is None:
        return None
    with database.read("look for a run to resume") as connection:
        for row in list_runs(scope, connection, kind="files", limit=LATEST):
            detail = run_detail(scope, connection, row.public_id)
            own = set() if detail is None else {one.uri_redacted for one in detail.sources}
            if not own or not own <= places:
                continue
            if own == places or places - own <= finished_places(scope, connection, row.settings_hash):
                return None if shown_status(row, now_microseconds()) is ShownStatus.FINISHED else detail
    return None


def unfinished(run: RunDetail) -> list[str]:
    """Addresses of the sources that are not done."""
    done = (SourceStatus.FINISHED, SourceStatus.DAMAGED)
    return [source.uri_redacted for source in run.sources if source.status not in done]


def as_settled(settings: Settings, stored: Settings) -> Settings:
    """The settings, with what was settled of the detector when the stored run began, where nothing else is wished.

    Another detector than the stored run's is left as it is: it may know nothing of such a precision.
    """
    if settings.detector.precision != "auto" or "detector" not in _same_networks(settings, stored):
        return settings
    detector = settings.detector.model_copy(update={"precision": stored.detector.precision})
    return settings.model_copy(update={"detector": detector})


def arithmetic_begun(settings: Settings, stored: Settings, kept: Mapping[str, Any]) -> dict[str, str]:
    """In what those networks of a stored run computed that the settings name again, by section.

    `kept`: `RunRow.settings`, of which `stored` was made.
    """
    same = _same_networks(settings, stored)
    return {section: numbers for section, numbers in stored_arithmetic(kept).items() if section in same}


def _same_networks(settings: Settings, stored: Settings) -> set[str]:
    """Sections of the settings that name the network of the stored run, for the same library."""
    pairs: dict[str, tuple[_NamesFile, _NamesFile]] = {
        "detector": (settings.detector, stored.detector),
        "segmenter": (settings.segmenter, stored.segmenter),
        "embedder": (settings.embedder, stored.embedder),
    }
    same = {
        name
        for name, (now, begun) in pairs.items()
        if now.backend == begun.backend and _same_file(now.weights, begun.weights)
    }
    second, first = (None if one.fuse is None else one.fuse.weights for one in (settings.detector, stored.detector))
    return same if _same_file(second, first) else same - {"detector"}


def _same_file(now: str | None, begun: str | None) -> bool:
    """Also one that was moved: it has the name it had, and is no longer where it was."""
    if now is None or begun is None:
        return now is begun
    file, was = Path(now), Path(begun)
    return file.resolve() == was.resolve() or (file.name == was.name and not was.exists())


def refuse_resume(run: RunDetail) -> None:
    """Raise ConfigError for a run that cannot go on: one that lives, is finished, or reads no files."""
    row, now = run.run, now_microseconds()
    if can_resume(row, now):
        if not run.sources:
            raise ConfigError(f"run {row.public_id} ended before it had said what it reads; begin a new run")
        return
    match shown_status(row, now):
        case ShownStatus.RUNNING | ShownStatus.PAUSED:
            raise ConfigError(f"run {row.public_id} is at work (process {row.pid} on {row.host}); stop it first")
        case ShownStatus.FINISHED:
            raise ConfigError(f"run {row.public_id} is finished; there is nothing to resume")
        case _:
            raise ConfigError(f"run {row.public_id} is of the kind '{row.kind}'; only runs over files can be resumed")


def refuse_changes(run: RunDetail, record: RunRecord, seen: Sequence[Seen]) -> None:
    """Raise ConfigError, naming each difference, if going on would mix two kinds of results in one run."""
    stored = run.run
    kept, now = dict(stored.settings), dict(record.settings)
    if _only_video_left_out(kept, now):
        kept["outputs"] = now["outputs"]
    changed = differences(kept, now)
    if stored.code_version != record.code_version:
        changed.append(f"sightline: {stored.code_version} -> {record.code_version}")
    known = {source.uri_redacted: source for source in run.sources}
    for one in seen:
        if one.record is None:  # what it gave so far would be left without its end
            changed.append(str(one.error))
            continue
        source = known.get(one.record.uri_redacted)
        if source is None:
            changed.append(f"source: {one.record.uri_redacted} is new")
        elif source.fingerprint != one.record.fingerprint:
            changed.append(f"{source.uri_redacted}: its content has changed since the run began")
    if changed:
        raise ConfigError(
            f"run {stored.public_id} cannot be resumed, because what decides its results is no longer the same: "
            f"{'; '.join(changed)}; change it back, or begin a new run"
        )


def _only_video_left_out(kept: dict[str, object], now: dict[str, object]) -> bool:
    """`--without-video` is no change of results."""
    before, after = kept.get("outputs"), now.get("outputs")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return False
    return "video" not in after and {**after, "video": before.get("video")} == before
