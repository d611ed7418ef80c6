"""A network compiled once is taken from its folder, and is the same; what goes wrong there costs time alone."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.models.compiled_networks import VARIABLE, CompiledNetworks
from pipeline.models.openvino_core import core
from pipeline.models.openvino_library import opset13, ov
from tests.conftest import ROOT
from tests.promptness import allowed

_NETWORKS = ("person-reid.onnx", "person-reid-int8.xml", "person-vehicle-bicycle-int8.xml")
_HINTS = {"PERFORMANCE_HINT": "LATENCY"}


def read(name: str = _NETWORKS[0], pictures: int = 2) -> ov.Model:
    """A bundled network, for so many pictures at once."""
    model = core().read_model(ROOT / "pipeline" / "bundled" / name)
    shape = model.input(0).partial_shape
    shape[0] = pictures
    model.reshape(shape)
    return model


def from_folder(compiled: ov.CompiledModel) -> bool:
    return bool(compiled.get_property("LOADED_FROM_CACHE"))


def outputs(compiled: ov.CompiledModel) -> list[bytes]:
    port = compiled.input(0)
    picture = np.random.default_rng(5).integers(0, 256, tuple(port.shape)).astype(port.element_type.to_dtype())
    return [values.tobytes() for values in compiled(picture).values()]


@pytest.mark.parametrize("name", _NETWORKS)
def test_the_second_is_taken_from_the_folder_and_says_the_same(tmp_path: Path, name: str) -> None:
    kept = CompiledNetworks(tmp_path / "made" / "here")
    first, second = (kept.compile(read(name), "CPU", _HINTS) for _ in range(2))
    assert [from_folder(one) for one in (first, second)] == [False, True]
    assert outputs(first) == outputs(second)
    assert first.get_property("INFERENCE_PRECISION_HINT") == second.get_property("INFERENCE_PRECISION_HINT")


def test_other_shapes_weights_and_precisions_are_other_networks(tmp_path: Path) -> None:
    kept = CompiledNetworks(tmp_path)
    assert not from_folder(kept.compile(read(), "CPU", _HINTS))
    assert not from_folder(kept.compile(read(), "CPU", {**_HINTS, "INFERENCE_PRECISION_HINT": "bf16"}))
    assert not from_folder(kept.compile(read(pictures=3), "CPU", _HINTS))
    other = read()
    weights = max((one for one in other.get_ops() if one.get_type_name() == "Constant"), key=lambda one: one.data.size)
    changed = weights.data.copy()
    changed.flat[changed.size // 3] += 0.01
    weights.output(0).replace(opset13.constant(changed).output(0))
    assert not from_folder(kept.compile(other, "CPU", _HINTS))
    assert from_folder(kept.compile(read(), "CPU", _HINTS))


def test_streams_of_one_network_are_one_file(tmp_path: Path) -> None:
    kept = CompiledNetworks(tmp_path)
    kept.compile(read(), "CPU", _HINTS)
    several = kept.compile(read(), "CPU", {**_HINTS, "NUM_STREAMS": 2})
    assert from_folder(several)
    assert several.get_property("NUM_STREAMS") == 2


@pytest.mark.parametrize("left", [0, 1000, 0.5, 0.999])
def test_a_file_that_was_cut_short_is_made_anew(tmp_path: Path, left: float) -> None:
    kept = CompiledNetworks(tmp_path)
    whole = kept.compile(read(), "CPU", _HINTS)
    (file,) = tmp_path.glob("*/*.blob")
    size = file.stat().st_size
    file.chmod(0o644)
    os.truncate(file, int(left * size) if left < 1 else int(left))
    again = kept.compile(read(), "CPU", _HINTS)
    assert not from_folder(again)
    assert outputs(again) == outputs(whole)
    assert from_folder(kept.compile(read(), "CPU", _HINTS))


def test_a_full_disk_costs_nothing_but_time(tmp_path: Path) -> None:
    """A limit on the size of files stands for it."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from pipeline.models.compiled_networks import CompiledNetworks\n"
        "from tests.unit.models.test_compiled_networks import outputs, read\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "for _ in range(2): print(len(outputs(CompiledNetworks(Path(sys.argv[1])).compile(read(), 'CPU', {}))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1\n1\n"), done.stderr


@pytest.mark.parametrize("trouble", ["a file stands there", "a file stands in it", "others can write it"])
def test_a_folder_that_cannot_be_used_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    CompiledNetworks(tmp_path / "well").compile(read(), "CPU", _HINTS)
    (own,) = (tmp_path / "well").iterdir()
    folder = tmp_path / "kept"
    if trouble == "a file stands there":
        folder.touch()
    elif trouble == "a file stands in it":
        folder.mkdir()
        (folder / own.name).touch()
    else:
        shutil.copytree(tmp_path / "well", folder)
        (folder / own.name).chmod(0o777)
    kept = CompiledNetworks(folder)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert not from_folder(kept.compile(read(), "CPU", _HINTS))
    (told,) = caplog.messages
    assert str(folder) in told
    assert VARIABLE in told


def test_processes_that_begin_at_once_share_a_folder(tmp_path: Path) -> None:
    """All are well, and the network was compiled once."""
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline.models.compiled_networks import CompiledNetworks\n"
        "from tests.unit.models.test_compiled_networks import from_folder, outputs, read\n"
        "compiled = CompiledNetworks(Path(sys.argv[1])).compile(read(), 'CPU', {})\n"
        "print(from_folder(compiled), len(outputs(compiled)))"
    )
    begun = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert sorted(process.communicate(timeout=allowed(60))[0] for process in begun) == ["False 1\n", *["True 1\n"] * 2]


def test_what_is_wrong_with_a_network_is_openvinos_to_say(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="NO_SUCH_HINT"):
        CompiledNetworks(tmp_path).compile(read(), "CPU", {"NO_SUCH_HINT": "1"})


def test_those_used_longest_ago_go_when_there_are_too_many(tmp_path: Path) -> None:
    CompiledNetworks(tmp_path).compile(read(), "CPU", _HINTS)
    (first,) = tmp_path.glob("*/*.blob")
    size = first.stat().st_size
    other, older = first.with_name("other.blob"), first.with_name("older.blob")
    for file, seconds in ((first, 3000), (other, 2000), (older, 1000)):
        if file is not first:
            file.write_bytes(bytes(size))
        os.utime(file, (seconds, seconds))
    others = tmp_path / "others" / "large.blob"
    others.parent.mkdir()
    others.write_bytes(bytes(10 * size))
    CompiledNetworks(tmp_path, most=int(3.5 * size)).compile(read(pictures=3), "CPU", _HINTS)
    assert [file.exists() for file in (first, other, older)] == [True, True, False]
    assert len(list(first.parent.glob("*.blob"))) == 3
    assert others.exists()


def test_an_empty_variable_keeps_nothing(tmp_path: Path) -> None:
    assert not from_folder(CompiledNetworks.of({VARIABLE: ""}).compile(read(), "CPU", _HINTS))
    kept = CompiledNetworks.of({VARIABLE: str(tmp_path)})
    kept.compile(read(), "CPU", _HINTS)
    assert len(list(tmp_path.glob("*/*.blob"))) == 1
