"""What `sightline doctor` says of networks that do not do what they should; that they do is test_demo_and_doctor's."""

from __future__ import annotations

import cv2

from pipeline.config import Settings, load_settings
from pipeline.doctor_networks import (
    SEGMENTER,
    Picture,
    ask_embedder,
    ask_segmenter,
    bundled_networks,
    examine_networks,
    rendered,
)
from pipeline.errors import ConfigError
from pipeline.finding import Verdict
from tests.fakes import BlindSegmenter, FakeEmbedder


def test_a_network_that_is_not_there_or_sees_nobody_is_bad_and_the_others_are_not() -> None:
    blind = ["detector.min_score=0.999", "embedder.weights=no-such.onnx", f"segmenter.weights={SEGMENTER}"]
    detector, embedder, segmenter = examine_networks(lambda: load_settings("default", blind))
    assert (detector.verdict, embedder.verdict, segmenter.verdict) == (Verdict.BAD, Verdict.BAD, Verdict.GOOD)
    assert "finds 0 of 3 people of a rendered picture; install sightline again" in detector.detail
    assert "cannot be used: " in embedder.detail
    assert "no-such.onnx" in embedder.detail


def test_an_embedder_to_which_all_look_alike_is_bad() -> None:
    found = ask_embedder(FakeEmbedder(), rendered())
    assert found.verdict is Verdict.BAD
    assert "fake (none) knows 1 of 3 of them again; install sightline again" in found.detail


def test_a_segmenter_that_draws_nothing_is_bad() -> None:
    found = ask_segmenter(BlindSegmenter(), rendered())
    assert found.verdict is Verdict.BAD
    assert "blind (none) draws masks of them that overlap the truth by 0% (IoU)" in found.detail


def test_settings_that_are_not_there_and_a_picture_that_cannot_be_drawn_are_findings() -> None:
    def settings() -> Settings:
        raise ConfigError("there is no configuration 'default'")

    def picture() -> Picture:
        raise cv2.error("resize is\n not there")

    [lost], [broken] = examine_networks(settings), examine_networks(picture=picture)
    assert (lost.subject, lost.verdict) == (broken.subject, broken.verdict) == ("networks", Verdict.BAD)
    assert "there is no configuration 'default'; install sightline again" in lost.detail
    assert "cannot be used: resize is not there;" in broken.detail


def test_the_segmenter_is_the_bundled_one() -> None:
    assert bundled_networks().segmenter.wanted
