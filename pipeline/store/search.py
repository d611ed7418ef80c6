"""Similarity search: which objects look like another one, or like a picture, to one model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Connection, Select, and_, func, or_, select

from pipeline.errors import StoreError
from pipeline.store.database import Database
from pipeline.store.exemplar_reading import Reading, read_exemplars
from pipeline.store.exemplars import Exemplars, Likeness, unit
from pipeline.store.filters import EVERYTHING, ObjectFilter, Scope, visible
from pipeline.store.queries import object_keys, objects_by_key
from pipeline.store.rows import ObjectRow
from pipeline.store.states import EmbeddingKind
from pipeline.store.tables import Embedding, Model, Object, ObjectMember, Run, RunModel, RunSource, Track
from pipeline.store.vector import Float32Array, checked
from trackers.structures import FloatArray

_FIRST = 96  # objects that the database is asked about at first, at least


@dataclass(frozen=True, slots=True)
class SearchModel:
    """A network by whose features objects can be compared."""

    model_id: int
    name: str
    version: str  # of the library that ran it when it was first used
    dimension: int  # of its feature vectors
    exemplars: int  # in the scope, at least 1


@dataclass(frozen=True, slots=True)
class Hit:
    """An object that was found."""

    object: ObjectRow
    distance: float  # 1 - cosine, 0..2
    at: int  # when the exemplar was seen that is most alike, microseconds UTC


@dataclass(slots=True, eq=False)
class _Cache:
    """What is in memory of one model. The lock is held while it is brought up to date."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    reading: Reading | None = None


class SimilarityIndex:
    """Exact search by cosine over all exemplars of a model, kept in memory. Threads may share it.

    An object is as near as the nearest of its exemplars. What has changed in the store since the last search is read
    before the next one: a search sees every object as it is now. Raises StoreError if the store cannot be read.
    """

    def __init__(self, database: Database) -> None:
        """Reads nothing yet. The first search with a model reads its exemplars: 4 bytes a number stay in memory."""
        self._database = database
        self._caches: dict[int, _Cache] = {}
        self._lock = threading.Lock()

    def warm(self, scope: Scope) -> None:
        """Read the exemplars of the model that described most, so that the first search need not wait for them."""
        for model in self.models(scope)[:1]:
            with self._current(_Described(model.model_id, model.dimension)):
                pass

    def models(self, scope: Scope) -> list[SearchModel]:
        """Models that described something in the scope, the one with most exemplars first; empty without embedder."""
        number = func.count().label("exemplars")
        query = (
            select(Model.id.label("model_id"), Model.name, Model.version, Model.dim.label("dimension"), number)
            .join(Embedding, Embedding.model_id == Model.id)
            .join(Track, Track.id == Embedding.track_id)
            .where(Embedding.kind == EmbeddingKind.EXEMPLAR, Track.run_source_id.in_(_run_sources(scope)))
            .group_by(Model.id)
            .order_by(number.desc(), Model.id.desc())
        )
        with self._database.read("count exemplars") as connection:
            return [SearchModel(**row) for row in connection.execute(query).mappings()]

    def similar_to_object(
        self,
        scope: Scope,
        public_id: UUID,
        *,
        wanted: ObjectFilter = EVERYTHING,
        limit: int = 24,
        model_id: int | None = None,
    ) -> list[Hit]:
        """The objects most like an object, without itself, the nearest first; equal ones in the order they were made.

        Two objects are as near as their nearest pair of exemplars. `wanted`: only such objects are found, and as many
        as `limit` if there are. `model_id`: None for the model that described the object most often. Empty if no model
        has described it. Raises StoreError if there is no such object, or no such model, in the scope.
        """
        with self._database.read("search") as connection:
            key = connection.scalar(select(Object.id).where(visible(scope), Object.public_id == public_id))
            if key is None:
                raise StoreError(f"there is no track {public_id}; it was deleted or merged into another one")
            model_id = _main_model(connection, key) if model_id is None else model_id
            if model_id is None:
                return []
            model = _described(scope, connection, model_id)
        with self._current(model) as (connection, exemplars):
            query = exemplars.vectors[exemplars.objects == key]
            return _hits(scope, connection, exemplars, query, wanted=wanted, limit=limit, without=key)

    def similar_to_vector(
        self, scope: Scope, vector: FloatArray, *, model_id: int, wanted: ObjectFilter = EVERYTHING, limit: int = 24
    ) -> list[Hit]:
        """The objects most like a feature vector (d,) of any length, as in `similar_to_object`.

        Raises StoreError if there is no such model in the scope, or the vector is not of its dimension, finite and
        different from zero.
        """
        given = checked(np.asarray(vector, np.float32))
        with self._database.read("search") as connection:
            model = _described(scope, connection, model_id)
        if len(given) != model.dimension:
            raise StoreError(
                f"a vector of {len(given)} numbers cannot be compared with model {model_id}, which gives "
                f"{model.dimension}; embed the picture with that model"
            )
        if not given.any():
            raise StoreError("a vector of zeros has no direction; nothing is like it")
        with self._current(model) as (connection, exemplars):
            return _hits(scope, connection, exemplars, unit(given[None]), wanted=wanted, limit=limit)

    @contextmanager
    def _current(self, model: _Described) -> Iterator[tuple[Connection, Exemplars]]:
        """A model's exemplars as they are in the transaction that is given with them."""
        with self._lock:
            cache = self._caches.setdefault(model.model_id, _Cache())
        with ExitStack() as stack:
            with cache.lock:  # before the transaction begins: none then sees an older state than the cache holds
                connection = stack.enter_context(self._database.read("search"))
                reading = read_exemplars(connection, model.model_id, dimension=model.dimension, before=cache.reading)
                cache.reading = reading
            yield connection, reading.exemplars


