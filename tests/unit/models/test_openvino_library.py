"""Nobody is told that OpenVINO is used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

_OPENS = """
import os, threading
from pipeline.models.openvino_core import core
assert "CPU" in core().available_devices
print(threading.active_count(), os.environ.get("CI"))
"""


def _opened(home: Path, imports: str = "") -> tuple[str, list[Path]]:
    """What a process prints that opens OpenVINO, and what it leaves in the user's home folder."""
    home.mkdir()
    outside = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    outside |= {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}  # what is sent goes nowhere
    command = [sys.executable, "-c", imports + _OPENS]
    done = subprocess.run(
        command, cwd=ROOT, env=outside | {"HOME": str(home)}, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip(), list(home.rglob("*"))


def test_no_thread_sends_and_no_number_of_the_user_is_kept(tmp_path: Path) -> None:
    assert _opened(tmp_path / "ours") == ("1 None", [])


def test_the_library_alone_would(tmp_path: Path) -> None:
    """That what the test above looks for is there to be seen; where it no longer is, the module can go."""
    _, kept = _opened(tmp_path / "plain", "import openvino\n")
    assert kept


def test_no_other_module_imports_it_first() -> None:
    """Within functions is allowed: of parts of it, after it was imported."""
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("pipeline", "trackers")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if re.search(r"^(import openvino|from openvino)\b|^\s+import openvino\b", path.read_text(), re.MULTILINE)
    ]
    assert found == ["pipeline/models/openvino_library.py"]
