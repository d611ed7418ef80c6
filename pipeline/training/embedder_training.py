"""EmbedderTraining: an embedder learns to tell identities apart, from crops to files that the product loads."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from pipeline.errors import ModelError
from pipeline.training.crop_augmentation import Augmentation
from pipeline.training.crop_set import CropSet, held_out, to_validate_on, without_singles
from pipeline.training.data_parallel import Ranks, share_statistics
from pipeline.training.embedder_file import digest_of, read_embedder
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.folder import TrainingFolder
from pipeline.training.identity_batches import IdentityBatches
from pipeline.training.learning import MODEL, Course, Learned, Learning, Watcher, write_model
from pipeline.training.metric_learning import IdentityMaterial, Loss, objective
from pipeline.training.precision import mixed_type
from pipeline.training.random_state import seed_generators


@dataclass(frozen=True, slots=True)
class EmbedderSettings:
    """What decides the result, beside the crops."""

    plan: EmbedderPlan
    freeze: bool = False  # only projection and neck learn
    loss: Loss = "triplet"
    margin: float | None = None  # of the loss; None: its own
    people: int = 16  # identities a batch
    crops: int = 4  # of each
    evenness: float = 0.5  # of identities with few and with many crops (`IdentityBatches`)
    share: float = 0.2  # of the identities to validate on, where no others are given
    epochs: int = 60
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    patience: int = 15
    seed: int = 0
    amp: bool = True
    change: Augmentation = field(default_factory=Augmentation)


class EmbedderTraining:
    """One training."""

    def __init__(
        self,
        crops: CropSet,
        settings: EmbedderSettings,
        *,
        device: torch.device,
        validation: CropSet | None = None,
        network: EmbedderNetwork | None = None,
        workers: int = 0,
        ranks: Ranks | None = None,
    ) -> None:
        """`validation`: crops of other identities; None: some of `crops` are held out. `network`: to start from.

        Raises TrainingError where there are too few identities, or those to validate on are seen too shortly.
        """
        self._settings, self._ranks = settings, ranks or Ranks()
        seed_generators(settings.seed)
        usable, self._dropped = without_singles(crops)
        if validation is None:
            learned, validated = held_out(usable, share=settings.share, seed=settings.seed)
        else:
            learned, validated = usable, to_validate_on(validation)
        self._material = IdentityMaterial(
            learned,
            validated,
            IdentityBatches(
                learned.identities,
                people=settings.people,
                crops=settings.crops,
                evenness=settings.evenness,
                seed=settings.seed,
            ),
            settings.plan.input_size,
            settings.change,
            settings.seed,
            device,
            mixed_type(device, wanted=settings.amp),
            workers,
            self._ranks,
        )
        self._course = Course(
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            patience=settings.patience,
            device=device,
            mixed=self._material.mixed,
        )
        self._start = digest_of(network)
        self._network = network or EmbedderNetwork(settings.plan)
        if settings.freeze:
            self._network.freeze_trunk()
        loss = objective(
            settings.loss,
            margin=settings.margin,
            dimension=settings.plan.dimension,
            identities=learned.count,
        )
        share_statistics(self._network, self._ranks)
        self._learning = Learning(self._network, loss, self._course, ranks=self._ranks)

    def lines(self) -> list[str]:
        """What it learns from, in words."""
        learned, validated = self._material.learned, self._material.validated
        dropped = f"; {self._dropped} identities of a single crop left out" if self._dropped else ""
        return [
            f"learning    {len(learned)} crops of {learned.count} identities{dropped}",
            f"validating  {len(validated)} crops of {validated.count} others",
        ]

    def stop(self) -> None:
        """End soon; what finished epochs learned is kept. Safe in a signal handler."""
        self._learning.stop()

    def run(self, out: Path, *, resume: bool, watcher: Watcher | None = None) -> Learned:
        """Learn, and leave the best epoch's network in `out` as best.safetensors and best.onnx.

        Raises TrainingError where the folder does not fit or the loss is no number, OutputError.
        """
        folder = self._learning.opened(out, self._held(), resume=resume)
        learned = self._learning.run(self._material, folder, watcher=watcher)
        if folder is not None and learned.best_epoch:
            write_model(folder)
            folder.write_report(self._report(folder, learned))
        return learned

    def _held(self) -> dict[str, object]:
        """For settings.yaml."""
        material = self._material
        return {
            **asdict(self._settings),
            "weights": self._start,
            **self._course.said,
            "processes": self._ranks.count,
            "data": {"learned": material.learned.digest, "validated": material.validated.digest},
        }

    def _report(self, folder: TrainingFolder, learned: Learned) -> dict[str, object]:
        material = self._material
        return {
            "model": MODEL,
            "parameters": sum(one.numel() for one in self._network.parameters()),
            "epochs": learned.epochs,
            "best epoch": folder.rows[learned.best_epoch - 1],
            "stopped": learned.stopped,
            "learned": {"crops": len(material.learned), "identities": material.learned.count},
            "validated": {"crops": len(material.validated), "identities": material.validated.count},
            "left out": {"identities of one crop": self._dropped},
        }


def starting_point(path: Path, *, size: tuple[int, int] | None, dimension: int | None) -> EmbedderNetwork:
    """The network of a file to train on. Raises ModelError where a wanted size or dimension is not the file's."""
    network = read_embedder(path)
    plan = network.plan
    if size not in (None, plan.input_size) or dimension not in (None, plan.dimension):
        raise ModelError(
            f"{path} takes crops of {plan.input_size[0]}x{plan.input_size[1]} and gives {plan.dimension} numbers; "
            "leave --input-size and --dimension out, or start without --weights"
        )
    return network
