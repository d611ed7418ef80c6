"""What the `sightline` command does to teach an embedder identities: train embedder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.input_size import parse_size
from pipeline.run_verbs import DatabaseOption, opened_store
from pipeline.stopping import INTERRUPTED, stopping
from pipeline.train_display import TrainDisplay

if TYPE_CHECKING:
    from pipeline.sources.excerpt import Footage
    from pipeline.store.database import Database
    from pipeline.store.filters import Scope
    from pipeline.store.footage_queries import FootageRow
    from pipeline.training.crop_set import CropSet
    from pipeline.training.run_identities import OpenFootage

_RUN = "run:"


def train_embedder(
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA...", help="Folders (one an identity, or MOTChallenge), or run:last, run:ID."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the model, its log and its state go.")],
    validation: Annotated[
        list[str] | None,
        typer.Option(metavar="DATA", help="Other identities to score on.  [default: a fifth of those in DATA]"),
    ] = None,
    loss: Annotated[
        Literal["contrastive", "triplet", "batch-hard", "arcface"],
        typer.Option(help="triplet: with semi-hard negatives; batch-hard: with the hardest of each batch."),
    ] = "triplet",
    margin: Annotated[float | None, typer.Option(min=0, help="Of the loss.  [default: its paper's]")] = None,
    identities: Annotated[int, typer.Option(min=2, max=1024, help="Identities a batch.")] = 16,
    crops: Annotated[int, typer.Option(min=2, max=256, help="Crops of each in a batch.")] = 4,
    evenness: Annotated[
        float, typer.Option(min=0, max=1, help="0: an identity comes as often as its crops say; 1: all as often.")
    ] = 0.5,
    most: Annotated[int, typer.Option(min=2, help="Crops an identity at most, spread over time.")] = 60,
    names: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME", help="Of runs: only objects called so.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Start from a .safetensors or .onnx of ours.")
    ] = None,
    freeze: Annotated[bool, typer.Option("--freeze", help="Only the last layers learn; needs --weights.")] = False,
    input_size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Height x width of crops, pixels.  [default: 128x64]")
    ] = None,
    dimension: Annotated[
        int | None, typer.Option(min=2, max=2048, help="Length of a feature vector.  [default: 128]")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, max=100_000, help="Times all crops are seen.")] = 60,
    learning_rate: Annotated[float, typer.Option(min=0, max=1, help="The greatest.")] = 1e-3,
    patience: Annotated[
        int, typer.Option(min=0, help="End after so many epochs without a better score; 0: never.")
    ] = 15,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Another number, other chances.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes that prepare crops.")] = 0,
    amp: Annotated[bool, typer.Option("--amp/--no-amp", help="Compute in bfloat16 where the processor can.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in FOLDER.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Train an embedder to tell identities apart, from random numbers or from a model that is there.

    DATA: a folder with a folder of pictures for each identity; a MOTChallenge sequence with gt/gt.txt and video.mp4 or
    img1/, or a folder of such; or the objects of a stored run as reviewers left them (run:last). Several may be given:
    nobody is in two of them. Merge the pieces of one person in a run first, since they count as different people.

    FOLDER/best.onnx is the model with the best same/different AUC on identities it has not seen; use it with
    `sightline run --set embedder.backend=auto --set embedder.weights=FOLDER/best.onnx`. Ctrl-C keeps what the finished
    epochs learned; `--resume` goes on to the very result an undisturbed training gives.

    With several processes, each computes its part of every batch:
    `torchrun --nproc-per-node 2 -m pipeline train embedder ...`

    Example: `sightline train embedder run:last yard-people --out yard --loss triplet --epochs 40`

    Exit code 0: done. 2: bad input, or the loss is no number. 130: ended by Ctrl-C; `--resume` goes on.
    """
    from pipeline.training.data_parallel import joined_ranks
    from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
    from pipeline.training.embedder_training import EmbedderSettings, EmbedderTraining, starting_point
    from pipeline.training.learning import MODEL
    from pipeline.training.precision import training_device

    if freeze and weights is None:
        raise ConfigError("--freeze keeps what was learned before; give --weights, or leave it out")
    size = None if input_size is None else parse_size(input_size, option="--input-size")
    network: EmbedderNetwork | None = None
    plan = EmbedderPlan(size or (128, 64), dimension or 128)
    if weights is not None:
        network = starting_point(weights, size=size, dimension=dimension)
        plan = network.plan
    chosen = EmbedderSettings(
        plan=plan,
        freeze=freeze,
        loss=loss,
        margin=margin,
        people=identities,
        crops=crops,
        evenness=evenness,
        epochs=epochs,
        learning_rate=learning_rate,
        patience=patience,
        seed=seed,
        amp=amp,
    )
    reader = _Reader(plan.input_size, most, tuple(names or ()), database)
    with joined_ranks(device) as ranks, TrainDisplay(Console(), epochs=epochs, silent=not ranks.first) as display:
        training = EmbedderTraining(
            reader.read(data),
            chosen,
            device=training_device(device, int(os.environ.get("LOCAL_RANK", "0"))),
            validation=reader.read(validation) if validation else None,
            network=network,
            workers=workers,
            ranks=ranks,
        )
        for line in training.lines():
            display.say(line)
        with stopping(training, display.say):
            learned = training.run(out, resume=resume, watcher=display if ranks.first else None)
        if learned.best_epoch:
            display.say(f"best        epoch {learned.best_epoch}, AUC {learned.best_score:.4f} -> {out / MODEL}")
        if learned.stopped:
            display.say("stopped     the same command with --resume goes on")
    if learned.stopped:
        raise typer.Exit(INTERRUPTED)


