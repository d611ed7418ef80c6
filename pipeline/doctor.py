"""What works on this machine: versions, devices, codecs, places, database, networks; and how to get the rest."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.table import Table
from rich.text import Text

from pipeline.config import load_settings
from pipeline.doctor_networks import examine_networks
from pipeline.errors import SightlineError
from pipeline.finding import Finding, Verdict
from pipeline.models.model_cache import ModelCache
from pipeline.run_record import media_folder
from pipeline.store.database import check_database

PACKAGES = (
    "sightline",
    "numpy",
    "scipy",
    "opencv-python",
    "av",
    "torch",
    "torchvision",
    "ultralytics",
    "openvino",
    "onnxruntime",
    "filterpy",
    "supervision",
    "sqlalchemy",
    "httpx",
    "paho-mqtt",
    "gradio",
)
EXTRAS = {"psycopg": "postgres", "pgvector": "postgres", "ray": "ray"}
DECODERS = ("h264", "hevc", "mjpeg", "vp9", "av1")
ENCODERS = ("libx264",)
STREAMS = ("rtsp", "hls", "mpjpeg")  # how cameras send
HARDWARE = ("cuda", "vaapi", "qsv")
RING = 32 * 1024**2  # bytes; a ring of frames in full HD is as large
LOW_SPACE = 2 * 1024**3  # bytes


def examine(database: str) -> list[Finding]:
    """Look at everything. `database`: address of the store to try."""
    checks: tuple[Callable[[], list[Finding]], ...] = (_machine, _packages, _devices, _codecs, _cameras, _places)
    findings = [finding for check in checks for finding in check()]
    return [*findings, *_media(database), _database(database), *examine_networks()]


def to_table(findings: list[Finding]) -> Table:
    """One line a finding."""
    styles = {Verdict.GOOD: "green", Verdict.ABSENT: "yellow", Verdict.BAD: "bold red"}
    table = Table(title="Sightline on this machine", title_justify="left")
    table.add_column("what")
    table.add_column("state")
    table.add_column("detail", overflow="fold")
    for finding in findings:
        table.add_row(finding.subject, Text(finding.verdict.value, style=styles[finding.verdict]), Text(finding.detail))
    return table


def _machine() -> list[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    detail = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {cores} CPU cores"
    return [Finding("machine", Verdict.GOOD, detail)]


def _packages() -> list[Finding]:
    found = []
    for name in PACKAGES:
        try:
            found.append(Finding(name, Verdict.GOOD, version(name)))
        except PackageNotFoundError:
            found.append(Finding(name, Verdict.BAD, "not installed; run: pip install sightline"))
    for name, extra in EXTRAS.items():
        if importlib.util.find_spec(name) is None:
            found.append(Finding(name, Verdict.ABSENT, f"optional; run: pip install 'sightline[{extra}]'"))
        else:
            found.append(Finding(name, Verdict.GOOD, version(name)))
    return found


def _devices() -> list[Finding]:
    return [_openvino_devices(), _cuda()]


def _openvino_devices() -> Finding:
    subject = "OpenVINO devices"
    if (problem := _import_problem("pipeline.models.openvino_library", package="openvino")) is not None:
        return Finding(subject, Verdict.BAD, problem)
    from pipeline.models.openvino_library import ov

    devices = ", ".join(ov.Core().available_devices)
    return Finding(subject, Verdict.GOOD if devices else Verdict.BAD, devices or "none; reinstall openvino")


def _cuda() -> Finding:
    if (problem := _import_problem("torch")) is not None:
        return Finding("CUDA", Verdict.BAD, problem)
    import torch

    if not torch.cuda.is_available():
        return Finding("CUDA", Verdict.ABSENT, "no GPU that torch can use; detection runs on the CPU")
    from pipeline.models.graphics import obstacle

    names = ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
    if (found := obstacle(torch.device("cuda", 0))) is not None:
        detail = f"{names}; torch cannot compute on the first ({found}), so that detection runs on the CPU"
        return Finding("CUDA", Verdict.ABSENT, detail)
    return Finding("CUDA", Verdict.GOOD, names)


def _codecs() -> list[Finding]:
    if (problem := _import_problem("av")) is not None:
        return [Finding("video codecs", Verdict.BAD, problem)]
    import av.codec

    found = []
    for mode, names in (("r", DECODERS), ("w", ENCODERS)):
        missing = [name for name in names if not _has_codec(av.codec.Codec, name, mode)]
        subject = "video decoders" if mode == "r" else "video encoders"
        if missing:
            detail = f"missing: {', '.join(missing)}; install the av wheel from the registry: pip install --force av"
            found.append(Finding(subject, Verdict.BAD, detail))
        else:
            found.append(Finding(subject, Verdict.GOOD, ", ".join(names)))
    return found


def _cameras() -> list[Finding]:
    """What reading cameras needs."""
    if _import_problem("av") is not None:
        return []  # told with the codecs
    import av

    missing = [name for name in STREAMS if name not in av.formats_available]
    if missing:
        detail = f"missing: {', '.join(missing)}; install the av wheel from the registry: pip install --force av"
        streams = Finding("camera streams", Verdict.BAD, detail)
    else:
        streams = Finding("camera streams", Verdict.GOOD, ", ".join(STREAMS))
    return [streams, _hardware_decoding(), _shared_memory()]


def _hardware_decoding() -> Finding:
    from pipeline.sources.hardware import choose

    told = {name: choose(name).obstacle for name in HARDWARE}
    if usable := [name for name, obstacle in told.items() if not obstacle]:
        return Finding("hardware decoding", Verdict.GOOD, ", ".join(usable))
    return Finding("hardware decoding", Verdict.ABSENT, f"cameras are decoded on the CPU; {'; '.join(told.values())}")


def _shared_memory() -> Finding:
    """A ring of frames, as each camera's reader has one."""
    from pipeline.sources.shared_block import SharedBlock

    try:
        block = SharedBlock.new(RING)
        block.close()
    except OSError as error:
        detail = f"{error.strerror}; cameras cannot be read: give this process {RING >> 20} MiB of memory for each"
        return Finding("shared memory", Verdict.BAD, detail)
    return Finding("shared memory", Verdict.GOOD, f"a block of {RING >> 20} MiB can be made")


