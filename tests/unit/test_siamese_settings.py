"""Which networks `target.name=siamese` takes: the bundled one, another file of ours, or NanoTrack's two."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.bundled_models import resolved
from pipeline.target_settings import SiameseSettings


def test_without_a_word_it_is_the_bundled_one() -> None:
    bundled = resolved("bundled:siamese")
    assert SiameseSettings().weights == bundled
    assert SiameseSettings(weights=None, backbone=None).weights == bundled
    again = SiameseSettings.model_validate(SiameseSettings(threads=2).model_dump())
    assert (again.weights, again.threads) == (bundled, 2)


def test_files_take_its_place() -> None:
    assert SiameseSettings(weights="mine.onnx").weights == "mine.onnx"
    two = SiameseSettings(backbone="a.onnx", head="b.onnx")
    assert (two.weights, two.backbone, two.head) == (None, "a.onnx", "b.onnx")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"backbone": "a.onnx"}, r"set target\.head, too, or leave target\.backbone out"),
        ({"head": "a.onnx"}, r"set target\.backbone, too"),
        ({"weights": "a.onnx", "backbone": "b.onnx", "head": "c.onnx"}, "leave one of them out"),
        ({"weights": "bundled:siames"}, "did you mean bundled:siamese"),
        ({"networks": "a.onnx"}, "networks"),
    ],
)
def test_contradictions_are_told(values: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        SiameseSettings.model_validate(values)
