"""The networks of a run: how many frames of a file are looked at side by side, for which shape, in which arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.config import DetectorSettings, Settings, load_settings
from pipeline.errors import ConfigError, ModelError
from pipeline.loaded_models import Models, use_for_files
from tests.unit.models.tiny_onnx import brightness_of_any_size

ONE_BOX = np.array([32, 24, 16, 8, 1.0, 0.5])  # centre, size in input pixels; two classes


def settings(folder: Path, *more: str, least_height: int = 1) -> Settings:
    """With a detector for pictures of any size, 192 x 192 at most, and no other network."""
    brightness_of_any_size(folder / "any.onnx", ONE_BOX, least_height=least_height)
    said = [f"detector.weights={folder / 'any.onnx'}", "detector.classes=[a,b]", "detector.input_size=[192,192]"]
    return load_settings(None, [*said, *more])


@pytest.mark.parametrize(
    ("said", "cores", "parallel"),
    [
        ({}, 16, 4),  # each has four threads then
        ({}, 2, 2),
        ({}, 1, 1),
        ({"threads": 3}, 16, 3),
        ({"every": 4}, 16, 4),  # of 16 frames that come together, so many are looked at
        ({"every": 5}, 16, 3),
        ({"every": 9}, 16, 1),
        ({"every": 100}, 16, 1),
        ({"schedule": "adaptive"}, 16, 1),
    ],
)
def test_as_many_frames_side_by_side_as_come_together_and_have_a_thread(
    said: dict[str, object], cores: int, parallel: int
) -> None:
    use = use_for_files(DetectorSettings.model_validate(said), (3, 4), cores=cores)
    assert (use.parallel, use.shape) == (parallel, (3, 4))


def test_a_budget_is_for_cameras() -> None:
    with pytest.raises(ConfigError, match="for cameras"):
        use_for_files(DetectorSettings(schedule="budget"), cores=2)


def test_a_detector_of_files_takes_frames_side_by_side_and_one_of_cameras_does_not(tmp_path: Path) -> None:
    said = settings(tmp_path, "detector.threads=2")
    assert Models.load_for_files(said).detector.card.at_once == 4  # two at work, and two that stand ready
    assert Models.load(said).detector.card.at_once == 1


def test_it_is_compiled_for_the_shape_that_comes_first(tmp_path: Path) -> None:
    said = settings(tmp_path, least_height=140)
    assert Models.load_for_files(said, (3, 4)).detector.card.tight
    with pytest.raises(ModelError, match="cannot take pictures of 128x192"):  # most videos': 16:9
        Models.load_for_files(said)


def test_the_arithmetic_in_which_a_run_began_stands_for_auto_alone(tmp_path: Path) -> None:
    begun = {"detector": "half"}
    with pytest.raises(ModelError, match="precision 'half' is unknown"):
        Models.load_for_files(settings(tmp_path), begun=begun)
    wished = settings(tmp_path, "detector.precision=f32")
    assert Models.load_for_files(wished, begun=begun).detector.card.runtime == "openvino CPU f32"
