"""Harvest: what came of a source that was pseudo-labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import TrainingError
from pipeline.training.labelling_rules import Rules


@dataclass(slots=True)
class Harvest:
    """What came of a source."""

    name: str
    pictures: int = 0
    boxes: int = 0
    promoted: int = 0  # boxes below the least score that a track confirms
    dropped: int = 0  # boxes above it that none does
    ignored: int = 0  # areas painted over
    empty: int = 0  # pictures without objects, of those in `pictures`
    left_out: int = 0  # pictures that cannot be read, or would be painted too much
    damage: str = ""  # what went wrong with the source


def refuse_empty(harvests: Sequence[Harvest], teacher: str, rules: Rules) -> None:
    """Raise TrainingError where not one object was found."""
    if not any(one.boxes for one in harvests):
        raise TrainingError(
            f"the teacher {teacher} found no object of a score of {rules.min_score} in {len(harvests)} sources; "
            "lower --min-score, check --classes and that it is the right model for these pictures"
        )
