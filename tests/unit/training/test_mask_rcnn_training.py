"""The light Mask R-CNN: its plan, its file, what its losses learn from, and that a training goes on to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import ModelError, TrainingError
from pipeline.models.mask_rcnn import MaskRcnnPlan, light_mask_rcnn
from pipeline.models.pyramid import STRIDES
from pipeline.training.backbone_distillation import NeckImitation, normalised
from pipeline.training.folder import read_state
from pipeline.training.labelled import LabelledPicture
from pipeline.training.learning import BEST, SCORE, Course
from pipeline.training.mask_lessons import MaskLesson, MaskLessons
from pipeline.training.mask_rcnn_file import read_mask_rcnn, to_safetensors
from pipeline.training.mask_rcnn_training import MODEL, MaskRcnnSettings, MaskRcnnTraining, Segmenting
from pipeline.training.picture_views import ViewChange
from pipeline.training.random_state import seed_generators

CPU = torch.device("cpu")
PLAN = MaskRcnnPlan(classes=("square", "disc"), channels=16, hidden=32, mask_layers=1, shortest=64, longest=96)
FEW = MaskRcnnSettings(side=64, pictures=4, batch=2, epochs=2, amp=False)


def picture(path: Path, seed: int, *, masked: bool = True) -> LabelledPicture:
    """A white square on black, 96 x 96."""
    random = np.random.default_rng(seed)
    side, (x, y) = 40, random.integers(0, 50, 2).tolist()
    image = np.zeros((96, 96, 3), np.uint8)
    image[y : y + side, x : x + side] = 255
    cv2.imwrite(str(path), image)
    box = np.array([[(x + side / 2) / 96, (y + side / 2) / 96, side / 96, side / 96]], np.float32)
    shape = [[x, y, x + side, y, x + side, y + side, x, y + side]]
    return LabelledPicture(path, 96, 96, "", np.zeros(1, np.int64), box, None, (shape,) if masked else ())


def training(folder: Path, *, widened: int = 0, **changed: int) -> MaskRcnnTraining:
    """`widened`: pixels by which the first picture's mask is wider than its box."""
    pictures = [picture(folder / f"{seed}.png", seed) for seed in range(6)]
    x1, y1, x2, *_ = pictures[0].shapes[0][0]
    wider = [[x1, y1, x2 + widened, y1, x2 + widened, y1 + 40, x1, y1 + 40]]
    pictures[0] = replace(pictures[0], shapes=(wider,))
    seed_generators(1)
    settings = MaskRcnnSettings(side=64, pictures=4, batch=2, amp=False, epochs=changed.get("epochs", 2))
    return MaskRcnnTraining(
        light_mask_rcnn(PLAN), PLAN, settings, learned=pictures[:4], validated=pictures[4:], device=CPU, said={}
    )


class StopsInSecond:
    """Ends the training in the second epoch."""

    def __init__(self, work: MaskRcnnTraining) -> None:
        self._work = work

    def epoch_began(self, epoch: int, steps: int) -> None:
        if epoch == 2:
            self._work.stop()

    def stepped(self, loss: float) -> None:
        assert np.isfinite(loss)

    def epoch_ended(self, row: Mapping[str, float]) -> None:
        assert SCORE in row


