"""Every error Sightline raises on purpose. Each message says what went wrong, with which thing, and what to do."""

from __future__ import annotations


class SightlineError(Exception):
    """Base of all. The command line prints its message as one line and exits with 2."""


class ConfigError(SightlineError):
    """A setting is unknown, has the wrong type, or contradicts another one."""


class SourceError(SightlineError):
    """A video, folder or stream cannot be opened or holds no picture."""


class DamagedSourceError(SourceError):
    """A source broke off in the middle. What was read before the damage is kept; the command exits with 1."""


class GoneError(SourceError):
    """A source is no longer where it was, or holds something else by now."""


class ModelError(SightlineError):
    """Weights are missing, unsafe, of an unknown form, or do not fit the settings."""


class TrainingError(SightlineError):
    """A model cannot be trained: unfit data, a loss that is no number, or a folder of another training."""


class StoreError(SightlineError):
    """The database cannot be reached, written, or is of another version."""


class ContentError(StoreError):
    """What was to be stored makes no sense; the store itself is well."""


class HangError(SightlineError):
    """A part of the program does not come back from its work."""


class OutputError(SightlineError):
    """A file or folder cannot be written."""


class BusyError(SightlineError):
    """Too much is asked for at once; the same will work a little later."""


class FormatError(SightlineError):
    """A text file (MOTChallenge, seqinfo.ini, camera motion) is not what it should be; names file and line."""


class DependencyError(SightlineError):
    """An optional package is not installed; says how to install it."""
