"""Reading a source's tracks block by block: raw with the labels they had, and as reviewers left them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import Connection, insert, select, update

from pipeline.errors import StoreError
from pipeline.store.database import Database, open_database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.run_tracks import RunTracks, machine_tracks, reviewed_tracks
from pipeline.store.states import RunStatus
from pipeline.store.tables import Object, ObjectMember, Observation, Track
from pipeline.store.tracked_boxes import TrackedBoxes
from pipeline.store.writer import RunWriter
from tests.integration.store.changing import changing
from tests.integration.store.conftest import KINDS, NewUrl
from tests.integration.store.examples import DETECTOR, MASK, RUN, START, STEP, VIDEO, chunk
from trackers.structures import Evidence

FRAMES = 10


@pytest.fixture(scope="module", params=KINDS)
def filled(
    request: pytest.FixtureRequest, new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, int]]:
    """A store with a run of one source: tracks 1, 2 and 5 in frames 0 to 10. And the source's number."""
    with open_database(new_url(str(request.param))) as opened:
        writer = RunWriter.begin(opened, RUN, media_folder=tmp_path_factory.mktemp("media"))
        writer.register_model(DETECTOR)
        part = writer.add_source(VIDEO)
        writer.add_session(part, 0, started_at=START)
        writer.write_chunk(part, chunk(0, FRAMES, local_ids=(1, 2, 5)))
        writer.finish_run(RunStatus.FINISHED)
        yield opened, part


@pytest.fixture
def connection(filled: tuple[Database, int]) -> Iterator[Connection]:
    """A transaction; what a test changes is undone."""
    with filled[0].engine.connect() as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def part(filled: tuple[Database, int]) -> int:
    return filled[1]


@pytest.fixture
def scope(connection: Connection) -> Scope:
    return scope_of(connection, ["default"])


def joined(tracks: RunTracks, *, end_frame: int | None = None) -> TrackedBoxes:
    """All blocks as one table."""
    blocks = list(tracks.blocks(end_frame=end_frame))
    assert all(len(block) for block in blocks)
    parts = blocks or [TrackedBoxes.empty()]
    names = ("frames", "seconds", "at", "ids", "labels", "scores", "evidence", "boxes", "det_rows")
    columns = {name: np.concatenate([getattr(block, name) for block in parts]) for name in names}
    return TrackedBoxes(**columns, masks=tuple(mask for block in parts for mask in block.masks))


def object_of(connection: Connection, local_id: int) -> int:
    return (
        connection.execute(
            select(ObjectMember.object_id).join(Track).where(Track.local_id == local_id).order_by(ObjectMember.from_at)
        )
        .scalars()
        .all()[0]
    )


def test_rows_come_by_frame_and_id(scope: Scope, connection: Connection, part: int) -> None:
    tracks = machine_tracks(scope, connection, part)
    boxes = joined(tracks)
    assert (tracks.count, len(boxes)) == (30, 30)
    assert tracks.names == ("person", "car")
    assert boxes.frames.tolist() == [frame for frame in range(FRAMES) for _ in range(3)]
    assert boxes.ids.tolist() == [1, 2, 5] * FRAMES
    assert boxes.at.tolist() == [START + frame * STEP for frame in boxes.frames.tolist()]
    assert boxes.seconds.tolist() == [frame * STEP / 1e6 for frame in boxes.frames.tolist()]
    assert boxes.boxes.dtype == np.float32
    assert boxes.boxes[4].tolist() == [51, 60, 71, 80]
    assert boxes.masks[:2] == (MASK, None)


@pytest.mark.parametrize("block", [1, 2, 3, 4, 29, 30, 31])
def test_blocks_hold_whole_frames(scope: Scope, connection: Connection, part: int, block: int) -> None:
    tracks = machine_tracks(scope, connection, part, block=block)
    blocks = list(tracks.blocks())
    edges = [(one.frames[0], one.frames[-1]) for one in blocks]
    assert all(last < first for (_, last), (first, _) in pairwise(edges))
    assert max(len(one) for one in blocks) <= block + 2 + 3
    whole = joined(machine_tracks(scope, connection, part))
    assert joined(tracks).ids.tolist() == whole.ids.tolist()
    assert joined(tracks).boxes.tolist() == whole.boxes.tolist()


@pytest.mark.parametrize("end", [0, 1, 4, FRAMES, 99])
def test_only_the_frames_before_an_end(scope: Scope, connection: Connection, part: int, end: int) -> None:
    for tracks in (machine_tracks(scope, connection, part), reviewed_tracks(scope, connection, part)):
        assert joined(tracks, end_frame=end).frames.tolist() == np.repeat(np.arange(min(end, FRAMES)), 3).tolist()


def test_another_scope_has_no_such_source(connection: Connection, part: int) -> None:
    with pytest.raises(StoreError, match=f"no run has a source {part} here"):
        machine_tracks(Scope(()), connection, part)
    with pytest.raises(StoreError, match="no run has a source 999"):
        reviewed_tracks(scope_of(connection, ["default"]), connection, 999)