def _import_problem(name: str, *, package: str | None = None) -> str | None:
    """Why a module cannot be loaded, None if it can; broken ones fail in their own ways. `package`: what to install."""
    try:
        importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:
        return f"cannot be loaded: {' '.join(str(error).split())}; run: pip install --force-reinstall {package or name}"
    return None


def _has_codec(codec: Callable[[str, str], object], name: str, mode: str) -> bool:
    try:
        codec(name, mode)
    except ValueError:  # PyAV's UnknownCodecError
        return False
    return True


def _places() -> list[Finding]:
    models = ModelCache.of(os.environ).folder
    folders = (
        ("current folder", Path.cwd()),
        ("temporary folder", Path(tempfile.gettempdir())),
        ("models folder", models.absolute()),
    )
    return [_place(subject, folder) for subject, folder in folders]


def _place(subject: str, folder: Path) -> Finding:
    """A folder, which may not be there yet, as long as it can be made."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    detail = f"{folder}, {free / 1024**3:.1f} GiB free"
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Finding(subject, Verdict.BAD, f"{there} cannot be written; change its permissions")
    if free < LOW_SPACE:
        return Finding(subject, Verdict.BAD, f"{detail}: too little for long runs; make room")
    return Finding(subject, Verdict.GOOD, detail)


def _media(database: str) -> list[Finding]:
    """Where pictures and recordings go."""
    try:
        settings = load_settings(None, [f"store.database={json.dumps(database)}"])
        return [_place("media folder", media_folder(settings).absolute())]
    except SightlineError:
        return []  # of the address, told with the database


def _database(address: str) -> Finding:
    try:
        report = check_database(address)
    except SightlineError as error:
        return Finding("database", Verdict.BAD, str(error))
    if report.problem is not None:
        return Finding("database", Verdict.BAD, f"{report.name}: {report.problem}")
    state = "will be made by the first run" if report.revision is None else f"tables of revision {report.revision}"
    return Finding("database", Verdict.GOOD, f"{report.name} ({report.backend} {report.server}), {state}")
