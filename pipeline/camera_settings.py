"""Settings of a service over cameras: what a cameras file may say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from pipeline.config import Settings
from pipeline.errors import ConfigError
from pipeline.events import EventKind
from pipeline.redaction import redact
from pipeline.rule_settings import AnalyticsSettings
from pipeline.section import Names, Seconds, Section, parse
from pipeline.tracker_settings import TrackerSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")  # becomes a folder's name and a label
_PLACEHOLDER = re.compile(r"\{(?:camera|rule|kind)\}")


class RecordSettings(Section):
    """What is kept of a camera's stream, as it came."""

    mode: Literal["off", "always", "events"] = Field(
        "off", description="events: only around events and reviewed objects, the rest for `wait_seconds`"
    )
    segment_seconds: Annotated[float, Field(ge=2, le=3600)] = Field(60.0, description="length of a file")
    segment_bytes: PositiveInt = Field(256 << 20, description="a file that grows beyond it ends sooner")
    before_seconds: Seconds = Field(10.0, description="kept before an event")
    after_seconds: Seconds = Field(10.0, description="kept after it")
    wait_seconds: Seconds = Field(600.0, description="mode events: how long everything is kept for a look back")
    max_age_hours: PositiveFloat | None = Field(168.0, description="older files go, unless protected")
    max_bytes: PositiveInt | None = Field(50 << 30, description="of this camera; beyond it the oldest files go")
    min_free_bytes: PositiveInt = Field(2 << 30, description="with less room on the disk recording stops, not tracks")


class AlertSettings(Section):
    """Who is told of which events."""

    kind: Literal["webhook", "mqtt"]
    url: str = Field(description="https://host/path, or mqtt://host:port, mqtts://...; without user and password")
    topic: str = Field(
        "sightline/{camera}/{kind}", description="mqtt: where to publish; knows {camera}, {rule} and {kind}"
    )
    secret: str | None = Field(None, description="name of the secret with user and password")
    cameras: Names | None = Field(None, description="only of these; all where empty")
    rules: Names | None = Field(None, description="only of these zones and lines; all where empty")
    kinds: Names | None = Field(None, description="only these events, e.g. [enter, cross]; all where empty")
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = Field(5.0, description="of one attempt")

    @field_validator("url")
    @classmethod
    def _no_secret(cls, value: str) -> str:
        return _bare(value)

    @field_validator("topic")
    @classmethod
    def _good_topic(cls, value: str) -> str:
        plain = _PLACEHOLDER.sub("", value)
        if not value or value.startswith("$") or any(letter in "+#{}" or not letter.isprintable() for letter in plain):
            raise ValueError(
                f"{value!r} is no topic to publish to; use levels such as sightline/{{camera}}/{{rule}}/{{kind}}, "
                "without + # and without $ at the beginning"
            )
        return value

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if unknown := sorted(set(value or ()) - set(EventKind)):
            raise ValueError(f"there is no event {', '.join(unknown)}; known: {', '.join(EventKind)}")
        return value

    @model_validator(mode="after")
    def _url_fits(self) -> AlertSettings:
        schemes = {"webhook": ("http", "https"), "mqtt": ("mqtt", "mqtts")}[self.kind]
        try:
            parts = urlsplit(self.url)
            host = (parts.hostname or "").encode("idna")
            good = parts.scheme in schemes and bool(host) and parts.port != 0
        except ValueError:  # of a port that is no number, or a name that none can have
            good = False
        good = good and self.url.isprintable() and " " not in self.url
        if not good:
            raise ValueError(f"a {self.kind} needs a url such as {schemes[1]}://host.example:port")
        if self.kind == "mqtt" and (parts.path.strip("/") or parts.query or parts.fragment):
            raise ValueError("the url of an mqtt alert ends with its port; say `topic: ...` for where to publish")
        if self.kind == "webhook" and "topic" in self.model_fields_set:
            raise ValueError("a webhook has no topic; remove it")
        return self


