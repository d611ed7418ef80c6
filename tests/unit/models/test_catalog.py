"""The shipped catalogue agrees with the files at hand and the installed libraries; files of users are checked."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath

import pytest
import torchvision
import yaml
from torchvision.models import detection, get_model_weights

from pipeline.bundled_models import bundled_names
from pipeline.errors import ConfigError, ModelError
from pipeline.model_verbs import megabytes, shown_speed
from pipeline.models.catalog import Catalog, load_catalog
from pipeline.models.label_names import COCO
from pipeline.models.torchvision_models import DETECTORS
from pipeline.models.torchvision_weights import default_entry
from pipeline.models.ultralytics_library import ultralytics
from tests.conftest import ROOT

CATALOG = load_catalog()
FETCHED = [entry for entry in CATALOG.entries if entry.bundled is None]


def named(*parts: str) -> set[str]:
    return {entry.name for entry in CATALOG.entries if any(part in entry.name for part in parts)}


def test_the_usual_models_have_names() -> None:
    yolo = {
        f"{family}{size}{kind}" for family in ("yolov8", "yolo11", "yolo26") for size in "nsm" for kind in ("", "-seg")
    }
    assert yolo <= named("yolo")
    assert {"rtdetr-l", "nanotrack_v2", "osnet_x0_25_msmt17"} < named("rtdetr", "nanotrack", "osnet")
    assert {f"person-vehicle-bike-detection-{number}" for number in (2000, 2003, 2004)} <= named("bike")
    assert {f"person-reidentification-retail-{number}" for number in ("0286", "0287", "0288")} <= named("retail")
    assert set(DETECTORS) | {"maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2"} <= named("_")


def test_every_bundled_model_stands_in_the_catalogue() -> None:
    """A new one gets some lines under `bundled` in configs/catalog.yaml."""
    assert named("bundled:") == {f"bundled:{name}" for name in bundled_names()}


def test_hashes_are_whole_or_unverified_and_addresses_are_safe() -> None:
    assert len({entry.name for entry in FETCHED}) == len(FETCHED)
    for entry in FETCHED:
        for file in entry.files:
            assert file.address.startswith("https://"), entry.name
            assert (file.verified is None) or (file.sha256 is not None and file.bytes != 0)
            assert file.sha256_begins is None or file.sha256 is None
        assert entry.speed is not None
        assert entry.input_size is not None
        assert entry.licence != "unknown"
        assert bool(entry.classes) == (entry.task in ("detect", "segment"))
    assert 5 <= sum(not entry.verified for entry in FETCHED) <= 10


@pytest.mark.parametrize("entry", [one for one in FETCHED if one.backend == "torchvision"], ids=lambda one: one.name)
def test_torchvision_offers_the_same_files(entry: object) -> None:
    known = CATALOG.find(entry.name)  # type: ignore[attr-defined]
    assert known.architecture == known.name
    theirs = get_model_weights(known.name)
    [file] = known.files
    assert file.address in {one.url for one in theirs}
    begins = PurePosixPath(file.address).stem.rsplit("-", 1)[1]
    assert (file.sha256 or file.sha256_begins or "").startswith(begins)
    if known.name in torchvision.models.list_models(module=detection):
        [weights] = [one for one in theirs if one.url == file.address]
        assert file.bytes == pytest.approx(weights.meta["_file_size"] * 2**20, rel=1e-4)
        assert known.classes == tuple(one for one in weights.meta["categories"] if one not in ("__background__", "N/A"))


def test_of_other_networks_torchvision_says_where_they_are() -> None:
    entry = default_entry("resnet34")
    assert entry.files[0].address == get_model_weights("resnet34").DEFAULT.url
    assert entry.files[0].sha256_begins == "b627a593"
    assert not entry.verified
    assert default_entry("fcos_resnet50_fpn").task == "detect"


def test_ultralytics_offers_files_of_these_names() -> None:
    theirs = ultralytics.utils.downloads.GITHUB_ASSETS_NAMES
    for entry in (one for one in FETCHED if one.backend == "ultralytics"):
        assert [file.name for file in entry.files] == [f"{entry.name}.pt"]
        assert entry.files[0].name in theirs
        assert f"/{ultralytics.utils.downloads.GITHUB_ASSETS_REPO}/releases/download/v8." in entry.files[0].address
        assert entry.classes == COCO


def test_files_at_hand_have_the_hashes_that_the_catalogue_says(shared: Path) -> None:
    found = 0
    for file in (file for entry in FETCHED for file in entry.files):
        for path in (shared / "weights").glob(f"*/{file.name}"):
            if file.name == "yolox_nano.onnx":  # at hand there is another export of it
                continue
            content = path.read_bytes()
            assert (file.sha256, file.bytes) == (hashlib.sha256(content).hexdigest(), len(content)), file.name
            found += 1
    assert found == 13


def test_speeds_are_said_to_be_measured_only_of_what_is_at_hand(shared: Path) -> None:
    here = {path.name for path in (shared / "weights").iterdir()}
    measured = {entry.name for entry in CATALOG.entries if entry.speed_measured}
    assert measured <= here | named("bundled:")
    assert shown_speed(CATALOG.find("yolox_nano")) == "real-time"
    assert shown_speed(CATALOG.find("yolov8n")) == "~fast"


def test_hashes_of_copies_confirm_nothing() -> None:
    """As docs/models.md says."""
    of_copies = {entry.name for entry in FETCHED if "of a copy" in (entry.note or "")}
    assert {f"person-reidentification-retail-{number}" for number in ("0286", "0288")} < of_copies
    assert not any(CATALOG.find(name).verified for name in of_copies)


def test_an_unknown_name_gets_near_ones() -> None:
    with pytest.raises(ModelError, match="no model is called 'yolo11k'; did you mean yolo11"):
        CATALOG.find("yolo11k")
    with pytest.raises(ModelError, match="`sightline models list` shows all"):
        CATALOG.find("qqqqqqqq")
    with pytest.raises(ModelError, match="shows all"):
        Catalog({}).find("yolo11n")
    assert Catalog({}).entries == ()


def own(tmp_path: Path, **changes: object) -> Path:
    file = {"address": "https://models.example/yard/best.onnx?version=2", "sha256": "a" * 64}
    model = {"task": "detect", "backend": "onnx", "files": [file], "classes": ["person"], **changes}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"models": {"yard": model, "yolo11n": model}}))
    return path


def test_a_file_of_the_users_own_adds_models_and_counts_more(tmp_path: Path) -> None:
    known = load_catalog(own(tmp_path, calibration=[[0.1, 0.2], [0.5, 0.9]]))
    yard = known.find("yard")
    assert (yard.files[0].name, yard.classes, yard.licence) == ("best.onnx", ("person",), "unknown")
    assert yard.calibration == ((0.1, 0.2), (0.5, 0.9))
    assert known.find("yolo11n").backend == "onnx"
    assert len(known.entries) == len(CATALOG.entries) + 1
    assert known.entries[-1].bundled is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": []}, r"models\.yard\.files"),
        ({"files": [{"address": "http://models.example/a.onnx"}]}, "is no https address"),
        ({"files": [{"address": "https://me:secret@models.example/a.onnx"}]}, "neither user nor password"),
        ({"files": [{"address": "https://localhost:abc/a.onnx"}]}, "a.onnx is no address: Port could not be cast"),
        ({"files": [{"address": "https://localhost:99999/a.onnx"}]}, "a.onnx is no address: Port out of range"),
        ({"files": [{"address": "https://a..example/a.onnx"}]}, "a.onnx is no address: .*label empty or too long"),
        ({"files": [{"address": "https://[::1/a.onnx"}]}, "a.onnx is no address: Invalid IPv6 URL"),
        ({"files": [{"address": "https://models.example/"}]}, "does not end in the name of a file"),
        ({"files": [{"address": "https://models.example/.."}]}, "does not end in the name of a file"),
        ({"files": [{"address": "https://models.example/a.onnx", "sha256": "abc"}]}, r"files\.0\.sha256"),
        ({"files": [{"address": "https://models.example/a.onnx", "verified": "us"}]}, "has no sha256"),
        (
            {"files": [{"address": f"https://{host}.example/a.onnx"} for host in "ab"]},
            "two of its files are called a.onnx",
        ),
        ({"calibration": [[0.5, 0.9], [0.1, 0.2]]}, "scores of a calibration rise"),
        ({"classes": "imagenet"}, "there is no list of classes called 'imagenet'"),
        ({"backend": "torchvision"}, "needs the name of the architecture"),
        ({"task": "classify"}, r"models\.yard\.task"),
        ({"sha": "1"}, r"models\.yard\.sha: Extra inputs"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"the catalogue .*own\.yaml: .*{message}"):
        load_catalog(own(tmp_path, **changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [", "is not YAML"),
        ("", "own.yaml: the file: "),
        ("models: {../up: 1}", "own.yaml"),
        ("[]", "the file"),
    ],
)
def test_what_is_no_catalogue(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_catalog(path)
    with pytest.raises(ConfigError, match="cannot read the catalogue"):
        load_catalog(tmp_path)


def test_the_table_of_the_documentation_says_the_same() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    written = [line for line in text.partition("\n## The models\n")[2].splitlines() if line.startswith("| `")]
    rows = []
    for entry in CATALOG.entries:
        size = "" if entry.input_size is None else "{} x {}".format(*entry.input_size)
        cells = (f"`{entry.name}`", entry.task, megabytes(entry), size, entry.licence, shown_speed(entry))
        rows.append(f"| {' | '.join(map(str, cells))} | {'' if entry.verified else 'unverified'} |")
    assert written == rows


def test_the_documentations_own_catalogue_can_be_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    block = text.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "own.yaml").write_text(block)
    assert load_catalog(tmp_path / "own.yaml").find("yard").calibration == ((0.1, 0.05), (0.4, 0.6), (0.8, 0.95))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / "docs" / target).is_file()
