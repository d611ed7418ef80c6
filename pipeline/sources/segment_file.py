"""SegmentFile: packets of one stream into a file that plays as far as it was written, whatever happens."""

from __future__ import annotations

import logging
from pathlib import Path

import av
from av.error import FFmpegError

from pipeline.errors import OutputError
from pipeline.sources.packet_times import TIME_BASE, USUAL_STEP, PacketTime
from pipeline.sources.segment_lock import hold

_log = logging.getLogger(__name__)

IN_MP4 = ("h264", "hevc")  # what browsers play from MP4; all else goes to Matroska, which takes everything
_OPTIONS = {
    # An index for each second or so: what was written before a kill or a full disk stays readable.
    "mp4": {"movflags": "+frag_keyframe+empty_moov+default_base_moof", "frag_duration": "2000000"},
    "matroska": {"cluster_time_limit": "1000"},
}


def suffix_of(codec: str) -> str:
    """Of the files that hold a codec, with its dot."""
    return ".mp4" if codec in IN_MP4 else ".mkv"


class SegmentFile:
    """One file being written. Raises OSError where the system refuses, OutputError where the codec does not fit."""

    def __init__(self, path: Path, template: av.VideoStream, first: PacketTime, extradata: bytes) -> None:
        """Create the file. `template`: the stream whose packets come. `first`: when its first packet is.

        `extradata`: to decode them with; empty for those of the template.
        """
        self._first = first
        self._latest = first.pts
        self._step = USUAL_STEP
        codec = template.codec_context.codec.canonical_name
        self._packets = 0
        self.path = path
        self.bytes = 0  # of packets
        self.size = template.width, template.height  # pixels
        self._file = path.open("xb", buffering=0)
        try:
            hold(self._file)
            kind = "mp4" if path.name.endswith(".mp4.part") else "matroska"
            self._container = av.open(
                self._file, "w", format=kind, options=_OPTIONS[kind] | {"flush_packets": "1"}, buffer_size=1 << 16
            )
            self._stream = self._container.add_stream_from_template(template, opaque=True)
            if extradata:
                self._stream.codec_context.extradata = extradata
            if codec == "hevc" and kind == "mp4":
                self._stream.codec_context.codec_tag = "hvc1"  # what players of Apple ask for
            self._stream.time_base = TIME_BASE
        except (FFmpegError, ValueError) as error:
            self._file.close()
            path.unlink()
            raise OutputError(f"{codec} cannot be recorded: {error}") from error

    @property
    def is_empty(self) -> bool:
        """Whether no packet is in it yet."""
        return not self._packets

    @property
    def begin(self) -> int:
        """When the key picture at its head is shown, ticks of the connection.

        Pictures that are decoded after it and shown before it need pictures of the segment before.
        """
        return self._first.pts

    @property
    def end(self) -> int:
        """When the picture after the last would be shown, ticks of the connection."""
        return self._latest + self._step

    def write(self, packet: av.Packet, when: PacketTime) -> None:
        """Append a packet. The caller's own stays as it is."""
        copy = av.Packet(packet)
        copy.stream = self._stream
        copy.time_base = TIME_BASE
        copy.pts, copy.dts = when.pts - self._first.dts, when.dts - self._first.dts
        copy.is_keyframe = packet.is_keyframe
        if self._packets:
            self._latest = max(self._latest, when.pts)
            self._step = max(1, (self._latest - self.begin) // self._packets)
        copy.duration = self._step
        self._container.mux_one(copy)
        self._packets += 1
        self.bytes += packet.size

    def close(self) -> None:
        """End the file; what was written is in it, also after an error of `write`."""
        try:
            self._container.close()
        finally:
            self._file.close()
