"""What masks are worth to the tracker where people cross: IDF1, HOTA and kept ids, with and without them.

    python -m tests.benchmarks.mask_cues [--seeds 4] [--json FILE]

Rendered scenes of people who pass or overtake each other, looking alike, or walk behind a wall
(pipeline/synthetic/hidden_scenes.py); boxes of the truth with noise and misses, masks of the truth, features of the
bundled embedder or none (tests/hidden_walkers.py). Settings are those of the default. Nothing here passes or fails.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline import build
from pipeline.config import Settings, load_settings
from pipeline.evaluation.mot import FramePair, hota, identity
from pipeline.synthetic.hidden_scenes import FPS, Disappearance, hidden_scenes
from tests.hidden_walkers import AS_SAID, DETECTED, Seen, events, see
from trackers.geometry import iou_matrix
from trackers.structures import MultiObjectTracker

TIMES = (0.5, 1.0, 2.0)  # seconds hidden
NO_MASKS = ["tracker.cover_by=boxes", "tracker.points_in=boxes"]
CUES = {
    "none": NO_MASKS,
    "weight .4": [*NO_MASKS, "tracker.mask_weight=0.4"],
    "weight .7": [*NO_MASKS, "tracker.mask_weight=0.7"],
    "cover": ["tracker.points_in=boxes"],
    "points": ["tracker.cover_by=boxes"],
    "default": [],
}
LOOKS = {"features": [], "no features": ["embedder.backend=none"]}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, over all scenes of a kind."""

    looks: str
    cue: str
    kind: str
    idf1: float
    hota: float
    kept: int
    hidden: int


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Scenes of each kind and time.")] = 4,
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None,
) -> None:
    """A row a setting and kind of scene."""
    rows = measure(seeds)
    shown = Table("looks", "masks", "scenes", "IDF1", "HOTA", "ids kept")
    for row in rows:
        cells = (f"{100 * row.idf1:.1f}", f"{100 * row.hota:.1f}", f"{row.kept}/{row.hidden}")
        shown.add_row(row.looks, row.cue, row.kind, *cells)
    Console(width=120).print(shown)
    if out is not None:
        out.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


def measure(seeds: int) -> list[Row]:
    """All settings see the same scenes."""
    given = [f"tracker.calibration={AS_SAID}"]
    chosen = {name: load_settings("default", [*given, *words]) for name, words in CUES.items()}
    embedder = build.embedder(load_settings("default", given).embedder)
    pairs: dict[tuple[str, str, str], list[FramePair]] = defaultdict(list)
    kept: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    scenes = [one for one in hidden_scenes(TIMES, seeds=seeds) if one.disappearance is not Disappearance.AWAY]
    for scene in track(scenes, description="scenes", transient=True):
        described = see(scene, embedder)
        bare = replace(described, detections=[replace(one, features=None) for one in described.detections])
        for looks, seen in zip(LOOKS, (described, bare), strict=True):
            for cue, settings in chosen.items():
                key = looks, cue, str(scene.disappearance)
                pairs[key] += _followed(seen, _tracker(settings), first_id=1000 * len(pairs[key]))
                kept[key] += [event.kept for event in events(seen, _tracker(settings))]
    return [
        Row(*key, identity(frames).idf1, hota(frames).hota, sum(kept[key]), len(kept[key]))
        for key, frames in pairs.items()
    ]


def _tracker(settings: Settings) -> MultiObjectTracker:
    return build.tracker(settings.tracker)


def _followed(seen: Seen, tracker: MultiObjectTracker, *, first_id: int) -> list[FramePair]:
    """What a tracker makes of a scene; ids from `first_id` on, so that scenes can be scored together."""
    found = []
    for index, (detections, truth) in enumerate(zip(seen.detections, seen.truths, strict=True)):
        image = seen.pictures[index].image
        tracks = tracker.update(detections, index / FPS, image=image).confirmed
        there = truth.visibility >= DETECTED
        boxes = truth.boxes[there].astype(np.float64)
        found.append(
            FramePair(
                truth.ids[there] + first_id, tracks.ids + first_id, iou_matrix(boxes, tracks.boxes.astype(np.float64))
            )
        )
    return found


if __name__ == "__main__":
    typer.run(main)
