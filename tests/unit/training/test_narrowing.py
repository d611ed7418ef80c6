"""A network of fewer channels that begins with those of a wider one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline.errors import ModelError
from pipeline.training.detector_network import build_network, checkpoint_of, start_from
from pipeline.training.narrowing import is_wider, narrow

NAMES = ["person", "vehicle"]
WIDE, SLIM = 16, 8


def plan(width: int, *, blocks: int = 2, second: str = "C2f", reg_max: int = 16) -> dict[str, Any]:
    """Every kind of module that the networks of this repository have, with this many channels and twice as many."""
    passed = [-1, 1, "nn.Identity", []] if second == "nn.Identity" else [-1, 1, second, [width, True]]
    return {
        "nc": len(NAMES),
        "reg_max": reg_max,
        "backbone": [
            [-1, 1, "Conv", [width, 3, 2]],
            passed,
            [-1, 1, "Conv", [2 * width, 3, 2]],
            [-1, blocks, "C2f", [2 * width, True]],
            [-1, 1, "SPPF", [2 * width, 5]],
        ],
        "head": [
            [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
            [[-1, 1], 1, "Concat", [1]],
            [-1, 1, "C2f", [width]],
            [-1, 1, "Conv", [width, 3, 2]],
            [[-1, 4], 1, "Concat", [1]],
            [-1, 1, "C2f", [2 * width]],
            [[7, 10], 1, "Detect", ["nc"]],
        ],
    }


def network(folder: Path, described: dict[str, Any], names: list[str] | None = None, *, seed: int = 0) -> Any:
    """With statistics as if it had been trained."""
    file = folder / "plan.yaml"
    file.write_text(yaml.safe_dump(described))
    made = build_network(str(file), names or NAMES, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            mean, variance = module.running_mean, module.running_var
            assert mean is not None
            assert variance is not None
            for tensor, least in ((module.weight.data, 0.5), (variance, 0.5), (module.bias.data, -0.5), (mean, -0.5)):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + least)
    return made.eval()


def maps(of: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = of(torch.rand((1, 3, 64, 96), generator=torch.Generator().manual_seed(3)))[0]
    return found


def silenced(made: Any, share: float) -> Any:
    """Without what every layer's last channels say, of a C2f the last of each half."""
    for name, module in made.named_modules():
        if not isinstance(module, torch.nn.BatchNorm2d) or name.startswith("model.11."):
            continue
        count = len(module.weight)
        parts = 2 if name.endswith("cv1.bn") and ".m." not in name and "model.4." not in name else 1
        for part in range(parts):
            end = count // parts * (part + 1)
            silent = slice(end - round(count // parts * share), end)
            module.weight.data[silent] = 0
            module.bias.data[silent] = 0
    return made


def test_of_the_same_width_it_is_the_same_network(tmp_path: Path) -> None:
    wide, own = network(tmp_path, plan(WIDE)), network(tmp_path, plan(WIDE), seed=1)
    assert not torch.equal(maps(own), maps(wide))
    assert narrow(own, wide) > 0.99 * sum(one.numel() for one in own.parameters())  # few began as they were
    assert torch.equal(maps(own), maps(wide))


def test_channels_that_say_nothing_are_not_missed(tmp_path: Path) -> None:
    wide = silenced(network(tmp_path, plan(WIDE)), 1 - SLIM / WIDE)
    slim = network(tmp_path, plan(SLIM), seed=1)
    for branch in ("cv2", "cv3"):  # a head's own layers are narrower by other shares
        for own, theirs in zip(getattr(slim.model[-1], branch), getattr(wide.model[-1], branch), strict=True):
            for number in (0, 1):
                over = own[number].conv.out_channels
                theirs[number].bn.weight.data[over:] = 0
                theirs[number].bn.bias.data[over:] = 0
    narrow(slim, wide)
    assert slim.model[3].cv2.conv.out_channels == 2 * SLIM
    torch.testing.assert_close(maps(slim), maps(wide), rtol=1e-4, atol=1e-4)
    loud = network(tmp_path, plan(WIDE))
    narrow(slim, loud)
    assert not torch.allclose(maps(slim), maps(loud), rtol=1e-4, atol=1e-4)


def test_the_channels_that_scale_most_stay(tmp_path: Path) -> None:
    wide, slim = network(tmp_path, plan(WIDE)), network(tmp_path, plan(SLIM), seed=1)
    narrow(slim, wide)
    first = wide.model[0].bn.weight.detach().abs()
    assert set(slim.model[0].bn.weight.tolist()) == set(first.sort().values[-SLIM:].tolist())


def test_blocks_and_modules_that_it_does_not_have(tmp_path: Path) -> None:
    wide = network(tmp_path, plan(WIDE))
    wide.model[3].cv2.conv.weight.data[:, 3 * WIDE :] = 0  # nobody reads the second block
    one = network(tmp_path, plan(WIDE, blocks=1), seed=1)
    narrow(one, wide)
    torch.testing.assert_close(maps(one), maps(wide), rtol=1e-5, atol=1e-5)
    without = network(tmp_path, plan(WIDE, second="nn.Identity"), seed=1)
    narrow(without, wide)
    assert torch.equal(without.model[2].conv.weight, wide.model[2].conv.weight)


def test_what_last_layers_mean(tmp_path: Path) -> None:
    wide = network(tmp_path, plan(WIDE))
    slim = network(tmp_path, plan(WIDE, reg_max=1), ["bicycle", "vehicle"], seed=1)
    random = slim.model[-1].cv3[0][2].weight[0].clone(), slim.model[-1].cv2[0][2].weight.clone()
    narrow(slim, wide)
    rows = slim.model[-1].cv3[0][2]
    assert torch.equal(rows.weight[0], random[0])  # nobody knew bicycles
    assert rows.bias[1] == wide.model[-1].cv3[0][2].bias[1]
    assert torch.equal(slim.model[-1].cv2[0][2].weight, random[1])  # a length is no distribution


def test_a_training_begins_so(tmp_path: Path) -> None:
    wide = network(tmp_path, plan(WIDE))
    (tmp_path / "wide.pt").write_bytes(checkpoint_of(wide, settings={"imgsz": 64, "task": "detect"}, score=0, epoch=1))
    slim = network(tmp_path, plan(SLIM, second="nn.Identity"), seed=1)
    assert start_from(slim, tmp_path / "wide.pt", seed=0) > 0.99 * sum(one.numel() for one in slim.parameters())


@pytest.mark.parametrize(
    ("own", "wider"),
    [
        (plan(WIDE), False),  # the same
        (plan(SLIM), True),
        (plan(2 * WIDE), False),
        (plan(WIDE, second="nn.Identity"), False),  # no layer is narrower
        (plan(SLIM, second="nn.Identity"), True),
        (plan(SLIM, second="C3"), False),
    ],
)
def test_who_is_wider(own: dict[str, Any], wider: bool, tmp_path: Path) -> None:
    assert is_wider(network(tmp_path, plan(WIDE)), network(tmp_path, own)) is wider


def test_modules_it_does_not_know(tmp_path: Path) -> None:
    wide, slim = (network(tmp_path, plan(width, second="C3")) for width in (WIDE, SLIM))
    with pytest.raises(ModelError, match="a C3 cannot be narrowed"):
        narrow(slim, wide)
