"""The rooms of the house: every module lies in one, and imports only from rooms below its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT

# From the ground up. A room holds modules and packages; what lies in one package may import each other, and all may
# import from lower rooms. Neighbours in a room do not know each other. A longer name wins over its package's.
ROOMS: tuple[tuple[str, ...], ...] = (
    ("trackers",),
    (
        "pipeline.errors",
        "pipeline.finding",
        "pipeline.bundled_models",
        "pipeline.redaction",
        "pipeline.shipped",
        "pipeline.tally",
        "pipeline.tracker_names",
    ),
    (
        "pipeline.deciding",
        "pipeline.events",
        "pipeline.logs",
        "pipeline.secrets",
        "pipeline.score_map",
        "pipeline.overrides",
        "pipeline.section",
    ),
    (
        "pipeline.detector_settings",
        "pipeline.rule_settings",
        "pipeline.segmenter_settings",
        "pipeline.tracker_settings",
        "pipeline.moments",
    ),
    # what the parts promise each other, and settings
    (
        "pipeline.models.base",
        "pipeline.sinks.base",
        "pipeline.sources.base",
        "pipeline.sources.feed",
        "pipeline.channel",
        "pipeline.config",
    ),
    (
        "pipeline.target_settings",
        "pipeline.report",
        "pipeline.asks",
        "pipeline.schedule",
        "pipeline.camera_settings",
        "pipeline.stages",
        "pipeline.live_report",
    ),
    ("pipeline.scheduling", "pipeline.backfill"),
    ("pipeline.live", "pipeline.box_window", "pipeline.follow_settings"),
    ("pipeline.peer_process",),
    # the parts
    (
        "pipeline.analytics",
        "pipeline.annotate",
        "pipeline.rule_board",
        "pipeline.heat_picture",
        "pipeline.engine",
        "pipeline.evaluation",
        "pipeline.live_engine",
        "pipeline.models",
        "pipeline.sources",
        "pipeline.store",
    ),
    # what joins two of them: results into files and the store, scenes into benchmarks
    ("pipeline.alerts", "pipeline.sinks", "pipeline.synthetic"),
    ("pipeline.training", "pipeline.outputs", "pipeline.exports"),
    ("pipeline.trials", "pipeline.explain"),  # of what was trained
    ("pipeline.building",),
    ("pipeline.build", "pipeline.outcome", "pipeline.compare"),
    (
        "pipeline.run_record",
        "pipeline.loaded_models",
        "pipeline.track_file",
        "pipeline.retention",
        "pipeline.recordings",
        "pipeline.clips",
        "pipeline.following",
    ),
    ("pipeline.follow_files",),
    (
        "pipeline.heart",
        "pipeline.addresses",
        "pipeline.picture_search",
        "pipeline.track_explanation",
        "pipeline.processing",
        "pipeline.run_plan",
    ),
    ("pipeline.own_settings", "pipeline.stored_frames", "pipeline.stored_runs"),
    ("pipeline.batch", "pipeline.retrack", "pipeline.run_report", "pipeline.side_by_side"),
    ("pipeline.runs",),
    ("pipeline.run_control", "pipeline.follow_plan"),
    ("pipeline.stored_target",),
    # what people see
    ("pipeline.doctor_networks",),
    (
        "pipeline.doctor",
        "pipeline.demo",
        "pipeline.pipeline_benchmark",
        "pipeline.tracker_benchmark",
        "pipeline.target_benchmark",
    ),
    ("pipeline.sizing",),
    ("pipeline.console", "pipeline.page", "pipeline.run_tables", "pipeline.train_display"),
    ("pipeline.api", "pipeline.watch"),
    (
        "pipeline.error_console",
        "pipeline.input_size",
        "pipeline.progress_line",
        "pipeline.run_verbs",
        "pipeline.camera_verbs",
        "pipeline.starting_weights",
        "pipeline.stopping",
        "pipeline.watch_tables",
    ),
    # of distill_verbs and train_verbs
    (
        "pipeline.distill_backbone_verb",
        "pipeline.distill_embedder_verb",
        "pipeline.distill_masks_verb",
        "pipeline.train_embedder_verb",
        "pipeline.train_mask_rcnn_verb",
        "pipeline.train_siamese_verb",
    ),
    # of benchmark_verbs and evaluate_verbs
    ("pipeline.pipeline_benchmark_verb", "pipeline.target_benchmark_verb", "pipeline.evaluate_masks_verb"),
    (
        "pipeline.alert_verbs",
        "pipeline.benchmark_verbs",
        "pipeline.composite_verb",
        "pipeline.demo_verb",
        "pipeline.distill_verbs",
        "pipeline.doctor_verb",
        "pipeline.event_verbs",
        "pipeline.explain_verb",
        "pipeline.follow_verb",
        "pipeline.heat_verbs",
        "pipeline.model_verbs",
        "pipeline.recording_verbs",
        "pipeline.retrack_verb",
        "pipeline.size_verb",
        "pipeline.track_verbs",
        "pipeline.train_verbs",
        "pipeline.watch_verbs",
    ),
    ("pipeline.evaluate_verbs",),  # more of `evaluate`
    ("pipeline.export_model",),  # what was exported is evaluated
    ("pipeline.export_verbs",),
    ("pipeline.process_verbs",),  # of cameras, too
    ("pipeline.lazy_verbs",),
    ("pipeline.cli",),
    ("pipeline.__main__",),
    ("app_ui",),
)

# Settings end at the modules that take them apart.
READS_SETTINGS = {
    "pipeline.camera_settings",
    "pipeline.target_settings",
    "pipeline.follow_settings",
    "pipeline.follow_plan",
    "pipeline.follow_verb",
    "pipeline.explain_verb",
    "pipeline.building.asks",
    "pipeline.building.explaining",
    "pipeline.building.models",
    "pipeline.building.places",
    "pipeline.building.schedules",
    "pipeline.building.sources",
    "pipeline.building.targets",
    "pipeline.building.trackers",
    "pipeline.run_record",
    "pipeline.picture_search",
    "pipeline.track_explanation",
    "pipeline.loaded_models",
    "pipeline.processing",
    "pipeline.run_plan",
    "pipeline.retrack",
    "pipeline.runs",
    "pipeline.stored_runs",
    "pipeline.batch",
    "pipeline.side_by_side",
    "pipeline.run_control",
    "pipeline.watch.cameras_file",
    "pipeline.watch.service",
    "pipeline.watch_verbs",
    "pipeline.doctor",
    "pipeline.doctor_networks",
    "pipeline.demo",
    "pipeline.api",
    "pipeline.run_verbs",
    "pipeline.distill_embedder_verb",
    "pipeline.distill_masks_verb",
    "pipeline.distill_verbs",
    "pipeline.track_verbs",
    "pipeline.evaluate_masks_verb",
    "pipeline.evaluate_verbs",
    "pipeline.export_model",
    "pipeline.pipeline_benchmark.benchmark",
    "pipeline.pipeline_benchmark.parts",
    "pipeline.sizing.measuring",
    "pipeline.size_verb",
    "pipeline.tracker_benchmark.accuracy",
    "pipeline.tracker_benchmark.own_trackers",
    "pipeline.target_benchmark.clips",
    "pipeline.target_benchmark.own_targets",
    "pipeline.target_benchmark.line_up",
    "pipeline.process_verbs",
    "pipeline.retrack_verb",
    "app_ui",
}

# Only building knows which classes there are: outside their package these are all that may be imported of the parts.
OPEN_DOORS = {
    "pipeline.models": {
        "pipeline.models.base",
        "pipeline.models.catalog",
        "pipeline.models.detector_trunk",
        "pipeline.models.download_watchers",
        "pipeline.models.fetching",
        "pipeline.models.files",
        "pipeline.models.graphics",
        "pipeline.models.label_names",
        "pipeline.models.licences",
        "pipeline.models.mask_rcnn",
        "pipeline.models.mask_rcnn_file",
        "pipeline.models.messages",
        "pipeline.models.model_cache",
        "pipeline.models.openvino_library",
        "pipeline.models.named",
        "pipeline.models.onnx_detector",
        "pipeline.models.onnx_weights",
        "pipeline.models.pyramid",
        "pipeline.models.torch_runtime",
        "pipeline.models.trunk_description",
        "pipeline.models.compression",
        "pipeline.models.inputs",
        "pipeline.models.ultralytics_library",
    },
    "pipeline.sources": {
        "pipeline.sources.base",
        "pipeline.sources.feed",
        "pipeline.sources.excerpt",
        "pipeline.sources.fingerprint",
        "pipeline.sources.hardware",
        "pipeline.sources.numbered",
        "pipeline.sources.shared_block",
        "pipeline.sources.outage_guard",
        "pipeline.sources.probe",
        "pipeline.sources.recorder",
        "pipeline.sources.segment_footage",
        "pipeline.sources.segment_join",
        "pipeline.sources.segment_lock",
        "pipeline.sources.segment_names",
        "pipeline.sources.segment_reading",
        "pipeline.sources.stills",
    },
    "pipeline.alerts": {"pipeline.alerts.courier", "pipeline.alerts.dispatcher", "pipeline.alerts.message"},
    "pipeline.sinks": {
        "pipeline.sinks.base",
        "pipeline.sinks.gathering",
        "pipeline.sinks.part_file",
        "pipeline.sinks.past",
        "pipeline.sinks.h264_file",
        "pipeline.sinks.text_file",
        "pipeline.sinks.track_text",
    },  # five are no sinks
}
TRACKERS = {
    f"trackers.{name}"
    for name in ("sort", "bytetrack", "ocsort", "deepsort", "correlation", "siamese", "mdnet", "target_follower")
}
KNOWS_CLASSES = "pipeline.building"  # entered through pipeline.build
EXCEPTIONS = {
    ("pipeline.processing", "pipeline.sinks.best_pictures"),
    ("pipeline.processing", "pipeline.sinks.database"),
    ("pipeline.watch.streams", "pipeline.sinks.best_pictures"),
    ("pipeline.watch.streams", "pipeline.sinks.database"),
    ("pipeline.stored_target", "pipeline.sinks.best_pictures"),
    ("pipeline.stored_target", "pipeline.sinks.database"),
    ("pipeline.retrack", "pipeline.sinks.database"),  # not a choice: every run writes to its own open database
}

LIBRARIES_OF_TRACKERS = {"numpy", "scipy", "cv2", "filterpy"}
LIBRARIES_OF = {"trackers.mdnet": LIBRARIES_OF_TRACKERS | {"torch"}}  # trains while it tracks
OURS = {"trackers", "pipeline", "app_ui", "tests"}


def read_modules(root: Path) -> dict[str, str]:
    """Name and source of every module of ours; a package goes by its own name."""
    files = [*root.glob("trackers/**/*.py"), *root.glob("pipeline/**/*.py"), *root.glob("app_ui.py")]
    modules = {}
    for file in sorted(files):
        parts = file.relative_to(root).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file.read_text(encoding="utf-8")
    return modules


def imports(name: str, source: str, known: Mapping[str, str]) -> Iterator[str]:
    """Full names of the modules that a module imports, at its top, in functions, under conditions or by name."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                above = name.split(".")[:-level] if level else []
                base = ".".join([*above, *([module] if module else [])])
                for alias in aliases:
                    inner = f"{base}.{alias.name}"
                    yield inner if inner in known else base  # `from package import module` names the module
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(target)), *_],
            ):
                yield target


