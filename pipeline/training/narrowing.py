"""narrow: a network of fewer channels takes over those of a wider one that count most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import ModelError
from pipeline.models.ultralytics_library import ultralytics

_layers = ultralytics.nn.modules
Channels = Tensor  # (n,) int64: which channels of the wider network these n are


def narrow(network: Any, wider: Any) -> int:
    """Give a YOLO network what fits of a trained one of the same modules, with at least as many channels each.

    Of every layer those channels stay whose batch norm scales most (Liu et al. 2017, "Network Slimming": |gamma|), and
    every reader of them keeps the weights it had for them. Blocks of which there are fewer are left out from the last
    one on; where a module of the wider network is `nn.Identity` here, its readers take the channels that went into it.
    The last layers of the head, whose outputs have meanings, are taken where the meanings are the same, classes by
    their names. Returns how many parameters were taken; raises ModelError where the modules are not the same.
    """
    before = [parameter.detach().clone() for parameter in network.parameters()]
    kept: list[Channels] = []
    with torch.no_grad():
        for number, (own, theirs) in enumerate(zip(network.model, wider.model, strict=False)):
            entries = [kept[place] if place >= 0 else _before(kept, number, place) for place in _places(own)]
            kept.append(_taken(own, theirs, entries, network, wider))
    after = list(network.parameters())
    return sum(now.numel() for then, now in zip(before, after, strict=True) if not then.equal(now))


def is_wider(network: Any, other: Any) -> bool:
    """Whether it has the other one's modules in the same places, with more channels in some layers and fewer in none.

    A module of the other one may be `nn.Identity`.
    """
    if len(network.model) != len(other.model):
        return False
    for module, theirs in zip(network.model, other.model, strict=True):
        if not isinstance(theirs, torch.nn.Identity | type(module)) or module.f != theirs.f:
            return False
    layers = dict(network.named_modules())
    widths = [
        (layers[name].conv.out_channels, layer.conv.out_channels)
        for name, layer in other.named_modules()
        if isinstance(layer, _layers.Conv) and name in layers
    ]
    return all(own >= theirs for own, theirs in widths) and any(own > theirs for own, theirs in widths)


def _places(module: Any) -> Sequence[int]:
    return module.f if isinstance(module.f, list) else [module.f]


def _before(kept: Sequence[Channels], number: int, place: int) -> Channels:
    return kept[number + place] if number else torch.arange(3)  # a picture's colours


def _taken(own: Any, theirs: Any, entries: Sequence[Channels], network: Any, wider: Any) -> Channels:
    """Channels of the wider network's module that this one puts out now."""
    match own:
        case torch.nn.Identity() | torch.nn.Upsample():
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
            width = theirs.cv1.conv.out_channels
            return _conv(own.cv2, theirs.cv2, torch.cat([hidden + width * step for step in range(own.n + 1)]))
        case _layers.Detect():
            _head(own, theirs, entries, network.names, wider.names)
            return torch.arange(0)
    raise ModelError(f"a {type(own).__name__} cannot be narrowed; give weights of the architecture itself")


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
    if count > len(weights):
        raise ModelError(f"{count} channels cannot be taken of {len(weights)}; a network that starts is narrower")
    return weights.argsort(descending=True, stable=True)[:count].sort().values


def _conv(own: Any, theirs: Any, entry: Channels, out: Channels | None = None) -> Channels:
    """`out`: the channels to put out; None: those that count most."""
    if out is None:
        out = _most(_weight(theirs), own.conv.out_channels)
    own.conv.weight.copy_(theirs.conv.weight[out][:, entry])
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(own.bn, name).copy_(getattr(theirs.bn, name)[out])
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
    rows = {name: number for number, name in known.items()}
    same = [(number, rows[name]) for number, name in names.items() if name in rows]
    sides = [(number, number) for number in range(4 * own.reg_max)] if own.reg_max == theirs.reg_max else []
    for branch, meant in (("cv2", sides), ("cv3", same)):
        for entry, layers, sources in zip(entries, getattr(own, branch), getattr(theirs, branch), strict=True):
            hidden = _conv(layers[1], sources[1], _conv(layers[0], sources[0], entry))
            for number, source in meant:
                layers[2].weight[number] = sources[2].weight[source][hidden]
                layers[2].bias[number] = sources[2].bias[source]
