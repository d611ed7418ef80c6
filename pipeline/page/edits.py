"""Edits: what a reviewer does on the page, checked and passed on to the store's review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import StoreError
from pipeline.page.gallery import Steps
from pipeline.page.label_names import LabelNames
from pipeline.page.reading import StoreReader
from pipeline.store import review, review_log
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.review import Edited
from pipeline.store.states import Verdict

MOST = 500  # tracks in one edit

_LAST = {"undo": "There is nothing to undo.", "redo": "There is nothing to redo."}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the browser asks for: an operation on tracks."""

    op: str  # merge, label, split, delete, undo, redo, protect, unprotect, a verdict or unjudged
    tracks: tuple[UUID, ...] = ()
    label: str | None = None
    at: int | None = None  # of a split, microseconds UTC


class Edits:
    """Carries out what reviewers wish. Raises StoreError, in words, for what cannot be."""

    def __init__(self, database: Database, names: LabelNames) -> None:
        """`names`: are counted again after an edit."""
        self._reader, self._names = StoreReader(database), names

    def carry_out(self, wish: Wish, *, actor: str) -> Edited | None:
        """One edit, one entry in the log. None where there is nothing to undo or redo."""
        with self._reader.writing() as (scope, connection):
            edited = _carry_out(scope, connection, wish, actor)
        self._names.forget(wish.label)
        return edited


def told(wish: Wish, edited: Edited | None) -> str:
    """What was done, as a sentence."""
    if edited is None:
        return _LAST.get(wish.op, "Nothing was changed.")
    return f"{edited.summary[:1].upper()}{edited.summary[1:]}."


def read_wish(data: Mapping[str, object]) -> Wish:
    """A wish from what a browser sent: anything at all. Raises StoreError where it is none."""
    try:
        listed = data.get("tracks") or []
        tracks = tuple(UUID(str(one)) for one in listed) if isinstance(listed, list) else ()
        at = int(str(data["at"])) if data.get("at") is not None else None
    except ValueError as error:
        raise StoreError("the page sent an edit that makes no sense; reload it") from error
    if len(tracks) > MOST:
        raise StoreError(f"an edit changes at most {MOST} tracks, not {len(tracks)}; choose fewer")
    label = data.get("label")
    return Wish(str(data.get("op")), tracks, label if isinstance(label, str) else None, at)


def next_steps(scope: Scope, connection: Connection) -> Steps:
    """What undo and redo would do now."""
    undo, redo = review_log.next_undo(scope, connection), review_log.next_redo(scope, connection)
    return Steps(None if undo is None else undo.change.summary, None if redo is None else redo.change.summary)


def _carry_out(scope: Scope, connection: Connection, wish: Wish, actor: str) -> Edited | None:
    match wish.op:
        case "undo":
            return review.undo(scope, connection, actor=actor)
        case "redo":
            return review.redo(scope, connection, actor=actor)
        case "merge":
            return review.merge_objects(scope, connection, wish.tracks, actor=actor)
        case "delete":
            return review.delete_objects(scope, connection, wish.tracks, actor=actor)
        case "label":
            return review.set_label(scope, connection, wish.tracks, label=wish.label or None, actor=actor)
        case "split" if wish.at is not None and len(wish.tracks) == 1:
            return review.split_object(scope, connection, wish.tracks[0], at=wish.at, actor=actor)
        case "protect" | "unprotect":
            return review.set_protected(scope, connection, wish.tracks, on=wish.op == "protect", actor=actor)
        case "unjudged":
            return review.set_verdict(scope, connection, wish.tracks, verdict=None, actor=actor)
        case op if op in set(Verdict):
            return review.set_verdict(scope, connection, wish.tracks, verdict=Verdict(op), actor=actor)
        case _:
            raise StoreError(f"the page does not know how to '{wish.op}'; reload it")
