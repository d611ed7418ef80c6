"""Which packages of trackers an environment has."""

from __future__ import annotations

from collections.abc import Callable

from .boxmot import find_boxmot
from .deep_sort_realtime import find_deep_sort_realtime
from .norfair import find_norfair
from .roboflow import find_roboflow
from .shots import Entry, Maker
from .ultralytics import find_ultralytics

FINDERS: dict[str, Callable[[], dict[Entry, Maker]]] = {
    "trackers": find_roboflow,
    "ultralytics": find_ultralytics,
    "boxmot": find_boxmot,
    "norfair": find_norfair,
    "deep-sort-realtime": find_deep_sort_realtime,
}


def discover() -> tuple[dict[Entry, Maker], list[dict[str, str]]]:
    """The trackers that are installed here, and why others are not to be had: {"package", "reason"}."""
    found: dict[Entry, Maker] = {}
    missing = []
    for package, find in FINDERS.items():
        try:
            found.update(find())
        except Exception as error:  # noqa: BLE001  what is wrong with a foreign package is said, not judged
            missing.append({"package": package, "reason": f"{type(error).__name__}: {error}"})
    return found, missing