def test_without_edits_both_views_are_the_same(scope: Scope, connection: Connection, part: int) -> None:
    raw, reviewed = (view(scope, connection, part, block=7) for view in (machine_tracks, reviewed_tracks))
    assert raw.names == reviewed.names
    for name in ("frames", "ids", "labels", "scores", "boxes", "det_rows", "masks"):
        assert np.array_equal(getattr(joined(raw), name), getattr(joined(reviewed), name)), name


@pytest.mark.parametrize("change", [{"hidden": True}, {"verdict": "rejected"}])
def test_deleted_and_rejected_objects_are_gone(
    scope: Scope, connection: Connection, part: int, change: dict[str, object]
) -> None:
    connection.execute(update(Object).where(Object.id == object_of(connection, 2)).values(change))
    assert set(joined(reviewed_tracks(scope, connection, part)).ids.tolist()) == {1, 5}
    assert set(joined(machine_tracks(scope, connection, part)).ids.tolist()) == {1, 2, 5}


def test_all_objects_deleted(scope: Scope, connection: Connection, part: int) -> None:
    connection.execute(update(Object).values(hidden=True))
    assert list(reviewed_tracks(scope, connection, part).blocks()) == []


def test_a_label_names_the_object(scope: Scope, connection: Connection, part: int) -> None:
    for local_id, label in ((1, "postman"), (5, "car")):
        connection.execute(update(Object).where(Object.id == object_of(connection, local_id)).values(label=label))
    tracks = reviewed_tracks(scope, connection, part)
    assert tracks.names == ("person", "car", "postman")
    assert joined(tracks).labels.tolist() == [2, 0, 1] * FRAMES


def test_a_split_track_is_two_objects(scope: Scope, connection: Connection, part: int) -> None:
    cut = START + 4 * STEP
    first = object_of(connection, 2)
    copied = connection.execute(select(Object.__table__).where(Object.id == first)).mappings().one()
    row = {name: value for name, value in copied.items() if name != "id"} | {"public_id": uuid4(), "label": "dog"}
    second = connection.execute(insert(Object).values(row).returning(Object.id)).scalar_one()
    track = connection.execute(select(Track.id).where(Track.local_id == 2)).scalar_one()
    connection.execute(update(ObjectMember).where(ObjectMember.object_id == first).values(to_at=cut))
    connection.execute(insert(ObjectMember).values(object_id=second, track_id=track, from_at=cut))
    tracks = reviewed_tracks(scope, connection, part, block=5)
    boxes = joined(tracks)
    mine = np.isin(boxes.ids, [2, 6])
    assert boxes.ids[mine].tolist() == [2] * 4 + [6] * 6
    assert [tracks.names[label] for label in boxes.labels[mine].tolist()] == ["person"] * 4 + ["dog"] * 6
    assert len(boxes) == 30


def test_merged_tracks_are_one_object_with_one_box_a_frame(scope: Scope, connection: Connection, part: int) -> None:
    """Track 5 goes into track 1's object; in frame 3 track 1 was only predicted."""
    kept, gone = object_of(connection, 1), object_of(connection, 5)
    connection.execute(update(ObjectMember).where(ObjectMember.object_id == gone).values(object_id=kept))
    connection.execute(update(Object).where(Object.id == gone).values(hidden=True))
    tracks = {row.local_id: row.id for row in connection.execute(select(Track.local_id, Track.id))}
    predicted = (Observation.track_id == tracks[1], Observation.frame == 3)
    connection.execute(update(Observation).where(*predicted).values(evidence=int(Evidence.PREDICTED), score=0.9))
    surer = (Observation.track_id == tracks[5], Observation.frame == 4)
    connection.execute(update(Observation).where(*surer).values(score=0.75))
    boxes = joined(reviewed_tracks(scope, connection, part, block=4))
    assert boxes.ids.tolist() == [1, 2] * FRAMES
    lefts = boxes.boxes[boxes.ids == 1, 0].tolist()
    assert [left - frame for frame, left in enumerate(lefts)] == [0, 0, 0, 100, 100, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize("fingerprint", ["fingerprint-9", None])
def test_labels_are_those_of_the_detections(
    filled: tuple[Database, int], tmp_path: Path, block: int, fingerprint: str | None
) -> None:
    """The track's row knows only the last label; a box without detection keeps the one before. Files and cameras."""
    database, _ = filled
    writer = RunWriter.begin(database, RUN, media_folder=tmp_path)
    writer.register_model(DETECTOR)
    part = writer.add_source(replace(VIDEO, uri_redacted=f"/{block}", fingerprint=fingerprint))
    writer.add_session(part, 0, started_at=START)
    writer.write_chunk(part, changing(0, [1, 1, 0, 0], [-1, 0, 0, -1]))
    writer.write_chunk(part, changing(4, [1, 1, 0, 0], [-1, 0, -1, -1]))
    with database.read() as connection:
        tracks = machine_tracks(scope_of(connection, ["default"]), connection, part, block=block)
        assert joined(tracks).labels.tolist() == [0, 1, 0, 0, 0, 1, 1, 1]
