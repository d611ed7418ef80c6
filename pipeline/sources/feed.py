"""What the live engine asks of a camera: the protocol Feed, its states and what it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from trackers.structures import Frame, Gap


class CameraState(StrEnum):
    """Where a camera is in its life."""

    CONNECTING = "connecting"  # for the first time
    LIVE = "live"
    STALLED = "stalled"  # connected, but without a new frame for too long; about to be replaced
    RECONNECTING = "reconnecting"  # was lost; tried again after a pause that grows
    FAILED = "failed"  # cannot work as it is set (wrong password, no such stream); tried again seldom
    PAUSED = "paused"  # by somebody
    ENDED = "ended"  # over for good: a file is through, or the camera was taken away


class DropReason(StrEnum):
    """Why a frame that was read was not processed."""

    STALE = "stale"  # a fresher one was there before the engine had time for it
    OVERRUN = "overrun"  # every frame was wanted, but the engine was slower for longer than the ring holds
    PAUSED = "paused"  # it came while the camera was paused


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How a camera is doing, at one moment. Counters are since the feed was started."""

    state: CameraState
    since_at: int  # in this state, microseconds UTC
    error: str = ""  # the last one, without secrets; "" before the first
    width: int | None = None  # pixels, of the last session
    height: int | None = None
    fps: float | None = None  # as declared by the stream
    codec: str = ""
    decoder: str = ""  # "software", or the hardware that decodes; says so where a wish could not be met
    delivered_fps: float = 0.0  # frames read a second, over the last seconds
    last_frame_at: int | None = None  # capture of the last frame read, microseconds UTC
    frames_read: int = 0
    frames_taken: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)  # by DropReason
    repaired: int = 0  # time stamps that were missing or wrong
    damaged: int = 0  # packets that could not be decoded
    bytes_read: int = 0
    connections: int = 0  # that gave a frame
    outages: int = 0
    recording: str = "off"  # "on", "off", or why it has stopped


class Feed(Protocol):
    """A camera that is read by somebody else: the engine takes what is freshest, or next, without ever waiting.

    Frames have rising times and indices without holes over all connections; `Frame.session` counts the connections,
    `at - time` is the same for all frames of one, and the first frame after an outage tells it in `Frame.gap`.
    Every method may be called from any thread.
    """

    @property
    def name(self) -> str:
        """Of the camera, unique in a service."""

    @property
    def uri(self) -> str:
        """Where it is; holds no secret."""

    def start(self, fresh: Callable[[], None]) -> None:
        """Begin to connect. `fresh` is called, from a thread of the feed, whenever there is something to take."""

    def take(self) -> Frame | None:
        """The freshest frame not taken before (policy live), or the next (policy batch); None where there is none.

        `Frame.stream` is 0. The picture is the caller's own.
        """

    def status(self) -> FeedStatus:
        """How it is doing."""

    def pause(self) -> None:
        """Give no frame until `go_on`. That time is a gap."""

    def go_on(self) -> None:
        """End a pause."""

    def close(self) -> Gap | None:
        """End within a second, whatever the camera is doing. Returns the outage it was in, if any. May be called twice.

        Afterwards no process, thread or shared memory of it is left.
        """
