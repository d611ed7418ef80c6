"""Models that settings name: a name of the catalogue becomes its files; anything else stays the path that it is.

What comes with Sightline is known by its path, too, which is what settings make of `bundled:NAME`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pipeline.bundled_models import bundled_name
from pipeline.errors import ModelError
from pipeline.models.catalog import VARIABLE, Catalog, Entry, Task, load_catalog
from pipeline.models.fetching import Fetched, fetcher


class Ready(Protocol):
    """What brings a model's files; see Fetcher."""

    def ready(self, entry: Entry) -> Fetched:
        """Raises ModelError."""


def named_model(
    weights: str, *, tasks: Sequence[Task], setting: str, catalog: Catalog | None = None, brings: Ready | None = None
) -> Fetched | None:
    """The model that a setting names; None where it is the path of a file of which the catalogue knows nothing.

    `setting`: its name, for errors. `catalog`, `brings`: as the environment says where None. Raises ModelError for a
    model of other tasks, a name that is near none, or one that cannot be fetched.
    """
    bundled = bundled_name(weights)
    if bundled is None and os.path.lexists(weights):
        return None
    weights = bundled or weights
    known = catalog or load_catalog(os.environ.get(VARIABLE))
    if weights not in known:
        _refuse_unknown(weights, known, setting)
        return None
    entry = known.find(weights)
    if entry.task not in tasks:
        fitting = ", ".join(one.name for one in known.entries if one.task in tasks and one.bundled is None)
        raise ModelError(f"{setting}: model {weights!r} is for {entry.task!r}; fitting ones are {fitting}")
    return (brings or fetcher()).ready(entry)


def named_file(weights: str, *, tasks: Sequence[Task], setting: str) -> str:
    """The path of the one file that a setting names, by a path or by a name of the catalogue. Raises ModelError."""
    found = named_model(weights, tasks=tasks, setting=setting)
    return weights if found is None else str(found.paths[0])


def _refuse_unknown(weights: str, known: Catalog, setting: str) -> None:
    """A name that is neither a file nor a model. What has the suffix of a file, or folders, is left to who opens it."""
    path = Path(weights)
    if len(path.parts) > 1:
        return
    if path.suffix and path.stem in known:
        raise ModelError(
            f"{setting}: there is no file {weights}; the catalogue's model of that name is written {path.stem!r}"
        )
    if not path.suffix:
        raise ModelError(f"{setting}: there is no file and no model {weights!r}; {known.suggestion(weights)}")
