"""What cameras need, worked by hand from made-up costs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pipeline.config import load_settings
from pipeline.errors import ConfigError, OutputError
from pipeline.pipeline_benchmark.child import Usage
from pipeline.pipeline_benchmark.takes import OwnTake, PartsTake, StageTime
from pipeline.size_verb import read_size
from pipeline.sizing.costs import Costs, Machine, keep_costs, read_costs
from pipeline.sizing.demand import Wanted, busy_cores, interval_needed, size
from pipeline.sizing.measuring import costs_of, on_processors
from pipeline.sizing.words import sentences, sizing_table, sizing_to_dict, upper_bounds

MIB, GIB = 1 << 20, 1 << 30
COSTS = Costs(
    Machine("here", "Test", cores=10, memory=10 * GIB),
    width=1920,
    height=1080,
    measured_at="2026-01-01T00:00:00+00:00",
    detector="d",
    embedder="e",
    skips=True,
    read=0.010,
    detect=0.050,
    embed=0.002,
    track_frame=0.0005,
    track_object=0.0001,
    write=0.001,
    other=0.0005,
    objects=5.0,
    first_stream=500 * MIB,
    more_streams=100 * MIB,
    stored=100.0,
    pictured=50_000.0,
    recorded=500_000.0,
    recorded_fps=15.0,
)
WANTED = Wanted(cameras=4, fps=10.0, objects=10.0)
BUSY = {"decode": 0.4, "detector": 2.0, "embedder": 0.8, "track": 0.06, "write": 0.08, "other": 0.02}  # sum 3.36


def test_cores_by_part() -> None:
    assert busy_cores(COSTS, WANTED) == pytest.approx(BUSY)
    rarely = busy_cores(COSTS, dataclasses.replace(WANTED, every=4))
    assert rarely == pytest.approx(BUSY | {"detector": 0.5, "embedder": 0.2})


def test_cores_needed_cameras_held_and_what_binds() -> None:
    found = size(COSTS, WANTED)
    assert found.cores == pytest.approx(3.36)
    assert found.cores_needed == 5  # 3.36 / 0.8 = 4.2
    assert found.cameras_held == 9  # 8 usable cores of 0.84 a camera: 9.5
    assert (found.binds, found.fits, found.every_needed, found.processes) == ("detector", True, 1, 1)


def test_memory_binds_where_it_is_short() -> None:
    small = dataclasses.replace(COSTS, machine=dataclasses.replace(COSTS.machine, memory=1000 * MIB))
    found = size(small, WANTED)
    assert found.cameras_held == 4  # 800 MiB usable: one stream of 500 and three more of 100
    assert found.binds == "memory"
    assert found.memory == 800 * MIB
    none = dataclasses.replace(COSTS, machine=dataclasses.replace(COSTS.machine, memory=100 * MIB))
    assert size(none, WANTED).cameras_held == 0


def test_disk_a_day() -> None:
    found = size(COSTS, WANTED)
    assert found.database_day == pytest.approx(4 * 10 * 10 * 100 * 86_400)
    assert found.pictures_day == pytest.approx(4 * 10 / 10 * 50_000 * 86_400)
    briefly = size(COSTS, dataclasses.replace(WANTED, stay=5.0))
    assert briefly.pictures_day == 2 * found.pictures_day
    assert found.recording_day == pytest.approx(4 * 500_000 * (10 / 15) * 86_400)
    assert size(COSTS, WANTED, bit_rate=8e6).recording_day == pytest.approx(4 * 1e6 * 86_400)


def test_the_interval_at_which_all_fit() -> None:
    many = dataclasses.replace(WANTED, cameras=20)  # 16.8 cores, of which looking takes 14; 8 are usable
    assert interval_needed(COSTS, many) == 3  # 14 / (8 - 2.8) = 2.69
    found = size(COSTS, many)
    assert not found.fits
    assert size(COSTS, dataclasses.replace(many, every=3)).fits
    assert not size(COSTS, dataclasses.replace(many, every=2)).fits
    assert interval_needed(COSTS, dataclasses.replace(WANTED, cameras=100)) is None  # all else takes 14 cores
    assert interval_needed(COSTS, WANTED) == 1
    learns = dataclasses.replace(COSTS, skips=False)
    assert (interval_needed(learns, WANTED), interval_needed(learns, many)) == (1, None)
    assert "has to see every frame" in "\n".join(sentences(learns, size(learns, many), bit_rate=None))


def test_what_fits_exactly_fits() -> None:
    exact = dataclasses.replace(COSTS, read=0.1, detect=0.1, embed=0, track_frame=0, track_object=0, write=0, other=0)
    found = size(exact, Wanted(cameras=4, fps=10.0, objects=0.0))  # two cores a camera, eight usable
    assert (found.cameras_held, found.cores_needed, found.every_needed) == (4, 10, 1)


def test_python_takes_processes() -> None:
    assert size(COSTS, dataclasses.replace(WANTED, cameras=100)).processes == 4  # 25 times 0.16 cores


def test_words_say_what_binds_and_what_is_measured() -> None:
    many = dataclasses.replace(WANTED, cameras=20)
    found = size(COSTS, many)
    said = "\n".join(sentences(COSTS, found, bit_rate=4.0))
    assert "needed    21 cores like these, 80 % of them busy; 2.3 GiB of memory" in said
    assert "holds 9 of the 20 1920x1080 cameras at 10 frames/s; detector binds" in said
    assert "they fit with detector.every=3" in said
    assert "4 Mbit/s" in said
    assert "there is no detector.every" in "\n".join(
        sentences(COSTS, size(COSTS, dataclasses.replace(many, cameras=100)), bit_rate=None)
    )
    assert sizing_table(found).row_count == len(BUSY) + 1
    told = json.loads(json.dumps(sizing_to_dict(COSTS, found)))
    assert told["measured"]["machine"]["cores"] == 10
    assert (told["cameras_held"], told["fits"], told["wanted"]["cameras"]) == (9, False, 20)


def test_costs_are_kept_and_found_again(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "costs.json"
    assert read_costs(file, "a") is None
    keep_costs(file, "a", COSTS)
    keep_costs(file, "b", dataclasses.replace(COSTS, read=1.0))
    assert read_costs(file, "a") == COSTS
    found = read_costs(file, "b")
    assert found is not None
    assert found.read == 1.0
    assert read_costs(file, "c") is None
    told = json.loads(file.read_text())
    told["costs"]["a"].pop("read")  # of another version
    file.write_text(json.dumps(told))
    assert read_costs(file, "a") is None
    file.write_text("damaged")
    assert read_costs(file, "b") is None
    with pytest.raises(OutputError, match="cannot be written"):
        keep_costs(file / "within a file", "a", COSTS)


def test_costs_come_from_parts_and_runs(tmp_path: Path) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(bytes(3000))

    def take(streams: int, cpu: float, peak: int, database: int) -> OwnTake:
        frames = 10 * streams
        stages = {
            "read": StageTime(9.0, 0.1 * streams, frames),
            "detect": StageTime(9.0, 0.1 * streams, frames // 2),
            "track": StageTime(9.0, 0.1 * streams, frames),
            "write": StageTime(9.0, 0.02 * frames, frames),
        }
        models = {"detector": "d", "segmenter": "none", "embedder": "none"}
        usage = Usage(0.0, 1.0, cpu, peak)
        return OwnTake(
            usage,
            frames,
            1.0,
            2.0,
            engine_seconds=1.0,
            stages=stages,
            models=models,
            streams=streams,
            tracks=4 * streams,
            database_bytes=database,
            picture_bytes=1000 * streams,
        )

    parts = PartsTake(10, {}, {"read": 0.1, "detect": 0.4, "track": 0.3})
    one, three = take(1, 5.0, 300 * MIB, 10_000), take(3, 6.6, 380 * MIB, 14_000)
    found = costs_of(parts, one, three, boxes=20, video=video, size=(64, 48), tracking=(0.001, 0.0001), skips=True)
    assert (found.read, found.detect, found.embed) == pytest.approx((0.01, 0.04, 0.0))
    assert found.write == pytest.approx(0.02)
    # it looked at every other frame; tracking counts without the flow in pictures, which stays in the rest
    assert found.other == pytest.approx(0.08 - 0.02 - 0.01 - 0.02 - 0.0012)
    assert found.objects == 2.0
    assert found.more_streams == 40 * MIB
    assert found.stored == 100.0  # 4000 bytes more for two more streams of twenty boxes
    assert found.pictured == 250.0
    assert found.recorded == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("config", "said", "kept"),
    [
        ("default", [], ["detector.device=CPU", "embedder.device=CPU"]),
        ("default", ["embedder.device=cpu"], ["detector.device=CPU"]),
        (
            "default",
            ["segmenter.weights=bundled:mask-rcnn"],
            ["detector.device=CPU", "segmenter.device=CPU", "embedder.device=CPU"],
        ),
        ("motion", [], []),
        ("motion", ["embedder.backend=torchvision"], ["embedder.device=CPU"]),
    ],
)
def test_networks_are_measured_on_the_processor(config: str, said: list[str], kept: list[str]) -> None:
    assert on_processors(load_settings(config, said)) == kept
    load_settings(config, [*said, *kept])  # which takes them


@pytest.mark.parametrize("section", ["detector", "segmenter", "embedder"])
def test_a_graphics_card_is_not_measured(section: str) -> None:
    settings = load_settings("default", ["segmenter.weights=bundled:mask-rcnn", f"{section}.device=CUDA:1"])
    with pytest.raises(ConfigError, match=rf"{section}\.device is CUDA:1: only what processors take is measured"):
        on_processors(settings)


@pytest.mark.parametrize(
    ("text", "pixels"),
    [("1080p", (1920, 1080)), ("4K", (3840, 2160)), ("640x360", (640, 360)), ("720P", (1280, 720))],
)
def test_resolutions(text: str, pixels: tuple[int, int]) -> None:
    assert read_size(text) == pixels


@pytest.mark.parametrize("text", ["", "1080", "10x10", "99999x10", "axb"])
def test_wrong_resolutions_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--resolution"):
        read_size(text)


def test_what_is_spared_by_what_is_seen_is_counted_in_full_and_said() -> None:
    assert upper_bounds(schedule="every", described="always") == []
    schedule, asked = upper_bounds(schedule="adaptive", described="asked")
    assert "detector.schedule=adaptive" in schedule
    assert "embedder.when=asked" in asked
