"""The Siamese network: its plan and files, what it compares, and which layers learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.bundled_models import resolved
from pipeline.errors import ModelError
from pipeline.models.onnx_weights import read_weights
from pipeline.models.siamese_onnx import open_siamese
from pipeline.training.siamese_file import (
    digest_of,
    read_siamese,
    starting_point,
    take_trunk,
    to_onnx_file,
    to_safetensors,
)
from pipeline.training.siamese_network import SiameseNetwork, SiamesePlan
from trackers.structures import ImageArray

TINY = SiamesePlan(widths=(4, 4, 8, 8), repeats=(0, 1, 0, 1), channels=6, head=8, depth=1)
DETECTOR = Path(resolved("bundled:person-vehicle-bicycle"))


@pytest.fixture
def tiny() -> SiameseNetwork:
    """Numbers that differ from layer to layer, as after a training."""
    torch.manual_seed(0)
    network = SiameseNetwork(TINY)
    for name, value in network.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        if name.endswith("running_var"):
            value.uniform_(0.5, 2)
    return network.eval()


def crops(count: int, side: int) -> ImageArray:
    return np.random.default_rng(side).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def pictures(some: ImageArray) -> torch.Tensor:
    """As `open_siamese` compiles it in: red green blue 0..1."""
    return torch.from_numpy(some).flip(3).permute(0, 3, 1, 2).float() / 255


def test_maps_answers_and_size(tiny: SiameseNetwork) -> None:
    with torch.inference_mode():
        templates, maps = tiny.look(torch.rand(2, 3, 127, 127)), tiny.look(torch.rand(2, 3, 255, 255))
        logits, distances = tiny.compare(templates, maps)
    assert templates.shape == (2, 6, 8, 8)
    assert maps.shape == (2, 6, 16, 16)
    assert logits.shape == (2, 16, 16)
    assert distances.shape == (2, 4, 16, 16)
    assert distances.min() > 0
    assert 500_000 < sum(one.numel() for one in SiameseNetwork(SiamesePlan()).parameters()) <= 3_000_000


def test_a_file_runs_as_the_network_does(tiny: SiameseNetwork, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(to_onnx_file(tiny, half=False))
    runs = open_siamese(tmp_path / "a.onnx")
    assert (runs.template_size, runs.search_size, runs.stride) == (127, 255, 16)
    for count in (3, 1, 0):
        shown = crops(count, 127), crops(count, 255)
        maps = runs.template(shown[0]), runs.search(shown[1])
        scores, distances = runs.compare(*maps)
        with torch.inference_mode():
            own = tuple(tiny.look(pictures(one)) for one in shown)
            logits, sides = tiny.compare(*own)
        for found, expected in ((maps[0], own[0]), (maps[1], own[1]), (scores, logits.sigmoid()), (distances, sides)):
            assert found.shape == tuple(expected.shape)
            np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-4)


def test_files_keep_every_number(tiny: SiameseNetwork, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(to_safetensors(tiny))
    (tmp_path / "a.onnx").write_bytes(to_onnx_file(tiny, half=False))
    for name in ("a.safetensors", "a.onnx"):
        again = read_siamese(tmp_path / name)
        assert again.plan == TINY
        for key, value in tiny.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                torch.testing.assert_close(again.state_dict()[key], value, rtol=0, atol=0)
    assert digest_of(read_siamese(tmp_path / "a.safetensors")) == digest_of(tiny)


def test_the_trunk_of_the_bundled_detector_is_taken() -> None:
    network = SiameseNetwork(SiamesePlan())
    head = network.state_dict()["join.conv.weight"].clone()
    take_trunk(network, DETECTOR)
    state, _ = read_weights(DETECTOR)
    for name, value in network.trunk.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, state[f"model.{name}"], rtol=0, atol=0)
    assert torch.equal(network.state_dict()["join.conv.weight"], head)


def test_it_starts_where_another_ended_or_from_a_detector(tiny: SiameseNetwork, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(to_onnx_file(tiny))
    assert starting_point(tmp_path / "a.onnx", SiamesePlan()).plan == TINY
    assert starting_point(DETECTOR, SiamesePlan()).plan == SiamesePlan()
    with pytest.raises(ModelError, match=r"neither a Siamese network .* nor a detector with its trunk"):
        starting_point(DETECTOR, TINY)
    with pytest.raises(ModelError, match="neither a Siamese network"):
        starting_point(Path(resolved("bundled:person-reid")), SiamesePlan())


def test_frozen_layers_stay(tiny: SiameseNetwork) -> None:
    tiny.freeze(2)
    tiny.train()
    before = {name: value.clone() for name, value in tiny.state_dict().items()}
    optimiser = torch.optim.SGD([one for one in tiny.parameters() if one.requires_grad], lr=0.1)
    logits, distances = tiny.compare(tiny.look(torch.rand(4, 3, 127, 127)), tiny.look(torch.rand(4, 3, 255, 255)))
    (logits.sum() + distances.sum()).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    after = tiny.state_dict()
    for name in before:
        kept = name.startswith(("trunk.0.", "trunk.1."))
        assert torch.equal(before[name], after[name]) == kept, name


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"widths": (4, 4, 4)}, "give 4 widths"),
        ({"widths": (4, 4, 4, 5)}, "even widths"),
        ({"repeats": (0, 0, 0, -1)}, "0 or more"),
        ({"channels": 1}, "at least 2"),
        ({"depth": -1}, "depth of 0 or more"),
    ],
)
def test_plans_that_cannot_be_are_refused(values: dict[str, tuple[int, ...]], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        SiamesePlan(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["{}", "none", "[]", '{"widths": 3}', SiamesePlan().to_text().replace("64", '"x"')])
def test_a_text_that_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="describes no Siamese network"):
        SiamesePlan.from_text(text)


def test_a_plan_survives_its_text() -> None:
    assert SiamesePlan.from_text(TINY.to_text()) == TINY


@pytest.mark.parametrize("name", ["absent.safetensors", "absent.onnx", "a.txt"])
def test_what_is_no_network_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        read_siamese(tmp_path / name)


def test_a_number_that_is_none_is_not_written(tiny: SiameseNetwork) -> None:
    with torch.no_grad():
        tiny.join.conv.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        to_onnx_file(tiny)
