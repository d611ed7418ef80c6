"""One vendor's file loads that vendor's library and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = {"torch", "torchvision", "ultralytics", "openvino", "onnxruntime", "httpx"}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("openvino_models", {"openvino"}),
        ("onnx_models", {"onnxruntime"}),
        ("torchvision_models", {"torch", "torchvision"}),
        ("yolo", {"torch", "torchvision", "ultralytics"}),
        ("motion", set()),
        ("colour", set()),
        ("embed", set()),
        ("decoders", set()),
        ("files", set()),
        ("label_names", set()),
    ],
)
def test_a_vendors_file_loads_no_other_vendor(module: str, allowed: set[str]) -> None:
    code = f"import sys, pipeline.models.{module}; print(*(set({HEAVY!r}) & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert set(run.stdout.split()) <= allowed


def test_ultralytics_leaves_no_trace() -> None:
    """Its switches are set before it is imported; its settings folder is gone afterwards; OpenMP keeps its threads."""
    code = (
        "import os, pipeline.models.yolo, ultralytics.utils as u; "
        "print(u.SAFE_LOAD, u.AUTOINSTALL, u.is_online()); "
        "print(os.environ.get('OMP_NUM_THREADS'), u.USER_CONFIG_DIR)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    safe, install, online, threads, folder = run.stdout.split()
    assert (safe, install, online, threads) == ("True", "False", "False", str(os.environ.get("OMP_NUM_THREADS")))
    assert not Path(folder).exists()
