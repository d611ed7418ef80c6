"""Finding: one thing that `sightline doctor` looked at, and how that is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a finding is to be read."""

    GOOD = "ok"
    ABSENT = "absent"  # not needed for everything
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    subject: str
    verdict: Verdict
    detail: str  # version or state; what to do where it is not good

    @property
    def bad(self) -> bool:
        """Something that every use needs is missing."""
        return self.verdict is Verdict.BAD