def room_of(module: str) -> tuple[int, str] | None:
    """Floor and name of the room's entry that a module belongs to: the longest that fits."""
    fitting = [
        (entry, floor)
        for floor, entries in enumerate(ROOMS)
        for entry in entries
        if module == entry or module.startswith(f"{entry}.")
    ]
    entry, floor = max(fitting, key=lambda pair: len(pair[0]), default=("", -1))
    return (floor, entry) if entry else None


def violations(modules: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    """Every import of `modules` that goes against the arrows of the design. `known`: all there are."""
    found = []
    for name, source in modules.items():
        for target in sorted(set(imports(name, source, known))):
            reasons = [
                _direction(name, target),
                _settings(name, target),
                _classes(name, target),
                _library(name, target),
            ]
            found += [f"{name} imports {target}: {reason}" for reason in reasons if reason]
    return found


def _ours(module: str) -> bool:
    return module.split(".")[0] in OURS


def _direction(name: str, target: str) -> str:
    if not _ours(target) or target == "pipeline":  # the bare package is empty
        return ""
    own, other = room_of(name), room_of(target)
    if own is None:
        return f"{name} lies in no room"
    if other is None:
        return "that lies in no room"
    return "" if other[0] < own[0] or other == own else "that lies beside or above it"


def _settings(name: str, target: str) -> str:
    return (
        "settings end at building and its callers" if target == "pipeline.config" and name not in READS_SETTINGS else ""
    )


def _classes(name: str, target: str) -> str:
    reason = "concrete classes are named in building alone"
    if name.startswith(f"{KNOWS_CLASSES}.") or (name, target) in EXCEPTIONS:
        return ""
    if target.startswith(KNOWS_CLASSES) and name != "pipeline.build":
        return "building is entered through build"
    if target in TRACKERS:
        return reason
    for package, doors in OPEN_DOORS.items():
        inside = target == package or target.startswith(f"{package}.")
        if inside and target not in doors and not name.startswith(f"{package}."):
            return reason
    return ""


def _library(name: str, target: str) -> str:
    top = target.split(".")[0]
    if not name.startswith("trackers") or _ours(target) or top in sys.stdlib_module_names:
        return ""
    return "" if top in LIBRARIES_OF.get(name, LIBRARIES_OF_TRACKERS) else "trackers stand on few libraries"


def loaded_by(module: str) -> set[str]:
    """Top-level names that are loaded after importing a module in a new process."""
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


MODULES = read_modules(ROOT)


def test_every_module_lies_in_exactly_one_room() -> None:
    entries = [entry for entries in ROOMS for entry in entries]
    assert len(entries) == len(set(entries))
    homeless = [name for name in MODULES if name != "pipeline" and room_of(name) is None]
    assert not homeless, f"give these a room in ROOMS: {homeless}"


def test_imports_go_downwards_only() -> None:
    assert violations(MODULES, MODULES) == []


def test_exceptions_are_still_needed() -> None:
    actual = {(name, target) for name, source in MODULES.items() for target in imports(name, source, MODULES)}
    assert actual >= EXCEPTIONS


def test_packages_load_nothing_by_themselves() -> None:
    full = [path for folder in ("trackers", "pipeline") for path in (ROOT / folder).rglob("__init__.py")]
    assert full
    assert [path for path in full if path.read_text(encoding="utf-8").strip()] == []


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("trackers.deepsort", {"pipeline", "torch", "cv2"}),
        ("trackers.bytetrack", {"pipeline", "torch", "cv2"}),
        ("trackers.sort", {"pipeline", "torch", "cv2"}),
        ("trackers.ocsort", {"pipeline", "torch", "cv2"}),
        ("pipeline.cli", {"torch", "torchvision", "ultralytics", "openvino", "onnxruntime", "gradio", "ray"}),
        ("pipeline.config", {"torch", "trackers", "sqlalchemy"}),
        ("pipeline.build", {"torch", "torchvision", "ultralytics", "openvino", "onnxruntime", "gradio", "ray"}),
    ],
)
def test_importing_stays_light(module: str, absent: set[str]) -> None:
    loaded = loaded_by(module)
    assert module.split(".")[0] in loaded
    assert not loaded & absent


