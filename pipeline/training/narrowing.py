"""narrow: a network of fewer channels takes over those of a wider one that count most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.models.ultralytics_library import ultralytics
from pipeline.training.wider_network import BRANCHES, SECOND, colours, require_narrower

_layers = ultralytics.nn.modules
Channels = Tensor  # (n,) int64: which channels of the wider network these n are


def narrow(network: Any, wider: Any) -> None:
    """Give a YOLO network what fits of a trained one that `is_wider`.

    Of every layer those channels stay whose batch norm scales most (Liu et al. 2017, "Network Slimming": |gamma|), and
    every reader of them keeps the weights it had for them. Blocks of which there are fewer are left out from the last
    one on; where a module of the wider network is `nn.Identity` here, its readers take the channels that went into it.
    The last layers of the head, whose outputs have meanings, are taken where the meanings are the same, classes by
    their names; where a branch of it has more channels than the wider one's, nothing is read of the others at first.
    Raises ModelError, before anything is taken, where the two differ otherwise, or in modules that are not known here.
    """
    require_narrower(network, wider)
    kept: list[Channels] = []
    with torch.no_grad():
        for number, (own, theirs) in enumerate(zip(network.model, wider.model, strict=True)):
            entries = [kept[place] if place >= 0 else _before(kept, number, place, wider) for place in _places(own)]
            kept.append(_taken(own, theirs, entries, network, wider))


def _places(module: Any) -> Sequence[int]:
    return module.f if isinstance(module.f, list) else [module.f]


def _before(kept: Sequence[Channels], number: int, place: int, wider: Any) -> Channels:
    return kept[number + place] if number else torch.arange(colours(wider))


def _taken(own: Any, theirs: Any, entries: Sequence[Channels], network: Any, wider: Any) -> Channels:
    """Channels of the wider network's module that this one puts out now."""
    match own:
        case nn.Identity() | nn.Upsample():
            return entries[0]
        case _layers.Concat():
            widths = [_width(wider, place, theirs.i) for place in _places(theirs)]
            starts = [sum(widths[:number]) for number in range(len(widths))]
            return torch.cat([entry + start for entry, start in zip(entries, starts, strict=True)])
        case _layers.Conv():
            return _conv(own, theirs, entries[0])
        case _layers.C2f():
            return _c2f(own, theirs, entries[0])
        case _layers.SPPF():
            hidden = _conv(own.cv1, theirs.cv1, entries[0])
            width, pools = theirs.cv1.conv.out_channels, getattr(own, "n", 3)
            out = entries[0] if getattr(own, "add", False) else None  # to which they are added
            return _conv(own.cv2, theirs.cv2, torch.cat([hidden + width * step for step in range(pools + 1)]), out)
    _head(own, theirs, entries, network.names, wider.names)
    return torch.arange(0)


def _width(network: Any, place: int, number: int) -> int:
    """Channels that a module puts out."""
    module = network.model[place if place >= 0 else number + place]
    match module:
        case _layers.Conv():
            return int(module.conv.out_channels)
        case _layers.C2f() | _layers.SPPF():
            return int(module.cv2.conv.out_channels)
        case _layers.Concat():
            return sum(_width(network, one, module.i) for one in module.f)
        case _:
            return _width(network, _places(module)[0], module.i)


def _weight(conv: Any) -> Tensor:
    """(out channels,) float32: how much each counts."""
    return torch.as_tensor(conv.bn.weight).detach().abs()


def _most(weights: Tensor, count: int) -> Channels:
    """All of them, where there are fewer."""
    return weights.argsort(descending=True, stable=True)[:count].sort().values


def _conv(own: Any, theirs: Any, entry: Channels, out: Channels | None = None) -> Channels:
    """`out`: the channels to put out; None: those that count most.

    Where it has more channels than these, the others stay as they are; it reads nothing of what it is given beside
    `entry`.
    """
    if out is None:
        out = _most(_weight(theirs), own.conv.out_channels)
    own.conv.weight[: len(out)] = 0
    own.conv.weight[: len(out), : len(entry)] = theirs.conv.weight[out][:, entry]
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(own.bn, name)[: len(out)] = getattr(theirs.bn, name)[out]
    return out


def _c2f(own: Any, theirs: Any, entry: Channels) -> Channels:
    """Half of what comes in passes by; the other half goes through blocks, and what each of them makes is kept."""
    width = theirs.c
    counts = _weight(theirs.cv1)
    passing, worked = _most(counts[:width], own.c), _most(counts[width:], own.c)
    if own.m and own.m[0].add:  # what is added to each other has to be of the same channels
        through = counts[width:] + sum(_weight(block.cv2) for block in theirs.m[: len(own.m)])
        worked = _most(through, own.c)
    _conv(own.cv1, theirs.cv1, entry, torch.cat([passing, worked + width]))
    made = [passing, worked + width]
    for number, (block, source) in enumerate(zip(own.m, theirs.m, strict=False)):
        hidden = _conv(block.cv1, source.cv1, worked)
        worked = _conv(block.cv2, source.cv2, hidden, worked if block.add else None)
        made.append(worked + width * (2 + number))
    return _conv(own.cv2, theirs.cv2, torch.cat(made))


def _head(
    own: Any, theirs: Any, entries: Sequence[Channels], names: Mapping[int, str], known: Mapping[int, str]
) -> None:
    rows = {_plain(name): number for number, name in known.items()}
    same = [(number, rows[_plain(name)]) for number, name in names.items() if _plain(name) in rows]
    sides = [(number, number) for number in range(4 * own.reg_max)] if own.reg_max == theirs.reg_max else []
    for branch, meant in zip(BRANCHES, (sides, same), strict=True):
        _branch(getattr(own, branch), getattr(theirs, branch), entries, meant)
        if (second := getattr(own, SECOND + branch, None)) is not None:
            _branch(second, getattr(theirs, SECOND + branch, None) or getattr(theirs, branch), entries, meant)


def _branch(own: Any, theirs: Any, entries: Sequence[Channels], meant: Sequence[tuple[int, int]]) -> None:
    """`meant`: rows of the last layer, and those of the wider one's that mean the same."""
    for entry, layers, sources in zip(entries, own, theirs, strict=True):
        hidden = _conv(layers[1], sources[1], _conv(layers[0], sources[0], entry))
        for number, source in meant:
            layers[2].weight[number] = 0
            layers[2].weight[number, : len(hidden)] = sources[2].weight[source][hidden]
            layers[2].bias[number] = sources[2].bias[source]


def _plain(name: str) -> str:
    """A class's name as ultralytics compares it."""
    return str(name).strip().lower()
