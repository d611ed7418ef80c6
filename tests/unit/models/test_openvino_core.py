"""Signals still reach Python after OpenVINO's models are gone, in whatever order they go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.models.openvino_core import core
from tests.conftest import ROOT

_MODELS_GO = """
import gc, os, signal, sys
from pipeline.models.openvino_models import open_embedder
from pipeline.models.openvino_core import signal_stack_kept
signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
def made():
    return open_embedder(sys.argv[1], recipe=None, input_size=None, device="CPU", threads=1, precision="auto")
first, second = made(), made()
del first
gc.collect()
del second
gc.collect()
if sys.argv[2] == "foreign":
    import openvino
    with signal_stack_kept():
        first, second = (openvino.Core() for _ in range(2))
        [one.compile_model(sys.argv[1], "CPU") for one in (first, second)]
        del first
        gc.collect()
    del second
    gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
print("alive", flush=True)
"""


def test_there_is_one() -> None:
    assert core() is core()


@pytest.mark.parametrize("whose", ["ours", "foreign"])
def test_a_signal_is_handled_after_models_went_in_the_order_they_came(shared: Path, whose: str) -> None:
    weights = shared / "weights" / "person-reidentification-retail-0286" / "person-reidentification-retail-0286.xml"
    command = [sys.executable, "-c", _MODELS_GO, str(weights), whose]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\nalive\n"), done.stderr
