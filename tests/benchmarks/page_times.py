"""What the page's tabs and the HTTP API do on the server, as cases to be timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
from fastapi.testclient import TestClient

from pipeline.api.app import make_app
from pipeline.api.services import Services
from pipeline.page.label_names import LabelNames
from pipeline.page.runs_view import RunsView
from pipeline.page.similar_view import SimilarView
from pipeline.page.track_view import TrackView
from pipeline.page.tracks_view import TRACKS_A_SHEET, TracksView
from pipeline.store.database import Database
from pipeline.store.filters import EVERYTHING, ObjectFilter, ObjectOrder
from pipeline.store.search import SimilarityIndex
from tests.benchmarks.chance import Chance, in_words
from tests.benchmarks.timing import Case
from tests.fakes import FakePictures, FakeRunControl


def page_cases(database: Database, media_folder: Path, chance: Chance) -> Iterator[Case]:
    """Every view, as HTML. Names are counted each time, as after an edit."""
    runs, index = RunsView(database, media_folder), SimilarityIndex(database)

    def names() -> LabelNames:
        return LabelNames()

    def tracks(wanted: ObjectFilter, order: ObjectOrder, number: int) -> tuple[str, Callable[[], object]]:
        view = TracksView(database, names())
        return f"{order}, sheet {number}, {in_words(wanted)}", lambda: view.sheet(wanted, order, number)

    def track(public_id: UUID) -> tuple[str, Callable[[], object]]:
        return str(public_id), lambda: TrackView(database, names()).page(public_id)

    def beside(public_id: UUID) -> tuple[str, Callable[[], object]]:
        return str(public_id), lambda: SimilarView(database, index, names()).beside(public_id)

    def like(public_id: UUID, wanted: ObjectFilter) -> tuple[str, Callable[[], object]]:
        view = SimilarView(database, index, names())
        return f"{public_id} {in_words(wanted)}", lambda: view.like_track(public_id, wanted)

    def live(run: UUID) -> tuple[str, Callable[[], object]]:
        return str(run), lambda: runs.live(run)

    def compared(first: UUID, second: UUID) -> tuple[str, Callable[[], object]]:
        return f"{first} {second}", lambda: runs.comparison([first], [second])

    sheets = chance.total // TRACKS_A_SHEET + 1
    yield Case("page: runs", lambda: ("", lambda: runs.sheet(0)))
    yield Case("page: choices", lambda: ("", lambda: TracksView(database, names()).choices()))
    yield Case("page: tracks, first sheet", lambda: tracks(EVERYTHING, ObjectOrder.NEWEST, 0))
    yield Case("page: tracks, any sheet and order", lambda: tracks(EVERYTHING, chance.order(), chance.number(sheets)))
    yield Case("page: tracks, filtered", lambda: tracks(chance.filter(), chance.order(), chance.number(20)))
    yield Case("page: track", lambda: track(chance.object()))
    yield Case("page: track, the longest", lambda: track(chance.one(chance.longest)))
    if chance.merged:
        yield Case("page: track, merged", lambda: track(chance.one(chance.merged)))
    yield Case("page: similar, beside a track", lambda: beside(chance.object()))
    yield Case("page: search", lambda: like(chance.object(), EVERYTHING))
    yield Case("page: search, filtered", lambda: like(chance.object(), chance.filter()))
    yield Case("page: one run, live", lambda: live(chance.run()))
    yield Case("page: comparison of two runs", lambda: compared(*chance.runs()))


def api_cases(database: Database, media_folder: Path, chance: Chance) -> Iterator[Case]:
    """Every address that only reads, through guard and JSON."""
    services = Services(
        database=database,
        media_folder=media_folder,
        runs=FakeRunControl(),
        similarity=SimilarityIndex(database),
        pictures=FakePictures(np.zeros(0, np.float32)),
    )
    client = TestClient(make_app(services), base_url="http://127.0.0.1")

    def get(draw: Callable[[], tuple[str, dict[str, object]]]) -> Callable[[], tuple[str, Callable[[], object]]]:
        def drawn() -> tuple[str, Callable[[], object]]:
            path, query = draw()
            return f"{path} {query}", lambda: client.get(path, params=query).raise_for_status()

        return drawn

    sheets = chance.total // 50 + 1
    plain: dict[str, object] = {}
    yield Case("GET /healthz", get(lambda: ("/healthz", plain)))
    yield Case("GET /api/runs", get(lambda: ("/api/runs", plain)))
    yield Case("GET /api/runs/{id}", get(lambda: (f"/api/runs/{chance.run()}", plain)))
    yield Case("GET /api/sources", get(lambda: ("/api/sources", plain)))
    yield Case("GET /api/edits", get(lambda: ("/api/edits", plain)))
    yield Case("GET /api/models", get(lambda: ("/api/models", plain)))
    yield Case("GET /api/objects", get(lambda: ("/api/objects", _page(chance, sheets))))
    yield Case("GET /api/objects, filtered", get(lambda: ("/api/objects", _page(chance, 20) | _query(chance.filter()))))
    yield Case("GET /api/objects/{id}", get(lambda: (f"/api/objects/{chance.object()}", plain)))
    yield Case("GET .../observations", get(lambda: (f"/api/objects/{chance.object()}/observations", plain)))
    yield Case(
        "GET .../observations, the longest",
        get(lambda: (f"/api/objects/{chance.one(chance.longest)}/observations", {"limit": 5000})),
    )
    yield Case("GET .../similar", get(lambda: (f"/api/objects/{chance.object()}/similar", plain)))


def _page(chance: Chance, sheets: int) -> dict[str, object]:
    return {"order": str(chance.order()), "limit": 50, "offset": 50 * chance.number(sheets)}


def _query(wanted: ObjectFilter) -> dict[str, object]:
    """A filter as the API takes it."""
    asked: dict[str, object] = {
        "run": list(map(str, wanted.runs)),
        "source": list(map(str, wanted.sources)),
        "name": list(wanted.names),
        "from": wanted.from_at,
        "to": wanted.to_at,
        "min_seconds": wanted.min_seconds,
        "min_score": wanted.min_score,
        "evidence": [one.name.lower() for one in wanted.evidence],
        "verdict": [one or "none" for one in wanted.verdicts],
    }
    return {name: value for name, value in asked.items() if value is not None}
