"""DetectorSettings: what may be set, and what is said of the rest."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigError
from pipeline.models.ultralytics_library import ultralytics
from pipeline.training.detector_settings import DetectorSettings, parse_library


def test_pairs_become_values() -> None:
    pairs = ["mosaic=0.5", "optimizer=SGD", "close_mosaic=3", "cos_lr=false", "degrees=10"]
    found = parse_library(pairs)
    assert found == {"mosaic": 0.5, "optimizer": "SGD", "close_mosaic": 3, "cos_lr": False, "degrees": 10.0}
    assert parse_library([]) == {}


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("mosiac=0.5", "did you mean 'mosaic'"),
        ("zzz=1", "known: hsv_h"),
        ("mosaic", "write it as name=value"),
        ("mosaic=[", "is no value"),
        ("mosaic=2", "a number from 0 to 1"),
        ("mosaic=true", "a number from 0 to 1"),
        ("mosaic=.nan", "a number from 0 to 1"),
        ("nbs=0", "a whole number from 1"),
        ("nbs=1.5", "a whole number from 1"),
        ("cos_lr=1", "true or false"),
        ("optimizer=sgdd", "there are AdamW"),
        ("epochs=3", "known:"),
    ],
)
def test_wrong_pairs_are_refused(pair: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_library([pair])
    assert says in str(caught.value)


def test_image_size_must_fit_the_strides() -> None:
    with pytest.raises(ConfigError, match="320 is"):
        DetectorSettings(image_size=321)


@pytest.mark.parametrize(
    ("settings", "rate", "bias"),
    [
        (DetectorSettings(), 0.01 / 7, 0.0),
        (DetectorSettings(library={"optimizer": "SGD"}), 0.01, 0.1),
        (DetectorSettings(learning_rate=0.3), 0.3, 0.0),
    ],
)
def test_the_rate_fits_the_optimizer(settings: DetectorSettings, rate: float, bias: float) -> None:
    assert settings.rate(3) == pytest.approx(rate, abs=1e-6)
    assert settings.for_library()["warmup_bias_lr"] == bias


def test_ultralytics_knows_every_setting() -> None:
    known = vars(ultralytics.cfg.get_cfg())
    given = DetectorSettings().for_library()
    assert given.keys() <= known.keys()
    ours = {"optimizer", "cos_lr", "warmup_bias_lr"}
    assert {name: value for name, value in given.items() if name not in ours} == {
        name: known[name] for name in given if name not in ours
    }
