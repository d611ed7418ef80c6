"""What the page's tabs show of a store, as HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, update

from pipeline.errors import StoreError
from pipeline.page.edits import Edits, Wish, next_steps, read_wish, told
from pipeline.page.label_names import LabelNames
from pipeline.page.parts import empty_store, hint
from pipeline.page.runs_view import RunsView
from pipeline.page.similar_view import SimilarView
from pipeline.page.track_view import TrackView
from pipeline.page.tracks_view import TRACKS_A_SHEET, TracksView
from pipeline.store import tables
from pipeline.store.database import Database, open_database
from pipeline.store.filters import EVERYTHING, ObjectFilter, ObjectOrder, Scope, scope_of
from pipeline.store.queries import observations_of_object, page_objects
from pipeline.store.rows import ObjectRow
from pipeline.store.run_queries import list_runs
from pipeline.store.search import SimilarityIndex
from pipeline.store.states import RunStatus, Verdict
from tests.integration.api.watching import watch
from tests.integration.page.conftest import NASTY, Stored

NEWEST = ObjectOrder.NEWEST


@pytest.fixture
def tracks(database: Database) -> TracksView:
    return TracksView(database, LabelNames())


@pytest.fixture
def track(database: Database) -> TrackView:
    return TrackView(database, LabelNames())


@pytest.fixture
def edits(database: Database) -> Edits:
    return Edits(database, LabelNames())


@pytest.fixture
def similar(database: Database) -> SimilarView:
    return SimilarView(database, SimilarityIndex(database), LabelNames())


@pytest.fixture
def rows(database: Database) -> list[ObjectRow]:
    """The longest first."""
    with database.read() as connection:
        return page_objects(project(connection), connection, order=ObjectOrder.LONGEST)


def test_sheets_filters_and_order(crowd: Database) -> None:
    view = TracksView(crowd, LabelNames())

    def sheet(number: int = 0, order: ObjectOrder = NEWEST, **wanted: Any) -> tuple[int, str, int]:
        found = view.sheet(ObjectFilter(**wanted), order, number)
        return found.html.count("data-track"), found.place, found.sheets

    assert sheet() == (TRACKS_A_SHEET, "1 to 24 of 60 tracks", 3)
    assert sheet(2) == (12, "49 to 60 of 60 tracks", 3)
    assert sheet(99) == sheet(2)
    assert sheet(-1) == sheet(0)
    assert sheet(names=("car",), min_seconds=50.0) == (5, "5 tracks", 1)
    assert sheet(min_score=0.585)[1] == "1 track"
    assert sheet(min_score=0.9)[:2] == (0, "no tracks")
    assert sheet(verdicts=("confirmed",))[1] == "10 tracks"
    assert sheet(verdicts=("",))[1] == "1 to 24 of 50 tracks"
    assert sheet(verdicts=("", "confirmed"))[1] == "1 to 24 of 60 tracks"
    longest = view.sheet(EVERYTHING, ObjectOrder.LONGEST, 0).html
    assert longest.index("59.0 s") < longest.index("58.0 s")
    assert "no picture" in longest


def test_the_run_and_source_are_choices(tracks: TracksView) -> None:
    choices = tracks.choices()
    assert [name for name, _ in choices.sources] == [NASTY]
    run = UUID(choices.runs[0][1])
    assert tracks.choices(run) == choices
    assert tracks.sheet(ObjectFilter(runs=(run,)), NEWEST).html.count("data-track") > 0
    assert tracks.sheet(ObjectFilter(runs=(uuid4(),)), NEWEST).place == "no tracks"


def test_text_from_the_store_is_never_markup(
    tracks: TracksView,
    track: TrackView,
    similar: SimilarView,
    stored: Stored,
    database: Database,
    rows: list[ObjectRow],
) -> None:
    runs = RunsView(database, stored.folder / "media")
    run = UUID(tracks.choices().runs[0][1])
    pages = [
        runs.sheet().sheet.html,
        tracks.sheet(EVERYTHING, NEWEST).html,
        track.page(rows[0].public_id),
        similar.like_track(rows[0].public_id),
        similar.beside(rows[0].public_id),
    ]
    for html in pages:
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html
    assert "<script>" not in hint("<script>", "<script>") + empty_store("<script>") + runs.live(run)[0]


def test_pictures_come_from_their_own_address(tracks: TracksView, rows: list[ObjectRow]) -> None:
    html = tracks.sheet(EVERYTHING, NEWEST).html
    pictures = [row.crop.public_id for row in rows if row.crop is not None]
    assert pictures
    assert all(f'src="/media/{one}"' in html for one in pictures)
    assert html.count('loading="lazy"') == html.count("<img")
    assert "data:image" not in html


def test_a_track_that_is_not_there_is_said_to_be_gone(track: TrackView) -> None:
    assert "This track is gone" in track.page(uuid4())
    assert "No track chosen" in track.page(None)


def test_a_track_shows_its_clip_frames_and_crops(track: TrackView, rows: list[ObjectRow]) -> None:
    row = rows[0]
    html = track.page(row.public_id)
    assert f'src="/objects/{row.public_id}/clip.mp4?from=' in html
    assert f'<image href="/objects/{row.public_id}/frame.jpg"' in html
    assert html.count(f"/objects/{row.public_id}/crop.jpg?at=") == 10
    assert "by colour" in html
    assert "relink" not in html


def test_where_the_source_is_gone_the_stored_picture_is_shown_and_why(
    track: TrackView, database: Database, rows: list[ObjectRow]
) -> None:
    with database.write() as connection:
        connection.execute(update(tables.Source).values(uri_redacted="/nowhere/gate.mp4"))
    html = track.page(rows[0].public_id)
    assert "is no longer at /nowhere/gate.mp4" in html
    assert "sightline relink" in html
    assert "<video" not in html
    assert "crop.jpg" not in html
    assert rows[0].crop is not None
    assert f'src="/media/{rows[0].crop.public_id}"' in html


def test_edits_are_carried_out_and_undone_in_words(edits: Edits, database: Database, rows: list[ObjectRow]) -> None:
    both = tuple(row.public_id for row in rows[:2])

    def do(wish: Wish) -> str:
        return told(wish, edits.carry_out(wish, actor="ann"))

    def steps() -> tuple[str | None, str | None]:
        with database.read() as connection:
            found = next_steps(project(connection), connection)
        return found.undo, found.redo

    assert steps() == (None, None)
    assert do(Wish("undo")) == "There is nothing to undo."
    assert do(Wish("label", both, label="courier")) == "2 tracks labelled 'courier'."
    assert do(Wish("merge", both)) == "2 tracks merged into 1."
    assert steps() == ("2 tracks merged into 1", None)
    assert do(Wish("undo")) == "Undone: 2 tracks merged into 1."
    assert steps() == ("2 tracks labelled 'courier'", "2 tracks merged into 1")
    assert do(Wish("redo")) == "Redone: 2 tracks merged into 1."
    assert do(Wish("redo")) == "There is nothing to redo."
    do(Wish("undo"))
    assert do(Wish(Verdict.CONFIRMED.value, both[:1])) == "1 track confirmed."
    assert do(Wish("unjudged", both[:1])) == "Verdict removed from 1 track."
    with database.read() as connection:
        at = observations_of_object(project(connection), connection, both[0]).at
    assert do(Wish("split", both[:1], at=int(at[len(at) // 2]))).startswith("1 track split at")
    assert do(Wish("delete", both[:1])) == "1 track deleted."
    for senseless in (Wish("paint", both), Wish("split", both[:1]), Wish("split", both, at=1), Wish("merge", ())):
        with pytest.raises(StoreError):
            edits.carry_out(senseless, actor="ann")


def test_an_edit_is_seen_in_the_history_and_among_the_names(
    edits: Edits, tracks: TracksView, track: TrackView, database: Database, rows: list[ObjectRow]
) -> None:
    chosen = (rows[0].public_id,)
    edits.carry_out(Wish("label", chosen, label="<b>courier</b>"), actor="ann")
    html = track.page(chosen[0])
    assert "1 track labelled &#39;&lt;b&gt;courier&lt;/b&gt;&#39;" in html
    assert "by ann" in html
    assert "<b>courier" not in html
    view = TracksView(database, LabelNames())
    assert "<b>courier</b> (1)" in [said for said, _ in view.choices().names]
    assert view.sheet(ObjectFilter(names=("<b>courier</b>",)), NEWEST).place == "1 track"


@pytest.mark.parametrize(
    "sent",
    [
        {"op": "merge", "tracks": ["no id"]},
        {"op": "merge", "tracks": [str(UUID(int=n)) for n in range(501)]},
        {"op": "split", "at": "soon"},
    ],
)
def test_what_a_browser_sends_is_checked(sent: dict[str, object]) -> None:
    with pytest.raises(StoreError):
        read_wish(sent)


def test_whatever_else_a_browser_sends_asks_for_nothing() -> None:
    assert read_wish({}) == Wish("None")
    assert read_wish({"op": 3, "tracks": "all", "label": ["x"]}) == Wish("3")
    one = UUID(int=7)
    assert read_wish({"op": "split", "tracks": [str(one)], "at": "5"}) == Wish("split", (one,), None, 5)


def test_similar_tracks_are_ranked_and_filtered(similar: SimilarView, rows: list[ObjectRow]) -> None:
    chosen = rows[0].public_id
    html = similar.like_track(chosen)
    assert html.count("<article") == len(rows) - 1
    distances = [float(part[:5]) for part in html.split('0 looks the same">')[1:]]
    assert distances == sorted(distances)
    assert "Nothing looks like that" in similar.like_track(chosen, ObjectFilter(names=("nobody",)))
    assert str(chosen) not in similar.beside(chosen).split("sl-gallery")[1]
    assert similar.beside(uuid4()) == ""
    assert similar.query(uuid4()) is None
    listed = similar.like_picture([(rows[1].public_id, 0.25), (uuid4(), 0.1), (chosen, 0.5)])
    assert listed.index("0.250") < listed.index("0.500")
    assert listed.count("<article") == 2


def test_runs_say_how_far_they_are_and_offer_what_can_be_done(database: Database, stored: Stored) -> None:
    view = RunsView(database, stored.folder / "media")
    finished = view.sheet()
    assert not finished.going_on
    assert "data-wanted" not in finished.sheet.html
    assert "/export?format=coco&amp;reviewed=1" in finished.sheet.html
    with database.write() as connection:
        connection.execute(
            update(tables.Run).values(status=RunStatus.RUNNING, finished_at=None, heartbeat_at=1, error="<b>broken</b>")
        )
    dead = view.sheet().sheet.html
    assert ">interrupted<" in dead
    assert 'data-wanted="resume"' in dead
    assert "&lt;b&gt;broken" in dead
    with database.write() as connection:
        later = 4_000_000_000_000_000  # a heartbeat that is never old
        connection.execute(update(tables.Run).values(heartbeat_at=later, host="elsewhere"))
    alive = view.sheet()
    assert alive.going_on
    assert 'data-wanted="pause"' in alive.sheet.html
    assert 'data-wanted="stop"' in alive.sheet.html
    run = newest(database)
    assert view.newest_alive() == run
    html, going_on = view.live(run)
    assert going_on
    assert "no picture yet" in html
    preview = stored.folder / "media" / "preview" / f"{run}.jpg"
    preview.parent.mkdir()
    preview.write_bytes(b"\xff\xd8\xff")
    assert f'src="/runs/{run}/preview.jpg?v=' in view.live(run)[0]
    assert "No run is going on" in view.live(None)[0]


def test_two_runs_are_compared(database: Database, stored: Stored) -> None:
    view = RunsView(database, stored.folder / "media")
    run = newest(database)
    assert "Choose two different runs" in view.comparison([], [run])
    assert "Choose two different runs" in view.comparison([run], [run])
    with pytest.raises(StoreError, match="no run"):
        view.comparison([run], [uuid4()])


def test_an_empty_store_says_how_to_fill_it(tmp_path: Path) -> None:
    with open_database(tmp_path / "new.db") as database:
        assert "sightline run VIDEO --database" in RunsView(database, tmp_path).sheet().sheet.html
        assert "Nothing here yet" in TracksView(database, LabelNames()).sheet(EVERYTHING, NEWEST).html


def test_names_are_counted_again_after_an_edit_or_a_while(crowd: Database) -> None:
    now = [0.0]
    names = LabelNames(lambda: now[0])
    with crowd.read() as connection:
        scope = project(connection)

    def read() -> dict[str, int]:
        with crowd.read() as connection:
            return names.read(project(connection), connection)

    assert read() == {"car": 30, "person": 30}
    with crowd.write() as connection:
        connection.execute(update(tables.Object).values(class_name="bus"))
    assert read() == {"car": 30, "person": 30}
    assert names.known(scope) == ["car", "person"]
    names.forget("tram")
    assert names.known(scope) == ["car", "person", "tram"]
    assert read() == {"bus": 60}
    assert names.known(scope) == ["bus"]
    with crowd.write() as connection:
        connection.execute(update(tables.Object).values(class_name="van"))
    now[0] = 16.0
    assert read() == {"van": 60}


def newest(database: Database) -> UUID:
    with database.read() as connection:
        return list_runs(project(connection), connection)[0].public_id


def project(connection: Any) -> Scope:
    return scope_of(connection, ("default",))


def test_a_service_is_live_and_is_only_stopped(database: Database, stored: Stored) -> None:
    watched = watch(database, stored.folder / "media")
    view = RunsView(database, stored.folder / "media")
    html = view.sheet().sheet.html
    card = html[html.index(str(watched.writer.public_id)) :]
    assert '<span class="sl-state live">live</span>' in card
    assert "1 camera · 50 frames · up for " in card
    assert 'data-wanted="stop"' in card
    assert 'data-wanted="pause"' not in html
    shown, going_on = view.live(watched.writer.public_id)
    assert going_on
    assert "no picture yet" in shown
    watched.picture(b"\xff\xd8\xff")
    assert f'src="/api/cameras/{watched.camera("gate").public_id}/picture?v=' in view.live(watched.writer.public_id)[0]
    with database.write() as connection:
        connection.execute(update(tables.Run).where(tables.Run.kind == "live").values(heartbeat_at=1))
    dead = view.sheet().sheet.html
    assert "`sightline watch` starts a new one" in dead
    assert 'data-wanted="resume"' not in dead


def test_a_track_of_a_camera_plays_where_it_was_recorded(database: Database, stored: Stored) -> None:
    watched = watch(database, stored.folder / "media", film=stored.clip.read_bytes())
    view = TrackView(database, LabelNames())
    with database.read() as connection:
        scope = project(connection)
        track = page_objects(scope, connection, ObjectFilter(sources=(watched.source,)))[0]
    html = view.page(track.public_id)
    assert f'src="/objects/{track.public_id}/clip.mp4?from=' in html
    assert 'data-op="protect"' in html
    with database.write() as connection:
        connection.execute(delete(tables.Media).where(tables.Media.kind == "segment"))
    gone = view.page(track.public_id)
    assert "gate is a camera, and nothing was recorded at that time" in gone
    assert "record: {mode: events}" in gone
    assert "<video" not in gone
