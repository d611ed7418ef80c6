"""Licences of several models, worked by hand."""

from __future__ import annotations

import pytest

from pipeline.models.licences import joined


@pytest.mark.parametrize(
    ("licences", "said"),
    [
        ([], None),
        ([None, None], None),
        (["MIT"], "MIT"),
        (["MIT", "MIT"], "MIT"),
        (["AGPL-3.0-only", "Apache-2.0"], "AGPL-3.0-only AND Apache-2.0"),
        (["AGPL-3.0-only", None, None], "AGPL-3.0-only AND unknown"),
        (["MIT OR Apache-2.0", "BSD-3-Clause"], "(MIT OR Apache-2.0) AND BSD-3-Clause"),
        (["MIT OR Apache-2.0"], "MIT OR Apache-2.0"),
    ],
)
def test_all_licences_count(licences: list[str | None], said: str | None) -> None:
    assert joined(licences) == said