def test_a_training_that_was_stopped_goes_on_to_the_same_network(tmp_path: Path) -> None:
    whole = training(tmp_path).run(tmp_path / "whole", resume=False)
    assert (whole.epochs, whole.stopped) == (2, False)
    halted = training(tmp_path)
    assert halted.run(tmp_path / "halted", resume=False, watcher=StopsInSecond(halted)).stopped
    assert training(tmp_path).run(tmp_path / "halted", resume=True).epochs == 2
    one, other = (read_state(tmp_path / name)["network"] for name in ("whole", "halted"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    network, plan = read_mask_rcnn(tmp_path / "whole" / MODEL)
    assert plan == PLAN
    kept = read_mask_rcnn(tmp_path / "whole" / BEST)[0].state_dict()
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, kept[key], rtol=1e-3, atol=1e-4)
    assert (tmp_path / "whole" / MODEL).stat().st_size < 0.6 * (tmp_path / "whole" / BEST).stat().st_size


def test_other_settings_are_no_going_on(tmp_path: Path) -> None:
    training(tmp_path).run(tmp_path / "out", resume=False)
    with pytest.raises(TrainingError, match="epochs is 2 there and 3 here"):
        training(tmp_path, epochs=3).run(tmp_path / "out", resume=True)


def test_other_masks_are_no_going_on(tmp_path: Path) -> None:
    training(tmp_path).run(tmp_path / "out", resume=False)
    with pytest.raises(TrainingError, match="masks is"):
        training(tmp_path, widened=3).run(tmp_path / "out", resume=True)


def test_a_frozen_trunk_stays_as_it_is(tmp_path: Path) -> None:
    """Statistics included; pyramid and heads learn."""
    pictures = [picture(tmp_path / f"{seed}.png", seed) for seed in range(6)]
    network = light_mask_rcnn(PLAN)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    MaskRcnnTraining(
        network,
        PLAN,
        replace(FEW, epochs=1, freeze=True),
        learned=pictures[:4],
        validated=pictures[4:],
        device=CPU,
        said={},
    ).run(tmp_path / "out", resume=False)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert not any(name.startswith("backbone.body.") for name in changed)
    assert any(name.startswith("backbone.fpn.") for name in changed)
    assert any(name.startswith("roi_heads.mask_head.") for name in changed)


def test_masks_are_learned_from_objects_that_have_one(tmp_path: Path) -> None:
    """An object without a mask moves all parts of the network but the mask head."""
    boxes, labels = torch.tensor([[8.0, 8.0, 40.0, 40.0]]), torch.ones(1, dtype=torch.int64)
    masks = torch.zeros(1, 64, 64, dtype=torch.uint8)
    masks[0, 8:40, 8:40] = 1
    pictures = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    pictures[0, 8:40, 8:40] = 255
    for known in (True, False):
        seed_generators(3)
        network = light_mask_rcnn(PLAN).train()
        target = {"boxes": boxes, "labels": labels, "masks": masks, "masked": torch.tensor([known])}
        Segmenting(network, PLAN, Course(device=CPU)).loss(MaskLesson(pictures, [target])).backward()
        learned = [one.grad is not None and bool(one.grad.any()) for one in network.roi_heads.mask_head.parameters()]
        assert any(learned) is known
        assert all(one.grad is not None for one in network.roi_heads.box_head.parameters())


def test_a_teacher_is_imitated_beside_the_labels() -> None:
    """Its weight times what is not imitated is added to the other losses."""
    seed_generators(3)
    network = light_mask_rcnn(PLAN).eval()
    network.rpn.train()
    network.roi_heads.train()
    target = {
        "boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0]]),
        "labels": torch.ones(1, dtype=torch.int64),
        "masks": torch.ones(1, 64, 64, dtype=torch.uint8),
        "masked": torch.tensor([True]),
    }
    taught = tuple(torch.randn(1, 4, 64 // stride, 64 // stride) for stride in STRIDES)
    lesson = MaskLesson(torch.zeros(1, 64, 64, 3, dtype=torch.uint8), [target], taught)
    imitation = NeckImitation(PLAN.channels, (4, 4, 4))
    losses = []
    for known, weight in ((None, 1.0), (imitation, 0.0), (imitation, 0.5)):
        seed_generators(4)
        exercise = Segmenting(network, PLAN, Course(device=CPU), imitation=known, weight=weight)
        losses.append(float(exercise.loss(lesson).detach()))
    assert losses[0] == losses[1]
    left = imitation.of(network.backbone(normalised(lesson.pictures, network)), taught)
    assert losses[2] - losses[1] == pytest.approx(0.5 * float(left.detach()), rel=1e-3)


def test_a_batch_without_objects_has_a_loss(tmp_path: Path) -> None:
    network = light_mask_rcnn(PLAN).train()
    target = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 64, 64, dtype=torch.uint8),
        "masked": torch.zeros(0, dtype=torch.bool),
    }
    lesson = MaskLesson(torch.zeros(2, 64, 64, 3, dtype=torch.uint8), [target, target])
    assert torch.isfinite(Segmenting(network, PLAN, Course(device=CPU)).loss(lesson))


def test_pictures_without_masks_teach_no_masks(tmp_path: Path) -> None:
    bare = [picture(tmp_path / "a.png", 1, masked=False)]
    masked = [picture(tmp_path / "b.png", 2)]
    for learned, validated in ((bare, masked), (masked, bare)):
        with pytest.raises(TrainingError, match="masks"):
            MaskRcnnTraining(
                light_mask_rcnn(PLAN), PLAN, FEW, learned=learned, validated=validated, device=CPU, said={}
            )


class SeesWhite(nn.Module):
    """Finds what is white, and where nothing is, something, and more surely."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))

    def forward(self, pictures: list[Tensor]) -> list[dict[str, Tensor]]:
        white = pictures[0].mean(dim=0) > 0.5
        rows, columns = torch.where(white if white.any() else ~white)
        box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
        score = torch.tensor([0.5 if white.any() else 0.9])
        mask = (white if white.any() else ~white).float()
        labels = torch.ones(1, dtype=torch.int64)
        return [{"boxes": box[None], "scores": score, "labels": labels, "masks": mask[None, None]}]


def test_epochs_are_judged_by_pictures_with_masks_and_by_empty_ones(tmp_path: Path) -> None:
    masked = [picture(tmp_path / f"{seed}.png", seed) for seed in range(2)]
    bare = picture(tmp_path / "bare.png", 2, masked=False)
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros((96, 96, 3), np.uint8))
    empty = replace(bare, path=tmp_path / "empty.png", labels=bare.labels[:0], boxes=bare.boxes[:0])

    def judged(*pictures: LabelledPicture) -> float:
        settings = {"side": 64, "pictures": 2, "batch": 2, "seed": 0}
        return MaskLessons(masked, pictures, PLAN.classes, change=ViewChange(), **settings).validate(SeesWhite())[SCORE]

    assert judged(*masked) == pytest.approx(100)
    assert judged(*masked, bare) == pytest.approx(100)
    assert judged(*masked, empty) < 70


def test_the_bundled_shape_is_small() -> None:
    network = light_mask_rcnn(MaskRcnnPlan())
    assert len(to_safetensors(network, MaskRcnnPlan(), half=True)) < 12_000_000


def test_a_plan_is_read_as_it_was_written() -> None:
    assert MaskRcnnPlan.from_text(PLAN.to_text()) == PLAN
    huge, endless = PLAN.to_text().replace("16", "10000000"), PLAN.to_text().replace("16", "Infinity")
    letters = PLAN.to_text().replace('["square", "disc"]', '"abc"')
    for wrong in ("", "{}", '{"classes": 3}', PLAN.to_text().replace("16", '"x"'), huge, endless, letters):
        with pytest.raises(ModelError):
            MaskRcnnPlan.from_text(wrong)
    with pytest.raises(ModelError, match="cannot be built"):
        MaskRcnnPlan(classes=("a", "a"))
    for width in (0.0, -1.0, 1e9, float("nan")):
        with pytest.raises(ModelError, match="cannot be built"):
            MaskRcnnPlan(width=width)
    with pytest.raises(ModelError, match="describes no Mask R-CNN"):
        MaskRcnnPlan.from_text(PLAN.to_text().replace('"width": 0.75', '"width": "wide"'))


def test_half_the_width_is_half_the_channels() -> None:
    """Of the blocks that the pyramid is built on: 40, 112 and 480 at full width."""
    for width, channels in ((1.0, [40, 112, 480]), (0.5, [24, 56, 240])):
        pyramid = light_mask_rcnn(MaskRcnnPlan(width=width)).backbone.fpn
        assert [block[0].in_channels for block in pyramid.inner_blocks] == channels


@pytest.mark.parametrize("text", ["", "1", "2,1", "0,1", "a,b", "1,2,3", "nan,1", "1,99"])
def test_views_of_no_size_are_refused(text: str) -> None:
    with pytest.raises(TrainingError, match=r"0\.7,1\.8"):
        ViewChange.of_zoom(text)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no network")
    with pytest.raises(ModelError, match="not a safetensors file"):
        read_mask_rcnn(tmp_path / "text.safetensors")
    other = MaskRcnnPlan(classes=PLAN.classes, channels=8, hidden=8)
    content = to_safetensors(light_mask_rcnn(PLAN), other)
    (tmp_path / "other.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="does not hold what its architecture needs"):
        read_mask_rcnn(tmp_path / "other.safetensors")
