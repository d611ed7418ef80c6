"""What `sightline doctor` says of networks that do not do what they should; that they do is test_demo_and_doctor's."""

from __future__ import annotations

from pipeline.config import load_settings
from pipeline.doctor_networks import SEGMENTER, bundled_networks, examine_networks
from pipeline.finding import Verdict


def test_a_network_that_is_not_there_or_sees_nobody_is_bad_and_the_others_are_not() -> None:
    blind = ["detector.min_score=0.999", "embedder.weights=no-such.onnx", f"segmenter.weights={SEGMENTER}"]
    detector, embedder, segmenter = examine_networks(load_settings("default", blind))
    assert (detector.verdict, embedder.verdict, segmenter.verdict) == (Verdict.BAD, Verdict.BAD, Verdict.GOOD)
    assert "finds 0 of 3 people of a rendered picture; install sightline again" in detector.detail
    assert "cannot be used: " in embedder.detail
    assert "no-such.onnx" in embedder.detail


def test_the_segmenter_is_the_bundled_one() -> None:
    assert bundled_networks().segmenter.wanted
