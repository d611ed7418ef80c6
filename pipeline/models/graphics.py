"""Whether there is a graphics card that torch can compute on, asked without loading torch where there cannot be one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.models.messages import first_line

if TYPE_CHECKING:
    import torch

_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # NVIDIA's under Linux, and Windows' in its Linux
_LOG = logging.getLogger(__name__)


@cache
def cuda_usable() -> bool:
    """Whether torch computes on the first NVIDIA card here. Warns where there is one and it does not.

    Importing torch takes seconds: it is not asked where there cannot be a card.
    """
    if not may_have_card(sys.platform):
        return False
    import torch

    if not torch.cuda.is_available():
        return False
    if (found := obstacle(torch.device("cuda", 0))) is not None:
        _LOG.warning(
            "torch finds the NVIDIA card %s, but cannot compute on it (%s): networks run on the CPU; free its memory, "
            "or install a torch that is made for it",
            torch.cuda.get_device_name(0),
            found,
        )
        return False
    return True


def may_have_card(platform: str, drivers: Sequence[Path] = _DRIVERS) -> bool:
    """Whether a system may have an NVIDIA card: Linux where there is a driver's device, macOS never, others always.

    `platform`: as `sys.platform`. `drivers`: their devices under Linux.
    """
    match platform:
        case "linux":
            return any(driver.exists() for driver in drivers)
        case "darwin":
            return False
    return True


def obstacle(device: torch.device) -> str | None:
    """Why torch cannot compute on a device; None where it can.

    A small convolution is tried: torch lists cards, too, that are full or that it has no code for.
    """
    import torch

    try:
        with torch.inference_mode():
            picture, kernel = (torch.ones((1, 1, side, side), device=device) for side in (8, 3))
            found = torch.nn.functional.conv2d(picture, kernel).sum().item()
    except (RuntimeError, AssertionError) as error:  # the second from a torch without CUDA
        return first_line(error)
    return None if found == 6 * 6 * 9 else f"a convolution gave {found:g} in place of {6 * 6 * 9}"