class _Reader:
    """Reads crops from all that DATA may be. Nobody may be in two of them, as two identities are never the same."""

    def __init__(self, size: tuple[int, int], most: int, names: tuple[str, ...], database: str | None) -> None:
        self._size, self._most, self._names, self._database = size, most, names, database
        self._seen: dict[str, str] = {}  # public id of a source -> as it was given
        self._folders: list[tuple[Path, str]] = []

    def read(self, addresses: Sequence[str]) -> CropSet:
        """Crops of all addresses. Raises ConfigError where one is given twice, or two runs have read the same."""
        from pipeline.training.crop_set import joined
        from pipeline.training.identity_data import read_folder

        found = []
        for address in addresses:
            if address.startswith(_RUN):
                found.append(self._run(address))
            else:
                self._folder(Path(address).resolve(), address)
                found.append(read_folder(Path(address), self._size, most=self._most))
        return joined(found, self._size)

    def _run(self, address: str) -> CropSet:
        from pipeline.run_record import media_folder
        from pipeline.store.run_queries import find_run, run_detail
        from pipeline.training.run_identities import read_run

        with opened_store(self._database) as (store, scope, settings):
            with store.read("find a run") as connection:
                run = find_run(scope, connection, address.removeprefix(_RUN))
                detail = run_detail(scope, connection, run)
            for source in () if detail is None else detail.sources:
                self._once(str(source.public_id), address)
            footage = _opener(store, scope, media_folder(settings))
            return read_run(store, scope, run, self._size, most=self._most, names=self._names, open_footage=footage)

    def _once(self, source: str, address: str) -> None:
        if source in self._seen:
            raise _same(self._seen[source], address)
        self._seen[source] = address

    def _folder(self, path: Path, address: str) -> None:
        for other, given in self._folders:
            if path.is_relative_to(other) or other.is_relative_to(path):
                raise _same(given, address)
        self._folders.append((path, address))


def _same(one: str, other: str) -> ConfigError:
    return ConfigError(
        f"{one} and {other} show the same, so the same people would count as different ones; leave one out"
    )


def _opener(store: Database, scope: Scope, media: Path) -> OpenFootage:
    """Opens what a source showed: a file as long as it is what it was, a camera as far as it was recorded."""
    from pipeline.clips.originals import Originals
    from pipeline.clips.recorded import RecordedCameras

    originals, cameras = Originals(), RecordedCameras(store, media)

    def opened(row: FootageRow, from_at: int, to_at: int) -> Footage:
        if row.is_camera:
            return cameras.open(scope, row, from_at=from_at, to_at=to_at)[0]
        return originals.open(row)

    return opened
