"""What is kept of a run's settings, which of them decide its results, and where its files lie."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from pipeline import build
from pipeline.config import DetectorSettings, EmbedderSettings, Settings, digest, names_network
from pipeline.deciding import DETECTOR_WHERE_AND_HOW, WHERE_AND_HOW, as_before, without_other_schedules
from pipeline.detector_settings import FusionSettings
from pipeline.errors import ModelError
from pipeline.models.base import Detector, Embedder, ModelCard, Segmenter
from pipeline.outputs import Outputs
from pipeline.rule_settings import DrawnRule, RuleKind
from pipeline.section import parse
from pipeline.segmenter_settings import SegmenterSettings
from pipeline.sources.base import DECODING, Source, microseconds
from pipeline.store.engines import read_address
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.tracker_settings import Calibration

# what stands beside the settings in a record
OUTPUTS, MODELS, CODE = "outputs", "models", "code"
SCORES = "score_calibration"  # what the detector's file or the catalogue says its scores are worth
LICENCES = "licences"  # of the models that the catalogue knows, by task
DRAWN = "drawn"  # zones and lines that were drawn in the page: source's address -> rules, as the run began with them

OF_A_SERVICE = ("cameras", "record", "service", "secrets_file", "made_by")  # what a run over files has not

_SECTIONS = {"detect": "detector", "segment": "segmenter", "embed": "embedder"}  # of the settings, by a model's task
_CHANGES_NOTHING = (
    "engine",
    "store.media",
    *(f"{section}.{setting}" for section in _SECTIONS.values() for setting in ("device", "threads")),  # MODELS says it
    f"{LICENCES}.",
)
_TOLD_ARITHMETIC = re.compile(r"(?:openvino|torch) \S+ (?:int8\+)?(f32|bf16|f16)")  # runtimes of those that obey

_NamesFile = TypeVar("_NamesFile", DetectorSettings, SegmenterSettings, EmbedderSettings, FusionSettings)


def run_record(
    settings: Settings,
    detector: Detector,
    embedder: Embedder | None,
    outputs: Outputs,
    *,
    segmenter: Segmenter | None = None,
) -> RunRecord:
    """What is kept of the settings, and the hash of what decides results.

    The database's address stays out: it may hold a password. So do alerts: who knows the address of a chat's webhook
    may write there. And hindsight, which a run has not. Models count by their content, not by their path. Paths are
    kept whole, so that the run can be resumed and deleted from any folder.
    """
    placed = _placed(settings)
    kept = placed.model_dump(mode="json", exclude={"store": {"database"}, "alerts": True, "refine": True})
    deciding = settings.model_dump(
        mode="json",
        exclude={
            "engine": True,
            "refine": True,
            "store": {"database", "media"},
            "detector": DETECTOR_WHERE_AND_HOW,
            "segmenter": WHERE_AND_HOW if segmenter is not None else True,
            "embedder": WHERE_AND_HOW,
        },
    )
    models = _model_keys(detector, segmenter, embedder)
    kept[OUTPUTS] = {name: str(path.resolve()) for name, path in outputs.by_name.items()}
    kept[MODELS] = models
    if detector.card.calibration is not None:
        kept[SCORES] = [list(pair) for pair in detector.card.calibration]
    cards = [one.card for one in (detector, segmenter, embedder) if one is not None]
    if licences := {card.task: card.licence for card in cards if card.licence is not None}:
        kept[LICENCES] = licences
    return RunRecord("files", kept, digest(as_before(deciding) | _told(detector, models)), version("sightline"))


def stored_settings(kept: Mapping[str, Any], database: str) -> Settings:
    """The settings of a stored run. `kept`: `RunRow.settings`. `database`: its address.

    Raises ConfigError if another version of Sightline wrote what this one does not know.
    """
    return parse(stored_values(kept, database), Settings)


def stored_values(kept: Mapping[str, Any], database: str) -> dict[str, Any]:
    """What a settings file would say for a stored run."""
    values = {
        name: value
        for name, value in kept.items()
        if name not in (OUTPUTS, MODELS, SCORES, LICENCES, DRAWN, *OF_A_SERVICE)
    }
    values["store"] = {**values.get("store", {}), "database": database}
    defaults = Settings().model_dump(mode="json")
    for section in ("detector", "segmenter", "embedder"):
        said = without_other_schedules(values.get(section, {}))
        usual = defaults[section] | ({} if names_network(said) else {"device": said.get("device")})
        # they refuse what their backend does not look at, also said by default, or by the default of another version
        values[section] = {key: value for key, value in said.items() if value != usual.get(key)}
    return values


def stored_scores(kept: Mapping[str, Any]) -> Calibration | None:
    """What the file of a stored run's detector said its scores are worth."""
    pairs = kept.get(SCORES)
    return None if pairs is None else tuple((float(score), float(precision)) for score, precision in pairs)


