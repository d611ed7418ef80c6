"""Models by name in settings and on the command line: real networks, from a server of this machine, and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from pipeline import build
from pipeline.bundled_models import FOLDER
from pipeline.config import DetectorSettings, EmbedderSettings, load_settings
from pipeline.detector_settings import FusionSettings
from pipeline.errors import ConfigError, ModelError
from pipeline.models import torchvision_weights
from pipeline.models.base import Detector
from pipeline.models.model_cache import sha256_of
from pipeline.models.torchvision_models import TorchvisionDetector
from pipeline.target_settings import AutoSettings, MosseSettings, SiameseSettings
from tests.integration.command import call_main
from tests.integration.models.model_server import ModelServer, Offer, served
from tests.integration.stored import reading

NUMBER = "person-vehicle-bike-detection-2000"
NANO = ("nanotrack_backbone_sim.onnx", "nanotrack_head_sim.onnx")
CAMPUS = "data/mot15/TUD-Campus/video.mp4"
WORTH = [[0.05, 0.01], [0.5, 0.6], [0.9, 0.95]]


@pytest.fixture
def server(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """It offers real files; a catalogue of the user's own names them, and what is fetched goes to tmp_path/models."""
    with served() as running:

        def offered(path: Path, **more: object) -> dict[str, object]:
            running.offers[path.name] = Offer(path.read_bytes())
            return {"address": running.address(path.name), "sha256": sha256_of(path), **more}

        weights = shared / "weights"
        pair = [offered(weights / NUMBER / f"{NUMBER}.{suffix}") for suffix in ("xml", "bin")]
        nano = zip(NANO, ("backbone", "head"), strict=True)
        models = {
            "street": {
                "task": "detect",
                "backend": "openvino",
                "files": pair,
                "calibration": WORTH,
                "licence": "Apache-2.0",
            }
            | {"classes": ["car", "walker", "bike"]},
            "looks": {
                "task": "embed",
                "backend": "openvino",
                "licence": "MIT",
                "files": [offered(weights / "osnet_x0_25_msmt17" / "osnet_x0_25_msmt17.onnx")],
            },
            "follows": {
                "task": "target",
                "backend": "openvino",
                "licence": "Apache-2.0",
                "files": [offered(weights / "nanotrack_v2" / name, role=role) for name, role in nano],
            },
        }
        (tmp_path / "own.yaml").write_text(yaml.safe_dump({"models": models}))
        monkeypatch.setenv("SIGHTLINE_CATALOG", str(tmp_path / "own.yaml"))
        monkeypatch.setenv("SIGHTLINE_MODELS", str(tmp_path / "models"))
        yield running


def test_a_named_detector_is_that_of_the_file(server: ModelServer, shared: Path, tmp_path: Path) -> None:
    by_name: Detector = build.detector(DetectorSettings(weights="street", keep=("walker",)))
    by_path = build.detector(DetectorSettings(weights=str(shared / "weights" / NUMBER / f"{NUMBER}.xml")))
    assert by_name.card.sha256 == by_path.card.sha256
    assert by_name.card.classes == ("car", "walker", "bike")
    assert (by_name.card.licence, by_path.card.licence) == ("Apache-2.0", None)
    assert by_name.card.calibration == tuple(map(tuple, WORTH))
    assert by_path.card.calibration is None
    assert (tmp_path / "models" / "street" / f"{NUMBER}.bin").is_file()


def test_named_embedders_and_targets(server: ModelServer) -> None:
    embedder = build.embedder(EmbedderSettings(weights="looks"))
    assert embedder is not None
    assert (embedder.card.name, embedder.card.licence, embedder.card.dimension) == ("osnet_x0_25_msmt17", "MIT", 512)
    build.target_tracker(SiameseSettings(weights="follows"))
    assert len(server.asked) == 3
    with pytest.raises(ModelError, match=r"target\.weights: model 'looks' is for 'embed'; fitting ones are .*follows"):
        build.target_tracker(SiameseSettings(weights="looks"))
    with pytest.raises(ModelError, match=r"embedder\.weights: model 'street' is for 'detect'"):
        build.embedder(EmbedderSettings(weights="street"))


def test_what_comes_with_sightline_has_its_licence_and_is_what_it_was() -> None:
    seen = build.detector(DetectorSettings(weights="bundled:person-vehicle-bicycle", precision="f32"))
    looks = build.embedder(EmbedderSettings(weights="bundled:person-reid", precision="f32"))
    assert looks is not None
    for card, name in ((seen.card, "person-vehicle-bicycle"), (looks.card, "person-reid")):
        assert (card.name, card.licence) == (name, "AGPL-3.0-or-later")
        assert card.sha256 == sha256_of(FOLDER / f"{name}.onnx")
        assert card.runtime == "openvino CPU f32"
    assert seen.card.classes == ("person", "vehicle", "bicycle")
    assert seen.card.calibration  # its file's own
    with pytest.raises(ModelError, match=r"embedder\.weights: model 'bundled:siamese' is for 'target'"):
        build.embedder(EmbedderSettings(weights="bundled:siamese"))


