"""Invented review of a large store through the functions the page uses: labels, verdicts, merges, splits, deletions."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import numpy as np
from sqlalchemy import Connection, func, select

from pipeline.store import review
from pipeline.store.database import Database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.states import Verdict
from pipeline.store.tables import Object

ACTOR = "sightline"
_LABELS = ("courier", "postman", "neighbour", "white van", "school bus", "taxi", "bin lorry", "dog walker")
_SHARES = {"label": 0.4, "verdict": 0.25, "merge": 0.2, "delete": 0.1, "split": 0.05}
_AT_ONCE = 100  # edits in one transaction
_MOST = 4  # objects in one edit


def invent_edits(database: Database, number: int, *, seed: int) -> Iterator[int]:
    """Do so many edits; gives how many are done, from time to time. Their times and new ids are those of today."""
    rng = np.random.default_rng([seed, 2])
    ops = rng.choice(list(_SHARES), number, p=list(_SHARES.values())).tolist()
    for begin in range(0, number, _AT_ONCE):
        with database.write("invent edits") as connection:
            scope = scope_of(connection, ["default"])
            for op in ops[begin : begin + _AT_ONCE]:
                _edit(scope, connection, op, rng)
        yield min(begin + _AT_ONCE, number)


def _edit(scope: Scope, connection: Connection, op: str, rng: np.random.Generator) -> None:
    objects = _neighbours(connection, int(rng.integers(2 if op == "merge" else 1, _MOST + 1)), rng)
    match op:
        case "label":
            review.set_label(scope, connection, objects, label=_LABELS[int(rng.integers(len(_LABELS)))], actor=ACTOR)
        case "verdict":
            verdict = list(Verdict)[int(rng.integers(len(Verdict)))]
            review.set_verdict(scope, connection, objects, verdict=verdict, actor=ACTOR)
        case "merge":
            review.merge_objects(scope, connection, objects, actor=ACTOR)
        case "delete":
            review.delete_objects(scope, connection, objects, actor=ACTOR)
        case "split":
            extent = select(Object.first_at, Object.last_at).where(Object.public_id == objects[0])
            first_at, last_at = connection.execute(extent).one()
            review.split_object(scope, connection, objects[0], at=(first_at + last_at + 1) // 2, actor=ACTOR)


def _neighbours(connection: Connection, number: int, rng: np.random.Generator) -> list[UUID]:
    """Visible objects that were stored one after the other, and so mostly at the same source."""
    last = connection.scalar(select(func.max(Object.id))) or 0
    begin = int(rng.integers(1, max(last - 100, 2)))
    shown = select(Object.public_id).where(Object.id >= begin, Object.hidden.is_(False)).order_by(Object.id)
    return list(connection.scalars(shown.limit(number)))
