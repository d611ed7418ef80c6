"""Packets of real videos into segments that play alone and leave nothing out."""

from __future__ import annotations

import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import OutputError
from pipeline.sources.excerpt import VideoFootage
from pipeline.sources.packet_times import PacketTimes
from pipeline.sources.segment_lock import is_held
from pipeline.sources.segment_names import begun_at, camera_folder, part_of, segment_path, whole_of
from pipeline.sources.segment_reading import cut_to_whole, read_extent
from tests.clips import number_in, write_clip
from tests.conftest import ROOT
from tests.integration.recording.feeding import START, Recording, arrival, decoded, feed, packets
from tests.promptness import until

EVEN = {"g": "10", "sc_threshold": "0"}  # a key picture every second


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path / "media")


def unfinished(folder: Path) -> list[Path]:
    return sorted(folder.rglob(".*.part"))


def assert_seamless(recording: Recording, *, step: int) -> None:
    """Each segment goes on where the one before ends, and so do the pictures in them. `step`: microseconds."""
    for one, following in zip(recording.segments, recording.segments[1:], strict=False):
        assert one.to_at == following.from_at
    assert np.abs(np.diff(recording.pictures()) - step).max() <= 2


@pytest.mark.parametrize(
    ("name", "step"),
    [
        pytest.param("videos/cars.mp4", 1e6 / 30, id="b-frames"),
        pytest.param("mot15/PETS09-S2L1/video.mp4", 1e5, id="slow"),
        pytest.param("sot/Girl/video.mp4", 4e4, id="small"),
    ],
)
def test_a_video_comes_back_whole(recording: Recording, shared: Path, name: str, step: float) -> None:
    video = shared / "data" / name
    recorder = recording.recorder()
    count = feed(recorder, video)
    recorder.close()
    assert len(recording.segments) >= 2
    assert len(recording.pictures()) == count
    assert_seamless(recording, step=round(step))
    first = recording.segments[0]
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        assert (first.width, first.height, first.codec) == (stream.width, stream.height, stream.codec_context.name)
    assert all(segment.complete for segment in recording.segments)
    assert [(recording.folder / segment.path).stat().st_size for segment in recording.segments] == [
        segment.bytes for segment in recording.segments
    ]
    assert [begun_at(segment.path) for segment in recording.segments] == [
        segment.from_at for segment in recording.segments
    ]
    assert unfinished(recording.folder) == []


def test_the_packets_stay_as_they_are(recording: Recording, shared: Path) -> None:
    recorder = recording.recorder()
    with av.open(str(shared / "data/videos/cars.mp4")) as container:
        stream = container.streams.video[0]
        recorder.begin(stream)
        pictures = 0
        for packet in packets(container):
            before = (packet.pts, packet.dts, packet.duration, packet.time_base, packet.stream, bytes(packet))
            recorder.take(packet, arrival(packet))
            assert (packet.pts, packet.dts, packet.duration, packet.time_base, packet.stream, bytes(packet)) == before
            pictures += len(packet.decode())
        pictures += len(stream.codec_context.decode(None))
    recorder.close()
    assert len(recording.pictures()) == pictures


