"""Networks as ONNX: the same numbers out of every runtime, and every weight back under its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from pipeline.errors import ModelError
from pipeline.models.onnx_weights import load_weights, read_weights
from pipeline.models.openvino_core import core
from pipeline.training.onnx_export import Graph, to_onnx

GRAPH = Graph((16, 16), "features", {"images": {0: "batch", 2: "height", 3: "width"}, "features": {0: "batch"}})


def small(seed: int = 0) -> nn.Sequential:
    """Convolutions with batch norm of statistics that are no longer the first ones, and a linear layer."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5, bias=False),
    )  # fmt: skip
    for _ in range(3):
        network(torch.rand(4, 3, 16, 16))
    return network.eval()


def rounded(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half().float() if tensor.numel() > 1 else tensor


@pytest.mark.parametrize("half", [False, True])
def test_weights_come_back_under_their_names(tmp_path: Path, half: bool) -> None:
    network = small()
    (tmp_path / "a.onnx").write_bytes(to_onnx(network, GRAPH, {"task": "embed"}, half=half))
    state, metadata = read_weights(tmp_path / "a.onnx")
    assert metadata == {"task": "embed"}
    wanted = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    assert set(state) == set(wanted)
    for name, value in wanted.items():
        assert torch.equal(state[name], rounded(value) if half else value), name
    other = small(seed=1)
    load_weights(other, tmp_path / "a.onnx")
    assert all(torch.equal(other.state_dict()[name], state[name]) for name in state)


def test_equal_weights_keep_their_own_names(tmp_path: Path) -> None:
    """As in a network that was not trained: all scales are 1, all shifts 0."""
    fresh = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).eval()
    (tmp_path / "a.onnx").write_bytes(to_onnx(fresh, GRAPH, {}, half=True))
    state, _ = read_weights(tmp_path / "a.onnx")
    assert len(state) == 12
    assert torch.equal(state["1.weight"], torch.ones(4))
    assert torch.equal(state["3.running_mean"], torch.zeros(4))


@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-6), (True, 2e-3)])
def test_runtimes_agree_with_torch_at_any_batch_and_size(tmp_path: Path, half: bool, tolerance: float) -> None:
    network, path = small(), tmp_path / "a.onnx"
    path.write_bytes(to_onnx(network, GRAPH, {}, half=half))
    onnx.checker.check_model(str(path), full_check=True)
    session = ort.InferenceSession(str(path))
    compiled = core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for shape in ((1, 3, 16, 16), (5, 3, 20, 12)):
        pictures = np.random.default_rng(0).random(shape, np.float32)
        with torch.inference_mode():
            wanted = network(torch.from_numpy(pictures)).numpy()
        np.testing.assert_allclose(session.run(None, {"images": pictures})[0], wanted, atol=tolerance)
        np.testing.assert_allclose(compiled(pictures)[0], wanted, atol=tolerance)


def test_half_is_half_as_large_and_the_network_stays_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.Conv2d(64, 64, 3)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    sizes = [len(to_onnx(network, GRAPH, {}, half=half)) for half in (False, True)]
    assert sizes[1] < 0.55 * sizes[0]
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_numbers_too_large_for_half_stay_whole(tmp_path: Path) -> None:
    network = small()
    with torch.no_grad():
        network[1].running_var[0] = 1e6
    (tmp_path / "a.onnx").write_bytes(to_onnx(network, GRAPH, {}, half=True))
    state, _ = read_weights(tmp_path / "a.onnx")
    assert torch.equal(state["1.running_var"], network[1].running_var)


def test_weights_that_are_no_numbers_are_refused() -> None:
    network = small()
    with torch.no_grad():
        network[3].weight[0] = float("nan")
    with pytest.raises(ModelError, match=r"weight 3\.weight holds numbers that are not finite"):
        to_onnx(network, GRAPH, {}, half=True)


def test_files_that_hold_no_weights_of_ours_are_refused(tmp_path: Path, shared: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights file .*absent\.onnx"):
        read_weights(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"text\.onnx is not an ONNX file"):
        read_weights(tmp_path / "text.onnx")
    (tmp_path / "a.onnx").write_bytes(to_onnx(small(), GRAPH, {}, half=True))
    wider = small()
    wider[7] = nn.Linear(8, 6, bias=False)
    with pytest.raises(ModelError, match=r"another architecture: 1 of 1[0-9] tensors.* 7\.weight"):
        load_weights(wider, tmp_path / "a.onnx")
