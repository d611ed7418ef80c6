"""BestPictures: the best crop of each track among the frames of a chunk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.sinks.sighting import cut_out, encode_jpeg
from pipeline.store.chunk import CropColumns
from trackers.structures import FloatArray, Frame, ImageArray, Tracks
from trackers.track_rows import in_picture

BETTER = 1.05  # a picture replaces a track's best one when its quality is that many times higher


class BestPictures:
    """Looks at every frame and keeps only what it would store."""

    def __init__(self) -> None:
        self._best: dict[int, tuple[float, int, ImageArray]] = {}  # id: quality, at, crop

    def look(self, frame: Frame, tracks: Tracks, quality: FloatArray, stored: Callable[[int], float]) -> None:
        """Cut out what is better. `quality`: (n,) of the tracks' boxes. `stored`: of a track's best picture, or -1.

        Where a box was predicted or put between two others nobody has looked: it may show something else.
        """
        shown = np.flatnonzero(in_picture(tracks))
        tracks, quality = tracks[shown], quality[shown]
        for local_id, box, worth in zip(tracks.ids.tolist(), tracks.boxes, quality.tolist(), strict=True):
            best = self._best[local_id][0] if local_id in self._best else stored(local_id)
            if worth > best * BETTER or best < 0:
                crop = cut_out(frame.image, box)
                if crop.size:
                    self._best[local_id] = (worth, frame.at, crop)

    def take(self, wanted: Callable[[int], bool] = lambda _: True) -> CropColumns | None:
        """The pictures to store, which are forgotten here; None if there is none. `wanted`: by track; others wait."""
        best = {local_id: found for local_id, found in self._best.items() if wanted(local_id)}
        if not best:
            return None
        self._best = {local_id: found for local_id, found in self._best.items() if local_id not in best}
        crops = [crop for _, _, crop in best.values()]
        return CropColumns(
            local_ids=np.array(list(best), np.int64),
            at=np.array([at for _, at, _ in best.values()], np.int64),
            jpegs=tuple(encode_jpeg(crop) for crop in crops),
            widths=np.array([crop.shape[1] for crop in crops], np.int64),
            heights=np.array([crop.shape[0] for crop in crops], np.int64),
            qualities=np.array([worth for worth, _, _ in best.values()], np.float32),
        )
