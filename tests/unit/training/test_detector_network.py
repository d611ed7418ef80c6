"""What a detector's training begins with: networks that are built, and what they take of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.models.ultralytics_library import load_network, ultralytics
from pipeline.training.detector_network import build_network, start_from
from pipeline.training.detector_settings import OF_WEIGHTS
from tests.unit.training.trained_detector import stored, trained

OBJECTS = [f"object {number}" for number in range(80)]  # as many as COCO has
OURS = ["object 7", "walker", "object 3"]


def as_ultralytics_loads(network: Any, weights: Path, *, seed: int) -> tuple[Any, int]:
    """With what the library itself takes, and how many parameters that changes."""
    before = [one.clone() for one in network.parameters()]
    names = dict(network.names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.load(load_network(weights), verbose=False)
    network.names = names
    after = list(network.parameters())
    changed = [new for old, new in zip(before, after, strict=True) if old.shape != new.shape or not old.equal(new)]
    return network, sum(one.numel() for one in changed)


def assert_same(own: Any, other: Any) -> None:
    state, wanted = own.state_dict(), other.state_dict()
    assert list(state) == list(wanted)
    assert [name for name in state if not torch.equal(state[name], wanted[name])] == []


@pytest.mark.parametrize("name", ["yolov8n", "yolov9t", "yolov10n", "yolo11n", "yolo12n", "yolo26n"])
def test_of_other_classes_everything_else_is_taken(name: str, tmp_path: Path) -> None:
    """Ultralytics makes the branch of the classes wider where there are many; the network is no wider for it."""
    source = trained(name, OBJECTS, seed=1)
    weights = stored(source, tmp_path / "coco.pt")
    own = build_network(OF_WEIGHTS, OURS, seed=2, weights=weights)
    taken = start_from(own, weights, seed=3)
    other, count = as_ultralytics_loads(build_network(name, OURS, seed=2), weights, seed=3)
    assert_same(own, other)
    assert taken == count > 0.95 * sum(one.numel() for one in own.parameters())
    rows, theirs = (each.model[-1].cv3[0][-1].weight for each in (own, load_network(weights)))  # type: ignore[union-attr]
    torch.testing.assert_close(rows[[0, 2]], theirs[[7, 3]])
    assert own.names == dict(enumerate(OURS))


def test_an_architecture_of_other_layers_takes_what_fits(tmp_path: Path) -> None:
    """The first layers of YOLOv8 and YOLO11 are the same; what finds the classes is not, and stays as it is."""
    weights = stored(trained("yolov8n", OBJECTS, seed=1), tmp_path / "v8.pt")
    own, untouched = (build_network("yolo11n", OURS, seed=2) for _ in range(2))
    assert start_from(own, weights, seed=3) > 0
    assert torch.equal(own.model[0].conv.weight, load_network(weights).model[0].conv.weight)  # type: ignore[index, union-attr]
    assert_same(own.model[-1].cv3, untouched.model[-1].cv3)


def test_where_hardly_anything_fits_it_is_refused(tmp_path: Path) -> None:
    """But for the first layer they are of other sizes; training would begin at random, and nobody would know."""
    weights = stored(trained("yolov8s", OBJECTS, seed=1), tmp_path / "s.pt")
    with pytest.raises(
        ModelError, match=r"hardly anything in .*s\.pt fits the architecture \(\d+ of \d+ numbers\); name the"
    ):
        start_from(build_network("yolov10n", OURS, seed=2), weights, seed=3)


def test_a_smaller_size_takes_the_channels_that_count(tmp_path: Path) -> None:
    weights = stored(trained("yolov8s", OBJECTS, seed=1), tmp_path / "s.pt")
    own = build_network("yolov8n", OURS, seed=2)
    assert start_from(own, weights, seed=3) > 0.95 * sum(one.numel() for one in own.parameters())
    kept = load_network(weights).model[0].bn.weight.detach().abs().sort().values[-16:]  # type: ignore[index, union-attr]
    assert set(own.model[0].bn.weight.tolist()) == set(kept.tolist())


@pytest.mark.parametrize(
    ("size", "smaller", "kind"),
    [("yolo11s", "yolo11n", "layer 2 is a C3k2"), ("yolov5s", "yolov5n", "layer 2 is a C3")],
)
def test_a_smaller_size_of_layers_that_cannot_be_narrowed(size: str, smaller: str, kind: str, tmp_path: Path) -> None:
    weights = stored(trained(size, OBJECTS, seed=1), tmp_path / "s.pt")
    with pytest.raises(ModelError, match=rf"s\.pt has more channels than the architecture, but {kind}, whose channels"):
        start_from(build_network(smaller, OURS, seed=2), weights, seed=3)


def test_what_cannot_be_built_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ultralytics keeps the activation of all layers in one place."""
    usual = ultralytics.nn.modules.Conv.default_act
    plan = tmp_path / "plan.yaml"
    plan.write_text("nc: 1\nactivation: nn.ReLU()\nbackbone: [[-1, 1, Nothing, []]]\nhead: []\n")
    with pytest.raises(ModelError, match="cannot be built"):
        build_network(str(plan), OURS, seed=0)
    assert ultralytics.nn.modules.Conv.default_act is usual
