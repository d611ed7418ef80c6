"""Zones and lines on the lawn of PETS09-S2L1, as a command line says them: people cross and stay in all of them."""

from __future__ import annotations

LAWN = "{polygon: [[0.2, 0.3], [0.8, 0.3], [0.8, 0.9], [0.2, 0.9]], dwell_seconds: 2, count_above: 3}"
PATH = "{start: [0.5, 0.0], end: [0.5, 1.0]}"
RULES = ("--set", f"analytics.zones.lawn={LAWN}", "--set", f"analytics.lines.path={PATH}")
