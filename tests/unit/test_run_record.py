"""What is kept of a run's settings comes back as the same settings, and what differs is named."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.camera_settings import WatchSettings
from pipeline.config import Settings, load_settings, names_network
from pipeline.errors import ModelError
from pipeline.outputs import Outputs
from pipeline.run_record import (
    camera_detect_hash,
    differences,
    inputs,
    require_same_models,
    run_record,
    stored_arithmetic,
    stored_outputs,
    stored_settings,
)
from pipeline.section import parse
from tests.fakes import FakeDetector, FakeEmbedder


@pytest.mark.parametrize("config", ["default", "people"])
def test_stored_settings_are_the_same(config: str) -> None:
    overrides = ["detector.weights=a.xml"] if config == "people" else []
    settings = load_settings(config, [*overrides, "store.database=x.db", "tracker.lost_seconds=7", "source.fps=12"])
    record = run_record(settings, FakeDetector(), FakeEmbedder(), Outputs())
    again = stored_settings(record.settings, "x.db")
    assert again == settings
    same = run_record(again, FakeDetector(), FakeEmbedder(), Outputs())
    assert same.settings_hash == record.settings_hash
    assert differences(record.settings, same.settings) == []


@pytest.mark.parametrize("config", ["default", "motion", "fast"])
def test_runs_of_versions_that_took_the_processor_by_themselves_are_read(config: str) -> None:
    now = run_record(load_settings(config), FakeDetector(), FakeEmbedder(), Outputs())
    kept = now.settings
    older = kept | {name: kept[name] | {"device": "CPU"} for name in ("detector", "segmenter", "embedder")}
    again = stored_settings(older, "x.db")
    assert (again.detector.device, again.segmenter.device) == ("auto" if config == "motion" else "CPU", "auto")
    assert differences(older, kept) == []  # where a network ran is the models' to say
    resumed = run_record(again, FakeDetector(), FakeEmbedder(), Outputs())
    assert differences(older, resumed.settings) == []
    assert resumed.settings_hash == now.settings_hash


@pytest.mark.parametrize("schedule", ["every", "adaptive", "budget"])
def test_runs_of_versions_with_other_defaults_of_a_schedule_are_read(schedule: str) -> None:
    now = run_record(load_settings("default", [f"detector.schedule={schedule}"]), FakeDetector(), None, Outputs())
    detector = dict(now.settings["detector"])
    detector["adaptive"] = {key: value for key, value in detector["adaptive"].items() if key != "missed"}
    detector["adaptive"] |= {"calm_seconds": 0.31, "crowd": 16}
    older = now.settings | {"detector": detector}
    again = stored_settings(older, "x.db")
    assert (again.detector.adaptive.crowd == 16) == (schedule == "adaptive")
    resumed = run_record(again, FakeDetector(), None, Outputs())
    if schedule != "adaptive":
        assert resumed.settings_hash == now.settings_hash
        assert differences(older, resumed.settings) == []


def test_the_databases_password_is_not_kept() -> None:
    settings = load_settings("default", ["store.database=postgresql://me:geheim@host/db"])
    record = run_record(settings, FakeDetector(), None, Outputs())
    assert "geheim" not in str(record.settings)


def test_the_addresses_of_alerts_are_not_kept() -> None:
    chat = {"kind": "webhook", "url": "https://chat.example/services/T0/geheim"}
    settings = parse({"alerts": {"chat": chat}, "cameras": {"gate": {"url": "rtsp://10.0.0.4/a"}}}, WatchSettings)
    record = run_record(settings, FakeDetector(), None, Outputs())
    assert "geheim" not in str(record.settings)
    assert record.settings["cameras"]["gate"]["url"] == "rtsp://10.0.0.4/a"


def test_paths_are_kept_whole(tmp_path: Path) -> None:
    weights = tmp_path / "a.onnx"
    weights.touch()
    here = os.path.relpath(weights)
    near = load_settings("people", [f"detector.weights={here}", "store.media=crops"])
    kept = run_record(near, FakeDetector(), None, Outputs()).settings
    assert Path(kept["detector"]["weights"]).samefile(weights)
    assert Path(kept["detector"]["weights"]).is_absolute()
    assert kept["store"]["media"] == str(Path.cwd() / "crops")
    named = load_settings("default", ["detector.backend=torchvision", "detector.weights=default"])
    assert run_record(named, FakeDetector(), None, Outputs()).settings["detector"]["weights"] == "default"


def test_crops_move_with_a_sqlite_file_but_not_with_a_server() -> None:
    file, server = (load_settings("default", [f"store.database={one}"]) for one in ("x.db", "postgresql://host/db"))
    assert run_record(file, FakeDetector(), None, Outputs()).settings["store"]["media"] is None
    kept = run_record(server, FakeDetector(), None, Outputs()).settings
    assert kept["store"]["media"] == str(Path.cwd() / "runs" / "media")


def test_differences_are_named_and_what_decides_nothing_is_not() -> None:
    before = run_record(load_settings("default"), FakeDetector(), FakeEmbedder(), Outputs())
    changes = ["detector.min_score=0.3", "engine.capacity=9", "detector.motion.min_area=0.5", "store.media=elsewhere"]
    after = run_record(load_settings("default", changes), FakeDetector(), None, Outputs())
    told = differences(before.settings, after.settings)
    assert told == [
        "detector.min_score: 0.1 -> 0.3",
        "detector.motion.min_area: 0.0008 -> 0.5",
        "models.embed: fake (sha256 000000000000, none, 1) -> None",
    ]
    assert before.settings_hash != after.settings_hash


def ran(runtime: str, version: str = "openvino 2026.4") -> dict[str, Any]:
    """What is kept of a run whose detector ran so."""
    detector = FakeDetector()
    detector.card = replace(detector.card, runtime=runtime, version=version)
    return dict(run_record(Settings(), detector, None, Outputs()).settings)


@pytest.mark.parametrize(
    ("runtime", "version"), [("openvino CPU f32", "openvino 2026.4"), ("torch CUDA bf16", "torch 2.15.0")]
)
def test_other_arithmetic_of_the_same_network_says_what_to_do(runtime: str, version: str) -> None:
    short, other = ran("openvino CPU bf16"), ran(runtime, version)
    assert differences(short, short) == []
    assert differences(short, other) == [
        f"models.detect: fake ran as openvino CPU bf16, and would now run as {runtime}, with other results "
        "(go on with the processor, device and precision it began with)"
    ]


def test_another_version_of_a_library_is_told_as_it_is() -> None:
    assert differences(ran("openvino CPU f32"), ran("openvino CPU bf16", "openvino 2027.1")) == [
        "models.detect: fake (sha256 000000000000, openvino CPU f32, openvino 2026.4) -> "
        "fake (sha256 000000000000, openvino CPU bf16, openvino 2027.1)"
    ]


def test_a_worker_that_computes_otherwise_than_its_run_is_refused() -> None:
    on_card, here = (ran(*said)["models"] for said in (("torch CUDA bf16", "torch 2.15.0"), ("openvino CPU f32",)))
    require_same_models(here, here)
    with pytest.raises(ModelError, match=r"of a worker are not .* ran as torch CUDA bf16, .* take fewer workers"):
        require_same_models(on_card, here)


@pytest.mark.parametrize(
    ("said", "network"),
    [
        ({"weights": "a.xml"}, True),
        ({"weights": None, "backend": "torchvision"}, True),
        ({"weights": None, "backend": "auto"}, False),
        ({"backend": "motion"}, False),
        ({"backend": "colour", "weights": None}, False),
        ({}, False),
    ],
)
def test_which_sections_name_a_network(said: dict[str, Any], network: bool) -> None:
    assert names_network(said) is network


@pytest.mark.parametrize(
    ("runtime", "begun"),
    [
        ("openvino CPU f32", {"detector": "f32"}),
        ("openvino GPU.1 f16", {"detector": "f16"}),
        ("openvino CPU int8+bf16", {"detector": "bf16"}),
        ("torch CUDA bf16", {"detector": "bf16"}),
        ("onnxruntime CPU f32", {}),  # computes in what the file has
        ("openvino CPU f32 + openvino CPU int8+f32", {}),  # two that are fused
        ("none", {}),
    ],
)
def test_a_run_says_in_which_arithmetic_it_began(runtime: str, begun: dict[str, str]) -> None:
    detector = FakeDetector()
    detector.card = replace(detector.card, runtime=runtime)
    record = run_record(Settings(), detector, FakeEmbedder(), Outputs())
    assert stored_arithmetic(record.settings) == begun
    assert stored_arithmetic({}) == {}


def test_outputs_come_back(tmp_path: pytest.TempPathFactory) -> None:
    outputs = Outputs(mot=tmp_path / "a.txt", video=tmp_path / "{name}.mp4")  # type: ignore[operator]
    record = run_record(load_settings("default"), FakeDetector(), None, outputs)
    assert stored_outputs(record.settings) == outputs


def test_the_second_detectors_file_is_an_input_like_the_first() -> None:
    said = ["detector.weights=a.xml", "detector.fuse.weights=fz/second.onnx", "segmenter.weights=c.onnx"]
    known = inputs(load_settings(None, said))
    assert known[Path("fz/second.onnx")] == known[Path("fz/second.bin")] == "detector.fuse.weights"
    assert known[Path("a.bin")] == "detector.weights"
    assert known[Path("c.onnx")] == "segmenter.weights"
    assert "detector.fuse.weights" not in inputs(load_settings(None)).values()


def test_the_second_detectors_path_is_kept_whole_and_stands_in_no_hash(tmp_path: Path) -> None:
    first, second, moved = (tmp_path / name for name in ("a.onnx", "b.onnx", "c.onnx"))
    for file in (first, second, moved):
        file.touch()

    def fused(weights: Path | str, *more: str) -> Settings:
        return load_settings(None, [f"detector.weights={first}", f"detector.fuse.weights={weights}", *more])

    def hashes(settings: Settings) -> tuple[str, str]:
        run = run_record(settings, FakeDetector(), None, Outputs()).settings_hash
        return run, camera_detect_hash(settings, FakeDetector(), None)

    near = fused(os.path.relpath(second))
    kept = run_record(near, FakeDetector(), None, Outputs()).settings
    whole = Path(kept["detector"]["fuse"]["weights"])
    assert whole.is_absolute()
    assert whole.samefile(second)
    assert stored_settings(kept, "x.db").detector.fuse is not None
    assert hashes(near) == hashes(fused(second)) == hashes(fused(moved))
    assert hashes(near) != hashes(fused(second, "detector.fuse.iou=0.4"))
    named = run_record(fused("yolox_nano"), FakeDetector(), None, Outputs()).settings
    assert named["detector"]["fuse"]["weights"] == "yolox_nano"  # a model of the catalogue is no file
