"""What decodes is what was wished for, or it is said why not."""

from __future__ import annotations

import av
import pytest

from pipeline.sources.hardware import SOFTWARE, Choice, after_nothing, choose, label


def test_software_is_always_there() -> None:
    assert choose("none") == Choice(SOFTWARE, None)
    assert label(choose("none"), "none", av.CodecContext.create("h264", "r")) == (SOFTWARE, "")


def test_auto_is_content_with_software() -> None:
    choice = choose("auto")
    assert choice.obstacle == ""
    assert (choice.name == SOFTWARE) == (choice.accelerator is None)


@pytest.mark.parametrize("wish", ["cuda", "vaapi", "qsv"])
def test_a_wish_that_cannot_be_met_is_said(wish: str) -> None:
    choice = choose(wish)
    assert (choice.name == wish) == (choice.accelerator is not None) == (choice.obstacle == "")
    if choice.accelerator is None:
        assert choice.obstacle.startswith(f"{wish} cannot decode here: ")
        told, note = label(choice, wish, av.CodecContext.create("h264", "r"))
        assert told == f"software ({note})"
        assert note == choice.obstacle


def test_a_codec_that_the_hardware_does_not_know() -> None:
    choice = Choice("cuda", av.codec.hwaccel.HWAccel("cuda"))
    context = av.CodecContext.create("mjpeg", "r")  # without the accelerator
    assert label(choice, "cuda", context) == ("software (cuda does not decode mjpeg)", "cuda does not decode mjpeg")
    assert label(choice, "auto", context) == (SOFTWARE, "")


@pytest.mark.parametrize(
    ("wish", "decoder", "then"),
    [
        ("auto", "cuda", "none"),
        ("vaapi", "vaapi", "none"),
        ("auto", SOFTWARE, "auto"),
        ("cuda", f"{SOFTWARE} (cuda does not decode mjpeg)", "cuda"),
        ("auto", "", "auto"),  # it was not even opened
    ],
)
def test_hardware_that_gave_no_picture_is_not_tried_again(wish: str, decoder: str, then: str) -> None:
    assert after_nothing(wish, decoder) == then
