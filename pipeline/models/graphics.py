"""Whether there is a graphics card that torch can compute on, asked without loading torch where there cannot be one."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

_DRIVERS = ("/dev/nvidiactl", "/dev/dxg")  # NVIDIA's under Linux, and Windows' in its Linux


@cache
def cuda_usable() -> bool:
    """Whether torch has an NVIDIA card here.

    Importing torch takes seconds. Under Linux it is not asked where there is no device of a driver.
    """
    if sys.platform == "linux" and not any(Path(driver).exists() for driver in _DRIVERS):
        return False
    import torch

    return torch.cuda.is_available()
