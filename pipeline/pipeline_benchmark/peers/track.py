"""A process that takes one video through ultralytics' own `track`, as its users would, and says when it did what.

Run as peer.py says, with the name of a JSON file: {"weights", "video", "out", "tracks", "folder" of its settings,
"classes": names or null, "max_frames": number or null}. It writes MOTChallenge text to `tracks`, and to `out`:
{"version", "tracker", "frames", "first_frame_at", "last_frame_at" in seconds since 1970, "milliseconds": {stage: mean a
frame, as ultralytics measures it}}.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import time
from collections.abc import Sequence
from typing import Any

TRACKER = "bytetrack.yaml"


def main(words: Sequence[str]) -> None:
    """Track a video, as the file of this name says."""
    with open(words[0], encoding="utf-8") as file:  # noqa: PTH123
        wanted = json.load(file)
    os.environ.update(ULTRALYTICS_SAFE_LOAD="true", YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    os.environ["YOLO_CONFIG_DIR"] = wanted["folder"]
    importlib.import_module("torch")  # before ultralytics, which would pin OpenMP to one thread
    library: Any = importlib.import_module("ultralytics")
    importlib.import_module("lap")  # which ultralytics would install by itself when it tracks
    told, rows = track(library, wanted)
    with open(wanted["tracks"], "w", encoding="utf-8") as file:  # noqa: PTH123
        file.writelines(rows)
    with open(wanted["out"], "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(told | {"version": importlib.metadata.version("ultralytics"), "tracker": TRACKER}, file)


def track(library: Any, wanted: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What it took, and rows of MOTChallenge text."""
    model = library.YOLO(wanted["weights"], task="detect")
    classes = _labels(model, wanted["classes"])
    stream = model.track(wanted["video"], tracker=TRACKER, stream=True, verbose=False, classes=classes)
    rows: list[str] = []
    times: list[float] = []
    spent: dict[str, float] = {}
    for number, result in enumerate(stream, start=1):
        times.append(time.time())
        for stage, milliseconds in result.speed.items():
            spent[stage] = spent.get(stage, 0.0) + milliseconds
        rows += _rows(number, result.boxes)
        if number == wanted["max_frames"]:
            break
    return {
        "frames": len(times),
        "first_frame_at": times[0],
        "last_frame_at": times[-1],
        "milliseconds": {stage: total / len(times) for stage, total in spent.items()},
    }, rows


def _labels(model: Any, names: list[str] | None) -> list[int] | None:
    """Labels of the classes of these names; None for all. ValueError where the model has none of them."""
    if names is None:
        return None
    labels = [label for label, name in model.names.items() if name in names]
    if not labels:
        raise ValueError(f"the model knows no {', '.join(names)}; it knows {', '.join(model.names.values())}")
    return labels


def _rows(number: int, boxes: Any) -> list[str]:
    if boxes is None or boxes.id is None:
        return []
    found = zip(boxes.id.tolist(), boxes.xyxy.tolist(), boxes.conf.tolist(), strict=True)
    return [
        f"{number},{int(identity)},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{score:.4f},-1,-1,-1\n"
        for identity, (x1, y1, x2, y2), score in found
    ]
