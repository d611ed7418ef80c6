"""A student that imitates a teacher: it gains, it goes on as if nothing had happened, and it tells what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import TrainingError
from pipeline.evaluation.reid import Crops, same_different_auc
from pipeline.models.colour import ColourEmbedder
from pipeline.training.crop_augmentation import centre
from pipeline.training.crop_set import CropSet
from pipeline.training.crop_sources import CropSource, from_crops
from pipeline.training.embedder_distillation import Distillation, EmbedderDistillation
from pipeline.training.embedder_file import read_safetensors
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.embedding import embedded
from pipeline.training.imitation import Imitation, Lessons, rank_agreement, teach
from pipeline.training.imitation_loss import ImitationLoss
from pipeline.training.learning import BEST, Course, Learned, Learning
from tests.fakes import FakeEmbedder, SilentWatcher
from tests.unit.training.walker_crops import walker_crops

TEACHER = ColourEmbedder()
SIZE = (48, 24)  # of what it is shown
CPU = torch.device("cpu")
PLAN = EmbedderPlan(input_size=SIZE, dimension=32, widths=(16, 32, 48), stripes=2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So small a network is not faster with more, and beside other processes much slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def unlabelled() -> CropSet:
    return walker_crops(SIZE, seed=1, frames=60)


def distil(
    out: Path,
    crops: CropSet,
    *,
    epochs: int,
    views: int = 0,
    resume: bool = False,
    stop: Callable[[EmbedderDistillation, int], None] | None = None,
    gathered: Callable[[EmbedderDistillation, int], None] = lambda work, count: None,
) -> Learned:
    """`stop`: is told the work and the number of each step; `gathered`: of crops."""
    source = from_crops("walkers", crops)
    wanted = Distillation(
        plan=PLAN,
        lessons=Lessons(batch=32, views=views),
        epochs=epochs,
        learning_rate=3e-3,
        amp=False,
        sources=(source.digest,),
        val_share=0.2,
    )
    work = EmbedderDistillation(TEACHER, wanted, device=CPU)
    watcher = SilentWatcher(None if stop is None else lambda step: stop(work, step))
    return work.run(out, [source], resume=resume, gathered=lambda count: gathered(work, count), watcher=watcher)


@pytest.mark.long
def test_a_distilled_student_recognises_people_it_has_never_seen(unlabelled: CropSet) -> None:
    others = walker_crops(SIZE, seed=2)
    crops = centre(others.pictures, SIZE)

    def auc(network: EmbedderNetwork) -> float:
        features = embedded(network, crops, device=CPU)
        return same_different_auc(Crops(features, others.identities, others.sequences, others.times))

    torch.manual_seed(0)
    undistilled = EmbedderNetwork(PLAN)
    student = EmbedderNetwork(PLAN)
    student.load_state_dict(undistilled.state_dict())
    objective = ImitationLoss(PLAN.dimension, TEACHER.card.dimension or 0)
    rows = range(len(unlabelled) - 40)
    held = range(len(unlabelled) - 40, len(unlabelled))
    sizes = (SIZE, SIZE)
    material = Imitation(unlabelled.pictures, rows, held, TEACHER, objective, Lessons(batch=32), sizes=sizes)
    Learning(student, objective, Course(epochs=25, learning_rate=3e-3)).run(material, None)
    assert auc(student) > auc(undistilled) + 0.1
    told = teach(TEACHER, crops)
    before, after = (rank_agreement(embedded(one, crops, device=CPU), told) for one in (undistilled, student))
    assert after > before + 0.1


def test_a_smoke_run_lowers_the_loss_and_leaves_a_student(unlabelled: CropSet, tmp_path: Path) -> None:
    learned = distil(tmp_path / "out", unlabelled, epochs=4)
    losses = [float(line.split(",")[1]) for line in (tmp_path / "out" / "log.csv").read_text().splitlines()[1:]]
    assert len(losses) == learned.epochs == 4
    assert losses[-1] < losses[0]
    assert read_safetensors(tmp_path / "out" / BEST).plan == PLAN
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["learned"]["crops"] + report["validated"]["crops"] == len(unlabelled)
    assert report["best epoch"]["score"] == learned.best_score


@pytest.mark.parametrize("views", [pytest.param(0, marks=pytest.mark.long), 2])
def test_it_goes_on_bit_identically(unlabelled: CropSet, tmp_path: Path, views: int) -> None:
    distil(tmp_path / "calm", unlabelled, epochs=4, views=views)
    stopped = distil(
        tmp_path / "out", unlabelled, epochs=4, views=views, stop=lambda work, step: work.stop() if step == 8 else None
    )
    assert stopped.stopped
    assert stopped.epochs in (1, 2)
    distil(tmp_path / "out", unlabelled, epochs=4, views=views, resume=True)
    one, other = (torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("calm", "out"))
    for name, values in one["network"].items():
        assert torch.equal(values, other["network"][name]), name
    assert one["objective"]["map.weight"].equal(other["objective"]["map.weight"])
    figures = [[row["loss"], row["score"]] for row in one["log"]]
    assert figures == [[row["loss"], row["score"]] for row in other["log"]]


def test_stopped_while_it_gathers_crops_it_can_go_on(unlabelled: CropSet, tmp_path: Path) -> None:
    stopped = distil(tmp_path / "out", unlabelled, epochs=1, gathered=lambda work, count: work.stop())
    assert stopped.stopped
    assert not (tmp_path / "out" / "crops.bgr").exists()
    assert not distil(tmp_path / "out", unlabelled, epochs=1, resume=True).stopped


def test_other_crops_or_settings_do_not_go_on(unlabelled: CropSet, tmp_path: Path) -> None:
    distil(tmp_path / "out", unlabelled, epochs=1)
    with pytest.raises(TrainingError, match="epochs is 1 there and 2 here"):
        distil(tmp_path / "out", unlabelled, epochs=2, resume=True)
    with pytest.raises(TrainingError, match="sources"):
        distil(tmp_path / "out", unlabelled[:50], epochs=1, resume=True)
    with pytest.raises(TrainingError, match="--resume"):
        distil(tmp_path / "out", unlabelled, epochs=1)


def test_no_crops_are_told(tmp_path: Path) -> None:
    wanted = Distillation(plan=PLAN, sources=("none",))
    work = EmbedderDistillation(TEACHER, wanted, device=CPU)
    nothing = CropSource("none", "none", lambda: iter(()))
    with pytest.raises(TrainingError, match="no object was found"):
        work.run(tmp_path / "out", [nothing], resume=False, gathered=lambda count: None, watcher=SilentWatcher())


def test_a_teacher_that_cannot_teach_is_told(unlabelled: CropSet) -> None:
    with pytest.raises(TrainingError, match="cannot teach"):
        EmbedderDistillation(FakeEmbedder(), Distillation(plan=PLAN), device=CPU)
    with pytest.raises(TrainingError, match="says the same of every crop"):
        Imitation(
            unlabelled.pictures,
            range(100),
            range(100, 110),
            FakeEmbedder(),
            ImitationLoss(32, 4),
            Lessons(),
            sizes=(SIZE, SIZE),
        )


def test_the_teacher_is_asked_once_a_view(unlabelled: CropSet) -> None:
    def lessons(**chosen: float) -> Imitation:
        objective = ImitationLoss(32, TEACHER.card.dimension or 0)
        wanted = Lessons(batch=16, **chosen)  # type: ignore[arg-type]
        return Imitation(
            unlabelled.pictures, range(64), range(64, 80), TEACHER, objective, wanted, sizes=(SIZE, (24, 12))
        )

    (crops, told), *_ = lessons().batches(1)
    (same, also), *_ = lessons().batches(1)
    (others, _), *_ = lessons().batches(2)
    assert crops.shape == (16, 24, 12, 3)
    assert torch.equal(crops, same)
    assert torch.equal(told, also)
    assert not torch.equal(crops, others)
    # shown the unchanged crops, the teacher says what it says of them
    clean = lessons(clean=1.0, mix=0.0)
    (_, said), *_ = clean.batches(1)
    order = np.random.default_rng((0, 1)).permutation(np.arange(64))[:16]
    np.testing.assert_allclose(said.numpy(), teach(TEACHER, centre(unlabelled.pictures[order], SIZE)), rtol=1e-6)


def test_rank_agreement_by_hand() -> None:
    angles = np.radians([0, 10, 50, 120])
    one = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert rank_agreement(one, one) == pytest.approx(1)
    three = one[:3]  # of three, each ranks two others: the order is the same, 1, or turned, -1
    other = np.radians([0, 10, -20])
    # 0: near 10, then 50 | near 10, then -20; 10: near 0, then 50 | near 0, then -20; 50: near 10 | -20: near 0
    found = rank_agreement(three, np.stack([np.cos(other), np.sin(other)], axis=1))
    assert found == pytest.approx((1 + 1 - 1) / 3, abs=1e-6)
