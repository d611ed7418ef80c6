"""NumberedFrames: the pictures of a video file or a folder by their number, without reading all that comes before."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import SourceError
from pipeline.sources.excerpt import VideoFootage, check_picture_size
from pipeline.sources.files import VideoFile
from pipeline.sources.images import ImageFolder
from trackers.structures import Frame


class NumberedFrames:
    """What a run would read there. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Raises SourceError for what is neither, and for videos whose pictures are too large to be handled."""
        self._path = path
        self._footage: VideoFootage | None = None
        if path.exists() and not path.is_dir() and not path.is_file():
            raise SourceError(f"{path} is a device or a pipe; give a video file or a folder of pictures")
        if path.is_file():
            check_picture_size(path)
        with ImageFolder(path) if path.is_dir() else VideoFile(path) as source:
            self.name = source.name
            self.width, self.height = source.width, source.height  # pixels
            self.fps = source.fps
            self.count = source.frame_count  # None where nothing tells
        if not path.is_dir():
            self._footage = VideoFootage(path, start_at=0)
            self.count = self._footage.count or self.count

    def frame(self, number: int) -> Frame:
        """The one with this number, from 0. Raises SourceError where there is none."""
        if self._footage is not None:
            found = self._footage.numbered(number)
        else:
            with ImageFolder(self._path, first_frame=number, max_frames=1) as folder:
                found = next(iter(folder), None)
        if found is None:
            raise SourceError(f"{self.name} has no picture {number}; choose an earlier one")
        return found
