"""Property tests here draw the same examples in every run and may take their time."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("repeatable", max_examples=50, deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")