@dataclass(frozen=True, slots=True)
class _Described:
    """A model that the scope's runs used."""

    model_id: int
    dimension: int


def _hits(
    scope: Scope,
    connection: Connection,
    exemplars: Exemplars,
    query: Float32Array,
    *,
    wanted: ObjectFilter,
    limit: int,
    without: int | None = None,
) -> list[Hit]:
    """The nearest objects that the filter lets through. `query` (q, d): unit vectors. `without`: an object's row id.

    Likeness is known of all objects, but only the database knows which may be shown. It is asked about the most alike,
    and where these are not enough, for all that may be.
    """
    if limit < 1 or not len(query):
        return []
    likeness = Likeness(exemplars, query)
    others = likeness.objects[likeness.objects != without]
    ranked = likeness.first(max(_FIRST, 4 * limit), others)
    shown = np.isin(ranked.objects, object_keys(scope, connection, wanted, among=ranked.objects.tolist()))
    if shown.sum() < limit and len(ranked.objects) < len(others):
        allowed = np.array(object_keys(scope, connection, wanted), np.int64)
        ranked = likeness.first(limit, np.intersect1d(others, allowed))
        shown = np.full(len(ranked.objects), True)
    found = np.flatnonzero(shown)[:limit].tolist()
    rows = objects_by_key(scope, connection, ranked.objects[found].tolist())
    return [
        Hit(rows[int(ranked.objects[i])], max(0.0, 1.0 - float(ranked.cosines[i])), int(exemplars.at[ranked.rows[i]]))
        for i in found
    ]


def _described(scope: Scope, connection: Connection, model_id: int) -> _Described:
    """Raises StoreError where no run in the scope described anything with the model."""
    used = select(RunModel.model_id).join(Run, Run.id == RunModel.run_id).where(Run.project_id.in_(scope.project_ids))
    dimension = connection.scalar(select(Model.dim).where(Model.id == model_id, Model.id.in_(used)))
    if dimension is None:
        raise StoreError(f"there is no model {model_id} that describes looks; choose one of those that runs have used")
    return _Described(model_id, dimension)


def _main_model(connection: Connection, object_id: int) -> int | None:
    """The model with most exemplars of an object."""
    within = and_(
        Embedding.at >= ObjectMember.from_at, or_(ObjectMember.to_at.is_(None), Embedding.at < ObjectMember.to_at)
    )
    query = (
        select(Embedding.model_id)
        .join(ObjectMember, and_(ObjectMember.track_id == Embedding.track_id, within))
        .where(ObjectMember.object_id == object_id, Embedding.kind == EmbeddingKind.EXEMPLAR)
        .group_by(Embedding.model_id)
        .order_by(func.count().desc(), Embedding.model_id.desc())
        .limit(1)
    )
    return connection.scalar(query)


def _run_sources(scope: Scope) -> Select[*tuple[Any, ...]]:
    query = select(RunSource.id).join(Run, Run.id == RunSource.run_id)
    return query.where(Run.project_id.in_(scope.project_ids))