@pytest.mark.parametrize(
    ("codec", "options", "suffix", "name"),
    [
        ("libx264", {"bf": "0", **EVEN}, ".ts", "h264"),
        ("libx264", {"bf": "2", **EVEN}, ".ts", "h264"),
        ("libx265", {"x265-params": "keyint=10:open-gop=0:log-level=none"}, ".ts", "hevc"),
        ("libx265", {"x265-params": "keyint=10:open-gop=0:log-level=none"}, ".mp4", "hevc"),
        ("libx264", {"bf": "0", **EVEN}, ".mkv", "h264"),
        ("mjpeg", {}, ".avi", "mjpeg"),
        ("libvpx", {"g": "10"}, ".mkv", "vp8"),
        ("libsvtav1", {"g": "10", "svtav1-params": "lookahead=0"}, ".mkv", "av1"),
    ],
    ids=["h264 in-band", "h264 in-band reordered", "hevc in-band", "hevc", "h264 mkv", "mjpeg", "vp8", "av1"],
)
def test_codecs_and_containers(
    recording: Recording, tmp_path: Path, codec: str, options: dict[str, str], suffix: str, name: str
) -> None:
    """A transport stream has a time base of 1/90000 and its parameter sets in the packets; here it begins late."""
    video = encoded(tmp_path / f"clip{suffix}", codec, options, count=60)

    def late(_: int, packet: av.Packet) -> av.Packet:
        hours = round(9 * 3600 / packet.time_base)
        packet.pts, packet.dts = (packet.pts or 0) + hours, None if packet.dts is None else packet.dts + hours
        return packet

    recorder = recording.recorder(seconds=2.0)
    feed(recorder, video, change=late)
    recorder.close()
    assert [segment.codec for segment in recording.segments] == [name] * len(recording.segments)
    assert len(recording.segments) >= 2
    assert len(recording.pictures()) == 60
    assert {segment.path.suffix for segment in recording.segments} == {".mp4" if name in ("h264", "hevc") else ".mkv"}
    for one, following in zip(recording.segments, recording.segments[1:], strict=False):
        assert one.to_at == following.from_at
    assert np.abs(np.diff(recording.pictures()) - 100_000).max() <= 1_000  # Matroska counts milliseconds


def test_stamps_that_are_missing_or_wrong(recording: Recording, tmp_path: Path) -> None:
    video = encoded(tmp_path / "clip.ts", "libx264", {"bf": "0", **EVEN}, count=100)

    def spoil(index: int, packet: av.Packet) -> av.Packet:
        match index % 20:
            case 3:
                packet.pts = packet.dts = None
            case 7:
                packet.dts = None
            case 11:
                packet.pts = packet.dts = (packet.dts or 0) - 18_000
            case 13:
                packet.pts = None
        return packet

    recorder = recording.recorder(seconds=2.0)
    feed(recorder, video, change=spoil)
    recorder.close()
    shown = recording.pictures()
    assert len(shown) == 100
    assert np.diff(shown).min() > 0
    assert shown[-1] - shown[0] == pytest.approx(9_900_000, abs=1_000)


def test_a_jump_of_the_stamps_ends_the_segment_and_not_the_time(recording: Recording, tmp_path: Path) -> None:
    video = encoded(tmp_path / "clip.ts", "libx264", {"bf": "0", **EVEN}, count=100)

    def jump(index: int, packet: av.Packet) -> av.Packet:
        if index >= 47:
            packet.pts, packet.dts = (packet.pts or 0) + 500_000_000, (packet.dts or 0) + 500_000_000
        return packet

    recorder = recording.recorder(seconds=60.0)
    with av.open(str(video)) as container:
        recorder.begin(container.streams.video[0])
        for index, packet in enumerate(packets(container)):
            at = arrival(packet)
            recorder.take(jump(index, packet), at)
    recorder.close()
    assert [len(decoded(recording.folder / one.path, 0)) for one in recording.segments] == [50, 50]
    assert recording.segments[1].to_at - recording.segments[0].from_at == pytest.approx(10_000_000, abs=1_000)


