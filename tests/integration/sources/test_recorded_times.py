"""What is recorded of a real camera leaves nothing out, and its times are those of the frames."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.sources.reading import RecordOrder
from pipeline.sources.recorder import Segment
from tests.integration.recording.feeding import decoded
from tests.integration.rtsp_server import Mount, RtspServer
from tests.integration.sources.watching import Watching

STEP = 66_667  # microseconds between frames


def test_segments_cover_the_time_without_holes(road: Path, tmp_path: Path) -> None:
    told: list[Segment] = []
    order = RecordOrder(tmp_path, segment_seconds=2, segment_bytes=1 << 30)
    with (
        RtspServer({"gate": Mount(road)}) as server,
        Watching(server.url("gate"), record=order, on_segment=told.append) as seen,
    ):
        seen.until(lambda: len(told) >= 2, seconds=30)
        seen.frames(15)
    assert len(told) == 3
    for one, following in pairwise(told):
        assert one.to_at == following.from_at
    pictures = np.array([at for one in told for at in decoded(tmp_path / one.path, one.from_at)])
    assert np.diff(pictures).max() < 1.5 * STEP
    assert np.diff(pictures).min() > 0.5 * STEP
    taken = np.array([one.frame.at for one in seen.taken if one.frame.at >= told[0].from_at])
    nearest = np.abs(pictures[None, :] - taken[:, None]).min(axis=1)
    assert np.quantile(nearest, 0.9) < 1_000, "the same moment has the same time in both"
    assert nearest.max() < STEP
