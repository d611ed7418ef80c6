"""What each part of a run takes by itself: decode, detect, outline, describe and track, one thing at a time.

A process of its own (`python -m pipeline.pipeline_benchmark.parts WANTED.json`), so that nothing else of the benchmark
is in its way. WANTED: {"video", "config", "settings", "out"}; `out` gets {"frames", "seconds": {stage: of all frames},
"cpu_seconds": likewise, of the processors}.
The detector looks at every frame, whatever the settings say: what a look takes does not depend on how many there are.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import build
from pipeline.asks import asked_rows
from pipeline.config import Settings, load_settings
from pipeline.loaded_models import Models
from pipeline.stages import Follower, describe, outline
from trackers.doubts import Doubts

WARM_UP = 2  # frames that are not counted: networks do some of their loading with the first


class Stopwatch:
    """Seconds by stage, of the wall clock and of all processors."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}
        self.counting = False

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Until the block ends."""
        started, started_cpu = time.perf_counter(), time.process_time()
        yield
        if self.counting:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started
            self.cpu_seconds[stage] = self.cpu_seconds.get(stage, 0.0) + time.process_time() - started_cpu


def time_parts(video: str, settings: Settings) -> dict[str, Any]:
    """Take a video through all parts, one after the other in one thread."""
    settings = Models.settled(settings)
    models = Models.load(settings)
    settings = models.completed(settings)
    follower = Follower(build.tracker(settings.tracker))
    asks = build.asks(settings, segmenter=models.segmenter, embedder=models.embedder)
    watch, count = Stopwatch(), 0
    with build.source(video, settings.source) as source:
        frames = iter(source)
        while True:
            watch.counting = count >= WARM_UP
            with watch.timing("read"):
                frame = next(frames, None)
                if frame is not None:
                    frame = replace(frame, picture=frame.image)  # made here, whoever looks at it first
            if frame is None:
                break
            with watch.timing("detect"):
                found = models.detector.detect([frame])
            doubts: list[Doubts | None] = [None]
            if asks:
                with watch.timing("track"):
                    doubts = [follower.doubts(frame, found[0])]
            if models.segmenter is not None:
                with watch.timing("segment"):
                    found = [*outline(models.segmenter, [frame], found, asked_rows(asks.masks, found, doubts))]
            if models.embedder is not None:
                with watch.timing("embed"):
                    found = [*describe(models.embedder, [frame], found, asked_rows(asks.features, found, doubts))]
            with watch.timing("track"):
                follower.update(frame, found[0])
            count += 1
    return {"frames": max(0, count - WARM_UP), "seconds": watch.seconds, "cpu_seconds": watch.cpu_seconds}


def main(path: str) -> None:
    """Do what the file says."""
    wanted = json.loads(Path(path).read_text(encoding="utf-8"))
    told = time_parts(wanted["video"], load_settings(wanted["config"], wanted["settings"]))
    Path(wanted["out"]).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
