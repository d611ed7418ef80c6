"""What a run will do: look at every source before anything is written, and leave out what was done before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import build
from pipeline.config import SourceSettings
from pipeline.errors import SourceError
from pipeline.models.base import USUAL_SHAPE
from pipeline.outcome import SkippedSource
from pipeline.outputs import Outputs
from pipeline.rule_settings import DrawnRule
from pipeline.run_record import DRAWN, OUTPUTS, source_record
from pipeline.sources.fingerprint import fingerprint_file
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.finished import FinishedSource, finished_sources
from pipeline.store.records import SourceRecord
from pipeline.store.rules import rules_by_place
from pipeline.store.run_kinds import FILES


@dataclass(frozen=True, slots=True)
class Seen:
    """A source that was looked at."""

    address: str
    record: SourceRecord | None  # None where there is nothing to keep: no file
    error: SourceError | None = None  # why it cannot be read

    @property
    def name(self) -> str:
        """Short, for people."""
        return Path(self.address).name if self.record is None else self.record.name

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width of its pictures, pixels; None where it cannot be read or does not say so."""
        if self.record is None or self.error is not None or not self.record.height or not self.record.width:
            return None
        return self.record.height, self.record.width


def look_at(addresses: Sequence[str], settings: SourceSettings) -> list[Seen]:
    """Open each source and give it a first frame."""
    return [_look_at(address, settings) for address in addresses]


def first_shape(seen: Sequence[Seen]) -> tuple[int, int]:
    """Height and width of the pictures of the first source that says so; else those of most videos."""
    return next((one.shape for one in seen if one.shape is not None), USUAL_SHAPE)


def refuse_unreadable(seen: Sequence[Seen]) -> None:
    """Raise SourceError if none of them can be read."""
    errors = [one.error for one in seen if one.error is not None]
    if not errors or len(errors) < len(seen):
        return
    if len(errors) == 1:
        raise errors[0]
    raise SourceError(f"none of the {len(errors)} sources can be read: {'; '.join(map(str, errors))}")


def drawn_rules(database: Database, scope: Scope | None, seen: Sequence[Seen]) -> dict[str, list[DrawnRule]]:
    """The zones and lines that were drawn for the sources, by their addresses. `scope`: None before the first run."""
    if scope is None:
        return {}
    with database.read("look for drawn zones and lines") as connection:
        known = rules_by_place(scope, connection)
    records = [one.record for one in seen if one.record is not None]
    found = {one.uri_redacted: known.get((one.fingerprint or "", one.uri_redacted)) for one in records}
    return {place: [*rules] for place, rules in found.items() if rules}


def without_finished(
    database: Database,
    scope: Scope | None,
    seen: Sequence[Seen],
    *,
    settings_hash: str,
    outputs: Outputs,
    drawn: Mapping[str, Sequence[DrawnRule]],
    kind: str = FILES,
) -> tuple[list[Seen], list[SkippedSource]]:
    """What is left to do, and what an earlier run of a kind finished with this content, these settings and drawn rules.

    One whose wanted output files are not there, or were written by no such run, is done again. `scope`: None where
    the project does not exist yet.
    """
    if scope is None:
        return list(seen), []
    fingerprints = [one.record.fingerprint or "" for one in seen if one.record is not None]
    with database.read("look for what was done before") as connection:
        finished = finished_sources(scope, connection, settings_hash, fingerprints, kind=kind)
    left: list[Seen] = []
    skipped: list[SkippedSource] = []
    for one in seen:
        before = None if one.record is None else finished.get(one.record.fingerprint or "")
        if before is not None and one.error is None and _alike(before, one, drawn, outputs):
            skipped.append(SkippedSource(one.address, before.run))
        else:
            left.append(one)
    return left, skipped


def _alike(before: FinishedSource, seen: Seen, drawn: Mapping[str, Sequence[DrawnRule]], outputs: Outputs) -> bool:
    """Whether the earlier run counted at the same zones and lines and wrote the same files."""
    assert seen.record is not None, "it was found by its content"
    now = [rule.told() for rule in drawn.get(seen.record.uri_redacted, ())]
    return before.settings.get(DRAWN, {}).get(before.uri, []) == now and _written(before, seen.address, outputs)


def _written(before: FinishedSource, address: str, outputs: Outputs) -> bool:
    """Whether the earlier run wrote the same output files, and they are still there."""
    stored: Mapping[str, str] = before.settings.get(OUTPUTS, {})
    for name, path in outputs.by_name.items():
        if stored.get(name) != str(path.resolve()):
            return False
    return all(path.exists() for path in outputs.of(address).paths)


def _look_at(address: str, settings: SourceSettings) -> Seen:
    whole = settings.model_copy(update={"max_frames": None})  # how much of it a run wants is no trait of the source
    try:
        with build.source(address, whole) as source:
            return Seen(address, source_record(source))
    except SourceError as error:
        return Seen(address, _unreadable(address), error)


def _unreadable(address: str) -> SourceRecord | None:
    """What can be kept of a file that is no video: its name and content, so that it shows up among the failures."""
    path = Path(address)
    if not path.is_file():
        return None
    try:
        return SourceRecord("file", path.name, str(path.resolve()), fingerprint_file(path))
    except OSError:  # told already: it cannot be read
        return None
