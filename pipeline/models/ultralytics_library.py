"""The ultralytics library, imported so that it stays offline, quiet, and refuses unsafe pickles."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch  # before ultralytics, which would pin OpenMP to one thread

from pipeline.errors import ModelError
from pipeline.models.messages import first_line


def _prepare_environment() -> dict[str, str | None]:
    """What ultralytics reads while it is imported; returns what must be put back afterwards.

    Its settings go into a folder of this process, unless the user has set one.
    """
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "YOLO_CONFIG_DIR")}
    os.environ.update(ULTRALYTICS_SAFE_LOAD="true", YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    if "YOLO_CONFIG_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="sightline-ultralytics-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["YOLO_CONFIG_DIR"] = folder
    return before


def _restore(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


_BEFORE = _prepare_environment()
import ultralytics  # noqa: E402
import ultralytics.cfg  # noqa: E402
import ultralytics.data.dataset  # noqa: E402
import ultralytics.models.yolo.detect  # noqa: E402
import ultralytics.nn.tasks  # noqa: E402
import ultralytics.utils.loss  # noqa: E402
import ultralytics.utils.nms  # noqa: E402
import ultralytics.utils.tal  # noqa: E402
import ultralytics.utils.torch_utils  # noqa: E402

_restore(_BEFORE)
__all__ = ["VERSION", "load_network", "require_safe", "ultralytics", "usual_activation"]
logging.getLogger("ultralytics").setLevel(logging.ERROR)

VERSION: str = ultralytics.__version__


def require_safe() -> None:
    """Raise ModelError where unsafe pickles could run: ultralytics reads its switch once, maybe before us."""
    if not ultralytics.utils.SAFE_LOAD:
        raise ModelError(
            "ultralytics was imported without ULTRALYTICS_SAFE_LOAD=true, so that .pt files could run code; "
            "set it in the environment"
        )


def load_network(path: Path) -> torch.nn.Module:
    """The torch network in a .pt file of ultralytics, float32. Raises ModelError where it is unsafe or no such file."""
    require_safe()
    if not path.is_file():
        raise ModelError(f"no weights file {path}; check the path")
    if path.suffix != ".pt":
        raise ModelError(f"{path} does not end in .pt; rename it if ultralytics wrote it")
    try:
        network: Any = ultralytics.nn.tasks.load_checkpoint(str(path))[0]
    except Exception as error:  # it raises of every kind: TypeError for an unsafe pickle, KeyError for a wrong one
        raise ModelError(f"ultralytics refuses {path}: {first_line(error)}") from error
    assert isinstance(network, torch.nn.Module)
    return network


@contextmanager
def usual_activation() -> Iterator[None]:
    """Within it a network may be built: ultralytics keeps the activation of all layers in one place.

    It leaves there what a description named, where the rest of that cannot be built.
    """
    layer: Any = ultralytics.nn.modules.Conv
    before = layer.default_act
    try:
        yield
    finally:
        layer.default_act = before
