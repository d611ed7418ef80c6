"""Reads the labelled pictures a detector is trained on, YOLO or COCO, into one checked form."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError, TrainingError
from pipeline.training.coco_labels import read_coco
from pipeline.training.data_file import base_of, class_list, class_mapping, class_names, load_data_file
from pipeline.training.detection_check import Told, check_pictures, digest_of
from pipeline.training.detection_problems import Problems
from pipeline.training.labelled import ClaimedPicture, DetectionData, LabelledPicture
from pipeline.training.yolo_labels import label_file, listed_pictures, pictures_in, read_yolo, score_file

_PART_KEYS = {"images", "labels", "annotations", "names", "classes", "scores", "times"}


def read_training_pictures(file: Path) -> tuple[tuple[str, ...], tuple[LabelledPicture, ...], str]:
    """Names of the classes, the pictures of `train`, once each, and their digest: for those who train nothing.

    Raises as `read_detection_data`.
    """
    reader = _reader(file)
    problems = Problems()
    pictures = check_pictures(reader.read("train", problems), problems)
    problems.require_none()
    return reader.names, pictures, digest_of(reader.names, {"train": pictures})


def read_validation_pictures(file: Path) -> tuple[tuple[str, ...], tuple[LabelledPicture, ...]]:
    """Names of the classes, and the pictures of `val`: for those who judge with them. Raises likewise."""
    reader = _reader(file)
    problems = Problems()
    pictures = check_pictures(reader.read("val", problems), problems)
    problems.require_none()
    return reader.names, pictures


def read_detection_data(file: Path, told: Told | None = None) -> DetectionData:
    """All pictures a YAML file names, opened and checked.

    `train`, `val`: one or several of: a folder of pictures or a text file that lists them (labels as YOLO text, boxes
    or polygons, in `labels` where the pictures lie in `images`, else beside them); `{images: FOLDER, labels: FOLDER,
    names: [...]}` for YOLO text of other class names; `{images: FOLDER, annotations: FILE.json}` for COCO. `names`:
    ours, a list or numbered. `classes`: what other names become ours, `{car: vehicle, truck: vehicle}`; then names that
    are neither there nor ours are left out, otherwise they are an error. `scores: true`, of all or of one part: beside
    `labels` lies `scores`, a line a box, how sure who labelled it is. `times: 3`, of one part of `train`: an epoch
    shows its pictures so often. Paths are relative to `path`, else to the file. `told`: hears how many pictures of a
    part were looked at so far.

    Raises FormatError with the first of all problems, TrainingError where a set is empty, has no boxes, or shares a
    picture with the other.
    """
    reader = _reader(file)
    names = reader.names
    problems = Problems()
    claimed = {part: reader.read(part, problems) for part in ("train", "val")}
    checked = {part: check_pictures(pictures, problems, told) for part, pictures in claimed.items()}
    problems.require_none()
    checked["train"] = _repeated(claimed["train"], checked["train"])
    _require_apart(checked["train"], checked["val"])
    for part, pictures in checked.items():
        if not any(len(picture.labels) for picture in pictures):
            raise TrainingError(
                f"{file}: none of the {len(pictures)} pictures of {part!r} has a box of {', '.join(names)}; "
                "check where the label files lie (`labels` in place of `images`) and what `names` and `classes` say"
            )
    return DetectionData(names, checked["train"], checked["val"], digest_of(names, checked))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the parts of one YAML file into claimed pictures."""

    file: Path
    held: Mapping[str, Any]  # what the file says
    names: tuple[str, ...]
    classes: Mapping[str, str] | None  # their name -> ours; None: only our own names are known
    base: Path
    scored: bool = False  # beside labels lie scores

    def read(self, part: str, problems: Problems) -> list[ClaimedPicture]:
        """Pictures of `train` or `val`, in the order of the file. Raises TrainingError where there are none."""
        said = self.held.get(part)
        if not said:
            raise TrainingError(f"{self.file}: {part!r} names no pictures; give a folder, a list or a COCO file")
        sources = said if isinstance(said, list) else [said]
        found = [picture for source in sources for picture in self._source(source, part, problems)]
        if not found:
            raise TrainingError(f"{self.file}: there are no pictures in {part!r}: {said}")
        return found

    def _source(self, said: Any, part: str, problems: Problems) -> list[ClaimedPicture]:
        where = f"{self.file}: {part}"
        if isinstance(said, str):
            return self._yolo(
                self._path(said, where), None, self._numbers(self.names, where, None), problems, self.scored
            )
        if not isinstance(said, dict) or "images" not in said or not set(said) <= _PART_KEYS:
            raise FormatError(f"{where}: {said!r} is neither a path nor {{images: ...}} of {', '.join(_PART_KEYS)}")
        times = _times(said.get("times", 1), part, where)
        return [replace(picture, times=times) for picture in self._part(said, where, problems)]

    def _part(self, said: Mapping[str, Any], where: str, problems: Problems) -> list[ClaimedPicture]:
        classes = class_mapping(said["classes"], self.names, f"{where}: classes") if "classes" in said else self.classes
        images = self._path(said["images"], where)
        if "annotations" in said:
            annotations = self._path(said["annotations"], where)
            return read_coco(images, annotations, lambda name: self._number(name, str(annotations), classes), problems)
        theirs = self._class_names(said["names"], where) if "names" in said else self.names
        labels = self._path(said["labels"], where) if "labels" in said else None
        scored = bool(said.get("scores", self.scored))
        return self._yolo(images, labels, self._numbers(theirs, where, classes), problems, scored)

    def _yolo(
        self, images: Path, labels: Path | None, numbers: Mapping[int, int | None], problems: Problems, scored: bool
    ) -> list[ClaimedPicture]:
        inside = images.is_dir()
        pictures = [(one, "") for one in pictures_in(images)] if inside else listed_pictures(images)
        found = []
        for picture, place in pictures:
            if labels is None:
                beside = label_file(picture)
            else:  # of folders in the folder the same are among the labels
                beside = (labels / (picture.relative_to(images) if inside else picture.name)).with_suffix(".txt")
            one = read_yolo(picture, beside, numbers, problems, scores=score_file(beside) if scored else None)
            found.append(ClaimedPicture(picture, one.boxes, place=place))
        return found

    def _numbers(self, theirs: Sequence[str], where: str, classes: Mapping[str, str] | None) -> dict[int, int | None]:
        return {index: self._number(name, where, classes) for index, name in enumerate(theirs)}

    def _number(self, name: str, where: str, classes: Mapping[str, str] | None) -> int | None:
        own = name if classes is None else classes.get(name, name)
        if own in self.names:
            return self.names.index(own)
        if classes is not None:
            return None
        near = difflib.get_close_matches(name, self.names, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise FormatError(f"{where}: class {name!r} is not in names; {hint}`classes: {{{name}: OURS}}` says what it is")

    def _class_names(self, said: Any, where: str) -> tuple[str, ...]:
        if isinstance(said, str):
            return class_list(self._path(said, where))
        return class_names(said, f"{where}: names")

    def _path(self, said: Any, where: str) -> Path:
        path = self.base / str(said)
        if not path.exists():
            raise FormatError(f"{where}: there is no {path}; check the path")
        return path


def _reader(file: Path) -> _Reader:
    held = load_data_file(file)
    names = class_names(held.get("names"), f"{file}: names")
    return _Reader(
        file,
        held,
        names,
        class_mapping(held.get("classes"), names, f"{file}: classes"),
        base_of(file, held),
        bool(held.get("scores")),
    )


def _times(said: Any, part: str, where: str) -> int:
    if part != "train" and said != 1:
        raise FormatError(f"{where}: `times` counts under 'train' only; remove it here")
    if not isinstance(said, int) or isinstance(said, bool) or said < 1:
        raise FormatError(f"{where}: times is {said!r}; it must be how often an epoch shows the pictures, 1 or more")
    return said


def _repeated(claimed: Sequence[ClaimedPicture], pictures: Sequence[LabelledPicture]) -> tuple[LabelledPicture, ...]:
    """Sound pictures, each as often as it was asked for."""
    return tuple(picture for one, picture in zip(claimed, pictures, strict=True) for _ in range(one.times))


def _require_apart(train: Sequence[LabelledPicture], val: Sequence[LabelledPicture]) -> None:
    seen = {picture.sha256: picture.path for picture in train}
    shared = [(seen[picture.sha256], picture.path) for picture in val if picture.sha256 in seen]
    if shared:
        first, second = shared[0]
        raise TrainingError(
            f"{len(shared)} of {len(val)} pictures of 'val' are also in 'train', such as {second} (there {first}); "
            "scores would be of what was learned by heart: leave them out of one"
        )
