"""Settings: defaults, files, `--set`, and errors that name the key and say what to do."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from pipeline import build
from pipeline.config import Settings, digest, find_config, load_settings
from pipeline.errors import ConfigError, ModelError
from pipeline.tracker_names import TrackerName
from pipeline.tracker_settings import ByteTrackSettings, DeepSortSettings, TrackerSettings
from tests.unit.trackers.scenes import person, see
from trackers.deepsort import DeepSort

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
# configs/catalog.yaml is a list of models, not of settings, and cameras.yaml a cameras file.
SHIPPED = sorted(path for path in CONFIGS.glob("*.yaml") if path.stem not in ("catalog", "cameras"))


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", get_args(TrackerName))
def test_settings_of_a_tracker_are_its_constructor(name: str) -> None:
    settings = load_settings(None, [f"tracker.name={name}"]).tracker
    assert settings.name == name
    parameters = inspect.signature(type(build.tracker(settings))).parameters
    expected = {name: parameter.default for name, parameter in parameters.items() if name != "model"}
    held = {"camera", "hold", "hold_score", "between"} if name == "deepsort" else set()  # parts of `holding`
    for part in ("camera", "holding"):
        expected.pop(part, None)
    assert settings.model_dump(exclude={"name"} | held) == expected


def test_every_tracker_is_named_once() -> None:
    members = get_args(get_args(TrackerSettings)[0])
    assert tuple(member.model_fields["name"].default for member in members) == get_args(TrackerName)


def test_without_a_file_the_defaults_hold() -> None:
    assert load_settings() == Settings()
    assert load_settings().tracker == DeepSortSettings()


def test_default_and_people_are_shipped() -> None:
    assert {"default", "people"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_load_by_path_and_by_name(path: Path) -> None:
    settings = load_settings(path)
    assert load_settings(path.stem) == settings
    assert settings != Settings()  # a file that says nothing is not worth shipping


def test_people_needs_only_two_files_named() -> None:
    settings = load_settings("people", ["detector.weights=a.xml", "embedder.weights=b.onnx"])
    assert (settings.detector.weights, settings.embedder.weights) == ("a.xml", "b.onnx")


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    path = write(tmp_path, "detector:\n  min_score: 0.4\n  keep: [person, bike]\ntracker: {lost_seconds: 2}\n")
    settings = load_settings(path)
    assert settings.detector.min_score == 0.4
    assert settings.detector.keep == ("person", "bike")
    assert settings.detector.nms_iou == Settings().detector.nms_iou
    assert settings.tracker == DeepSortSettings(lost_seconds=2)  # the tracker needs no name


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_an_empty_file_means_the_defaults(tmp_path: Path, text: str) -> None:
    assert load_settings(write(tmp_path, text)) == Settings()


def test_set_goes_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "detector: {min_score: 0.4, batch: 2}")
    settings = load_settings(path, ["detector.min_score=0.3", "tracker.name=bytetrack", "detector.min_score=0.2"])
    assert settings.detector.min_score == 0.2  # the last one counts
    assert settings.detector.batch == 2
    assert settings.tracker == ByteTrackSettings()


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("detector.min_score=0.25", "detector", "min_score", 0.25),
        ("detector.weights=models/a=b.xml", "detector", "weights", "models/a=b.xml"),
        ("detector.weights=", "detector", "weights", None),
        ("detector.keep=[person, car]", "detector", "keep", ("person", "car")),
        ("detector.input_size=[480, 864]", "detector", "input_size", (480, 864)),
        (" source.fps=10", "source", "fps", 10.0),
        ("store.media=out/crops", "store", "media", Path("out/crops")),
    ],
)
def test_set_reads_yaml_values(override: str, section: str, key: str, value: object) -> None:
    assert getattr(getattr(load_settings(None, [override]), section), key) == value


def test_a_known_calibration_reaches_the_tracker() -> None:
    settings = load_settings(None, ["tracker.calibration=[[0.2, 0.1], [0.6, 0.9]]"])
    assert settings.tracker == DeepSortSettings(calibration=((0.2, 0.1), (0.6, 0.9)))
    tracker = build.tracker(settings.tracker)
    assert isinstance(tracker, DeepSort)
    seen = see(*[person(100.0 * i) for i in range(4)], scores=[0.1, 0.2, 0.4, 0.7])
    assert tracker.calibration.precisions(seen, 0.0).tolist() == pytest.approx([0.1, 0.1, 0.5, 0.9], rel=1e-6)
    assert tracker.calibration.frozen


def test_without_a_known_calibration_the_tracker_learns_one() -> None:
    tracker = build.tracker(DeepSortSettings())
    assert isinstance(tracker, DeepSort)
    assert not tracker.calibration.frozen
    assert build.tracker(DeepSortSettings()).to_arrays().keys() == tracker.to_arrays().keys()


def test_set_reaches_sections_of_sections() -> None:
    assert load_settings(None, ["detector.motion.min_area=0.01"]).detector.motion.min_area == 0.01


@pytest.mark.parametrize(
    ("override", "message"),
    [
        pytest.param(
            "detector.min_scor=0.3", "unknown setting detector.min_scor; did you mean 'min_score'?", id="typo"
        ),
        pytest.param("detektor.min_score=1", "unknown setting detektor; did you mean 'detector'?", id="section"),
        pytest.param("engine.zzz=1", "unknown setting engine.zzz; known: capacity", id="nothing like it"),
        pytest.param(
            "tracker.lost_second=1", "unknown setting tracker.lost_second; did you mean 'lost_seconds'?", id="tracker"
        ),
        pytest.param(
            "detector.motion.min_are=1", "unknown setting detector.motion.min_are; did you mean 'min_area'?", id="deep"
        ),
        pytest.param(
            "tracker.name=sort9",
            "there is no tracker 'sort9'; known: sort, bytetrack, ocsort, deepsort",
            id="no tracker",
        ),
        pytest.param("tracker=bytetrack", "setting tracker is a section", id="a section is not a value"),
        pytest.param("detector.min_score=2", "setting detector.min_score: ", id="out of range"),
        pytest.param("detector.min_score=.nan", "setting detector.min_score: ", id="not a number"),
        pytest.param("detector.min_score=high", "setting detector.min_score: ", id="not a number at all"),
        pytest.param("tracker.lost_seconds=.inf", "setting tracker.lost_seconds: ", id="infinite"),
        pytest.param("detector.backend=tensorflow", "setting detector.backend: ", id="no such choice"),
        pytest.param("detector.backend=onnx", "backend onnx needs weights; set detector.weights", id="no weights"),
        pytest.param("embedder.backend=openvino", "backend openvino needs weights; set embedder", id="nor here"),
        pytest.param("store.chunk=101", "setting store.chunk: ", id="too large"),
        pytest.param(
            "tracker.calibration=[[0.1, 0.2], [0.1, 0.3]]",
            "scores of a calibration rise; 0.1 comes after 0.1",
            id="scores that do not rise",
        ),
        pytest.param(
            "tracker.calibration=[[0.1, 0.4], [0.2, 0.3]]",
            "precisions of a calibration do not fall; 0.3 comes after 0.4",
            id="precisions that fall",
        ),
        pytest.param(
            "tracker.calibration=[]", "setting tracker.calibration: write [score, precision] pairs", id="no pair"
        ),
        pytest.param("tracker.calibration=[0.2, 0.1]", "[[0.2, 0.1], [0.6, 0.9]], not [0.2, 0.1]", id="a pair alone"),
        pytest.param(
            "tracker.calibration=yes", "pairs, such as [[0.2, 0.1], [0.6, 0.9]], not True", id="nothing of it"
        ),
        pytest.param("tracker.calibration=[[0.1, 1.2]]", "setting tracker.calibration.0.1: ", id="no precision"),
        pytest.param("tracker.calibration=[[0.1, 0.2, 0.3]]", "write [score, precision] pairs", id="no pairs"),
        pytest.param("tracker.calibration=[[.nan, 0.2]]", "setting tracker.calibration", id="a score that is none"),
        pytest.param("tracker.calibration=[[0, 0], [.inf, 1]]", "setting tracker.calibration", id="nor infinite"),
        pytest.param("detector.min_score", "must look like key.path=value", id="no value"),
        pytest.param("=0.3", "must look like key.path=value", id="no key"),
        pytest.param("detector..min_score=1", "must look like key.path=value", id="hole in the path"),
        pytest.param("detector.keep=[person", "'[person' is not a YAML value", id="broken value"),
    ],
)
def test_a_wrong_setting_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_cannot_be_entered_like_a_section() -> None:
    with pytest.raises(ConfigError, match="min_score is a value, not a section"):
        load_settings(None, ["detector.min_score=0.1", "detector.min_score.low=0.1"])


def test_every_wrong_key_of_a_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "detector: {min_scor: 1}\nstores: {}\ntracker: {name: bytetrack, gallery_budget: 5}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    for key in ("detector.min_scor", "stores", "tracker.gallery_budget"):
        assert f"unknown setting {key};" in str(caught.value)


def test_a_missing_file_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no config file pepole; .*default.*people"):
        load_settings("pepole")


def test_a_path_goes_before_a_name(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    assert find_config(path) == find_config(str(path)) == path
    assert find_config("people").name == "people.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("detector: [unclosed", "is not YAML", id="syntax"),
        pytest.param("detector:\n\tmin_score: 1", "is not YAML", id="tab"),
        pytest.param("!!python/object/apply:os.getcwd []", "is not YAML", id="code is not run"),
        pytest.param("- detector", "must hold 'section: {key: value}' pairs, not a list", id="list"),
        pytest.param("detector", "must hold 'section: {key: value}' pairs, not a str", id="text"),
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match="cannot read config"):
        load_settings(path)


@pytest.mark.parametrize("device", ["auto", "Auto", "AUTO"])
def test_a_device_is_left_to_us_in_any_letters(device: str) -> None:
    sections = ("detector", "embedder", "segmenter")
    weights = "segmenter.weights=bundled:mask-rcnn"
    chosen = load_settings("default", [weights, *(f"{section}.device={device}" for section in sections)])
    assert {getattr(chosen, section).device for section in sections} == {"auto"}
    assert load_settings("default", ["detector.device=cuda:1"]).detector.device == "cuda:1"


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().detector.min_score = 0.5  # type: ignore[misc]


def test_digest_is_that_of_the_sorted_json() -> None:
    # echo -n '{"a":[1,2],"b":0.5}' | sha256sum
    expected = "4b8a4d176b97e138cb0757014304f14d85691b24fa0981375208f3c15391c0a9"
    assert digest({"b": 0.5, "a": [1, 2]}) == digest({"a": (1, 2), "b": 0.5}) == expected


def test_digest_follows_the_sections_asked_for() -> None:
    plain = Settings()
    assert plain.digest("detector") == load_settings(None, ["detector.min_score=0.1"]).digest("detector")  # the default
    assert plain.digest("detector") != load_settings(None, ["detector.min_score=0.2"]).digest("detector")
    assert plain.digest("detector") == load_settings(None, ["engine.capacity=9"]).digest("detector")
    assert plain.digest("detector", "tracker") == plain.digest("tracker", "detector") != plain.digest("detector")
    assert plain.digest("tracker") != load_settings(None, ["tracker.name=bytetrack"]).digest("tracker")


@pytest.mark.parametrize("backend", ["none", "colour"])
def test_an_embedder_of_the_configuration_can_be_taken_back(backend: str) -> None:
    settings = load_settings("default", [f"embedder.backend={backend}", "embedder.weights=null"])
    assert (settings.embedder.backend, settings.embedder.weights) == (backend, None)
    with pytest.raises(ConfigError, match=r"set embedder\.weights=null"):
        load_settings("default", [f"embedder.backend={backend}"])


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize(
    ("section", "backend"), [("detector", "onnx"), ("detector", "ultralytics"), ("embedder", "onnx")]
)
def test_who_computes_in_the_files_numbers_is_told_no_other(section: str, backend: str, precision: str) -> None:
    """Before the file is opened. What is not refused fails at the file, which is not there."""
    words = [f"{section}.backend={backend}", f"{section}.weights=nowhere.onnx"]
    opened = getattr(build, section)
    with pytest.raises(ConfigError, match=f"{section}.weights: {backend} computes .* not in {precision}"):
        opened(getattr(load_settings(None, [*words, f"{section}.precision={precision}"]), section))
    for allowed in ("auto", "f32"):
        with pytest.raises(ModelError, match=r"nowhere\.onnx"):
            opened(getattr(load_settings(None, [*words, f"{section}.precision={allowed}"]), section))
