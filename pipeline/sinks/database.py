"""DatabaseSink: a stream's results into the store, one transaction a chunk."""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from pipeline.errors import StoreError
from pipeline.events import Events
from pipeline.sinks.base import ChunkEnd, Result
from pipeline.sinks.best_pictures import BestPictures
from pipeline.sinks.dossiers import Dossiers
from pipeline.sinks.gathering import Gathering, Moment, Sightings, frame_detections
from pipeline.sinks.sequel import Sequel
from pipeline.sinks.sighting import qualities
from pipeline.store.chunk import ChunkData, ChunkRest, CropColumns, EmbeddingColumns, FrameCounts, ObservationColumns
from pipeline.store.records import Checkpoint
from trackers.structures import Detections, Gap, IntArray, Stage, State

STATE_FORMAT = 3  # of ChunkData.state: the tracker's arrays and, after PREFIX, this sink's
PREFIX = "sink."  # the last frame, the open sightings ("open.") and the dossiers
_OPEN = "open."


class ResultWriter(Protocol):
    """What keeps the results: a RunWriter, or one that insists where it would raise."""

    def write_chunk(self, run_source_id: int, chunk: ChunkData) -> bool:
        """Write everything of a chunk or nothing. Returns False if it was there already and was skipped."""

    def write_rest(self, run_source_id: int, rest: ChunkRest) -> None:
        """Write what waited for the end of a chunk whose frames are written."""

    def add_gap(self, run_source_id: int, gap: Gap) -> None:
        """Say that a source gave no pictures at its end."""


class Mending(Protocol):
    """What a source counts that is not its frames."""

    @property
    def repaired(self) -> int:
        """Time stamps mended so far."""

    @property
    def damaged(self) -> int:
        """Packets and frames so far that could not be decoded."""

    @property
    def dropped(self) -> int:
        """Frames so far that were read and not given, as something fresher was there; 0 where reading waits."""


