"""A segmenter by its name in a catalogue: fetched, its licence in the run's record, unused settings refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline import build
from pipeline.config import load_settings
from pipeline.errors import ConfigError
from pipeline.models.model_cache import sha256_of
from pipeline.outputs import Outputs
from pipeline.run_record import LICENCES, run_record
from tests.fakes import FakeDetector
from tests.integration.models.model_server import Offer, served

FILE = "yolov8n-seg_int8.onnx"


def test_its_licence_is_kept_and_what_it_does_not_look_at_is_refused(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = shared / "weights" / "yolov8n_seg_int8" / FILE
    with served() as server:
        server.offers[FILE] = Offer(weights.read_bytes())
        file = {"address": server.address(FILE), "sha256": sha256_of(weights)}
        entry = {"task": "segment", "backend": "onnx", "files": [file], "licence": "AGPL-3.0-only"}
        (tmp_path / "own.yaml").write_text(yaml.safe_dump({"models": {"outlines": entry}}))
        monkeypatch.setenv("SIGHTLINE_CATALOG", str(tmp_path / "own.yaml"))
        monkeypatch.setenv("SIGHTLINE_MODELS", str(tmp_path / "models"))
        settings = load_settings(None, ["segmenter.weights=outlines"])
        segmenter = build.segmenter(settings.segmenter, ("person",))
        with pytest.raises(ConfigError, match="outlines: backend onnx has no setting precision; remove it"):
            build.segmenter(
                load_settings(None, ["segmenter.weights=outlines", "segmenter.precision=f32"]).segmenter, ("person",)
            )
    assert segmenter is not None
    assert (segmenter.card.task, segmenter.card.licence) == ("segment", "AGPL-3.0-only")
    assert segmenter.card.sha256 == sha256_of(weights)
    kept = run_record(settings, FakeDetector(), None, Outputs(), segmenter=segmenter).settings
    assert kept[LICENCES] == {"segment": "AGPL-3.0-only"}
