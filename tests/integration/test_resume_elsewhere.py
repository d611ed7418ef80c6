"""A run goes on with a machine that would compute in other numbers by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.clips import write_clip
from tests.integration.command import call_main, environment
from tests.integration.stored import reading
from tests.integration.test_resume import wait_for_frame


def start_where(preferred: str, *words: object, folder: Path) -> subprocess.Popen[str]:
    """`sightline WORDS...`, going on, as where networks compute in `preferred` when they may choose."""
    program = folder / f"{preferred}.py"
    program.write_text(f"""
from pipeline.cli import main
from pipeline.models.openvino_core import core

core().set_property("CPU", {{"INFERENCE_PRECISION_HINT": "{preferred}"}})
if __name__ == "__main__":  # workers import it, too
    main()
""")
    return subprocess.Popen(
        [sys.executable, program, *map(str, words)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def runtimes(database: Path) -> dict[str, str]:
    """How each network of the only run computed, by its task."""
    with reading(database) as connection:
        ((kept,),) = connection.execute("SELECT settings FROM runs").fetchall()
    return {task: runtime for task, (*_, runtime) in json.loads(kept)["models"].items()}


def test_a_run_goes_on_in_the_arithmetic_it_began_in(pets: Path, tmp_path: Path) -> None:
    """It began where there is no bfloat16, and goes on where networks would choose that: here and in workers."""
    write_clip(tmp_path / "second.mp4")
    command = ["run", pets / "video.mp4", "second.mp4", "--set", "detector.precision=int8", "--set", "store.chunk=10"]
    database, other = tmp_path / "runs" / "sightline.db", tmp_path / "other.db"
    process = start_where("f32", *command, "--max-frames", 120, folder=tmp_path)
    wait_for_frame(process, database, 10)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, out + err
    began = {"detect": "openvino CPU int8+f32", "embed": "openvino CPU f32"}
    assert runtimes(database) == began

    words = ["run", pets / "video.mp4", "second.mp4", "--max-frames", 120, "--set", "detector.backend=onnx", "--resume"]
    otherwise = call_main(*words, "--set", "store.chunk=10", folder=tmp_path)
    assert otherwise.code == 2
    assert "detector.backend: auto -> onnx" in otherwise.err  # and not that onnx knows no int8, which nobody asked for

    anew = start_where("bf16", *command, "--max-frames", 1, "--database", other, folder=tmp_path)
    out, err = anew.communicate()
    assert anew.returncode == 0, out + err
    assert runtimes(other) == {**began, "embed": "openvino CPU bf16"}

    onwards = start_where("bf16", "resume", "last", "--workers", 2, folder=tmp_path)
    out, err = onwards.communicate()
    assert onwards.returncode == 0, out + err
    with reading(database) as connection:
        found = connection.execute("SELECT count(DISTINCT detect_hash), max(end_frame) FROM detection_chunks")
        assert found.fetchall() == [(1, 120)]
