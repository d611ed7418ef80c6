"""The embedder network and its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import build
from pipeline.config import load_settings
from pipeline.errors import ModelError
from pipeline.models.inputs import IMAGENET, PLAIN, UNIT_RGB, embedded_recipe, recipe_text
from pipeline.models.openvino_core import core
from pipeline.models.openvino_library import ov
from pipeline.training.embedder_file import metadata_of, read_embedder, to_onnx_file, to_safetensors
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.embedding import embedded
from trackers.structures import Detections, Frame

PLAN = EmbedderPlan(input_size=(64, 32), dimension=16, widths=(8, 16, 16, 24))


@pytest.fixture
def network() -> EmbedderNetwork:
    """With batch norm that has seen something."""
    torch.manual_seed(1)
    network = EmbedderNetwork(PLAN).train()
    network(torch.randn(8, 3, 64, 32))
    return network.eval()


def test_features_have_unit_length_and_the_network_is_small() -> None:
    network = EmbedderNetwork(EmbedderPlan()).eval()
    features = network(torch.randn(3, 3, 128, 64))
    assert features.shape == (3, 128)
    assert torch.allclose(features.norm(dim=1), torch.ones(3), atol=1e-5)
    assert network(torch.randn(0, 3, 128, 64)).shape == (0, 128)
    assert sum(one.numel() for one in network.parameters()) <= 1_500_000


def test_a_plan_says_itself() -> None:
    assert EmbedderPlan.from_text(PLAN.to_text()) == PLAN
    for text in ("", "[]", "{}", '{"input_size": 3}', PLAN.to_text().replace("16", '"x"')):
        with pytest.raises(ModelError, match="describes no embedder of ours"):
            EmbedderPlan.from_text(text)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"input_size": (100, 64)}, "height a multiple of 64"),
        ({"input_size": (128, 60)}, "the width one of 16"),
        ({"dimension": 0}, "must be 1 or more"),
        ({"last_stride": 3}, "last stride 1 or 2"),
    ],
)
def test_what_cannot_be_built_is_said(change: dict[str, object], match: str) -> None:
    with pytest.raises(ModelError, match=match):
        EmbedderPlan(**change)  # type: ignore[arg-type]


def test_a_frozen_trunk_does_not_move(network: EmbedderNetwork) -> None:
    network.freeze_trunk()
    network.train()
    before = {name: value.clone() for name, value in network.trunk.state_dict().items()}
    optimiser = torch.optim.SGD([one for one in network.parameters() if one.requires_grad], lr=1.0)
    weight = network.project.weight.detach().clone()
    network(torch.randn(4, 3, 64, 32)).sum().backward()
    optimiser.step()
    assert all(torch.equal(value, before[name]) for name, value in network.trunk.state_dict().items())
    assert not torch.equal(network.project.weight, weight)


@pytest.mark.parametrize(("backend", "suffix"), [("openvino", ".onnx"), ("onnx", ".onnx"), ("openvino", ".xml")])
def test_the_product_runs_the_file_as_it_was_trained(
    network: EmbedderNetwork, tmp_path: Path, backend: str, suffix: str
) -> None:
    path = tmp_path / "small.onnx"
    path.write_bytes(to_onnx_file(network))
    if suffix == ".xml":
        model = core().read_model(path)
        model.set_rt_info(metadata_of(PLAN)["recipe"], ["model_info", "recipe"])
        path = tmp_path / "small.xml"
        ov.save_model(model, path, compress_to_fp16=False)
    overrides = [f"embedder.weights={path}", f"embedder.backend={backend}", "embedder.precision=f32"]
    embedder = build.embedder(load_settings(None, overrides).embedder)
    assert embedder is not None
    assert (embedder.card.input_size, embedder.card.dimension) == ((64, 32), 16)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    boxes = np.array([[0, 0, 32, 64], [32, 0, 64, 64], [64, 0, 96, 64]], np.float32)
    found = Detections(boxes=boxes, scores=np.ones(3, np.float32), labels=np.zeros(3, np.int64))
    (features,) = embedder.embed([Frame(picture=image, index=0, time=0.0, at=0)], [found])
    crops = np.stack([image[:, left : left + 32] for left in (0, 32, 64)])
    expected = embedded(network, crops, device=torch.device("cpu"))
    assert np.abs(features - expected).max() < 2e-3  # weights are stored as float16


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_a_file_can_be_trained_on(network: EmbedderNetwork, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"small{suffix}"
    path.write_bytes(to_safetensors(network) if suffix == ".safetensors" else to_onnx_file(network))
    again = read_embedder(path)
    assert again.plan == PLAN
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(again.state_dict()[name], value, rtol=1e-3, atol=1e-6), name


def test_what_is_no_embedder_of_ours_is_refused(tmp_path: Path, network: EmbedderNetwork) -> None:
    with pytest.raises(ModelError, match="cannot be trained on"):
        read_embedder(tmp_path / "a.pt")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        read_embedder(tmp_path / "absent.safetensors")
    (tmp_path / "a.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        read_embedder(tmp_path / "a.safetensors")
    from safetensors.torch import save

    (tmp_path / "b.safetensors").write_bytes(save({"a": torch.zeros(2)}))
    with pytest.raises(ModelError, match="is no embedder of ours"):
        read_embedder(tmp_path / "b.safetensors")
    said = {"task": "embed", "architecture": EmbedderPlan().to_text()}
    (tmp_path / "c.safetensors").write_bytes(save(dict(network.state_dict()), said))
    with pytest.raises(ModelError, match="does not hold what its architecture needs"):
        read_embedder(tmp_path / "c.safetensors")


def test_a_recipe_says_itself() -> None:
    for recipe in (IMAGENET, PLAIN, UNIT_RGB):
        assert embedded_recipe({"recipe": recipe_text(recipe)}) == recipe
    assert embedded_recipe({}) is None
    for text in ("", "3", "{}", recipe_text(PLAIN).replace("1.0", "0.0"), recipe_text(PLAIN).replace("stretch", "x")):
        with pytest.raises(ModelError, match="`recipe` cannot be read"):
            embedded_recipe({"recipe": text})
