"""The size of a network's input, as options write it."""

from __future__ import annotations

from pipeline.errors import ConfigError

_LARGEST = 8192  # pixels


def parse_size(text: str, *, option: str) -> tuple[int, int]:
    """Height and width of `320` or `288x512`. `option`: that was given it. Raises ConfigError."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and 0 < int(side) <= _LARGEST for side in sides):
        raise ConfigError(f"{option} {text}: write one side in pixels, such as 320, or height x width, such as 128x64")
    return int(sides[0]), int(sides[-1])
