"""Opening a camera's stream with FFmpeg, and saying in words why that failed."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import av
from av.codec.hwaccel import HWAccel
from av.error import (
    FFmpegError,
    HTTPClientError,
    HTTPForbiddenError,
    HTTPNotFoundError,
    HTTPServerError,
    HTTPUnauthorizedError,
    InvalidDataError,
)

from pipeline.errors import SourceError
from pipeline.sources.camera_address import Kind, kind_of
from pipeline.sources.container import open_container, video_stream
from pipeline.sources.reading import LossError, LossKind, ReadOrder

_PROTOCOLS = {
    Kind.RTSP: "rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto",
    Kind.HTTP: "http,https,httpproxy,tcp,tls,crypto,data",
}
# Playlists may name other addresses, so the formats within them are limited, too.
_FORMATS = {Kind.RTSP: "rtsp,sdp,rtp,mpegts", Kind.HTTP: "hls,mpjpeg,mjpeg,jpeg_pipe,mpegts,mov,matroska,flv,aac"}
_DECODER_THREADS = 4
# How long a stream is looked at before its first picture: as a rule not at all, else as FFmpeg does by default.
_PROBES: dict[Kind, tuple[dict[str, str], ...]] = {
    Kind.RTSP: ({"probesize": "10000", "analyzeduration": "500000", "fpsprobesize": "0"}, {}),
    Kind.HTTP: ({},),
}


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A container with its video stream."""

    container: av.container.InputContainer
    stream: av.VideoStream
    paced: bool  # comes faster than it was taken: a file, or HLS

    def close(self) -> None:
        """Say good-bye to the camera."""
        self.container.close()


def open_stream(order: ReadOrder, accelerator: HWAccel | None) -> OpenStream:
    """Connect. Raises LossError, with a reason that holds no secret."""
    kind = kind_of(order.address)
    since = time.monotonic()
    try:
        if kind is Kind.FILE:
            container = open_container(Path(order.address))
        else:
            _resolve(order)
            container = _connect(order, kind, accelerator)
    except SourceError as error:
        raise LossError(LossKind.REFUSED, str(error)) from error
    except FFmpegError as error:
        raise _refusal(error, order, kind, time.monotonic() - since) from None
    try:
        stream = video_stream(container, order.shown)
    except SourceError as error:
        container.close()
        raise LossError(LossKind.REFUSED, str(error)) from error
    stream.thread_type = "SLICE"  # frame threads would keep pictures back
    several = stream.codec_context.name != "h264"  # which conceals and tells no damage with more than one
    stream.thread_count = min(_DECODER_THREADS, os.cpu_count() or 1) if several else 1
    return OpenStream(container, stream, kind is Kind.FILE or container.format.name == "hls")


def _connect(order: ReadOrder, kind: Kind, accelerator: HWAccel | None) -> av.container.InputContainer:
    """Look at the stream no longer than it takes to know its size: few cameras do not tell that when they are asked."""
    for probe in _PROBES[kind]:
        container = av.open(
            order.address,
            container_options=_options(order, kind) | probe,
            timeout=(order.open_seconds, order.stall_seconds),
            hwaccel=accelerator,
        )
        contexts = [stream.codec_context for stream in container.streams.video]
        if all(context is None or context.width for context in contexts) or probe is _PROBES[kind][-1]:
            break
        container.close()
    return container


def _options(order: ReadOrder, kind: Kind) -> dict[str, str]:
    options = {
        "protocol_whitelist": _PROTOCOLS[kind],
        "format_whitelist": _FORMATS[kind],
    }
    if kind is Kind.RTSP:
        options |= {"rtsp_transport": order.transport, "allowed_media_types": "video"}
    elif ".m3u8" not in order.address:
        options |= {"analyzeduration": "500000", "fpsprobesize": "0"}
        options["use_wallclock_as_timestamps"] = "1"  # MJPEG has no stamps of its own
    return options


def _resolve(order: ReadOrder) -> None:
    """FFmpeg does not tell a name that nobody knows from other failures."""
    host = urlsplit(order.address).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        raise LossError(LossKind.BROKEN, f"the name {host} is not known; check the address and the network") from error


def _refusal(error: FFmpegError, order: ReadOrder, kind: Kind, seconds: float) -> LossError:
    """What the error means. Its own text may hold the address, so only its kind is used."""
    slow = seconds >= 0.9 * order.open_seconds
    match error:
        case HTTPUnauthorizedError():
            what = "it asks for a user and a password, or refuses those given; check `secret`"
        case HTTPForbiddenError():
            what = "access is forbidden (403); check the rights of the user in `secret`"
        case HTTPNotFoundError():
            what = "there is no such stream (404); check the path in the address"
        case HTTPClientError() if kind is Kind.RTSP:  # asked for its videos alone
            what = "the server refuses to play it: the stream holds no video, or the address means something else"
        case HTTPClientError():
            what = f"the server refuses the request ({error.strerror}); check the address"
        case HTTPServerError():
            return LossError(LossKind.BROKEN, "the server failed (5xx)")
        case ConnectionRefusedError():
            return LossError(LossKind.BROKEN, "connection refused; is the camera on, and the port right?")
        case _ if slow:
            return LossError(LossKind.BROKEN, f"no answer within {order.open_seconds:g} s; check address and network")
        case InvalidDataError() | OSError() if kind is Kind.HTTP:
            what = "what comes from there is no video that can be read (MJPEG, HLS, MPEG-TS, MP4)"
        case _:
            return LossError(LossKind.BROKEN, f"connecting failed: {error.strerror}")
    return LossError(LossKind.REFUSED, what)
