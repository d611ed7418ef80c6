"""Which values of settings stand in the hashes of what decides results, so that these last from version to version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# settings of a model that its card tells better: content, runtime
WHERE_AND_HOW: dict[str, Any] = {"weights": True, "device": True, "threads": True}
# the card covers both files, and says whether `letterbox` changes anything
DETECTOR_WHERE_AND_HOW: dict[str, Any] = {**WHERE_AND_HOW, "letterbox": True, "fuse": {"weights": True}}

_SCHEDULES = {"adaptive", "budget"}  # sections of the detector that count only where `schedule` says so
_ADAPTIVE: dict[str, Any] = {
    "heartbeat_seconds": 2.0,
    "calm_seconds": 0.3,
    "doubt_seconds": 0.12,
    "least_seconds": 0.0,
    "meeting": 0.2,
    "crowd": 16,
    "difference": 12.0,
    "newcomer": 0.6,
}

# Settings that came after the first hashes were stored, with the values at which everything is as it was without them.
# At these values they are left out. A new setting belongs here with the value that changes nothing: that is its
# default of today, but it stays when the default changes. tests/unit/test_deciding.py fails until it stands here.
_CAME_LATER: dict[str, dict[str, Any]] = {
    "detector": {
        "nms": "class-wise",
        "nms_sigma": 0.5,
        "light": {"clahe": 0.0, "tiles": 8, "gamma": 1.0, "brightness": 0.4},
        "fuse": None,
        "schedule": "every",
        "adaptive": _ADAPTIVE,
        "budget": {"share": 0.7, "slowest_seconds": 1.0, "least_size": 0.5},
        "letterbox": "full",
    },
    "segmenter": {"refresh_seconds": 0.5},
    "embedder": {"background": "keep", "when": "always", "refresh_seconds": 0.25},
    "tracker": {"mask_weight": 0.0, "cover_by": "masks", "points_in": "masks"},  # all nothing without masks
}
_OF_ITS_OWN = "cameras"  # a mapping of names to sections that are as those of a run


def as_before(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dumped settings, section by section, without what came later and is as it was before it came."""
    told = {
        name: _without(without_other_schedules(section), _CAME_LATER.get(name, {})) for name, section in values.items()
    }
    if isinstance(cameras := values.get(_OF_ITS_OWN), Mapping):
        told[_OF_ITS_OWN] = {name: as_before(own) for name, own in cameras.items()}
    return told


def without_other_schedules(section: Any) -> Any:
    """A section without what in it belongs to another schedule than its own: that decides nothing."""
    if not isinstance(section, Mapping) or "schedule" not in section:
        return section
    return {key: value for key, value in section.items() if key not in _SCHEDULES - {section["schedule"]}}


def _without(section: Any, came_later: Mapping[str, Any]) -> Any:
    """A section's values without those of `came_later`; a section in it goes when nothing of it is left."""
    if not isinstance(section, Mapping) or not came_later:
        return section
    told = {}
    for key, value in section.items():
        if key not in came_later:
            told[key] = value
        elif isinstance(value, Mapping) and isinstance(came_later[key], Mapping):
            if inner := _without(value, came_later[key]):
                told[key] = inner
        elif value != came_later[key]:
            told[key] = value
    return told