def stored_arithmetic(kept: Mapping[str, Any]) -> dict[str, str]:
    """In what the models of a stored run computed that can be told it: by section, f32, bf16 or f16.

    Not the 8 bits of some layers: those are in the file, and this is of the others.
    """
    ran = {_SECTIONS[task]: _TOLD_ARITHMETIC.fullmatch(runtime) for task, (*_, runtime) in kept.get(MODELS, {}).items()}
    return {section: found[1] for section, found in ran.items() if found is not None}


def stored_outputs(kept: Mapping[str, Any]) -> Outputs:
    """The files that a stored run was asked for."""
    return Outputs(**{name: Path(path) for name, path in kept.get(OUTPUTS, {}).items()})


def with_drawn(record: RunRecord, drawn: Mapping[str, Sequence[DrawnRule]]) -> RunRecord:
    """The record of a run that uses drawn zones and lines, too. `drawn`: by the source's address, as it is stored."""
    told = {place: [rule.told() for rule in rules] for place, rules in drawn.items() if rules}
    return replace(record, settings={**record.settings, DRAWN: told}) if told else record


def stored_drawn(kept: Mapping[str, Any]) -> dict[str, list[DrawnRule]]:
    """The drawn zones and lines that a stored run uses, by the source's address."""
    return {
        place: [DrawnRule(rule["name"], RuleKind(rule["kind"]), rule["definition"]) for rule in rules]
        for place, rules in kept.get(DRAWN, {}).items()
    }


def differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between the kept settings of two runs and decides what they write: "key.path: old -> new"."""
    before, after = _flat(_compared(stored)), _flat(_compared(now))
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    elsewhere = _computed_otherwise(stored, now)
    return [
        elsewhere.get(key, f"{key}: {before.get(key)} -> {after.get(key)}")
        for key in changed
        if not key.startswith(_CHANGES_NOTHING) and not (key.endswith(".weights") and _same_models(stored, now))
    ]


def require_same_models(begun: Mapping[str, list[str]], here: Mapping[str, list[str]]) -> None:
    """Raises ModelError where another process of a run computes otherwise than the one that began it.

    Both as `model_keys` tells them. So it is where `auto` finds a card full that it found free before.
    """
    if told := differences({MODELS: begun}, {MODELS: here}):
        raise ModelError(
            f"the networks of a worker are not those of its run: {'; '.join(told)}; where a graphics card was full in "
            "between, take fewer workers"
        )


def media_folder(settings: Settings) -> Path:
    """Where crops go: as set, else beside the SQLite file, else runs/media."""
    if settings.store.media is not None:
        return settings.store.media
    database = database_file(settings)
    return Path("runs") / "media" if database is None else database.parent / "media"


def preview_file(media: Path, run: UUID) -> Path:
    """Where the newest annotated picture of a running run is. `media`: the folder of crops."""
    return media / "preview" / f"{run}.jpg"


def database_file(settings: Settings) -> Path | None:
    """The SQLite file, None for a server. Raises StoreError for an address that is none."""
    address = read_address(settings.store.database)
    return Path(address.database) if address.get_backend_name() == "sqlite" and address.database else None


def detect_hash(
    settings: Settings,
    source: Source,
    detector: Detector,
    embedder: Embedder | None,
    *,
    segmenter: Segmenter | None = None,
) -> str:
    """Key of everything but the source's content that decides its raw detections, their masks and their features."""
    values = {
        "decoding": DECODING,
        "rate": source.fps if source.time_base is None else None,  # pictures have no times of their own
    }
    return digest(values | _of_models(settings, detector, segmenter, embedder))


def camera_detect_hash(
    settings: Settings, detector: Detector, embedder: Embedder | None, *, segmenter: Segmenter | None = None
) -> str:
    """Likewise for what a camera shows, which never comes again."""
    return digest(_of_models(settings, detector, segmenter, embedder))


def _of_models(
    settings: Settings, detector: Detector, segmenter: Segmenter | None, embedder: Embedder | None
) -> dict[str, Any]:
    """What the models decide, with the tracker where that says what they look at; without a segmenter as it was before
    there were any.
    """
    sections: tuple[str, ...] = ("detector", "embedder") if segmenter is None else ("detector", "segmenter", "embedder")
    elsewhere = {"detector": DETECTOR_WHERE_AND_HOW, "segmenter": WHERE_AND_HOW, "embedder": WHERE_AND_HOW}
    if build.asks(settings, segmenter=segmenter, embedder=embedder) or build.judge(settings.detector) is not None:
        sections = (*sections, "tracker")
    said = settings.model_dump(mode="json", include=set(sections), exclude=elsewhere)
    return as_before(said) | _told(detector, _model_keys(detector, segmenter, embedder))


