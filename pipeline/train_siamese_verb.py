"""What the `sightline` command does to teach a Siamese network to find again what it was shown: train siamese."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.progress_line import counting
from pipeline.starting_weights import starting_weights
from pipeline.stopping import INTERRUPTED, stopping
from pipeline.target_settings import SiameseSettings as Networks
from pipeline.train_display import TrainDisplay

if TYPE_CHECKING:
    from pipeline.training.detection_check import Told
    from pipeline.training.siamese_sights import Sights
    from trackers.siamese_networks import SiameseNetworks

_NO_WEIGHTS = "none"
_LABELLED = (".yaml", ".yml")


def train_siamese(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA...", help="DATA.yaml as `train detector` takes it, or MOTChallenge sequences."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the model, its log and its state go.")],
    validation: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Sequences to score on, beside `val` of each DATA.yaml."),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            metavar="FILE|NAME|none",
            help="Start from a .safetensors or .onnx of this command, or from the first layers of a detector, as "
            "bundled:person-vehicle-bicycle. none: random numbers.",
        ),
    ] = _NO_WEIGHTS,
    freeze: Annotated[int, typer.Option(min=0, help="So many layers from the input on stay as they are.")] = 0,
    teacher_backbone: Annotated[
        Path | None, typer.Option(metavar="FILE", help="NanoTrack v2's backbone: its maps are learned, too.")
    ] = None,
    teacher_head: Annotated[Path | None, typer.Option(metavar="FILE", help="NanoTrack v2's head.")] = None,
    teacher_weight: Annotated[float, typer.Option(min=0, help="Of the teacher's maps, beside the boxes.")] = 1.0,
    walks: Annotated[
        float, typer.Option(min=0, max=1, help="Share of pairs that come from sequences, where there are both.")
    ] = 0.25,
    gap: Annotated[int, typer.Option(min=1, help="Pictures of a sequence between the two of a pair at most.")] = 50,
    parts: Annotated[
        float, typer.Option(min=0, max=1, help="How often a part of a large object is taken for the object.")
    ] = 0.15,
    absent: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of pairs in which the target is not there.")
    ] = 0.1,
    pairs: Annotated[int, typer.Option(min=1, help="An epoch.")] = 6400,
    judged: Annotated[int, typer.Option(min=1, help="Pairs to score on, always the same.")] = 512,
    epochs: Annotated[int, typer.Option(min=1, max=100_000, help="Times so many pairs are seen.")] = 20,
    batch: Annotated[int, typer.Option(min=2, max=4096, help="Pairs a step.")] = 32,
    learning_rate: Annotated[float, typer.Option(min=0, max=1, help="The greatest.")] = 2e-3,
    patience: Annotated[
        int, typer.Option(min=0, help="End after so many epochs without a better score; 0: never.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Another number, other chances.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    amp: Annotated[bool, typer.Option("--amp/--no-amp", help="Compute in bfloat16 where the processor can.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in FOLDER.")] = False,
) -> None:
    """Train the network of `follow --tracker siamese`: shown an object, it finds the object again.

    DATA: labelled pictures, in which each object is learned to be found again in the same picture, moved, resized and
    in another light; sequences (gt/gt.txt with video.mp4 or img1/), in which it is found again some pictures later.
    What class an object has does not count. With a teacher the network also learns how that one sees both pictures;
    it gets none of its numbers.

    FOLDER/best.onnx is the model whose boxes overlap most with the true ones of pairs that are not learned from; use it
    with `sightline follow --tracker siamese --set target.weights=FOLDER/best.onnx`. Ctrl-C keeps what the finished
    epochs learned; `--resume` goes on to the very result an undisturbed training gives.

    Example: `sightline train siamese objects.yaml walk/ --weights bundled:person-vehicle-bicycle --freeze 3 --out mine`

    Exit code 0: done. 2: bad input, or the loss is no number. 130: ended by Ctrl-C; `--resume` goes on.
    """
    from pipeline.training.learning import MODEL
    from pipeline.training.precision import training_device
    from pipeline.training.random_state import seed_generators
    from pipeline.training.siamese_file import starting_point
    from pipeline.training.siamese_network import SiameseNetwork, SiamesePlan
    from pipeline.training.siamese_pairs import Drawing
    from pipeline.training.siamese_training import SiameseSettings, SiameseTraining

    start = None if weights == _NO_WEIGHTS else starting_weights(weights, tasks=("target", "detect"))
    if freeze and start is None:
        raise ConfigError("--freeze keeps what was learned before; give --weights, or leave it out")
    teacher, digests = _teacher(teacher_backbone, teacher_head)
    chosen = SiameseSettings(
        drawing=Drawing(pairs=pairs, batch=batch, absent=absent, seed=seed),
        freeze=freeze,
        teacher=teacher_weight,
        judged=judged,
        epochs=epochs,
        learning_rate=learning_rate,
        patience=patience,
        amp=amp,
    )
    place = training_device(device)
    with counting("pictures looked at") as told:
        material = _material(data, validation or [], walks=walks, gap=gap, parts=parts, told=told)
    seed_generators(seed)
    network = SiameseNetwork(SiamesePlan()) if start is None else starting_point(start, SiamesePlan())
    training = SiameseTraining(
        network,
        chosen,
        learned=material.learned,
        validated=material.validated,
        device=place,
        teacher=teacher,
        said={"teacher": digests, **material.said},
    )
    with TrainDisplay(Console(), epochs=epochs) as display:
        for line in training.lines():
            display.say(line)
        with stopping(training, display.say):
            learned = training.run(out, resume=resume, watcher=display)
        if learned.best_epoch:
            display.say(f"best        epoch {learned.best_epoch}, overlap {learned.best_score:.4f} -> {out / MODEL}")
        if learned.stopped:
            display.say("stopped     the same command with --resume goes on")
    if learned.stopped:
        raise typer.Exit(INTERRUPTED)


def _teacher(backbone: Path | None, head: Path | None) -> tuple[SiameseNetworks | None, list[str]]:
    """Who teaches, and the SHA-256 of the files. Raises ConfigError, ModelError."""
    from pipeline import build
    from pipeline.sources.fingerprint import fingerprint_file

    if backbone is None and head is None:
        return None, []
    if backbone is None or head is None:
        raise ConfigError("a teacher has two networks; give both --teacher-backbone and --teacher-head")
    networks = build.siamese_networks(Networks(backbone=str(backbone), head=str(head), precision="auto"))
    return networks, [fingerprint_file(file) for file in (backbone, head)]


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    """Where pairs come from, and what settings.yaml says of it."""

    learned: Sights
    validated: Sights
    said: dict[str, object]


def _material(
    data: Sequence[Path], validation: Sequence[Path], *, walks: float, gap: int, parts: float, told: Told
) -> _Material:
    """Raises ConfigError where there is nothing to validate on, and what the readers raise."""
    from pipeline.training.detection_data import read_detection_data
    from pipeline.training.siamese_sights import Stills, Walk, mixed, sequences_in

    files = [one for one in data if one.suffix.lower() in _LABELLED]
    labelled = [read_detection_data(file, told) for file in files]
    moving, judged = (
        [Walk(one, gap=gap) for folder in folders for one in sequences_in(folder)]
        for folders in ([one for one in data if one not in files], validation)
    )
    if not (labelled or judged):
        raise ConfigError("there is nothing to validate on; give --validation, or a DATA.yaml with `val`")
    said = {
        "walks": walks,
        "gap": gap,
        "parts": parts,
        "data": {
            "pictures": [one.digest for one in labelled],
            "sequences": [one.digest for one in moving],
            "validation": [one.digest for one in judged],
        },
    }
    return _Material(
        mixed([Stills(one.train, parts=parts) for one in labelled], moving, share=walks),
        mixed([Stills(one.val, parts=0) for one in labelled], judged, share=walks),
        said,
    )
