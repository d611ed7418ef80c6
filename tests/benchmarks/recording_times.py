"""What recording costs: `python -m tests.benchmarks.recording_times VIDEO [SEGMENTS]`. Reports, gates nothing.

CPU of remuxing a video's packets, and how long retention takes with many segments (default 100,000) of a camera over
twenty runs, half of them around events.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
from sqlalchemy import insert, update

from pipeline.camera_settings import RecordSettings
from pipeline.events import EventKind
from pipeline.retention import Retention
from pipeline.sources.recorder import SegmentRecorder
from pipeline.store.database import open_database
from pipeline.store.public_id import PublicIds
from pipeline.store.segments import recorded, segments
from pipeline.store.states import MediaKind
from pipeline.store.tables import Event, Media, Object
from tests.integration.store.examples import START
from tests.integration.store.recorded import MINUTE, another_run, fill


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def recording(video: Path) -> None:
    """CPU seconds for each minute of video."""
    with tempfile.TemporaryDirectory() as folder, av.open(str(video)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        told: list[object] = []
        recorder = SegmentRecorder(Path(folder), "gate", segment_seconds=60.0, segment_bytes=1 << 28, tell=told.append)
        began = time.process_time()
        recorder.begin(stream)
        for packet in packets:
            recorder.take(packet, START + round((packet.dts or 0) * packet.time_base * 1_000_000))
        recorder.close()
        spent = time.process_time() - began
        seconds = float((packets[-1].dts - packets[0].dts) * packets[0].time_base)
        size = sum(packet.size for packet in packets)
    say(f"{video.name}: {len(packets)} packets, {size / 1e6:.1f} MB, {seconds:.0f} s of video in {len(told)} files")
    share, each = 100 * spent / seconds, 1e6 * spent / len(packets)
    say(f"remuxed in {spent:.3f} s of CPU: {share:.2f} % of a core, {each:.0f} us a packet")


def sweeping(count: int) -> None:
    """Seconds of a sweep over many segments."""
    with tempfile.TemporaryDirectory() as folder, open_database(Path(folder) / "runs.db") as database:
        store = fill(database, Path(folder) / "media")
        (store.media / "recordings").mkdir(parents=True)
        parts = [store.gate, *(another_run(store, seconds=(number * 60 * count // 20,)) for number in range(1, 20))]
        ids = PublicIds()
        rows = [
            {
                "public_id": ids.new(),
                "run_source_id": parts[number * 20 // count],
                "kind": MediaKind.SEGMENT,
                "path": f"recordings/gate/{number}.mp4",
                "sha256": "",
                "bytes": 30_000_000,
                "from_at": START + number * MINUTE,
                "to_at": START + (number + 1) * MINUTE,
            }
            for number in range(count)
        ]
        events = [
            {
                "public_id": ids.new(),
                "run_source_id": row["run_source_id"],
                "at": int(row["from_at"]) + MINUTE // 2,  # type: ignore[call-overload]
                "rule": "door",
                "kind": EventKind.CROSS,
            }
            for row in rows[::2]
        ]
        with database.write() as connection:
            connection.execute(insert(Media), rows)
            connection.execute(insert(Event), events)
            connection.execute(update(Object).values(label="seen"))
        scope = store.scope
        span = {"from_at": START + 900 * MINUTE, "to_at": START + 960 * MINUTE}
        with database.read() as connection:
            timed("sums of a camera", lambda: recorded(scope, connection, "gate").segments)
            timed("an hour of it", lambda: len(segments(scope, connection, camera="gate", **span)))
        now = START + count * MINUTE
        plain = RecordSettings(mode="always", max_age_hours=None, max_bytes=None)
        by_size = plain.model_copy(update={"max_bytes": (count - 100) * 30_000_000})
        by_age = plain.model_copy(update={"max_age_hours": (count - 200) / 60})
        around = plain.model_copy(update={"mode": "events"})
        for name, policy in (
            ("nothing to do", plain),
            ("by size", by_size),
            ("by age", by_age),
            ("around events", around),
        ):
            retention = Retention(database, store.media, {"gate": policy})
            for _ in range(2):
                timed(f"sweep, {name}", partial(swept, retention, now))


def swept(retention: Retention, now: int) -> int:
    """How many segments went."""
    return len(retention.sweep(now).removed)


def timed(what: str, act: Callable[[], int]) -> None:
    """Say how long something took, and how many it were."""
    began = time.perf_counter()
    number = act()
    say(f"{what}: {1000 * (time.perf_counter() - began):.0f} ms ({number})")


if __name__ == "__main__":
    recording(Path(sys.argv[1]))
    sweeping(int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
