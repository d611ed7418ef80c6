"""Kinds of runs that more than one module must tell apart."""

from __future__ import annotations

FILES = "files"  # everything in videos and folders of pictures is detected and tracked
FOLLOW = "follow"  # one target of one video, shown by a box
RESUMABLE = (FILES, FOLLOW)  # over what can be read again
