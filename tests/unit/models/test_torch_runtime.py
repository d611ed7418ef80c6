"""How a network of torch runs: in which numbers, and what is said where it does not."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.models.torch_runtime import TorchRuntime


class Layers(nn.Module):
    """What detectors are made of, and an affine norm as torchvision freezes it, which makes its input long."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, groups=8)
        self.back = nn.ConvTranspose2d(8, 4, 2)
        self.last = nn.Linear(4, 5)
        self.register_buffer("scale", torch.linspace(0.5, 1.5, 8).view(8, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        found = self.second(self.norm(self.first(pictures)) * self.scale)
        features: Tensor = self.last(self.back(found).mean(dim=(2, 3)))
        return features


@pytest.fixture
def layers() -> Layers:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Layers().eval()


def test_weights_are_made_short_once_and_give_what_autocast_gives(layers: Layers) -> None:
    whole = deepcopy(layers)
    short = TorchRuntime.choose(precision="bf16").shortened(layers)
    lengths = {name.removeprefix("_part."): one.dtype for name, one in short.named_parameters()}
    assert {lengths[f"{layer}.weight"] for layer in ("first", "second", "back", "last")} == {torch.bfloat16}
    assert {lengths["norm.weight"], layers.scale.dtype} == {torch.float32}
    pictures = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        with torch.profiler.profile() as rounding, torch.autocast("cpu", dtype=torch.bfloat16):
            expected = whole(pictures).float()
        with torch.profiler.profile() as rounded:
            found = short(pictures)
    assert found.dtype is torch.float32
    assert torch.equal(found, expected)
    before, after = ({one.key: one.count for one in watched.key_averages()} for watched in (rounding, rounded))
    assert before["aten::_to_copy"] - after["aten::_to_copy"] == 8  # weights and biases of four layers


def test_in_long_numbers_a_part_stays_as_it_is(layers: Layers) -> None:
    running = TorchRuntime.choose(precision="f32")
    assert running.shortened(layers) is layers
    assert {one.dtype for one in layers.parameters()} == {torch.float32}


def test_what_torch_says_of_its_device_is_an_error_of_ours() -> None:
    running = TorchRuntime.choose(precision="f32")
    with (
        pytest.raises(ModelError, match=r"^torch failed on torch CPU f32: .*can't allocate memory"),
        running.failures(),
    ):
        torch.empty(1 << 50)
