"""Hindsight: the tracks of a finished recording, with every frame in the light of those after it.

Four steps, each behind a setting: link the pieces that are one object (linking.py), drop what is too short and weak to
be believed, smooth the boxes (smoothing.py), and fill the holes that remain. Nothing here is random.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from trackers import kalman
from trackers.linking import Pieces, chains, link
from trackers.smoothing import distrust, smooth
from trackers.structures import BoolArray, Evidence, FloatArray, IntArray, Stage
from trackers.track_rows import Recording, TrackRows, concatenate

_ROUNDING = 1e-9  # seconds; times are sums of frame intervals


@dataclass(frozen=True, slots=True)
class Refinement:
    """The settings of all steps.

    Chosen on published detections of 4 sequences of MOT17 and 7 of MOT15 together. There deepsort's COMBINED HOTA
    rises by 1.5, with camera motion, and by 2.8; no sequence loses more than 0.2. Half or twice the value of any
    setting changes HOTA by less than 0.3. What motion must prove is not tuned: even odds.
    """

    beginnings: bool = True  # rows from before a track was confirmed are kept
    link_seconds: float = 3.0  # longest time between two pieces that are linked; 0: none are
    link_odds: float = 1.0  # how many times likelier one object must be than two
    appearance_limit: float = 0.25  # largest cosine distance of two linked pieces' mean features
    least_weight: float = 0.3  # tracks whose scores, times the seconds they stand for, sum to less are dropped
    smoothing: float = 3.0  # measurement variance, in those of the tracker's own model; 0: boxes stay as they are
    fill_seconds: float = 1.5  # longest hole in a track that is filled; 0: none is


def refine(
    rows: TrackRows, settings: Refinement, *, recording: Recording, model: kalman.MotionModel = kalman.XYWH8
) -> TrackRows:
    """Better tracks of the same recording, by rising frame and id.

    Of linked pieces the earliest gives the id. A row that was measured stays, unless its whole track is dropped; what
    was predicted between two such rows is estimated anew. A filled row has evidence PREDICTED, row -1, no features, and
    the lower score of the two rows around the hole. Nothing is filled inside the recording's gaps, in frames that it
    does not have, or where the centre of the box is outside the picture. Refining again changes boxes by rounding
    only; it may link a little more, as fewer tracks begin then. ValueError for rows of frames that were not recorded.
    """
    if not np.isin(rows.frames, recording.frames).all():
        raise ValueError("there are tracks in frames that the recording does not have")
    if not settings.beginnings:
        rows = rows[rows.stages == Stage.CONFIRMED]
    rows = rows[np.lexsort((rows.frames, rows.ids))]
    if settings.link_seconds > 0:
        rows = _link(rows, settings, recording, model)
    rows = rows[_weights(rows, recording) >= settings.least_weight]
    refined = [_refine_track(track, settings, recording, model) for track in _by_track(rows)]
    rows = concatenate([rows[:0], *refined])
    return rows[np.lexsort((rows.ids, rows.frames))]


def _link(rows: TrackRows, settings: Refinement, recording: Recording, model: kalman.MotionModel) -> TrackRows:
    """The rows (by id, then frame) with the ids of linked pieces made one, in the same order."""
    if not len(rows):
        return rows
    ids, starts = np.unique(rows.ids, return_index=True)
    stops = np.append(starts[1:], len(rows))
    seen = _seen(rows)
    pieces = Pieces(
        first=rows.times[starts],
        last=rows.times[stops - 1],
        labels=rows.labels[starts],
        starts=np.concatenate([[0], np.cumsum(seen)[stops - 1]]),
        times=rows.times[seen],
        boxes=rows.measured[seen],
        looks=None if rows.features is None else _mean_features(rows.features, starts),
    )
    following = link(
        pieces,
        model,
        seconds=settings.link_seconds + _ROUNDING,
        odds=settings.link_odds,
        newcomers=len(pieces) / (recording.durations.sum() * recording.width * recording.height),
        appearance_limit=settings.appearance_limit,
    )
    rows = replace(rows, ids=np.repeat(ids[chains(following)], stops - starts))
    return rows[np.lexsort((rows.frames, rows.ids))]


def _mean_features(features: FloatArray, starts: IntArray) -> FloatArray:
    """Mean direction (k, d) of the features (n, d) of each track, rows from `starts` (k,) on; NaN without any."""
    described = np.isfinite(features).all(axis=1, keepdims=True)
    total = np.add.reduceat(np.where(described, features, 0).astype(np.float64), starts, axis=0)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(np.divide(total, length, out=np.full_like(total, np.nan), where=length > 0))


def _weights(rows: TrackRows, recording: Recording) -> FloatArray:
    """Of each row's track: the scores of its measured rows, and of those on a line between two such, times the seconds
    each stands for, summed (n,).
    """
    durations = recording.durations[np.searchsorted(recording.frames, rows.frames)]
    counted = _seen(rows) | (rows.evidence == Evidence.INTERPOLATED)
    _, track = np.unique(rows.ids, return_inverse=True)
    return np.asarray(np.bincount(track, rows.scores * durations * counted)[track])


def _by_track(rows: TrackRows) -> Iterator[TrackRows]:
    """The rows of each track; given by id, then frame."""
    starts = np.unique(rows.ids, return_index=True)[1].tolist()
    for start, stop in pairwise([*starts, len(rows)]):
        yield rows[start:stop]


def _refine_track(track: TrackRows, settings: Refinement, recording: Recording, model: kalman.MotionModel) -> TrackRows:
    """One track, smoothed and filled; its rows by frame, then those that were filled."""
    seen = np.flatnonzero(_seen(track))
    if not len(seen):
        return track
    filled = _holes(track, settings.fill_seconds, recording)
    table = concatenate([track, filled])
    inside = (table.times >= track.times[seen[0]]) & (table.times <= track.times[seen[-1]])
    order = np.flatnonzero(inside)[np.argsort(table.times[inside], kind="stable")]
    mean, _ = smooth(distrust(model, settings.smoothing or 1.0), table.times[order], table.measured[order])
    estimated = np.full_like(table.boxes, np.nan)
    estimated[order] = kalman.to_boxes(model, mean)
    renewed = inside & ((settings.smoothing > 0) | ~_seen(table))
    table = replace(table, boxes=np.where(renewed[:, None], estimated, table.boxes))
    centre = (table.boxes[:, :2] + table.boxes[:, 2:]) / 2
    visible = ((centre >= 0) & (centre <= (recording.width, recording.height))).all(axis=1)
    return table[visible | (np.arange(len(table)) < len(track))]


def _holes(track: TrackRows, seconds: float, recording: Recording) -> TrackRows:
    """Rows, without boxes yet, for the recorded frames between two rows of a track no more than `seconds` apart."""
    places = np.searchsorted(recording.frames, track.frames)
    narrow = np.diff(track.times) <= (seconds + _ROUNDING if seconds > 0 else 0)
    counts = np.where(narrow, np.diff(places) - 1, 0)
    before = np.repeat(np.arange(len(counts)), counts)
    frames = places[before] + 1 + np.arange(len(before)) - np.repeat(np.cumsum(counts) - counts, counts)
    recorded = ~recording.in_gap(recording.times[frames])
    before, frames = before[recorded], frames[recorded]
    count = len(frames)
    return TrackRows(
        frames=recording.frames[frames],
        times=recording.times[frames],
        ids=track.ids[before],
        boxes=np.full((count, 4), np.nan),
        scores=np.minimum(track.scores[before], track.scores[before + 1]),
        labels=track.labels[before],
        evidence=np.full(count, Evidence.PREDICTED, np.int8),
        stages=np.full(count, Stage.CONFIRMED, np.int8),
        rows=np.full(count, -1, np.int64),
        measured=np.full((count, 4), np.nan),
        features=None if track.features is None else np.full((count, track.features.shape[1]), np.nan, np.float32),
    )


def _seen(rows: TrackRows) -> BoolArray:
    """Rows whose box was measured (n,)."""
    return np.asarray(np.isfinite(rows.measured).all(axis=1))
