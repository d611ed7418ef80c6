"""What is known of the living tracks of one stream between two chunks: life, best picture so far, exemplars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.store.chunk import EmbeddingColumns, ObservationColumns, TrackColumns
from pipeline.store.states import EmbeddingKind
from trackers.structures import FloatArray, IntArray, State

MOST_EXEMPLARS = 16  # a track
MOST_AT_ONCE = 4  # a track and chunk
NOVELTY = 0.05  # cosine distance to every stored exemplar from which a feature is worth another row


@dataclass(slots=True, eq=False)
class Dossier:
    """One track."""

    class_id: int
    score_max: float
    first_at: int  # microseconds UTC
    last_at: int
    count: int  # observations
    crop_quality: float  # of the best picture stored so far
    exemplars: FloatArray  # (k, d) float32, stored so far
    total: FloatArray  # (d,) float64 sum of features weighted by quality


class Dossiers:
    """By local id. `take` a chunk's observations, then ask for the rows to store."""

    def __init__(self) -> None:
        self._known: dict[int, Dossier] = {}

    def crop_quality(self, local_id: int) -> float:
        """Of the best picture stored so far, -1 before the first."""
        return self._known[local_id].crop_quality if local_id in self._known else -1.0

    def described(self, local_id: int) -> bool:
        """Whether it has exemplars."""
        return len(self._known[local_id].exemplars) > 0

    def copied(self, local_ids: Iterable[int]) -> Dossiers:
        """Those of some tracks, to try things out."""
        copy = Dossiers()
        copy._known = {local_id: replace(self._known[local_id]) for local_id in local_ids}  # its arrays never change
        return copy

    def note_crop(self, local_id: int, quality: float) -> None:
        """A better picture is being stored."""
        self._known[local_id].crop_quality = quality

    def take(self, observations: ObservationColumns, labels: IntArray) -> None:
        """Bring the tracks up to date. `labels` (n,): class of each observation."""
        for local_id, rows in _by_track(observations.local_ids):
            scores, at = observations.scores[rows], observations.at[rows]
            known = self._known.get(local_id)
            if known is None:
                nothing = np.zeros((0, 0), np.float32)
                known = Dossier(0, 0.0, int(at[0]), 0, 0, -1.0, nothing, np.zeros(0))
                self._known[local_id] = known
            known.class_id = int(labels[rows[-1]])
            known.score_max = max(known.score_max, float(scores.max()))
            known.last_at = int(at[-1])
            known.count += len(rows)

    def columns(self, touched: IntArray, ended: IntArray) -> TrackColumns:
        """The rows of the tracks `touched` by a chunk; those in `ended` are over."""
        ids = [int(local_id) for local_id in touched if int(local_id) in self._known]
        rows = [self._known[local_id] for local_id in ids]
        return TrackColumns(
            local_ids=np.array(ids, np.int64),
            class_ids=np.array([row.class_id for row in rows], np.int64),
            score_max=np.array([row.score_max for row in rows], np.float32),
            first_at=np.array([row.first_at for row in rows], np.int64),
            last_at=np.array([row.last_at for row in rows], np.int64),
            counts=np.array([row.count for row in rows], np.int64),
            ended=np.isin(ids, ended),
        )

    def embeddings(
        self, model_id: int, local_ids: IntArray, at: IntArray, features: FloatArray, qualities: FloatArray
    ) -> EmbeddingColumns:
        """New exemplars and the new mean of each track seen. Row i of local_ids, at (microseconds UTC), features
        (n, d) and qualities (n,) is the same sighting, in order of time.

        An exemplar is a good sighting that differs from those stored already; the mean is weighted by quality.
        """
        ids: list[int] = []
        times: list[int] = []
        kinds: list[EmbeddingKind] = []
        worth: list[float] = []
        vectors: list[FloatArray] = []
        for local_id, rows in _by_track(local_ids):
            known = self._known[local_id]
            for row in rows[self._novel(known, features[rows], qualities[rows])]:
                ids.append(local_id)
                times.append(int(at[row]))
                kinds.append(EmbeddingKind.EXEMPLAR)
                worth.append(float(qualities[row]))
                vectors.append(features[row])
            ids.append(local_id)
            times.append(int(at[rows[-1]]))
            kinds.append(EmbeddingKind.MEAN)
            worth.append(float(qualities[rows].max()))
            vectors.append(_add_to_mean(known, features[rows], qualities[rows]))
        stacked = np.stack(vectors).astype(np.float32) if vectors else np.zeros((0, features.shape[1]), np.float32)
        return EmbeddingColumns(
            model_id=model_id,
            local_ids=np.array(ids, np.int64),
            at=np.array(times, np.int64),
            kinds=tuple(kinds),
            qualities=np.array(worth, np.float32),
            vectors=stacked,
        )

    def forget(self, ended: IntArray) -> None:
        """Tracks that are over need no dossier."""
        for local_id in ended:
            self._known.pop(int(local_id), None)

    def to_arrays(self) -> State:
        """Everything, for a checkpoint."""
        rows = list(self._known.values())
        dimension = max((len(row.total) for row in rows), default=0)
        columns = ("class_id", "score_max", "first_at", "last_at", "count", "crop_quality")
        state = {name: np.array([getattr(row, name) for row in rows]) for name in columns}
        state["local_ids"] = np.array(list(self._known), np.int64)
        state["exemplar_counts"] = np.array([len(row.exemplars) for row in rows], np.int64)
        filled = [row.exemplars for row in rows if len(row.exemplars)]
        state["exemplars"] = np.concatenate(filled) if filled else np.zeros((0, dimension), np.float32)
        state["total"] = np.stack([_padded(row.total, dimension) for row in rows]) if rows else np.zeros((0, 0))
        return state

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        parts = (
            np.split(state["exemplars"], np.cumsum(state["exemplar_counts"])[:-1]) if len(state["local_ids"]) else []
        )
        self._known = {
            int(local_id): Dossier(
                class_id=int(state["class_id"][row]),
                score_max=float(state["score_max"][row]),
                first_at=int(state["first_at"][row]),
                last_at=int(state["last_at"][row]),
                count=int(state["count"][row]),
                crop_quality=float(state["crop_quality"][row]),
                exemplars=parts[row],
                total=state["total"][row],
            )
            for row, local_id in enumerate(state["local_ids"])
        }

    @staticmethod
    def _novel(known: Dossier, features: FloatArray, qualities: FloatArray) -> IntArray:
        """Rows worth storing as exemplars, best first; they are added to the dossier."""
        chosen: list[int] = []
        if known.exemplars.shape[1] != features.shape[1]:
            known.exemplars = np.zeros((0, features.shape[1]), np.float32)
        for row in np.argsort(-qualities, kind="stable"):
            if len(chosen) == MOST_AT_ONCE or len(known.exemplars) == MOST_EXEMPLARS:
                break
            if (known.exemplars @ features[row]).max(initial=-1.0) <= 1 - NOVELTY:
                known.exemplars = np.concatenate([known.exemplars, features[row : row + 1]])
                chosen.append(int(row))
        return np.array(chosen, np.int64)


def _by_track(local_ids: IntArray) -> list[tuple[int, IntArray]]:
    """Each track's rows, in order, by rising id."""
    order = np.argsort(local_ids, kind="stable")
    ids, starts = np.unique(local_ids[order], return_index=True)
    return list(zip(ids.tolist(), np.split(order, starts[1:]), strict=True)) if len(ids) else []


def _add_to_mean(known: Dossier, features: FloatArray, qualities: FloatArray) -> FloatArray:
    """The track's mean direction after more features; unit length."""
    weights = np.maximum(qualities, 1e-6).astype(np.float64)  # a worthless sighting still points somewhere
    known.total = _padded(known.total, features.shape[1]) + weights @ features
    length = float(np.linalg.norm(known.total))
    return np.asarray(known.total / length if length > 0 else features[-1], np.float32)


def _padded(vector: FloatArray, length: int) -> FloatArray:
    return vector if len(vector) == length else np.zeros(length)