def inputs(settings: Settings) -> dict[Path, str]:
    """Files that no output may overwrite, and what they are."""
    files: dict[Path, str] = {}
    for section in ("detector", "segmenter", "embedder"):
        weights = getattr(settings, section).weights
        if weights is not None:
            files |= _weights_files(weights, f"{section}.weights")
    if settings.detector.fuse is not None:
        files |= _weights_files(settings.detector.fuse.weights, "detector.fuse.weights")
    if (database := database_file(settings)) is not None:
        for suffix in ("", "-wal", "-shm"):
            files[Path(f"{database}{suffix}")] = "the database"
    return files


def _weights_files(weights: str, setting: str) -> dict[Path, str]:
    """A network's file and those that may stand beside it: its numbers, and the same network in 8 bits."""
    path = Path(weights)
    bits = [path.with_name(f"{path.stem}-int8{suffix}") for suffix in (".xml", ".bin")]
    return dict.fromkeys([path, path.with_suffix(".bin"), *bits], setting)


def source_record(source: Source) -> SourceRecord:
    """What the store keeps of an open source."""
    return SourceRecord(
        kind=source.kind,
        name=source.name,
        uri_redacted=source.uri,
        fingerprint=source.fingerprint,
        start_at=microseconds(source.start_at),
        width=source.width,
        height=source.height,
        fps=source.fps,
        frames=source.frame_count,
        duration=source.duration,
    )


def _placed(settings: Settings) -> Settings:
    """The same files and folders, whatever folder one is in. Crops beside a SQLite file move with it."""
    detector = _with_whole_path(settings.detector)
    if detector.fuse is not None:
        detector = detector.model_copy(update={"fuse": _with_whole_path(detector.fuse)})
    segmenter, embedder = _with_whole_path(settings.segmenter), _with_whole_path(settings.embedder)
    models = {"detector": detector, "segmenter": segmenter, "embedder": embedder}
    if settings.store.media is None and database_file(settings) is not None:
        return settings.model_copy(update=models)
    store = settings.store.model_copy(update={"media": media_folder(settings).absolute()})
    return settings.model_copy(update={**models, "store": store})


def _with_whole_path(section: _NamesFile) -> _NamesFile:
    """With an absolute path, where `weights` names a file: torchvision's "default" and a model's name do not."""
    if section.weights is None or not Path(section.weights).exists():
        return section
    return section.model_copy(update={"weights": str(Path(section.weights).absolute())})


def _told(detector: Detector, keys: Mapping[str, list[str]]) -> dict[str, Any]:
    """The models as hashes have them; before detectors had masks, the same files gave boxes alone.

    And before they padded tightly, the same files saw more grey.
    """
    masks = {"masks": True} if detector.card.masks else {}
    return {MODELS: list(keys.values())} | masks | ({"letterbox": "tight"} if detector.card.tight else {})


def _model_keys(detector: Detector, segmenter: Segmenter | None, embedder: Embedder | None) -> dict[str, list[str]]:
    return model_keys(*(one.card for one in (detector, segmenter, embedder) if one is not None))


def model_keys(*cards: ModelCard) -> dict[str, list[str]]:
    """What is kept of the models of a run under MODELS, by task."""
    return {card.task: [card.name, card.version, card.sha256, card.runtime] for card in cards}


def _compared(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Kept settings as every version has them; those of a segmenter that is not there decide nothing."""
    without = () if "segment" in kept.get(MODELS, {}) else ("segmenter",)
    return as_before({name: value for name, value in kept.items() if name not in without})


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as "key.path": value; models as their name and the head of their hash."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif prefix == f"{MODELS}.":
            flat[f"{prefix}{key}"] = _shown_model(value)
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _shown_model(key: Sequence[str]) -> str:
    name, code, sha256, runtime = key
    return f"{name} (sha256 {sha256[:12]}, {runtime}, {code})"


def _computed_otherwise(stored: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """What to say of each network that is the same, but runs on another device or in other numbers; by its key.

    In another library, too; not in another version of one, which is told as it is.
    """
    before, after = stored.get(MODELS, {}), now.get(MODELS, {})
    told = {}
    for task in before.keys() & after.keys():
        name, code, sha256, runtime = before[task]
        other_name, other_code, other_sha256, other_runtime = after[task]
        same_library = code.partition(" ")[0] == other_code.partition(" ")[0]
        if (name, sha256) == (other_name, other_sha256) and (code == other_code or not same_library):
            told[f"{MODELS}.{task}"] = (
                f"{MODELS}.{task}: {name} ran as {runtime}, and would now run as {other_runtime}, with other results "
                "(go on with the processor, device and precision it began with)"
            )
    return told


def _same_models(stored: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return bool(stored.get(MODELS)) and stored.get(MODELS) == now.get(MODELS)
