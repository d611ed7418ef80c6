"""Figures of `sightline benchmark pipeline`, worked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError, FormatError
from pipeline.evaluation.sequences import UNKNOWN, SequenceBoxes, write_tracks, write_truth
from pipeline.pipeline_benchmark.benchmark import Peer, PipelinePlan, Rounds, find_truth, score_tracks
from pipeline.pipeline_benchmark.child import Usage
from pipeline.pipeline_benchmark.plot import write_plot
from pipeline.pipeline_benchmark.summary import (
    busy_ratio,
    memory_per_stream,
    notes,
    overheads,
    ratios,
    serial_ratio,
    stage_figures,
    summary_to_dict,
)
from pipeline.pipeline_benchmark.takes import OwnTake, PeerTake, StageTime, Take, copies
from pipeline.pipeline_benchmark_verb import read_streams

MIB = 1 << 20
PARTS = {"read": 0.01, "detect": 0.1}


def own_take(*, streams: int = 1, peak: int = 300 * MIB, frames: int = 11) -> OwnTake:
    """Ten frames after the first one in 2 s; the process took 5 s. The detector looked at every second frame."""
    return OwnTake(
        Usage(began_at=100.0, seconds=5.0, cpu_seconds=5.5, peak_memory=peak),
        frames,
        first_frame_at=102.5,
        last_frame_at=104.5,
        engine_seconds=1.2,
        stages={
            "read": StageTime(0.4, 0.3, 10),
            "detect": StageTime(0.8, 0.1, 5),
            "track": StageTime(0.3, 0.3, 10),
            **{idle: StageTime(0.0, 0.0, 0) for idle in ("segment", "embed", "write")},
        },
        models={"detector": "tiny (opencv)", "segmenter": "none", "embedder": "none"},
        streams=streams,
        tracks=3,
        database_bytes=MIB,
        picture_bytes=MIB,
    )


def peer_take() -> PeerTake:
    usage = Usage(began_at=100.0, seconds=11.0, cpu_seconds=11.0, peak_memory=600 * MIB)
    return PeerTake(usage, 11, 105.0, 109.0, version="9.9", milliseconds={"inference": 80.0})


def test_a_take_is_timed_from_its_first_frame_to_its_last() -> None:
    take = own_take()
    assert take.start_up == 2.5
    assert take.rate == 5.0
    assert take.whole_rate == pytest.approx(2.2)
    assert take.cpu_per_frame == pytest.approx(0.5)


def test_a_single_frame_is_timed_with_its_process() -> None:
    one = Take(Usage(100.0, 4.0, 1.0, MIB), 1, 103.0, 103.0)
    assert one.rate == one.whole_rate == 0.25


def test_overhead_is_wall_time_by_the_stages_one_after_the_other() -> None:
    take = own_take()
    assert busy_ratio(take) == pytest.approx(1.2 / 1.5)
    alone = 0.01 * 10 + 0.1 * 5 + 0.3  # tracking was not measured by itself
    assert serial_ratio(take, PARTS) == pytest.approx(1.2 / alone)
    rounds = Rounds({1: [take, take, take]}, [PARTS, {"read": 0.02, "detect": 0.2}, PARTS])
    assert overheads(rounds)["serial"] == pytest.approx(1.2 / alone)  # the median round


def test_memory_of_extra_streams() -> None:
    assert memory_per_stream(own_take(), own_take(streams=4, peak=450 * MIB)) == 50 * MIB
    with pytest.raises(ValueError, match="no extra stream"):
        memory_per_stream(own_take(), own_take())


def test_ratios_to_the_peer_are_medians_within_rounds() -> None:
    found = ratios(Rounds({1: [own_take(), own_take(frames=21), own_take()]}, peer=[peer_take()] * 3))
    assert found["frames_per_second"] == pytest.approx(5.0 / 2.5)
    assert found["start_up"] == pytest.approx(2.5 / 5.0)
    assert found["cpu_per_frame"] == pytest.approx(0.5)
    assert found["peak_memory"] == pytest.approx(0.5)
    assert ratios(Rounds({1: [own_take()]})) == {}


def test_stages_that_did_nothing_are_left_out() -> None:
    figures = stage_figures(Rounds({1: [own_take()]}, [PARTS]))
    assert list(figures) == ["read", "detect", "track"]
    assert figures["detect"] == {"busy": 0.16, "alone": 0.1, "frames": 5, "share_of_wall": pytest.approx(0.8 / 1.2)}
    assert figures["track"]["alone"] is None


def plan(folder: Path, *, peer: Peer | None = None) -> PipelinePlan:
    return PipelinePlan([folder / "a.mp4"], "default", [], [1, 4], 1, None, peer, None)


def test_everything_goes_into_json_and_a_picture(tmp_path: Path) -> None:
    four = own_take(streams=4, peak=450 * MIB, frames=41)
    rounds = Rounds({1: [own_take()], 4: [four]}, [PARTS], [peer_take()])
    told = json.loads(json.dumps(summary_to_dict(plan(tmp_path, peer=Peer(tmp_path, None)), rounds)))
    assert told["streams"]["4"]["bytes_per_extra_stream"] == 50 * MIB
    assert told["streams"]["4"]["times_one_stream"] == 4.0
    assert told["peer"]["ours_by_theirs"]["frames_per_second"] == 2.0
    assert told["wall_by_serial_sum"]["busy"] == pytest.approx(0.8)
    write_plot(tmp_path / "plot.png", rounds)
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_a_peer_that_failed_is_told(tmp_path: Path) -> None:
    rounds = Rounds({1: [own_take()]}, [PARTS], peer_failure="exit code 1: no lap")
    assert "ultralytics failed: exit code 1: no lap" in notes(plan(tmp_path, peer=Peer(tmp_path, None)), rounds)


def test_streams_are_copies_of_the_sources_in_turns(tmp_path: Path) -> None:
    sources = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for source in sources:
        source.write_bytes(source.name.encode())
    made = copies(sources, 3, folder=tmp_path / "clips")
    assert [path.read_text() for path in made] == ["a.mp4", "b.mp4", "a.mp4"]
    assert len({path.resolve() for path in made}) == 3
    assert copies(sources, 2, folder=tmp_path / "clips") == made[:2]


def test_scores_are_of_the_frames_that_were_tracked(tmp_path: Path) -> None:
    frames, ids = np.arange(1, 11), np.ones(10, int)
    boxes = np.tile([10.0, 10.0, 30.0, 50.0], (10, 1))
    sure, people = np.ones(10), np.ones(10, int)
    write_truth(tmp_path / "gt.txt", SequenceBoxes(frames, ids, boxes, sure, people, sure))
    none = np.full(5, UNKNOWN)
    write_tracks(tmp_path / "t.txt", SequenceBoxes(frames[:5], ids[:5], boxes[:5], sure[:5], none, none.astype(float)))
    truth = find_truth(tmp_path)
    assert score_tracks(truth, tmp_path / "t.txt", frames=5).hota.hota == pytest.approx(1.0)
    assert score_tracks(truth, tmp_path / "t.txt", frames=10).hota.hota < 0.8
    with pytest.raises(FormatError, match="no ground truth"):
        find_truth(tmp_path / "nowhere")


@pytest.mark.parametrize(("text", "counts"), [("1", [1]), ("16,4", [1, 4, 16]), ("2,2", [1, 2])])
def test_numbers_of_streams(text: str, counts: list[int]) -> None:
    assert read_streams(text) == counts


@pytest.mark.parametrize("text", ["", "a", "0", "300", "1,-2"])
def test_wrong_numbers_of_streams_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--streams"):
        read_streams(text)
