"""How pictures come to a detector that learns: batches of an epoch, prepared here or in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, get_worker_info

from pipeline.errors import TrainingError
from pipeline.training.data_parallel import Ranks
from pipeline.training.detector_pictures import AugmentedPictures, DetectorPictures, Key, batches_of
from pipeline.training.detector_settings import DetectorSettings
from pipeline.training.labelled import DetectionData
from pipeline.training.worker_signals import leave_signals


class EpochBatches:
    """Keys of the batches of `epoch`, this process's part of each."""

    def __init__(self, count: int, settings: DetectorSettings, ranks: Ranks) -> None:
        self.epoch = 0
        size = min(settings.batch, count) // ranks.count * ranks.count
        if not size:
            raise TrainingError(f"{count} pictures cannot be shared by {ranks.count} processes; use fewer processes")
        self._count, self._seed, self._size, self._share = count, settings.seed, size, (ranks.rank, ranks.count)

    def __len__(self) -> int:
        return self._count // self._size

    def __iter__(self) -> Iterator[list[Key]]:
        yield from batches_of(self._count, seed=self._seed, epoch=self.epoch, batch=self._size, share=self._share)


def training_loader(data: DetectionData, batches: EpochBatches, *, args: Any, workers: int) -> DataLoader[Any]:
    """Augmented batches of the epoch that `batches` is told. `args`: ultralytics' settings."""
    pictures = AugmentedPictures(
        data.train,
        names=data.names,
        args=args,
        batch=args.batch,
        calm_from=args.epochs - args.close_mosaic if args.close_mosaic else args.epochs,
    )
    return DataLoader(
        pictures,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=pictures.collate_fn,
        worker_init_fn=_begin,
        generator=torch.Generator(),
    )


def validation_loader(data: DetectionData, *, args: Any) -> DataLoader[Any]:
    """Batches of like shape of the pictures to judge by, prepared in this process."""
    size = min(2 * args.batch, len(data.val))
    pictures = DetectorPictures(data.val, names=data.names, args=args, batch=size)
    return DataLoader(pictures, batch_size=size, collate_fn=pictures.collate_fn, generator=torch.Generator())


def _begin(_worker: int) -> None:
    """In a process that prepares pictures."""
    place: Any = get_worker_info()
    place.dataset.share_memory(place.num_workers)
    leave_signals()
