"""A camera is recorded as it is read; where that fails, reading goes on and says why recording does not."""

from __future__ import annotations

from pathlib import Path

import av

from pipeline.sources.reading import RecordOrder
from pipeline.sources.recorder import Segment
from tests.integration.rtsp_server import Mount, RtspServer
from tests.integration.sources.watching import Watching


def test_segments_hold_what_was_taken(lawn: Path, tmp_path: Path) -> None:
    told: list[Segment] = []
    order = RecordOrder(tmp_path, segment_seconds=2, segment_bytes=1 << 30)
    with (
        RtspServer({"gate": Mount(lawn)}) as server,
        Watching(server.url("gate"), record=order, on_segment=told.append) as seen,
    ):
        seen.until(lambda: seen.status.recording == "on")
        seen.until(lambda: len(told) >= 1)
        seen.frames(10)
        seen.camera.record(False)
        seen.until(lambda: seen.status.recording == "off")
        stopped = len(told)
        seen.frames(20)
        assert len(told) == stopped
        seen.camera.record(True)
        seen.until(lambda: seen.status.recording == "on")
        seen.frames(20)
    assert len(told) == stopped + 1  # the last one was completed at the end
    taken = [one.frame.at for one in seen.taken]
    for segment in told:
        within = [at for at in taken if segment.from_at - 1000 <= at < segment.to_at - 1000]
        with av.open(str(tmp_path / segment.path)) as container:
            pictures = sum(1 for _ in container.decode(video=0))
        assert 0 < len(within) <= pictures <= len(within) + 10  # those buffered when it connected are not taken
        assert segment.complete
        assert min(abs(at - segment.from_at) for at in taken) < 100_000 or segment is told[0]


def test_a_full_disk_stops_recording_alone(lawn: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "media"
    blocked.write_text("no folder")
    order = RecordOrder(blocked, segment_seconds=2, segment_bytes=1 << 30)
    with RtspServer({"gate": Mount(lawn)}) as server, Watching(server.url("gate"), record=order) as seen:
        seen.until(lambda: "stopped" in seen.status.recording)
        seen.frames(20)
        assert seen.status.outages == 0
        blocked.unlink()
        seen.camera.record(True)
        seen.until(lambda: seen.status.recording == "on")
        seen.frames(20)
    assert list(blocked.rglob("*.*"))
