"""CropStock: many crops of objects nobody has named, in a file that is larger than memory may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from io import RawIOBase
from pathlib import Path

import numpy as np

from pipeline.errors import TrainingError
from pipeline.sinks.part_file import PartFile
from pipeline.training.crop_augmentation import padded_size
from pipeline.training.crop_set import LEAST_HEIGHT, cut_crop
from trackers.structures import FloatArray, ImageArray

Looked = tuple[ImageArray, FloatArray]  # a picture, and the boxes (n, 4) of the objects in it, pixels
Crops = Iterator[ImageArray]  # (padded H, padded W, 3) each


def cut_all(looked: Iterable[Looked], size: tuple[int, int]) -> Crops:
    """Every box of every picture that is tall enough, with its margin. `size`: height, width of boxes."""
    for image, boxes in looked:
        for box in boxes:
            if box[3] - box[1] >= LEAST_HEIGHT and box[2] > box[0]:
                yield cut_crop(image, box, size)


def fill_stock(path: Path, crops: Iterable[ImageArray], *, most: int, seed: int, told: Callable[[int], None]) -> None:
    """Write crops to a file that appears when it is complete. Of more than `most`, each is kept with the same chance.

    That is reservoir sampling (Vitter 1985, algorithm R). `told`: how many were seen. Raises OutputError, TrainingError
    where there is none.
    """
    random = np.random.default_rng(seed)
    seen = 0
    with PartFile(path, owner="crops") as held, held.part.open("wb", buffering=0) as file:
        for crop in crops:
            place = seen if seen < most else int(random.integers(0, seen + 1))
            seen += 1
            told(seen)
            if place < most:
                try:
                    file.seek(place * crop.nbytes)
                    _write(file, crop.tobytes())
                except OSError as error:
                    raise held.failure(error) from error
        if not seen:
            raise TrainingError("no object was found to make crops of; check the detector, --classes and the sources")


def _write(file: RawIOBase, content: bytes) -> None:
    """All of it: a disk that is nearly full takes a part, and refuses the rest."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def open_stock(path: Path, size: tuple[int, int]) -> ImageArray:
    """(n, padded H, padded W, 3) uint8, read from the file as needed. Raises TrainingError where it is damaged."""
    shape = (*padded_size(size), 3)
    length = path.stat().st_size
    count, rest = divmod(length, int(np.prod(shape)))
    if rest or not count:
        raise TrainingError(f"{path} is damaged: {length} bytes are no whole number of crops; delete it")
    return np.memmap(path, np.uint8, "r", shape=(count, *shape))


def held_out(count: int, *, share: float, most: int, seed: int) -> tuple[Sequence[int], Sequence[int]]:
    """Rows to learn from and rows to validate on, of `count`. Raises TrainingError where there are too few."""
    wanted = min(most, max(3, round(share * count)))
    if count < wanted + 2:
        raise TrainingError(f"{count} crops are too few to learn from some and validate on others; give more sources")
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[wanted:]).tolist(), np.sort(order[:wanted]).tolist()
