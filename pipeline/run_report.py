"""What a run did and when, for programs: `sightline run --report FILE` writes it as JSON."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.evaluation.number_table import write_text
from pipeline.outcome import RunObserver, RunOutcome, SourceOutcome, SourceStart
from pipeline.outputs import Outputs
from pipeline.sinks.part_file import PartFile

FORMAT = 1  # of the file; another number, another form


class RunClock(RunObserver):
    """Notes when frames were done, and tells another observer everything it is told itself."""

    def __init__(self, other: RunObserver) -> None:
        self._other = other
        self.starts: dict[str, SourceStart] = {}  # by address
        self.first_frame_at: float | None = None  # seconds since 1970: when the first frame was written, of any source
        self.last_frame_at: float | None = None  # likewise the last one

    def sources_known(self, count: int) -> None:
        """Told on."""
        self._other.sources_known(count)

    def source_opened(self, start: SourceStart) -> None:
        """Remembered and told on."""
        self.starts[start.address] = start
        self._other.source_opened(start)

    def advanced(self, address: str, frames: int, tracks: int) -> None:
        """The time of the first and of the last one is noted."""
        if frames > self.starts[address].first_frame:
            self.last_frame_at = time.time()
            if self.first_frame_at is None:
                self.first_frame_at = self.last_frame_at
        self._other.advanced(address, frames, tracks)

    def source_ended(self, outcome: SourceOutcome) -> None:
        """Told on."""
        self._other.source_ended(outcome)


def check_report(path: Path, outputs: Outputs, addresses: Sequence[str], inputs: Mapping[Path, str]) -> None:
    """Refuse a file that would overwrite something (ConfigError) or cannot be written (OutputError), before a run.

    `inputs`: what the run reads or writes beside its sources and its outputs, and what it is called.
    """
    taken = {place.resolve(): name for place, name in inputs.items()}
    for address in addresses:
        taken[Path(address).resolve()] = "a source"
        taken |= {place.resolve(): f"the output of {address}" for place in outputs.of(address).paths}
    if name := taken.get(path.resolve()):
        raise ConfigError(f"--report {path} would overwrite {name}; name another file")
    PartFile(path).check()


def write_report(path: Path, outcome: RunOutcome, clock: RunClock) -> None:
    """Write it as JSON. Raises OutputError."""
    write_text(path, json.dumps(report_to_dict(outcome, clock), indent=2) + "\n")


def report_to_dict(outcome: RunOutcome, clock: RunClock) -> dict[str, Any]:
    """The outcome, a source at a time, with the busy seconds of each stage; times are seconds since 1970."""
    return {
        "format": FORMAT,
        "run": None if outcome.public_id is None else str(outcome.public_id),
        "database": outcome.database,
        "detector": outcome.detector,
        "segmenter": outcome.segmenter,
        "embedder": outcome.embedder,
        "seconds": outcome.seconds,
        "frames": outcome.frames,
        "tracks": outcome.tracks,
        "first_frame_at": clock.first_frame_at,
        "last_frame_at": clock.last_frame_at,
        "sources": [_source_to_dict(one, clock.starts.get(one.address)) for one in outcome.sources],
        "skipped": [{"address": one.address, "run": str(one.run)} for one in outcome.skipped],
    }


def _source_to_dict(source: SourceOutcome, start: SourceStart | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "address": source.address,
        "name": source.name,
        "status": source.status.value,
        "error": source.error,
    }
    if start is not None:
        told |= {"width": start.width, "height": start.height, "fps": start.fps, "codec": start.codec}
    if source.report is not None:
        report = source.report
        told |= {
            "frames": report.frames,
            "detections": report.detections,
            "tracks": report.tracks,
            "seconds": report.seconds,
            "stages": {name: dataclasses.asdict(stage) for name, stage in report.stages.items()},
        }
    return told
