"""Opening video containers: which are taken, and what to say of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import av
from av.error import FFmpegError

from pipeline.errors import SourceError
from pipeline.sources.truncation import mp4_boxes

# Containers of one self-contained file. Playlists (hls, concat, dash, ...) are left out: they make FFmpeg open others.
CONTAINERS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,h264,hevc,m4v,mjpeg,mxf,nut,ivf,dv,gif,obu,rm,wtv,yuv4mpegpipe"
)
RECOPY = "copy it again from where it came"


def open_container(path: Path) -> av.container.InputContainer:
    """Open a file that must stand on its own. Raises SourceError that says what the file is instead."""
    name = path.name
    if path.is_dir():
        raise SourceError(f"{path} is a folder; name a video file, or give a folder of pictures")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}; check the path") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    if empty:
        raise SourceError(f"{name} is empty (0 bytes); {RECOPY}")
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        # "file:" keeps a name like "a:b.mp4" from being taken for a protocol
        return av.open(f"file:{path.absolute()}", container_options=options)
    except FFmpegError as error:
        boxes = {name for name, _ in mp4_boxes(path)}
        if "mdat" in boxes and "moov" not in boxes:
            raise SourceError(
                f"{name} has no index (moov): the recording or the copy was cut off before the end; {RECOPY}, "
                "or rebuild the index with a repair tool and an intact file of the same camera"
            ) from error
        raise SourceError(
            f"{name} is not a video file that can be read (mp4, mkv, avi, ts, ...); if it plays elsewhere, convert it "
            f"with: ffmpeg -i {name} converted.mp4"
        ) from error


def video_stream(container: av.container.InputContainer, name: str) -> av.VideoStream:
    """The first video that is no cover picture. `name`: the file's. Raises SourceError."""
    streams = [
        stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise SourceError(
            f"{name} holds no video (only {', '.join(_kinds(container)) or 'nothing'}); give another file"
        )
    if streams[0].codec_context is None:
        raise SourceError(f"{name}: this FFmpeg has no decoder for its video; convert it to H.264 first")
    return streams[0]


def _kinds(container: av.container.InputContainer) -> list[str]:
    return sorted({stream.type for stream in container.streams})
