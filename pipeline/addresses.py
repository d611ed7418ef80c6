"""Which sources a command line means: files, folders, patterns and lists of them."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SourceError

LIST = "@"  # @files.txt: an address a line
VIDEOS = frozenset(
    f".{suffix}"
    for suffix in (
        *("3gp", "asf", "avi", "dv", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "nut"),
        *("ogv", "rm", "ts", "vob", "webm", "wmv", "h264", "264", "h265", "265", "hevc", "mjpeg", "mjpg"),
    )
)
PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, slots=True)
class Addresses:
    """What a command line names."""

    sources: tuple[str, ...]  # each once, in order
    left_out: tuple[Path, ...]  # files of its folders that are no videos


def expand(words: Sequence[str]) -> Addresses:
    """Every source that is meant. Raises SourceError for a pattern or folder without any, or a list that is none.

    A folder with videos means each of them (not those of its folders); a folder of pictures alone is one source.
    A pattern (`*`, `?`, `[...]`, `**` for folders at any depth) is one where there is no file of that very name. A
    list (`@files.txt`) has an address a line, relative to its own folder; blank lines and those with # are left out.
    """
    sources: list[str] = []
    left_out: list[Path] = []
    for word in words:
        for address in _unlisted(word):
            found, others = _expand_one(address)
            sources += found
            left_out += others
    return Addresses(tuple(each_once(sources)), tuple(dict.fromkeys(left_out)))


def each_once(addresses: Sequence[str]) -> list[str]:
    """Of several names of one place the first one."""
    by_place: dict[str, str] = {}
    for address in addresses:
        by_place.setdefault(address if "://" in address else str(Path(address).resolve()), address)
    return list(by_place.values())


def _unlisted(word: str, opened: tuple[Path, ...] = ()) -> Iterator[str]:
    """The addresses of a list, which may name other lists; anything else is itself."""
    if not word.startswith(LIST) or Path(word).exists():
        yield word
        return
    path = Path(word.removeprefix(LIST))
    if path.resolve() in opened:
        raise SourceError(f"the list {path} names itself; take that line out")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"the list {path} cannot be read: {error}; give a text file with a source a line") from error
    for line in lines:
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        if entry.startswith(LIST):
            yield from _unlisted(LIST + str(path.parent / entry.removeprefix(LIST)), (*opened, path.resolve()))
        else:
            yield entry if "://" in entry else str(path.parent / entry)


def _expand_one(address: str) -> tuple[list[str], list[Path]]:
    if "://" in address:
        return [address], []
    path = Path(address)
    if path.is_dir():
        return _folder(path)
    if glob.has_magic(address) and not path.exists():
        matches = [Path(match) for match in glob.glob(address, recursive=True)]  # noqa: PTH207  may be absolute
        found = sorted(match for match in matches if match.is_file())
        wanted = [match for match in found if match.suffix.lower() in VIDEOS]
        if not wanted:
            raise SourceError(f"no video matches {address}; check the pattern, and quote it where the shell reads it")
        return [str(match) for match in wanted], [match for match in found if match not in set(wanted)]
    return [address], []


def _folder(folder: Path) -> tuple[list[str], list[Path]]:
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror}; check its permissions") from error
    videos = [file for file in files if file.suffix.lower() in VIDEOS]
    if videos:
        return [str(file) for file in videos], [file for file in files if file not in set(videos)]
    if any(file.suffix.lower() in PICTURES for file in files):
        return [str(folder)], []
    raise SourceError(f"{folder} holds no videos and no pictures; for its folders too, give '{folder}/**/*.mp4'")
