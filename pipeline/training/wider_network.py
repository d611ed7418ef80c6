"""Whether one YOLO network is another one with more channels, and what else differs between the two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from pipeline.errors import ModelError
from pipeline.models.ultralytics_library import ultralytics

BRANCHES = ("cv2", "cv3")  # of a head: sides of boxes, classes
SECOND = "one2one_"  # what the names begin with where it has two of each

_layers = ultralytics.nn.modules
_KNOWN = (_layers.Conv, _layers.C2f, _layers.SPPF, _layers.Concat, nn.Upsample, nn.Identity)  # and Detect as the head
_ADVICE = "make it as there, give weights of the architecture itself, or train without --weights"


def is_wider(network: Any, other: Any) -> bool:
    """Whether it has the other one's modules in the same places, with more channels in some layers and fewer in none.

    A module of the other one may be `nn.Identity`. The head does not count: how many channels it has depends on how
    many classes there are.
    """
    if len(network.model) != len(other.model) or colours(network) != colours(other):
        return False
    for module, theirs in zip(network.model, other.model, strict=True):
        if type(theirs) not in (nn.Identity, type(module)) or module.f != theirs.f:
            return False
    layers = dict(network.model[:-1].named_modules())
    widths = [
        (layers[name].out_channels, layer.out_channels)
        for name, layer in other.model[:-1].named_modules()
        if isinstance(layer, nn.Conv2d) and isinstance(layers.get(name), nn.Conv2d)
    ]
    return all(own >= theirs for own, theirs in widths) and any(own > theirs for own, theirs in widths)


def require_narrower(network: Any, wider: Any) -> None:
    """Raise ModelError where a layer cannot be taken from the one in its place of a network that `is_wider`."""
    last = len(network.model) - 1
    for number, (own, theirs) in enumerate(zip(network.model, wider.model, strict=True)):
        kind = type(own).__name__
        if type(own) not in ((_layers.Detect,) if number == last else _KNOWN):
            raise ModelError(
                f"layer {number} is a {kind}, whose channels cannot be taken from wider weights; give weights of the "
                "architecture itself, or train without --weights"
            )
        if type(own) is nn.Identity and not _passes(theirs):
            raise ModelError(
                f"layer {number} is left out, but in the weights it changes how many channels there are, or how large "
                f"their maps; {_ADVICE}"
            )
        if type(own) is not nn.Identity and (found := _difference(own, theirs, head=number == last)):
            raise ModelError(f"layer {number}, a {kind}, differs from that of the weights in its {found}; {_ADVICE}")


def colours(network: Any) -> int:
    """Channels of a picture: what the first convolution reads."""
    return next((int(part.in_channels) for part in network.modules() if isinstance(part, nn.Conv2d)), 0)


def _passes(module: Any) -> bool:
    """Whether it gives as many channels of the same size as it gets."""
    match module:
        case nn.Identity():
            return True
        case _layers.Conv():
            return bool(module.conv.in_channels == module.conv.out_channels and module.conv.stride == (1, 1))
        case _layers.C2f() | _layers.SPPF():
            return bool(module.cv1.conv.in_channels == module.cv2.conv.out_channels)
    return False


def _difference(own: Any, theirs: Any, *, head: bool) -> str:
    """What of a layer is otherwise than in the wider one's, but for its channels, of which it has at most as many.

    Nothing: "". Of a head its branches count, whatever their channels.
    """
    there = dict(_parts(theirs, head=head))
    for name, part in _parts(own, head=head):
        if name.startswith(SECOND) and name not in there:
            name = name.removeprefix(SECOND)
        if name not in there:
            return f"parts: there is no {name}"
        if isinstance(part, _layers.C2f) and len(part.m) > len(there[name].m):
            return f"blocks: {len(part.m)} here, {len(there[name].m)} there"
        ours, other = _settings(part), _settings(there[name])
        for what, value in ours.items():
            if value != other.get(what):
                return f"{what}{f' of {name}' if name else ''}: {value} here, {other.get(what)} there"
        if isinstance(part, nn.Conv2d):
            if part.groups != 1:
                return f"groups of {name}: channels that are read in groups cannot be chosen"
            if not head and part.out_channels > there[name].out_channels:
                return f"channels of {name}: {part.out_channels} here, {there[name].out_channels} there"
    return ""


def _parts(layer: Any, *, head: bool) -> Iterator[tuple[str, Any]]:
    """Modules in a layer by name, activations that layers share each time; of a head, those of its branches."""
    for name, part in layer.named_modules(remove_duplicate=False):
        if not head or name.removeprefix(SECOND).startswith(tuple(f"{branch}." for branch in BRANCHES)):
            yield name, part


def _settings(part: Any) -> dict[str, object]:
    """What makes a module reckon as it does, beside its numbers."""
    found: dict[str, object] = {"kind": type(part).__name__}
    match part:
        case nn.Conv2d():
            found |= {"kernel": part.kernel_size, "stride": part.stride, "padding": part.padding}
            found |= {"dilation": part.dilation, "groups": part.groups}
        case nn.MaxPool2d():
            found |= {"kernel": part.kernel_size, "stride": part.stride, "padding": part.padding}
        case nn.Upsample():
            found |= {"scale": part.scale_factor, "mode": part.mode, "alignment": part.align_corners}
        case nn.BatchNorm2d():
            found |= {"epsilon": part.eps}
        case nn.LeakyReLU():
            found |= {"slope": part.negative_slope}
        case _layers.Concat():
            found |= {"axis": part.d}
        case _layers.block.Bottleneck():
            found |= {"shortcut": part.add}
        case _layers.SPPF():
            found |= {"shortcut": getattr(part, "add", False), "pools": getattr(part, "n", 3)}  # files may be older
    return found
