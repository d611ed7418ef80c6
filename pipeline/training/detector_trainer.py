"""DetectorTrainer: ultralytics' trainer with a loop that can be stopped anywhere and goes on as if nothing had been."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.errors import ConfigError, TrainingError
from pipeline.models.ultralytics_library import ultralytics
from pipeline.training.data_parallel import Ranks, share_statistics
from pipeline.training.detector_loading import EpochBatches, training_loader, validation_loader
from pipeline.training.detector_loss import balanced_weights, make_loss
from pipeline.training.detector_network import checkpoint_of, freeze, train_mode
from pipeline.training.detector_progress import TrainingFiles, TrainingObserver, TrainingOutcome
from pipeline.training.detector_scoring import DetectorScoring, no_scores
from pipeline.training.detector_settings import DetectorSettings
from pipeline.training.labelled import DetectionData
from pipeline.training.precision import mixed_type, mixing
from pipeline.training.random_state import seed_generators

BEST = "best.pt"


class DetectorTrainer(ultralytics.models.yolo.detect.DetectionTrainer):  # type: ignore[misc]
    """Trains one network. What an epoch does depends on settings, data, seed and the state before it alone."""

    def __init__(
        self,
        network: Any,
        data: DetectionData,
        settings: DetectorSettings,
        *,
        scratch: Path,
        device: torch.device,
        ranks: Ranks,
        workers: int,
    ) -> None:
        """`scratch`: a folder for what ultralytics writes at the start. `workers`: processes that prepare pictures.

        Raises ConfigError where a batch cannot be shared by the processes.
        """
        self._data, self._settings, self._ranks, self._workers = data, settings, ranks, workers
        if settings.batch % ranks.count:
            raise ConfigError(f"--batch {settings.batch} cannot be shared evenly by {ranks.count} processes")
        super().__init__(overrides=_overrides(settings, len(data.names), scratch))
        ultralytics.utils.torch_utils.unset_deterministic()  # of the whole process; only while it trains
        self.device = device
        self._clean = deepcopy(network)  # what is saved is made of: the library's classes alone
        self.model = network
        self._stopped = False
        self._kind = mixed_type(device, wanted=settings.amp)
        self._set_up()

    @property
    def precision(self) -> str:
        """In what the network computes."""
        return "float32" if self._kind is None else f"{str(self._kind).removeprefix('torch.')} and float32"

    @property
    def outcome(self) -> TrainingOutcome:
        """So far."""
        return TrainingOutcome(
            self.start_epoch, self.stopper.best_epoch, float(self.stopper.best_fitness), self._stopped
        )

    def stop(self) -> None:
        """End after the batch that is going on; the epoch is done again by who goes on."""
        self._stopped = True

    def run_callbacks(self, event: str) -> None:
        """None: no service of others hears of a training."""

    def get_dataset(self) -> dict[str, Any]:
        """What ultralytics wants to know of the data."""
        names = dict(enumerate(self._data.names))
        return {"names": names, "nc": len(names), "channels": 3, "train": "", "val": ""}

    def fit(self, files: TrainingFiles, observer: TrainingObserver, state: dict[str, Any] | None = None) -> None:
        """Train to the last epoch, or until no better score came for long, or `stop`.

        `state`: what an earlier part saved. Only the first of several processes writes files and is scored. Raises
        TrainingError where the loss is no number, OutputError where the disk is full: what was saved stays.
        """
        self._files, self._observer = files, observer
        ultralytics.utils.torch_utils.init_seeds(self._settings.seed, deterministic=True)  # `train` ends that
        if state is not None:
            self._restore(state)
        elif self._ranks.first:
            files.save(self._state())
        try:
            self.train()
        finally:
            del self.train_loader  # its processes end now, and not when memory is tidied up

    def _do_train(self) -> None:
        while self.start_epoch < self.epochs and not self._patience_is_over():
            began = time.monotonic()
            losses = self._train_epoch(self.start_epoch)
            if losses is None:
                return
            self._conclude_epoch(losses, began)

    def _set_up(self) -> None:
        """Everything but the state of an earlier part."""
        seed_generators(self._settings.seed)
        freeze(self.model, self._settings.freeze)
        self.model.to(self.device, memory_format=torch.channels_last)
        share_statistics(self.model, self._ranks)
        self.set_model_attributes()
        self.stride = int(self.model.stride.max())
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self._kind is torch.float16)
        self.amp = False  # scores are of float32
        self._batches = EpochBatches(len(self._data.train), self._settings, self._ranks)
        self.train_loader = training_loader(self._data, self._batches, args=self.args, workers=self._workers)
        self.test_loader = validation_loader(self._data, args=self.args)
        self.accumulate = max(round(self.args.nbs / self.args.batch), 1)
        self.optimizer = self.build_optimizer(
            self.model,
            name=self.args.optimizer,
            lr=self.args.lr0,
            momentum=self.args.momentum,
            decay=self.args.weight_decay * self.args.batch * self.accumulate / self.args.nbs,
        )
        self._setup_scheduler()
        self.ema = ultralytics.utils.torch_utils.ModelEMA(self.model)
        self.model.criterion = self._loss(self.model, share=self._ranks.sum if self._ranks.count > 1 else None)
        self.ema.ema.criterion = self._loss(self.ema.ema, share=None)
        self.validator = DetectorScoring(self.test_loader, scratch=self.save_dir, args=self.args)
        self.stopper = ultralytics.utils.torch_utils.EarlyStopping(patience=self._settings.patience)

    def _loss(self, network: Any, *, share: Any) -> Any:
        weights = None
        if self._settings.class_weights == "balanced":
            weights = balanced_weights(self._data.train, len(self._data.names))
        return make_loss(network, focal=self._settings.focal, class_weights=weights, share=share)

    def _train_epoch(self, epoch: int) -> dict[str, float] | None:
        """Mean losses by name; None where it was stopped before the end."""
        self._batches.epoch = self.epoch = epoch
        seed_generators(int(np.random.SeedSequence((self._settings.seed, epoch)).generate_state(1)[0]))
        train_mode(self.model, self._settings.freeze)
        self.optimizer.zero_grad()
        steps = len(self.train_loader)
        self._observer.epoch_began(epoch + 1, steps)
        total: dict[str, float] = {}
        waiting = 0
        for step, batch in enumerate(self.train_loader):
            if self._ranks.any(self._stopped):
                self._stopped = True
                return None
            accumulate = self._set_rates(epoch, step, steps)
            items = self._backward(batch, f"epoch {epoch + 1}, step {step + 1} of {steps}")
            total = {name: total.get(name, 0.0) + value / steps for name, value in items.items()}
            waiting += 1
            if waiting >= accumulate or step + 1 == steps:
                self._ranks.average_gradients(self.model.parameters())
                self.optimizer_step()
                waiting = 0
            self._observer.stepped(sum(items.values()))
        if hasattr(self.model.criterion, "update"):
            self.model.criterion.update()
        return total

    def _set_rates(self, epoch: int, step: int, steps: int) -> int:
        """Learning rates and momentum of a step, rising at first; returns how many batches make one step then."""
        rising: int = self._get_warmup_iterations(steps)
        share = min(1.0, (epoch * steps + step) / rising) if rising else 1.0
        for group in self.optimizer.param_groups:
            full = group["initial_lr"] * self.lf(epoch)
            start = self.args.warmup_bias_lr if group.get("param_group") == "bias" else 0.0
            group["lr"] = start + (full - start) * share
            if "momentum" in group:
                group["momentum"] = self.args.warmup_momentum + (self.args.momentum - self.args.warmup_momentum) * share
        nominal: int = self.accumulate
        return max(1, round(1 + (nominal - 1) * share))

    def _backward(self, batch: dict[str, Any], where: str) -> dict[str, float]:
        """Gradients of one batch; its losses by name."""
        batch = self.preprocess_batch(batch)
        images = batch["img"].contiguous(memory_format=torch.channels_last)
        with mixing(self.device, self._kind):
            predicted = self.model(images)
        loss, self.loss_items = self.model.criterion(_in_float(predicted), batch)
        whole = float(self._ranks.sum(loss.detach().sum()))
        if not math.isfinite(whole):
            raise TrainingError(
                f"the loss is {whole} in {where}; begin anew with a lower --learning-rate, or with --no-amp"
            )
        self.scaler.scale(loss.sum() * self._ranks.count).backward()
        return {name: float(self._ranks.sum(value)) for name, value in self.loss_items.items()}

    def _conclude_epoch(self, losses: dict[str, float], began: float) -> None:
        """Score it where that is due, and keep what was reached."""
        epoch = self.start_epoch = self.epoch + 1
        if self._ranks.first:
            due = epoch % self._settings.validate_every == 0 or epoch == self.epochs
            scores = self.validator.scores(self) if due else no_scores(losses)
            if due:
                self.stopper(epoch, scores["ap"])
            row = {"epoch": epoch, **losses, **scores, "learning_rate": self.optimizer.param_groups[0]["lr"]}
            row["seconds"] = round(time.monotonic() - began, 2)
            if self.stopper.best_epoch == epoch:
                self._files.write_bytes(BEST, self._checkpoint(scores["ap"]))
            self._files.save(self._state(), row)
            self._observer.epoch_ended(row)
        best = self._ranks.from_first((self.stopper.best_fitness, self.stopper.best_epoch))
        self.stopper.best_fitness, self.stopper.best_epoch = best

    def _patience_is_over(self) -> bool:
        """Epochs since the last that was scored say nothing."""
        scored = self.start_epoch - self.start_epoch % self._settings.validate_every
        return bool(scored - self.stopper.best_epoch >= self.stopper.patience)

    def _checkpoint(self, score: float) -> bytes:
        self._clean.load_state_dict(self.ema.ema.state_dict())
        settings = {"imgsz": self._settings.image_size, "task": "detect", "single_cls": False}
        return checkpoint_of(self._clean, settings=settings, score=score, epoch=self.start_epoch)

    def _state(self) -> dict[str, Any]:
        return {
            "epochs_done": self.start_epoch,
            "network": self.model.state_dict(),
            "ema": self.ema.ema.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "best_score": float(self.stopper.best_fitness),
            "best_epoch": self.stopper.best_epoch,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        try:
            self.model.load_state_dict(state["network"])
            self.ema.ema.load_state_dict(state["ema"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            self.start_epoch, self.ema.updates = state["epochs_done"], state["ema_updates"]
            self.stopper.best_fitness, self.stopper.best_epoch = state["best_score"], state["best_epoch"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(f"the saved state is of another network ({error}); begin in another folder") from error
        for _ in range(self.start_epoch):
            if hasattr(self.model.criterion, "update"):
                self.model.criterion.update()


def _overrides(settings: DetectorSettings, classes: int, scratch: Path) -> dict[str, Any]:
    return settings.for_library() | {
        "model": "network.yaml",
        "data": "",
        "imgsz": settings.image_size,
        "epochs": settings.epochs,
        "batch": settings.batch,
        "lr0": settings.rate(classes),
        "seed": settings.seed,
        "device": "cpu",  # ours is set afterwards: theirs changes what the process sees
        "workers": 0,
        "amp": False,
        "plots": False,
        "verbose": False,
        "save_dir": str(scratch),
    }


def _in_float(predicted: Any) -> Any:
    """The tensors of a network's output in float32, in which the loss is computed."""
    match predicted:
        case torch.Tensor():
            return predicted.float()
        case dict():
            return {name: _in_float(one) for name, one in predicted.items()}
        case list() | tuple():
            return type(predicted)(_in_float(one) for one in predicted)
    return predicted