def test_what_comes_with_sightline_is_in_8_bits_where_they_are_fastest() -> None:
    default = load_settings("default").detector
    chosen = build.settled(default, best_in_bytes=True)
    assert (default.precision, chosen.precision) == ("auto", "int8")
    assert build.detector(chosen).card.name == "person-vehicle-bicycle-int8"
    assert build.settled(chosen, best_in_bytes=False) == chosen  # a run goes on in 8 bits elsewhere
    assert build.settled(default, best_in_bytes=False) == default


@pytest.mark.parametrize(
    "wished",
    [
        {"precision": "f32"},
        {"device": "GPU"},
        {"backend": "onnx"},
        {"fuse": FusionSettings(weights="bundled:person-vehicle-bicycle")},
        {"weights": str(FOLDER / "person-reid-int8.xml")},
        {"backend": "motion", "weights": None},
    ],
    ids=lambda wished: ", ".join(wished),
)
def test_who_wishes_something_else_gets_it(wished: dict[str, object]) -> None:
    settings = load_settings("default").detector.model_copy(update=wished)
    assert build.settled(settings, best_in_bytes=True) == settings


def test_the_licences_of_two_detectors_count_both(server: ModelServer) -> None:
    both = DetectorSettings(
        weights="bundled:person-vehicle-bicycle",
        fuse=FusionSettings(weights="street", names={"walker": "person", "car": "vehicle"}),
    )
    assert build.detector(both).card.licence == "AGPL-3.0-or-later AND Apache-2.0"


@pytest.mark.parametrize("weights", ["nosuch", "models/nosuch"])
def test_an_error_says_which_setting_names_the_model(weights: str) -> None:
    fused = DetectorSettings(weights="bundled:person-vehicle-bicycle", fuse=FusionSettings(weights=weights))
    with pytest.raises((ConfigError, ModelError), match=r"^detector\.fuse\.weights:? .*\bno\b"):
        build.detector(fused)
    with pytest.raises((ConfigError, ModelError), match=r"^target\.detector:? .*\bno\b"):
        build.target_tracker(AutoSettings(detector=weights))
    with pytest.raises((ConfigError, ModelError), match=r"^target\.embedder:? .*\bno\b"):
        build.target_tracker(AutoSettings(embedder=weights))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("yolo11q", r"detector\.weights: there is no file and no model 'yolo11q'; did you mean yolo11.*\?"),
        ("yolo11n.pt", r"there is no file yolo11n\.pt; the catalogue's model of that name is written 'yolo11n'"),
        ("models/yolo11n", "no backend is known for a file without suffix"),
        ("street", "SIGHTLINE_NO_NETWORK forbids fetching it. Where there is a network, fetch .* and http"),
        (
            "yolo11n",
            r"ultralytics/assets/releases/download/v8\.4\.0/yolo11n\.pt \(SHA-256 0ebb.*\) to .*models/yolo11n/",
        ),
    ],
)
def test_what_cannot_be_had(server: ModelServer, monkeypatch: pytest.MonkeyPatch, weights: str, message: str) -> None:
    monkeypatch.setenv("SIGHTLINE_NO_NETWORK", "1")
    with pytest.raises(Exception, match=message) as raised:
        build.detector(DetectorSettings(weights=weights))
    assert type(raised.value).__module__ == "pipeline.errors"
    assert server.asked == []


def test_a_file_of_that_name_counts_more(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("street").write_text("no weights")
    with pytest.raises(Exception, match="no backend is known"):
        build.detector(DetectorSettings(weights="street"))
    assert server.asked == []


def test_torchvisions_default_goes_the_same_way(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "ssdlite320_mobilenet_v3_large"
    state = torchvision_weights.build(name, None, {"weights_backbone": None, "num_classes": 91}).state_dict()
    torch.save(state, tmp_path / "ssd.pth")
    server.offers["ssd.pth"] = Offer((tmp_path / "ssd.pth").read_bytes())
    file = {"address": server.address("ssd.pth"), "sha256": sha256_of(tmp_path / "ssd.pth")}
    model = {"task": "detect", "backend": "torchvision", "architecture": name, "files": [file]}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"models": {name: model}}))
    default = TorchvisionDetector(name, weights="default")
    assert default.card.sha256 == file["sha256"]
    named = build.detector(DetectorSettings(weights=name))
    assert (named.card.name, named.card.sha256) == (default.card.name, file["sha256"])
    assert len(named.card.classes) == 80
    assert server.ranges("ssd.pth") == [None]
    monkeypatch.setenv("SIGHTLINE_NO_NETWORK", "yes")
    with pytest.raises(
        ModelError, match=r"fetch https://download\.pytorch\.org/models/resnet34-b627a593\.pth to .*resnet34"
    ):
        build.embedder(EmbedderSettings(backend="torchvision", architecture="resnet34", weights="default"))


