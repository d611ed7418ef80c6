"""SegmentRecorder: the packets of a camera into files of a minute or so, as they came, without encoding anything."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
from av.error import FFmpegError

from pipeline.errors import OutputError, SourceError
from pipeline.sources.packet_times import TICKS, PacketTime, PacketTimes
from pipeline.sources.parameter_sets import KeyHead, has_units, is_annexb, key_head, units_of
from pipeline.sources.segment_file import IN_MP4, SegmentFile, suffix_of
from pipeline.sources.segment_names import part_of, segment_path
from pipeline.sources.segment_reading import cut_to_whole, read_extent

_log = logging.getLogger(__name__)

SAME = 1_000  # microseconds by which two answers to when a picture was taken may differ
REORDERED = 3  # pictures that are decoded before an earlier one, at most, where a stream has such
PATIENCE = 2.0  # times its length a segment waits for a picture that needs none before it


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of a recording that is complete."""

    path: Path  # relative to the media folder
    from_at: int  # when its first picture was taken, microseconds UTC
    to_at: int  # when the picture after its last one was, or would have been
    bytes: int
    codec: str
    complete: bool  # False: it broke off, for want of room; what is there plays
    width: int | None = None  # pixels
    height: int | None = None


class SegmentRecorder:
    """Writes what a camera sends, from the first key picture on.

    For each connection call `begin`, then `take` with every packet in order, before it is decoded; its pictures may be
    told with `align`, so that the segments' times are exactly theirs. `close` at the end. A segment begins with a key
    picture and plays alone; the next one goes on where it ends. It ends at the first key picture after
    `segment_seconds`, or when `segment_bytes` is passed, when the stream changes, and with the connection.

    Raises OutputError where nothing more can be written: what was written before is kept and told, and recording may be
    begun again later.
    """

    def __init__(
        self,
        media_folder: Path,
        camera: str,
        *,
        segment_seconds: float,
        segment_bytes: int,
        tell: Callable[[Segment], None],
    ) -> None:
        """`tell`: of every segment that is complete, from the thread that calls."""
        self._media_folder = media_folder
        self._camera = camera
        self._seconds = segment_seconds
        self._bytes = segment_bytes
        self._tell = tell
        self._template: av.VideoStream | None = None
        self._described: av.container.InputContainer | None = None  # holds the template of a stream that has changed
        self._codec = ""
        self._extradata = b""
        self._by_start_codes = False  # divides the units of a packet
        self._known: frozenset[bytes] = frozenset()  # parameter sets of the template
        self._times: PacketTimes | None = None
        self._offset: int | None = None  # from the times of packets to UTC, microseconds
        self._aligned = False
        self._told: int | None = None  # offset by the last picture
        self._file: SegmentFile | None = None
        self._file_offset: int | None = None  # of the segment, where the one of the connection has changed since

    def begin(self, stream: av.VideoStream) -> None:
        """A connection stands. Ends what was recorded of the one before.

        Raises OutputError where the stream cannot be recorded.
        """
        self.close()
        context = stream.codec_context
        if context.codec.canonical_name == "rawvideo":
            raise OutputError(
                f"camera '{self._camera}' sends pictures that are not compressed, which would fill any disk: they are "
                "not recorded; let it send MJPEG or H.264"
            )
        self._template, self._described, self._codec = stream, None, context.codec.canonical_name
        self._extradata = context.extradata or b""
        self._by_start_codes = self._codec in IN_MP4 and is_annexb(self._extradata)
        self._known = units_of(self._extradata) if self._by_start_codes else frozenset()
        time_base = stream.time_base
        if not time_base:
            raise OutputError(f"camera '{self._camera}': its stream has no unit of time; it is not recorded")
        self._times = PacketTimes(time_base, reordered=REORDERED if context.has_b_frames else 0)
        self._offset, self._told, self._aligned = None, None, False

    def take(self, packet: av.Packet, at: int) -> None:
        """The next packet. `at`: when it came, microseconds UTC. Raises OutputError."""
        if self._times is None or not packet.size or (self._by_start_codes and not has_units(memoryview(packet))):
            return
        when = self._times.next(packet.pts, packet.dts, at)
        if when.jumped:
            self._freeze()
        if self._offset is None:
            self._offset = at - _microseconds(when.pts)
        try:
            if packet.is_keyframe:
                self._roll(packet, when)
            if self._file is not None:
                self._file.write(packet, when)
        except OSError as error:
            raise self._stopped(error) from error
        except FFmpegError as error:  # damaged on its way here
            _log.debug("a packet of camera '%s' is not recorded: %s", self._camera, error)
            if self._file is not None and self._file.is_empty:
                self._discard()

    def align(self, pts: int, at: int) -> None:
        """A picture's stamp in the stream's units, and when it was taken, microseconds UTC, as others are told.

        One that says something else than all before is stray, until the next one agrees with it.
        """
        when = None if self._times is None else self._times.of(pts)
        if when is None:
            return
        offset = at - _microseconds(when)
        told, self._told = self._told, offset
        if self._aligned and self._offset is not None:
            if abs(offset - self._offset) <= SAME or told is None or abs(offset - told) > SAME:
                return
            self._freeze()
        self._offset, self._aligned = offset, True
        if self._file is not None and self._file_offset is None:
            self._call_by(self._file, offset + _microseconds(self._file.begin))

    def _call_by(self, file: SegmentFile, at: int) -> None:
        """Name an unfinished segment by when it begins: others may show it, or find it after a kill."""
        part = part_of(segment_path(self._media_folder, self._camera, at, suffix_of(self._codec)))
        if part.parent == file.path.parent and not part.exists():
            with suppress(OSError):  # some systems do not rename what is open
                file.path.rename(part)
                file.path = part

    def close(self) -> None:
        """End the segment. May be called twice, and `begin` after it. Raises OutputError."""
        try:
            self._finish(None)
        except OSError as error:
            raise self._stopped(error) from error
        finally:
            self._times = None

    def _freeze(self) -> None:
        """The clock changes here: the segment keeps the old one, and ends soon."""
        if self._file is not None and self._file_offset is None:
            self._file_offset = self._offset

    def _roll(self, packet: av.Packet, when: PacketTime) -> None:
        """End the segment where it is time to, and begin one where there is none."""
        head = key_head(self._codec, memoryview(packet), self._extradata)
        changed = self._has_changed(packet, head)
        if self._file is not None and (changed or self._is_due(self._file, head, when)):
            self._finish(when)
        if self._file is None:
            self._open(when)

    def _is_due(self, file: SegmentFile, head: KeyHead, when: PacketTime) -> bool:
        seconds = (when.pts - file.begin) / TICKS
        enough = seconds >= self._seconds or file.bytes >= self._bytes or self._file_offset is not None
        return enough and (head.clean or seconds >= PATIENCE * self._seconds)

    def _has_changed(self, packet: av.Packet, head: KeyHead) -> bool:
        """Whether a key packet brings parameter sets that are new; then the next segment is described by them."""
        if packet.has_sidedata("new_extradata"):
            fresh = bytes(packet.get_sidedata("new_extradata"))
            changed, self._extradata = fresh != self._extradata, fresh
            return changed
        told = units_of(head.parameters)
        if told <= self._known:
            return False
        described = _described(self._codec, bytes(packet))
        if described is None:
            return False
        self._described, self._template, self._known = described, described.streams.video[0], told
        return True

    def _open(self, when: PacketTime) -> None:
        assert self._template is not None
        assert self._offset is not None
        at = self._offset + _microseconds(when.pts)
        part = part_of(segment_path(self._media_folder, self._camera, at, suffix_of(self._codec)))
        part.parent.mkdir(parents=True, exist_ok=True)
        self._file_offset = None
        # A template that was made of a packet has parameters of its own; see _has_changed.
        self._file = SegmentFile(part, self._template, when, b"" if self._described else self._extradata)

    def _finish(self, following: PacketTime | None) -> None:
        """End the segment. `following`: of the packet that the next one begins with."""
        file = self._file
        if file is None or self._offset is None:
            return
        if file.is_empty:
            self._discard()
            return
        try:
            file.close()
        except (OSError, FFmpegError) as error:
            raise self._stopped(error) from error
        self._file = None
        offset = self._offset if self._file_offset is None else self._file_offset
        end = file.end if following is None or self._file_offset is not None else following.pts
        self._keep(file, offset, (file.begin, max(end, file.begin + 1)), file.size, complete=True)

    def _discard(self) -> None:
        """Take away a file that holds nothing."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError, FFmpegError):
                file.close()
            file.path.unlink(missing_ok=True)

    def _keep(
        self, file: SegmentFile, offset: int, span: tuple[int, int], size: tuple[int, int], *, complete: bool
    ) -> None:
        """Give a file its name, and tell of it. `span`: ticks of the connection."""
        from_at, to_at = (offset + _microseconds(ticks) for ticks in span)
        path = segment_path(self._media_folder, self._camera, from_at, suffix_of(self._codec))
        path.parent.mkdir(parents=True, exist_ok=True)
        while path.exists():  # the clock of this computer was set back
            from_at += 1
            path = segment_path(self._media_folder, self._camera, from_at, suffix_of(self._codec))
        written = file.path.stat().st_size
        file.path.rename(path)
        self._tell(Segment(path.relative_to(self._media_folder), from_at, to_at, written, self._codec, complete, *size))

    def _stopped(self, error: OSError | FFmpegError) -> OutputError:
        """What to raise where the system refuses to write. Keeps what there is of the segment, as far as it plays."""
        file, self._file = self._file, None
        why = error.strerror or str(error)
        kept = "nothing of the last file could be kept"
        if file is not None:
            with suppress(OSError, FFmpegError):
                file.close()
            try:
                kept = self._save(file)
            except (OSError, SourceError) as problem:
                _log.warning("%s is removed: %s", file.path, problem)
                with suppress(OSError):
                    file.path.unlink()
        return OutputError(
            f"recording of camera '{self._camera}' has stopped: {why}; {kept}; check the disk of {self._media_folder}"
        )

    def _save(self, file: SegmentFile) -> str:
        """Keep a file that broke off. Returns what was kept, in words."""
        cut_to_whole(file.path)
        extent = read_extent(file.path)
        offset = self._file_offset if self._file_offset is not None else self._offset
        assert offset is not None
        end = file.begin + extent.microseconds * TICKS // 1_000_000
        self._keep(file, offset, (file.begin, end), (extent.width, extent.height), complete=False)
        return f"the last file is kept as far as it was written, {extent.microseconds / 1e6:.1f} s"


def _described(codec: str, packet: bytes) -> av.container.InputContainer | None:
    """What a key packet says of its stream; None for one that was damaged on its way, as its picture cannot be made."""
    try:
        described = av.open(io.BytesIO(packet), format=codec)
        stream = described.streams.video[0]
        for picture in described.decode(stream):
            same = (picture.width, picture.height) == (stream.width, stream.height)
            return described if same and not picture.is_corrupt else None
    except FFmpegError as error:
        _log.debug("parameters that cannot be read: %s", error)
    return None


def _microseconds(ticks: int) -> int:
    return round(ticks * 1_000_000 / TICKS)