class DatabaseSink:
    """Writes detections, tracks, observations, embeddings, best pictures and a checkpoint for each chunk of frames.

    A chunk ends with the frame whose result carries the tracker's state. What was gathered since is written by no one
    when the run fails: the checkpoint says where to go on.

    Exemplars are the best sightings of a whole chunk. Where a stop cuts a chunk, those of its first part are stored,
    and chosen anew when the run goes on and the chunk becomes whole: the rows are then those of a run without a stop.

    Of a camera, which nobody resumes, the states are empty and chunks are cut often, so that what was seen is soon in
    the store: raw detections become one row when the chunk is whole, and better pictures and looks of a track that has
    some wait for that. Where the run takes the same camera up once more, `follow` counts on.
    """

    def __init__(
        self,
        writer: ResultWriter,
        run_source_id: int,
        source: Mending,
        *,
        detect_hash: str | None,
        embedder_id: int | None = None,
        pictures: BestPictures | None = None,
    ) -> None:
        """`detect_hash`: of everything that decides the detections; empty where they are stored already, None where
        nothing was detected: no observation names a detection then, what was described stands in for one.

        `embedder_id`: model of the features, if any. `pictures`: None where the frames have none.
        """
        self._writer = writer
        self._run_source_id = run_source_id
        self._source = source
        self._detect_hash = detect_hash
        self._embedder_id = embedder_id
        self._pictures = pictures
        self._next_frame = 0
        self._before: Moment | None = None  # the frame before those being gathered
        self._counted = FrameCounts()  # so far; the reader is a few frames ahead, so a chunk's share is approximate
        self._dossiers = Dossiers()
        self._open = Sightings.none()  # stored already, of a chunk that was cut
        self._provisional: set[int] = set()  # tracks of such a chunk whose looks are stored until it is whole
        self._cut: list[tuple[Moment, Detections]] = []  # frames of such a chunk, stored already
        self._gathering = Gathering()
        self._sequel: Sequel | None = None
        self._last_id = 0  # highest stored

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gathering = Gathering()

    def restore(self, checkpoint: Checkpoint, counts: FrameCounts) -> None:
        """Go on from a checkpoint. `counts`: what is stored of the source; its reader counts from the start again.

        Raises StoreError if another Sightline wrote the checkpoint.
        """
        if checkpoint.format_version != STATE_FORMAT:
            raise StoreError(
                f"the checkpoint has format {checkpoint.format_version}, this Sightline writes {STATE_FORMAT}; "
                "resume with the version that began the run, or start it again"
            )
        state = _within(checkpoint.state, PREFIX)
        opened = _within(state, _OPEN)
        if not opened:
            raise StoreError("the checkpoint is a camera's, whose pictures never come again; start a new run")
        self._next_frame = checkpoint.next_frame
        self._last_id = int(state.get("last_id", 0))  # missing where cameras were not known yet; only they need it
        self._counted = counts
        index, at, session = state["last"].tolist()
        self._before = Moment(index, float(state["last_time"]), at, session, None)
        self._open = Sightings(*(opened[name] for name in Sightings.columns()))
        self._dossiers.from_arrays(state)

    def follow(self, checkpoint: Checkpoint, *, told_until: int | None = None) -> None:
        """Count frames, sessions and ids on from where an earlier feed of the same camera in this run was left.

        The feed, its tracker and its counters begin anew; the store sees one camera. The time between is a gap, but for
        what is in the store as one already: `told_until` (microseconds UTC).
        """
        state = _within(checkpoint.state, PREFIX)
        index, at, session = state["last"].tolist()
        self._last_id = int(state["last_id"])
        self._next_frame = checkpoint.next_frame
        self._before = Moment(index, float(state["last_time"]), at, session, None)
        self._sequel = Sequel(self._before, self._last_id, told_until=told_until)

    def write(self, result: Result) -> None:
        """Gather one frame; store the chunk when it is complete. Raises StoreError."""
        if self._sequel is not None:
            result = self._sequel.shifted(result)
        gathering, frame = self._gathering, result.frame
        confirmed = result.tracks.confirmed
        quality = qualities(confirmed, frame.width, frame.height)
        if self._pictures is not None:
            self._pictures.look(frame, confirmed, quality, self._dossiers.crop_quality)
        gathering.frames.append(Moment.of(frame, looked=result.looked))
        gathering.detections.append(result.detections)
        gathering.tracks.append(confirmed)
        gathering.qualities.append(quality)
        gathering.ended.append(result.tracks.ids[result.tracks.stages == Stage.ENDED])
        gathering.events.append(result.events)
        if result.state is not None:
            self._store(result.state, result.end)

    def cut(self, state: State, end: ChunkEnd = ChunkEnd.CUT) -> None:
        """Store what has been gathered, if anything, though its chunk is not full. Raises StoreError.

        `end`: WHOLE where nothing will follow.
        """
        if self._gathering.frames:
            self._store(state, end)
        elif end is ChunkEnd.WHOLE:
            self._store_rest()

    def lost(self, gap: Gap) -> None:
        """The source is left while it gives no pictures. Raises StoreError."""
        self._writer.add_gap(self._run_source_id, gap)

    def _store(self, state: State, end: ChunkEnd) -> None:
        gathering, dossiers, last = self._gathering, self._dossiers, self._gathering.frames[-1]
        observations = gathering.observations()
        if self._detect_hash is None:
            observations = replace(observations, det_rows=np.full(len(observations), -1))
        dossiers.take(observations, np.concatenate([tracks.labels for tracks in gathering.tracks]))
        self._last_id = max(self._last_id, int(observations.local_ids.max(initial=0)))
        ended = np.concatenate(gathering.ended)
        columns = dossiers.columns(np.union1d(observations.local_ids, ended), ended)
        brief = not state and end is ChunkEnd.CUT
        crops = self._crops(first_only=brief)
        exemplars_from = int(self._open.at[0]) if len(self._open.at) else None
        embeddings = self._embeddings(observations, ended, end, first_only=brief)
        cut = [*self._cut, *zip(gathering.frames, gathering.detections, strict=True)]
        whole = end is not ChunkEnd.CUT and bool(self._cut)
        found = cut if whole else cut[len(self._cut) :]
        chunk = ChunkData(
            first_frame=self._next_frame,
            end_frame=last.index + 1,
            detect_hash=self._detect_hash or "",
            detections=frame_detections([moment for moment, _ in found], [rows for _, rows in found]),
            tracks=columns,
            observations=observations,
            counts=self._counts(),
            state=state | {PREFIX + name: array for name, array in self._state(last, state).items()},
            state_format=STATE_FORMAT,
            embeddings=embeddings,
            exemplars_from=exemplars_from,
            detections_from=self._cut[0][0].index if whole else None,
            crops=crops,
            gaps=gathering.gaps(self._before),
            events=Events.concatenate(gathering.events),
            sessions=gathering.sessions(self._before),
        )
        self._writer.write_chunk(self._run_source_id, chunk)
        self._cut = [] if end is not ChunkEnd.CUT else cut
        self._before = last
        self._next_frame = chunk.end_frame
        self._gathering = Gathering()

    def _store_rest(self) -> None:
        """What waited for the chunk to become whole, which it does without another frame."""
        crops = self._crops(first_only=False)
        sightings, self._open, self._cut = self._open, Sightings.none(), []
        self._provisional.clear()
        embeddings = self._chosen(self._dossiers, sightings)
        self._dossiers.forget(sightings.ended)
        if crops is None and not embeddings:
            return
        exemplars_from = int(sightings.at[0]) if len(sightings.at) else None
        self._writer.write_rest(self._run_source_id, ChunkRest(embeddings, exemplars_from, crops))

    def _crops(self, *, first_only: bool) -> CropColumns | None:
        """Pictures to store; `first_only`: of tracks that have none yet, while the others wait."""
        if self._pictures is None:
            return None
        dossiers = self._dossiers
        crops = self._pictures.take(lambda local_id: not first_only or dossiers.crop_quality(local_id) < 0)
        if crops is not None:
            for local_id, quality in zip(crops.local_ids.tolist(), crops.qualities.tolist(), strict=True):
                dossiers.note_crop(local_id, quality)
        return crops

    def _state(self, last: Moment, state: State) -> State:
        """What going on after the frame `last` needs besides the tracker; little where there is no tracker's state."""
        brief: State = {
            "last": np.array([last.index, last.at, last.session], np.int64),
            "last_time": np.array(last.time),
            "last_id": np.array(self._last_id, np.int64),
        }
        if not state:
            return brief
        opened = {_OPEN + name: getattr(self._open, name) for name in Sightings.columns()}
        return brief | opened | self._dossiers.to_arrays()

    def _counts(self) -> FrameCounts:
        frames, before = len(self._gathering.frames), self._counted
        now = replace(
            before,
            repaired=max(before.repaired, self._source.repaired),
            damaged=max(before.damaged, self._source.damaged),
            dropped=max(before.dropped, self._source.dropped),
        )
        self._counted = now
        dropped = now.dropped - before.dropped
        return FrameCounts(
            read=frames + dropped,
            processed=frames,
            dropped=dropped,
            repaired=now.repaired - before.repaired,
            damaged=now.damaged - before.damaged,
        )

    def _embeddings(
        self, observations: ObservationColumns, ended: IntArray, end: ChunkEnd, *, first_only: bool
    ) -> tuple[EmbeddingColumns, ...]:
        """Of the observations whose detections were described; nothing without an embedder. Forgets what has ended.

        `first_only`: of tracks that have none in the store yet, so that they can be found; the others wait.
        """
        sightings = self._open + self._sightings(observations, ended)
        if end is ChunkEnd.CUT:
            self._open = sightings
            if first_only:
                sightings = self._of_new_tracks(sightings)
            return self._chosen(self._dossiers.copied(np.unique(sightings.local_ids).tolist()), sightings)
        self._open = Sightings.none()
        self._provisional.clear()
        chosen = self._chosen(self._dossiers, sightings)
        self._dossiers.forget(sightings.ended)
        return chosen

    def _of_new_tracks(self, sightings: Sightings) -> Sightings:
        ids = np.unique(sightings.local_ids).tolist()
        new = [one for one in ids if one not in self._provisional and not self._dossiers.described(one)]
        self._provisional.update(new)
        rows = np.isin(sightings.local_ids, new)
        return Sightings(
            sightings.local_ids[rows],
            sightings.at[rows],
            sightings.features[rows],
            sightings.qualities[rows],
            sightings.ended,
        )

    def _chosen(self, dossiers: Dossiers, sightings: Sightings) -> tuple[EmbeddingColumns, ...]:
        if self._embedder_id is None or not len(sightings.local_ids):
            return ()
        return (
            dossiers.embeddings(
                self._embedder_id, sightings.local_ids, sightings.at, sightings.features, sightings.qualities
            ),
        )

    def _sightings(self, observations: ObservationColumns, ended: IntArray) -> Sightings:
        if self._embedder_id is None:
            return replace(Sightings.none(), ended=ended)
        features = self._gathering.features()
        described = np.isfinite(features).all(axis=1)
        return Sightings(
            observations.local_ids[described],
            observations.at[described],
            features[described],
            np.concatenate(self._gathering.qualities)[described],
            ended,
        )


def _within(state: State, prefix: str) -> State:
    """The arrays whose names begin so, without it."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
