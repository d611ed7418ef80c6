"""What looks like a track or a picture: found in the store's index, written as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import Connection

from pipeline.page.edits import next_steps
from pipeline.page.gallery import card, gallery, near_tools, tools
from pipeline.page.label_names import LabelNames
from pipeline.page.parts import hint, picture
from pipeline.page.reading import StoreReader
from pipeline.store.database import Database
from pipeline.store.filters import EVERYTHING, ObjectFilter, Scope
from pipeline.store.queries import find_object, members_of_object
from pipeline.store.rows import ObjectRow
from pipeline.store.run_queries import list_sources
from pipeline.store.search import Hit

BESIDE = 12  # similar tracks below a track
ELSEWHERE = 12  # other sources and runs of which the nearest track is shown
FOUND = 48  # results of a search
_MOST_SOURCES = 500  # that are looked through for where else it was
_DEEP = 120  # results among which other sources and runs are looked for

NOTHING = hint(
    "Nothing to compare", "No embedder described this track, or no other track was described by the same one."
)


class Similarity(Protocol):
    """Finds tracks that look alike; see store/search.py."""

    def similar_to_object(
        self, scope: Scope, public_id: UUID, *, wanted: ObjectFilter = EVERYTHING, limit: int = 24
    ) -> Sequence[Hit]:
        """The nearest tracks to one, without itself."""


class SimilarView:
    """Tracks by their looks. Every method raises StoreError if the store cannot be read."""

    def __init__(self, database: Database, index: Similarity, names: LabelNames) -> None:
        self._reader, self._index, self._names = StoreReader(database), index, names

    def beside(self, public_id: UUID) -> str:
        """What is shown below a track: what looks like it, and the nearest of each other source and run."""
        with self._reader.reading() as (scope, connection):
            if find_object(scope, connection, public_id) is None:
                return ""
            own = {(member.source, member.run) for member in members_of_object(scope, connection, public_id)}
            others = [source.public_id for source in list_sources(scope, connection)]
        hits = self._index.similar_to_object(scope, public_id, limit=_DEEP)
        if not hits:
            return str(Markup('<div class="sl-near"><h3>Similar tracks</h3>{}</div>').format(NOTHING))
        sources = tuple(one for one in others if one not in {source for source, _ in own})
        far: Sequence[Hit] = []
        if sources:
            others_only = ObjectFilter(sources=sources[:_MOST_SOURCES])
            far = self._index.similar_to_object(scope, public_id, wanted=others_only, limit=_DEEP)
        return str(
            Markup('<div class="sl-near"><section><h3>Similar tracks</h3>{}{}</section>{}</div>').format(
                near_tools(), gallery(_card(hit) for hit in hits[:BESIDE]), _elsewhere([*hits, *far], own)
            )
        )

    def like_track(self, public_id: UUID, wanted: ObjectFilter = EVERYTHING) -> str:
        """The results of a search by a track, the most similar first."""
        with self._reader.reading() as (scope, connection):
            bar = self._tools(scope, connection)
        return str(bar + _results(self._index.similar_to_object(scope, public_id, wanted=wanted, limit=FOUND)))

    def like_picture(self, found: Sequence[tuple[UUID, float]]) -> str:
        """The results of a search by a picture. `found`: tracks and their distances."""
        with self._reader.reading() as (scope, connection):
            rows = ((find_object(scope, connection, one), distance) for one, distance in found[:FOUND])
            cards = [card(row, distance=distance) for row, distance in rows if row is not None]
            bar = self._tools(scope, connection)
        return str(bar + gallery(cards)) if cards else str(_no_result())

    def query(self, public_id: UUID) -> Markup | None:
        """The track that is searched by, as a picture; None if it is gone."""
        with self._reader.reading() as (scope, connection):
            row = find_object(scope, connection, public_id)
        return None if row is None else _query(row)

    def _tools(self, scope: Scope, connection: Connection) -> Markup:
        return tools(next_steps(scope, connection), self._names.known(scope))


def _results(hits: Sequence[Hit]) -> Markup:
    return gallery(_card(hit) for hit in hits) if hits else _no_result()


def _no_result() -> Markup:
    return hint("Nothing looks like that", "No described track is left by the filters. Ask for less.")


def _card(hit: Hit) -> Markup:
    return card(hit.object, distance=hit.distance)


def _elsewhere(hits: Iterable[Hit], own: set[tuple[UUID, UUID]]) -> Markup:
    """The nearest track of each source and run in which this one was not seen."""
    nearest: dict[tuple[UUID | None, UUID | None], Hit] = {}
    for hit in hits:
        place = (hit.object.source, hit.object.run)
        if place not in own and (place not in nearest or hit.distance < nearest[place].distance):
            nearest[place] = hit
    if not nearest:
        return Markup()
    ranked = sorted(nearest.values(), key=lambda hit: hit.distance)[:ELSEWHERE]
    return Markup(
        "<section><h3>Where else it may have been <small>the most similar track of each other source and run</small>"
        "</h3>{}</section>"
    ).format(gallery(_card(hit) for hit in ranked))


def _query(row: ObjectRow) -> Markup:
    return Markup(
        '<figure class="sl-asked"><span class="sl-picture">{}</span><figcaption><b>{}</b> …{}</figcaption></figure>'
    ).format(picture(row.crop, row.name), row.name, str(row.public_id)[-6:])