class CameraSettings(Section):
    """One camera."""

    url: str = Field(description="rtsp://, rtsps://, http(s):// (MJPEG, HLS), a device such as /dev/video0, or a file")
    secret: str | None = Field(None, description="name of the secret with user and password")
    enabled: bool = Field(True, description="false: known, but paused from the start")
    transport: Literal["auto", "tcp", "udp"] = Field("auto", description="of RTSP; auto: tcp")
    hardware: Literal["auto", "none", "cuda", "vaapi", "qsv"] = Field("auto", description="what decodes")
    policy: Literal["live", "batch"] = Field("live", description="live: the freshest frame; batch: every frame")
    max_fps: PositiveFloat | None = Field(None, description="take no more frames a second than this")
    open_seconds: PositiveFloat = Field(10.0, description="how long connecting may take")
    stall_seconds: PositiveFloat = Field(5.0, description="without a frame for so long, the connection is replaced")
    backoff_seconds: PositiveFloat = Field(0.5, description="first pause before connecting anew; doubles up to 10 s")
    loop: bool = Field(False, description="a file: begin again at its end")
    tracker: TrackerSettings | None = Field(None, description="other than the service's")
    keep: Names | None = Field(None, description="classes to track; all of the detector's where empty")
    analytics: AnalyticsSettings = AnalyticsSettings()
    record: RecordSettings | None = Field(None, description="other than the service's")

    @field_validator("url")
    @classmethod
    def _no_secret(cls, value: str) -> str:
        return _bare(value)

    @field_validator("tracker", mode="before")
    @classmethod
    def _name_tracker(cls, value: Any) -> Any:
        return {"name": "deepsort"} | value if isinstance(value, dict) else value


class ServiceSettings(Section):
    """The service itself."""

    batch: PositiveInt = Field(4, description="frames of all cameras given to the networks at once, at most")
    max_wait_ms: Annotated[float, Field(ge=0, le=1000)] = Field(10.0, description="how long a batch waits to fill")
    store_seconds: Annotated[float, Field(gt=0, le=60)] = Field(0.5, description="results are stored so often")
    hang_seconds: PositiveFloat = Field(30.0, description="a stage busy with one batch for so long is said to hang")
    listen: str = Field("127.0.0.1:9464", description="host:port of /metrics and /healthz; empty: nowhere")


class WatchSettings(Settings):
    """A cameras file: everything a run can be told, for all cameras, and the cameras."""

    cameras: dict[str, CameraSettings] = Field(default_factory=dict)
    record: RecordSettings = RecordSettings()
    alerts: dict[str, AlertSettings] = Field(default_factory=dict)
    service: ServiceSettings = ServiceSettings()
    secrets_file: str | None = Field(None, description="YAML: name of a secret -> {user: ..., password: ...}")

    @model_validator(mode="after")
    def _good_names(self) -> WatchSettings:
        for name in self.cameras:
            if not _is_good(name):
                raise ValueError(_bad_name(name))
        for name in self.alerts:
            if not _is_good(name):
                raise ValueError(_bad_name(name, "alert"))
        return self


def check_camera(name: str, values: Mapping[str, Any]) -> CameraSettings:
    """One camera that somebody adds. `values`: as the cameras file would say it. Raises ConfigError."""
    if not _is_good(name):
        raise ConfigError(_bad_name(name))
    return parse(values, CameraSettings)


def _is_good(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and ".." not in name and not name.endswith((" ", "."))


def _bad_name(name: str, kind: str = "camera") -> str:
    return f"{kind} name {name!r}: use letters, digits, space . _ -; begin with a letter or digit; at most 64"


def _bare(url: str) -> str:
    if redact(url) != url:
        raise ValueError(
            f"{redact(url)} holds a password; put it into the environment (SIGHTLINE_SECRET_NAME=user:password) or "
            "the secrets file, and say `secret: NAME`"
        )
    return url