def test_a_run_with_named_models(server: ModelServer, shared: Path, tmp_path: Path) -> None:
    words = ["run", shared / CAMPUS, "--max-frames", "8", "--set", "detector.weights=street"]
    ended = call_main(*words, "--set", "embedder.weights=looks", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert "fetching http://127.0.0.1" in " ".join(ended.err.split())
    with reading(tmp_path / "runs" / "sightline.db") as database:
        kept = json.loads(database.execute("SELECT settings FROM runs").fetchone()[0])
    assert kept["licences"] == {"detect": "Apache-2.0", "embed": "MIT"}
    assert kept["detector"]["weights"] == "street"
    assert kept["score_calibration"] == WORTH
    again = call_main(*words, "--set", "embedder.weights=looks", folder=tmp_path)
    assert "finished before" in again.out or "left out" in again.out, again.out
    assert len(server.asked) == 3


def test_a_target_followed_by_a_named_model_is_known_by_its_content(
    server: ModelServer, shared: Path, tmp_path: Path
) -> None:
    words = ["follow", shared / CAMPUS, "--box", "210,96,40,92", "--max-frames", "3", "--database", "s.db"]
    words += ["--tracker", "siamese", "--set", "target.weights=follows"]

    def told() -> str:
        ended = call_main(*words, folder=tmp_path)
        assert ended.code == 0, ended.err
        return ended.out

    assert "stored    run" in told()
    assert "skipped" in told()
    with reading(tmp_path / "s.db") as database:
        kept = json.loads(database.execute("SELECT settings FROM runs").fetchone()[0])
    assert kept["licences"] == {"detect": "Apache-2.0", "embed": "AGPL-3.0-or-later"}
    assert kept["target"]["weights"] == "follows"
    own = yaml.safe_load((tmp_path / "own.yaml").read_text())
    place = tmp_path / "models" / "follows" / NANO[0]
    place.write_bytes(place.read_bytes() + b"\x12\x00")  # another file of the same network: without its producer
    own["models"]["follows"]["files"][0]["sha256"] = sha256_of(place)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    assert "stored    run" in told()
    assert "skipped" in told()


def test_models_of_targets_by_setting(server: ModelServer, shared: Path) -> None:
    of_auto = build.target_models(AutoSettings(weights="follows", detector="street", embedder="none"))
    assert {name: model and model.entry.name for name, model in of_auto.items()} == {
        "weights": "follows",
        "detector": "street",
    }
    folder = shared / "weights" / "nanotrack_v2"
    pair = SiameseSettings(backbone=str(folder / NANO[0]), head=str(folder / NANO[1]))
    assert build.target_models(pair) == {"backbone": None, "head": None}
    assert build.target_models(MosseSettings()) == {}
    with pytest.raises(ModelError, match=r"target\.detector: model 'looks' is for 'embed'"):
        build.target_models(AutoSettings(detector="looks"))


def test_the_verbs(server: ModelServer, tmp_path: Path) -> None:
    def told(*words: str, code: int = 0) -> str:
        ended = call_main("models", *words, folder=tmp_path)
        assert ended.code == code, ended
        return ended.out + ended.err

    listed = json.loads(told("list", "--json"))
    here = {one["name"] for one in listed if one["here"]}
    assert all(name.startswith("bundled:") for name in here)
    assert {one["name"] for one in json.loads(told("list", "--task", "target", "--json"))} == {
        "nanotrack_v2",
        "follows",
        "bundled:siamese",
    }
    assert "nothing was fetched yet" in told("verify")
    assert "--no-network forbids" in told("fetch", "street", "--no-network", code=2)
    assert str(tmp_path / "models" / "street" / f"{NUMBER}.xml") in told("fetch", "street", "bundled:siamese")
    assert "unconfirmed" in told("verify")
    assert json.loads(told("info", "street", "--json"))["here"]
    assert told("where").strip() == str(tmp_path / "models")
    assert json.loads(told("where", "street", "--json"))[1]["state"] == "unconfirmed"
    weights = tmp_path / "models" / "street" / f"{NUMBER}.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert json.loads(told("verify", "street", "--json", code=1))[1]["state"] == "wrong"
    told("fetch", "street")
    assert "wrong" not in told("verify", "street")
    told("verify", "looks", code=1)
    assert "comes with Sightline" in told("verify", "bundled:siamese")
    assert "no model is called 'strete'; did you mean street" in told("info", "strete", code=2)
    assert "there is no such file" in told("list", "--catalog", "nowhere.yaml", code=2)
