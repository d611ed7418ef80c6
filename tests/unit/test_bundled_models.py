"""Bundled models are found by name, wherever the settings say it."""

from __future__ import annotations

import pytest

from pipeline.bundled_models import resolved
from pipeline.config import load_settings
from pipeline.errors import ConfigError


def test_other_weights_stay_as_they_are() -> None:
    for weights in ("model.onnx", "default", "c:/models/x.onnx", ""):
        assert resolved(weights) == weights


def test_an_unknown_name_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(ConfigError, match=r"detector\.weights: no model 'nothing' comes with Sightline"):
        load_settings(None, ["detector.weights=bundled:nothing"])


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "person vehicle"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="comes with Sightline"):
        resolved(f"bundled:{name}")