@pytest.mark.parametrize(
    ("name", "source", "reason"),
    [
        pytest.param("trackers.kalman", "import pipeline.errors", "above", id="trackers import pipeline"),
        pytest.param("trackers.kalman", "import torch.nn as nn", "few libraries", id="trackers import torch"),
        pytest.param("trackers.mdnet", "import torchvision", "few libraries", id="mdnet imports more than torch"),
        pytest.param("trackers.kalman", "import tests.fakes", "no room", id="code imports tests"),
        pytest.param("pipeline.errors", "from pipeline.channel import Channel", "above", id="upwards"),
        pytest.param("pipeline.errors", "def f():\n    import pipeline.engine", "above", id="upwards in a function"),
        pytest.param("pipeline.errors", "from . import engine", "above", id="upwards by a relative import"),
        pytest.param("pipeline.store.tables", "from ..engine import Engine", "beside", id="beside, relative"),
        pytest.param("pipeline.store.tables", "from pipeline import engine", "beside", id="a module from its package"),
        pytest.param(
            "pipeline.errors", "import importlib\nimportlib.import_module('pipeline.engine')", "above", id="by name"
        ),
        pytest.param("pipeline.errors", "if x:\n    from app_ui import page", "above", id="the page"),
        pytest.param("pipeline.models.base", "import pipeline.models.yolo", "above", id="within a package, upwards"),
        pytest.param("pipeline.engine", "import pipeline.evaluation.mot", "beside", id="a neighbour"),
        pytest.param("pipeline.engine", "from pipeline.config import Settings", "settings end", id="settings"),
        pytest.param("pipeline.runs", "from pipeline.models.yolo import YoloDetector", "in building", id="a model"),
        pytest.param("pipeline.runs", "from trackers.deepsort import DeepSort", "in building", id="a tracker"),
        pytest.param("pipeline.cli", "from pipeline.sources import files", "in building", id="a source"),
        pytest.param("pipeline.demo", "import pipeline.sinks.video", "in building", id="a sink"),
        pytest.param("pipeline.runs", "from pipeline.building import models", "through build", id="past the door"),
        pytest.param("pipeline.nowhere", "import pipeline.errors", "no room", id="a module without a room"),
    ],
)
def test_the_check_catches(name: str, source: str, reason: str) -> None:
    caught = violations({name: source}, MODULES | {name: source})
    assert caught
    assert any(reason in line for line in caught)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("trackers.kalman", "from __future__ import annotations\nimport math, numpy as np, scipy.linalg\nimport cv2"),
        ("trackers.mdnet", "import torch.nn.functional"),
        ("pipeline.store.tables", "from pipeline.store import vector\nfrom .states import RunStatus"),
        (
            "pipeline.building.models",
            "def f():\n    from pipeline.models.yolo import YoloDetector\n    import trackers.deepsort",
        ),
        ("pipeline.build", "from pipeline.building.models import detector"),
        ("app_ui", "import gradio\nfrom pipeline import api, config\nfrom pipeline.store import queries"),
    ],
)
def test_the_check_lets_pass(name: str, source: str) -> None:
    assert violations({name: source}, MODULES | {name: source}) == []


def test_no_two_files_of_tests_have_one_name() -> None:
    """They lie in folders that are no packages, so that pytest would take one for the other."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