def test_times_are_those_of_the_pictures(recording: Recording, tmp_path: Path) -> None:
    """The first packets of a connection come in a burst; what the pictures' clock says in the end counts."""
    video = encoded(tmp_path / "clip.ts", "libx264", {"bf": "0", **EVEN}, count=60)
    recorder = recording.recorder(seconds=2.0)
    truth: list[int] = []
    with av.open(str(video)) as container:
        recorder.begin(container.streams.video[0])
        for index, packet in enumerate(packets(container)):
            assert packet.pts is not None
            truth.append(START + round(packet.pts * packet.time_base * 1_000_000))
            recorder.take(packet, max(truth[-1], START + 3_000_000) + 90_000)
            recorder.align(packet.pts, truth[-1] + (300_000 if index == 33 else 0))  # one stray stamp
            [part] = unfinished(recording.folder)
            assert abs((begun_at(part) or 0) - truth[index // 20 * 20]) <= 12, "it is called by when it really began"
    recorder.close()
    assert len(recording.segments) == 3
    assert np.abs(np.array(recording.pictures()) - truth).max() <= 12  # 1/90000 s
    footage = VideoFootage(recording.folder / recording.segments[1].path, start_at=recording.segments[1].from_at)
    frames = list(footage.between(truth[22], truth[25]))
    assert [number_in(frame.image) for frame in frames] == [22, 23, 24, 25]


def test_another_size_in_the_middle(recording: Recording, tmp_path: Path) -> None:
    """A camera that is set anew without a new connection: the packets bring other parameter sets."""
    small = encoded(tmp_path / "small.ts", "libx264", {"bf": "0", **EVEN}, count=25)
    large = encoded(tmp_path / "large.ts", "libx264", {"bf": "0", **EVEN}, count=30, size=(192, 128))
    recorder = recording.recorder(seconds=60.0)
    with av.open(str(small)) as first, av.open(str(large)) as second:
        recorder.begin(first.streams.video[0])
        for packet in packets(first):
            recorder.take(packet, arrival(packet))
        for packet in packets(second):
            packet.pts, packet.dts = (packet.pts or 0) + 225_000, (packet.dts or 0) + 225_000
            recorder.take(packet, arrival(packet))
    recorder.close()
    assert [(one.width, one.height) for one in recording.segments] == [(96, 64), (192, 128)]
    assert len(recording.pictures()) == 55
    assert_seamless(recording, step=100_000)


def test_a_new_connection_begins_a_segment(recording: Recording, tmp_path: Path) -> None:
    video = encoded(tmp_path / "clip.ts", "libx264", {"bf": "0", **EVEN}, count=15)
    recorder = recording.recorder(seconds=60.0)
    feed(recorder, video)
    feed(recorder, video, start=START + 60_000_000)
    recorder.close()
    recorder.close()
    assert [one.to_at - one.from_at for one in recording.segments] == [1_500_000, 1_500_000]
    assert recording.segments[1].from_at - recording.segments[0].from_at == 60_000_000


def test_a_segment_that_grows_too_large_ends(recording: Recording, shared: Path) -> None:
    recorder = recording.recorder(seconds=3600.0, size=200_000)
    feed(recorder, shared / "data/mot15/PETS09-S2L1/video.mp4")
    recorder.close()
    assert len(recording.segments) > 5
    assert all(one.bytes < 450_000 for one in recording.segments)  # one group of pictures more


def test_it_begins_with_a_key_picture(recording: Recording, tmp_path: Path) -> None:
    video = encoded(tmp_path / "clip.ts", "libx264", {"bf": "0", **EVEN}, count=30)
    recorder = recording.recorder(seconds=60.0)
    feed(recorder, video, change=lambda index, packet: packet if index >= 4 else None)
    recorder.close()
    assert len(recording.pictures()) == 20


def test_nothing_came(recording: Recording, tmp_path: Path) -> None:
    recorder = recording.recorder()
    recorder.close()
    with av.open(str(write_clip(tmp_path / "clip.mp4"))) as container:
        recorder.begin(container.streams.video[0])
        recorder.take(av.Packet(), START)
    recorder.align(0, START)
    recorder.close()
    assert recording.segments == []
    assert not recording.folder.exists()


def test_what_no_container_holds_is_refused(recording: Recording, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "clip.gif", count=3, codec="gif", pixels="rgb8")
    with pytest.raises(OutputError, match="gif cannot be recorded"):
        feed(recording.recorder(), video)
    assert unfinished(recording.folder) == []


def test_what_is_not_compressed_is_refused(recording: Recording, tmp_path: Path) -> None:
    video = encoded(tmp_path / "clip.avi", "rawvideo", {}, count=3)
    with pytest.raises(OutputError, match="'gate' sends pictures that are not compressed"):
        feed(recording.recorder(), video)


@pytest.mark.parametrize("suffix", [".ts", ".mp4"])
def test_damaged_packets_stop_nothing(recording: Recording, tmp_path: Path, suffix: str) -> None:
    """Every third packet is noise, also those with parameter sets; what is recorded plays around it."""
    video = encoded(tmp_path / f"clip{suffix}", "libx264", {"bf": "0", **EVEN}, count=120)
    noise = np.random.default_rng(7)

    def damage(index: int, packet: av.Packet) -> av.Packet:
        if index % 3 or index < 3:
            return packet
        content = bytearray(bytes(packet))
        for place in noise.integers(0, len(content), 1 + len(content) // 10).tolist():
            content[place] = int(noise.integers(256))
        broken = av.Packet(bytes(content))
        broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
        broken.is_keyframe = packet.is_keyframe
        return broken

    recorder = recording.recorder(seconds=2.0)
    feed(recorder, video, change=damage)
    recorder.close()
    assert unfinished(recording.folder) == []
    assert recording.segments[-1].to_at - recording.segments[0].from_at >= 10_000_000
    for segment in recording.segments:
        with av.open(str(recording.folder / segment.path)) as container:
            assert sum(1 for packet in container.demux(video=0) if packet.size) >= 1


def test_killed_in_the_middle_of_a_segment(recording: Recording, shared: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.recording.feeding", str(recording.folder)]
    process = subprocess.Popen([*command, str(shared / "data/mot15/PETS09-S2L1/video.mp4")], cwd=ROOT)
    try:
        until(lambda: any(part.stat().st_size >= 100_000 for part in unfinished(recording.folder)), 20)
        [part] = unfinished(recording.folder)
        assert is_held(part)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    [part] = unfinished(recording.folder)
    assert not is_held(part)
    begun = begun_at(part)
    assert begun is not None
    cut_to_whole(part)
    extent = read_extent(part)
    shown = decoded(part, begun)
    assert extent.microseconds >= 2_000_000
    assert extent.microseconds == pytest.approx(shown[-1] - shown[0], abs=300_000)  # some wait for an earlier one
    assert (extent.width, extent.height, extent.codec) == (480, 360, "h264")


def test_no_folder_to_write_into(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file")
    recording = Recording(tmp_path / "media")
    recorder = recording.recorder()
    with pytest.raises(OutputError, match=r"recording of camera 'gate' has stopped: .*media"):
        feed(recorder, write_clip(tmp_path / "clip.mp4"))
    recorder.close()


def test_names_of_folders() -> None:
    names = [
        "gate",
        "Gate",
        "gate 1",
        "gate-1",
        "GATE",
        "con",
        "..",
        "",
        "a/b",
        "a\\b",
        "tor.süd",
        "x" * 200,
        "gate.",
        "-",
    ]
    folders = [camera_folder(name) for name in names]
    assert folders[0] == "gate"
    assert len({folder.lower() for folder in folders}) == len(names)
    assert all(set(folder) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-~") and len(folder) < 65 for folder in folders)


def test_names_of_files() -> None:
    path = segment_path(Path("media"), "gate", START + 1, ".mp4")
    assert path == Path("media/recordings/gate/2023-11-14/221320_000001.mp4")
    assert begun_at(path) == begun_at(part_of(path)) == START + 1
    assert whole_of(part_of(path)) == whole_of(path) == path
    assert part_of(path).name == ".221320_000001.mp4.part"
    for other in (
        "2023-11-14/x.mp4",
        "2023-11-14/221320_000001.txt",
        "2023-99-14/221320_000001.mp4",
        "221320_000001.mp4",
    ):
        assert begun_at(Path("media/recordings/gate") / other) is None


def test_times_without_any_stamp() -> None:
    times = PacketTimes(Fraction(1, 25))
    made = [times.next(None, None, START + 40_000 * i) for i in range(4)]
    assert [when.pts - made[0].pts for when in made] == [0, 3600, 7200, 10_800]
    assert not any(when.jumped for when in made)


def test_times_of_reordered_pictures_without_decoding_stamps() -> None:
    """Shown 0 3 1 2 6 4 5: each is decoded before it is shown, in the order they come."""
    times = PacketTimes(Fraction(1, 25), reordered=2)
    made = [times.next(pts, None, START + 40_000 * i) for i, pts in enumerate([0, 3, 1, 2, 6, 4, 5])]
    assert [when.pts // 3600 for when in made] == [0, 3, 1, 2, 6, 4, 5]
    assert all(when.dts <= when.pts for when in made)
    assert np.diff([when.dts for when in made]).min() > 0


def encoded(path: Path, codec: str, options: dict[str, str], *, count: int, size: tuple[int, int] = (96, 64)) -> Path:
    """A numbered clip of 10 pictures a second."""
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return write_clip(path, count=count, codec=codec, pixels=pixels, size=size, options=options)
