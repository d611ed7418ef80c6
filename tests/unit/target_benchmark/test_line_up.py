"""Who takes part in a benchmark of target trackers."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigError
from pipeline.target_benchmark.line_up import line_up, networks_of, target_names

NETWORKS = ["siamese.backbone=b.onnx", "siamese.head=h.onnx"]


def test_profiles_take_part_apart_and_everyone_has_one_thread() -> None:
    found, absent = line_up(["correlation", "mdnet"], [])
    assert {label: (one["name"], one.get("profile")) for label, one in found.items()} == {
        "correlation": ("correlation", "accurate"),
        "correlation fast": ("correlation", "fast"),
        "mdnet": ("mdnet", None),
    }
    assert found["mdnet"]["threads"] == 1
    assert absent == {}


def test_a_profile_that_is_chosen_is_the_only_one() -> None:
    found, _ = line_up(["correlation"], ["correlation.profile=fast", "correlation.lost_share=0.2"])
    (only,) = found.values()
    assert (only["profile"], only["lost_share"]) == ("fast", 0.2)


def test_all_that_can_take_part_and_why_others_cannot() -> None:
    found, absent = line_up([], [])
    assert {one["name"] for one in found.values()} | set(absent) == set(target_names())
    assert {"mosse", "flow"} <= {one["name"] for one in found.values()}
    assert networks_of({"mosse": {"name": "mosse"}}) is None


def test_networks_are_handed_on_to_the_other_nanotrack() -> None:
    found, _ = line_up(["siamese"], NETWORKS)
    assert networks_of(found) == ("b.onnx", "h.onnx")


@pytest.mark.parametrize(
    ("wanted", "overrides", "told"),
    [
        (["best"], [], "there is no target tracker 'best'; known: mosse, "),
        ([], ["profile=fast"], "is not NAME.KEY=VALUE"),
        ([], ["best.profile=fast"], "is not NAME.KEY=VALUE"),
        (["mosse"], ["mosse.rate=7"], "rate"),
        (["mosse"], ["mosse.what=7"], "what"),
    ],
)
def test_what_does_not_exist_is_refused(wanted: list[str], overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        line_up(wanted, overrides)
