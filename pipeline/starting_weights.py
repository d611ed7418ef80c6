"""The file that `--weights` of a training names: by its path, by a name of the catalogue, or bundled:NAME."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.bundled_models import resolved
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.models.catalog import Task

_SETTING = "--weights"


def starting_weights(weights: str, *, tasks: Sequence[Task]) -> Path:
    """Its path. `tasks`: what a model of the catalogue may be for. Raises ConfigError, ModelError."""
    from pipeline.models.named import named_file

    try:
        start = resolved(weights)
    except ValueError as error:
        raise ConfigError(f"{_SETTING} {weights}: {error}") from error
    return Path(named_file(start, tasks=tasks, setting=_SETTING))
