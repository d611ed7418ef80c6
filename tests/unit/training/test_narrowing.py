"""A network of fewer channels that begins with those of a wider one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline.errors import ModelError
from pipeline.training.detector_network import build_network, checkpoint_of, start_from
from pipeline.training.narrowing import narrow
from pipeline.training.wider_network import is_wider

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
    narrow(own, wide)
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


def test_how_many_classes_there_are_makes_no_network_wider(tmp_path: Path) -> None:
    many = [f"object {number}" for number in range(80)]
    wide, own = network(tmp_path, plan(WIDE), many), network(tmp_path, plan(WIDE))
    assert wide.model[-1].cv3[0][0].conv.out_channels == 80 > own.model[-1].cv3[0][0].conv.out_channels
    assert not is_wider(wide, own)


def test_pictures_of_other_colours(tmp_path: Path) -> None:
    wide, slim = network(tmp_path, plan(WIDE)), network(tmp_path, plan(SLIM))
    wide.model[0].conv = torch.nn.Conv2d(1, WIDE, 3, 2, 1, bias=False)  # grey
    assert not is_wider(wide, slim)


@pytest.mark.parametrize("reg_max", [1, 16])
def test_a_head_with_wider_branches_says_the_same(reg_max: int, tmp_path: Path) -> None:
    """Of 80 classes, or sides as distributions: nothing is read of the channels that it has more."""
    many = [*NAMES, *(f"object {number}" for number in range(78))]
    wide = silenced(network(tmp_path, plan(WIDE, reg_max=reg_max)), 1 - SLIM / WIDE)
    slim = network(tmp_path, plan(SLIM, reg_max=reg_max), many, seed=1)
    head, theirs = slim.model[-1], wide.model[-1]
    for branch in theirs.cv3:
        branch[2].weight.data.normal_(0, 1, generator=torch.Generator().manual_seed(2))
        branch[2].bias.data.zero_()  # at first no cell is anything
    assert head.cv3[0][0].conv.out_channels == 80 > theirs.cv3[0][0].conv.out_channels
    assert float(maps(wide)[:, 4:].std()) > 0.01
    narrow(slim, wide)
    known = slice(0, 4 + len(NAMES))
    torch.testing.assert_close(maps(slim)[:, known], maps(wide), rtol=1e-4, atol=1e-4)
    distributions = network(tmp_path, plan(SLIM), seed=1)
    narrow(distributions, network(tmp_path, plan(WIDE, reg_max=1)))
    assert torch.isfinite(maps(distributions)).all()


def test_a_head_with_two_branches(tmp_path: Path) -> None:
    """Both begin with what the wider one has."""
    twice = plan(WIDE) | {"end2end": True}
    wide, own = network(tmp_path, plan(WIDE)), network(tmp_path, twice, seed=1)
    narrow(own, wide)
    assert torch.equal(maps(own), maps(wide))
    for branch in ("cv2", "cv3"):
        second, first = getattr(own.model[-1], f"one2one_{branch}"), getattr(wide.model[-1], branch)
        assert all(map(torch.equal, second.parameters(), first.parameters()))
    silent = network(tmp_path, twice, seed=2)
    silent.model[-1].one2one_cv3[0][2].bias.data.fill_(3)
    narrow(own, silent)
    assert own.model[-1].one2one_cv3[0][2].bias.tolist() == [3, 3]


def test_a_pool_that_adds_keeps_its_channels(tmp_path: Path) -> None:
    """An SPPF that adds what it is given puts out the same channels."""
    added = plan(SLIM)
    added["backbone"][4] = [-1, 1, "SPPF", [2 * SLIM, 5, 3, True]]
    more = plan(WIDE)
    more["backbone"][4] = [-1, 1, "SPPF", [2 * WIDE, 5, 3, True]]
    wide, slim = network(tmp_path, more), network(tmp_path, added, seed=1)
    assert slim.model[4].add
    narrow(slim, wide)
    last = slim.model[3].cv2.bn.weight.tolist(), slim.model[4].cv2.bn.weight.tolist()
    there = wide.model[3].cv2.bn.weight.tolist(), wide.model[4].cv2.bn.weight.tolist()
    assert [there[1][there[0].index(one)] for one in last[0]] == last[1]


def with_row(number: int, row: list[Any]) -> dict[str, Any]:
    changed = plan(SLIM)
    changed["backbone"][number] = row
    return changed


def with_head_row(number: int, row: list[Any]) -> dict[str, Any]:
    changed = plan(SLIM)
    changed["head"][number] = row
    return changed


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (plan(SLIM, blocks=3), r"layer 3, a C2f, differs from that of the weights in its blocks: 3 here, 2 there"),
        (with_row(2, [-1, 1, "Conv", [2 * SLIM, 5, 2]]), r"layer 2, .* kernel of conv: \(5, 5\) here, \(3, 3\)"),
        (with_row(0, [-1, 1, "Conv", [SLIM, 3, 1]]), r"layer 0, .* stride of conv: \(1, 1\) here, \(2, 2\) there"),
        (with_row(2, [-1, 1, "Conv", [2 * SLIM, 3, 2, None, 2]]), r"layer 2, .* groups of conv: 2 here, 1 there"),
        (with_row(3, [-1, 2, "C2f", [2 * SLIM, False]]), r"layer 3, .* shortcut of m.0: False here, True there"),
        (with_row(4, [-1, 1, "SPPF", [2 * SLIM, 3]]), r"layer 4, .* kernel of m: 3 here, 5 there"),
        (with_row(4, [-1, 1, "SPPF", [2 * SLIM, 5, 2]]), r"layer 4, .* pools: 2 here, 3 there"),
        (with_row(0, [-1, 1, "nn.Identity", []]), r"layer 0 is left out, but in the weights it changes how many"),
        (plan(SLIM) | {"activation": "nn.ReLU()"}, r"layer 0, a Conv, .* kind of act: ReLU here, SiLU there"),
        (with_row(1, [-1, 1, "C3", [SLIM, True]]), r"layer 1 is a C3, whose channels cannot be taken"),
        (with_head_row(0, [-1, 1, "nn.Upsample", [None, 2, "bilinear"]]), r"layer 5, .* mode: bilinear here, nearest"),
        (plan(2 * WIDE), r"layer 0, a Conv, .* channels of conv: 32 here, 16 there"),
    ],
)  # fmt: skip
def test_what_differs_otherwise_is_said(own: dict[str, Any], says: str, tmp_path: Path) -> None:
    wide = network(tmp_path, plan(WIDE))
    slim = network(tmp_path, own, seed=1)
    before = {name: tensor.clone() for name, tensor in slim.state_dict().items()}
    with pytest.raises(ModelError, match=says) as refused:
        narrow(slim, wide)
    assert "give weights of the architecture itself, or train without --weights" in str(refused.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in slim.state_dict().items())


def test_the_slope_of_an_activation_is_one_of_its_settings(tmp_path: Path) -> None:
    steep, flat = (plan(size) | {"activation": f"nn.LeakyReLU({slope})"} for size, slope in ((WIDE, 0.2), (SLIM, 0.1)))
    with pytest.raises(ModelError, match=r"layer 0, a Conv, differs .* slope of act: 0.1 here, 0.2 there"):
        narrow(network(tmp_path, flat, seed=1), network(tmp_path, steep))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda wide: wide.fuse(verbose=False), r"layer 0, a Conv, .* parts: there is no bn"),
        (lambda wide: setattr(wide.model[1], "m", wide.model[1].m[:0]), r"layer 1, a C2f, .* blocks: 1 here, 0 there"),
    ],
)
def test_weights_that_were_changed(change: Callable[[Any], object], says: str, tmp_path: Path) -> None:
    wide, slim = network(tmp_path, plan(WIDE)), network(tmp_path, plan(SLIM), seed=1)
    change(wide)
    with pytest.raises(ModelError, match=says):
        narrow(slim, wide)


def test_groups_cannot_be_chosen(tmp_path: Path) -> None:
    grouped = {width: plan(width) for width in (SLIM, WIDE)}
    for width, one in grouped.items():
        one["backbone"][2] = [-1, 1, "Conv", [2 * width, 3, 2, None, 2]]
    wide, slim = (network(tmp_path, grouped[width]) for width in (WIDE, SLIM))
    assert is_wider(wide, slim)
    with pytest.raises(ModelError, match="groups of conv: channels that are read in groups cannot be chosen"):
        narrow(slim, wide)


@pytest.mark.parametrize("kind", ["C3", "C3k2", "C2fCIB"])  # the last two are kinds of C2f
def test_modules_it_does_not_know(kind: str, tmp_path: Path) -> None:
    wide, slim = (network(tmp_path, plan(width, second=kind)) for width in (WIDE, SLIM))
    assert is_wider(wide, slim)
    with pytest.raises(ModelError, match=f"layer 1 is a {kind}, whose channels cannot be taken from wider weights"):
        narrow(slim, wide)


def test_depthwise_layers_are_no_usual_ones(tmp_path: Path) -> None:
    deep = {width: plan(width) for width in (SLIM, WIDE)}
    for width, one in deep.items():
        one["backbone"][2] = [-1, 1, "DWConv", [2 * width, 3, 2]]
    with pytest.raises(ModelError, match="layer 2 is a DWConv"):
        narrow(network(tmp_path, deep[SLIM]), network(tmp_path, deep[WIDE]))
