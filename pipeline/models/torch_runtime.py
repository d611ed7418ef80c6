"""How a network of torch runs: its device, the layout of its pictures, and how long its numbers are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.models.graphics import obstacle
from pipeline.models.messages import first_line
from pipeline.models.processor import has_bfloat_units

PRECISIONS = ("auto", "f32", "bf16")
_SHORT = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)  # what short numbers make faster
_N = TypeVar("_N", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class TorchRuntime:
    """Where and in what a network computes. Layouts are channels last, which convolutions are fastest in."""

    device: torch.device
    short: torch.dtype | None  # of the layers; None: float32, as between them

    @classmethod
    def choose(cls, *, device: str = "CPU", precision: str = "auto", threads: int = 0) -> Self:
        """`precision`: f32, bf16, or auto: bf16 where the device has units for it. `threads`: of torch in this process;
        0 leaves them. Raises ModelError for what is not there.
        """
        if precision not in PRECISIONS:
            raise ModelError(f"precision {precision!r} is unknown to torch's networks; use {', '.join(PRECISIONS)}")
        place = torch_device(device)
        if threads > 0:
            torch.set_num_threads(threads)
        short = precision == "bf16" or (precision == "auto" and computes_bfloat16(place))
        return cls(place, torch.bfloat16 if short else None)

    @property
    def name(self) -> str:
        """As a run's record has it, whichever card of several it is."""
        return f"torch {self.device.type.upper()} {'f32' if self.short is None else 'bf16'}"

    def place(self, network: _N, layers: Sequence[str] = ()) -> _N:
        """The network on the device. `layers`: the parts of it (`rpn.head`) that compute in short numbers.

        Not what is between them: detectors reckon coordinates in the numbers that the layers give, and in bfloat16
        they would be wrong by pixels. Raises ModelError where the device does not take it.
        """
        with self.failures():
            placed: _N = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.short is not None:
            for layer in layers:
                parent, _, name = layer.rpartition(".")
                owner = placed.get_submodule(parent)
                setattr(owner, name, self.shortened(getattr(owner, name)))
        return placed

    def shortened(self, part: nn.Module) -> nn.Module:
        """The part as it is, or computing in short numbers and giving float32."""
        return part if self.short is None else _InShort(part, self.short, self.device.type)

    def tensor(self, pictures: Tensor) -> Tensor:
        """(n, c, h, w) on the device and in its layout."""
        return pictures.to(self.device, memory_format=torch.channels_last)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Within it, what torch says of its device (no memory is left, it was taken out) is a ModelError."""
        try:
            yield
        except RuntimeError as error:
            advice = "" if self.device.type == "cpu" else "; free the card's memory, or use device CPU"
            raise ModelError(f"torch failed on {self.name}: {first_line(error)}{advice}") from error


class _InShort(nn.Module):
    """A part of a network that computes in short numbers and gives float32."""

    def __init__(self, part: nn.Module, short: torch.dtype, device: str) -> None:
        """`device`: its type, as torch names it."""
        super().__init__()
        self._part, self._short, self._device = with_short_weights(part, short), short, device

    def forward(self, given: Any) -> Any:
        """What the part gives for a tensor, or for a list or dictionary of them."""
        with torch.autocast(self._device, dtype=self._short):
            return _long(self._part(given))


def with_short_weights(part: _N, short: torch.dtype) -> _N:
    """The part itself, the weights of its convolutions short for good: autocast would round them at every picture.

    Not those of what is between them (norms), which autocast leaves long.
    """
    for layer in part.modules():
        if isinstance(layer, _SHORT):
            layer.to(short)
    return part


def _long(values: Any) -> Any:
    match values:
        case Tensor():
            return values.float()
        case dict():
            return {name: _long(one) for name, one in values.items()}
    return type(values)(map(_long, values))


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a graphics card, or an x86 processor, has units for it; without them it would be slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return has_bfloat_units()  # torch says it itself only in its latest versions


def torch_device(name: str) -> torch.device:
    """What a setting calls CPU, CUDA or CUDA:1. Raises ModelError where it is not there, or computes nothing."""
    kind, _, number = name.upper().partition(":")
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "CPU" and not number:
        return torch.device("cpu")
    if kind == "CUDA" and (number or "0").isdecimal() and int(number or 0) < cards:
        card = torch.device("cuda", int(number or 0))
        if (found := obstacle(card)) is not None:
            raise ModelError(f"torch cannot compute on {name} ({found}); free the card's memory, or use device CPU")
        return card
    known = ["CPU", *(f"CUDA:{card}" for card in range(cards))]
    raise ModelError(f"torch has no device {name!r} here; use {' or '.join(known)}")
