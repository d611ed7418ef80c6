"""What a cameras file may say of alerts, and what it is told where it is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import build
from pipeline.camera_settings import AlertSettings, WatchSettings
from pipeline.errors import ConfigError
from pipeline.secrets import Secrets
from pipeline.section import parse
from pipeline.store.deliveries import AlertTarget

HOOK = {"kind": "webhook", "url": "https://guard.example:8443/hook"}
MQTT = {"kind": "mqtt", "url": "mqtt://broker.example"}


@pytest.mark.parametrize(
    "values",
    [
        HOOK,
        HOOK | {"url": "http://127.0.0.1/", "kinds": "enter", "cameras": "gate", "timeout_seconds": 60},
        MQTT,
        MQTT | {"url": "mqtts://[::1]:8883", "topic": "{camera}", "secret": "guard"},
        MQTT | {"url": "mqtt://broker.example:1883/", "topic": "a/$b/{rule}/{kind}-{camera}"},
    ],
)
def test_good(values: dict[str, Any]) -> None:
    assert parse(values, AlertSettings).url == values["url"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (HOOK | {"url": "mqtt://broker.example"}, "a webhook needs a url such as https://"),
        (HOOK | {"url": "guard.example"}, "a webhook needs a url such as https://"),
        (HOOK | {"url": "https:///hook"}, "a webhook needs a url such as https://"),
        (HOOK | {"url": "https://guard.example:port/"}, "a webhook needs a url such as https://"),
        (HOOK | {"url": "https://guard.example:99999/"}, "a webhook needs a url such as https://"),
        (HOOK | {"url": "https://guard.example:0/"}, "a webhook needs a url such as https://"),
        (HOOK | {"url": "https://a..b/"}, "a webhook needs a url such as https://"),
        (HOOK | {"url": "https://gu ard.example/"}, "a webhook needs a url such as https://"),
        (HOOK | {"url": "https://guard.example/\0"}, "a webhook needs a url such as https://"),
        (MQTT | {"url": "mqtt://\u2603\ud800.example"}, "a mqtt needs a url such as mqtts://"),
        (HOOK | {"url": "https://user:s3cret@guard.example/"}, "holds a password"),
        (HOOK | {"topic": "a"}, "a webhook has no topic"),
        (HOOK | {"kinds": ["enter", "entre"]}, "there is no event entre; known: enter, leave"),
        (HOOK | {"timeout_seconds": 0}, "timeout_seconds"),
        (HOOK | {"timeout_seconds": 61}, "timeout_seconds"),
        (MQTT | {"url": "https://broker.example"}, "a mqtt needs a url such as mqtts://"),
        (MQTT | {"url": "mqtt://broker.example/topic"}, "say `topic: ...`"),
        (MQTT | {"url": "mqtt://broker.example?qos=0"}, "say `topic: ...`"),
        (MQTT | {"topic": ""}, "is no topic to publish to"),
        (MQTT | {"topic": "sightline/#"}, "is no topic to publish to"),
        (MQTT | {"topic": "+/{camera}"}, "is no topic to publish to"),
        (MQTT | {"topic": "$SYS/{camera}"}, "is no topic to publish to"),
        (MQTT | {"topic": "{camera.__class__}"}, "is no topic to publish to"),
        (MQTT | {"topic": "{name}"}, "is no topic to publish to"),
        (MQTT | {"topic": "a\0b"}, "is no topic to publish to"),
        ({"kind": "mail", "url": "x"}, "kind"),
        ({"kind": "webhook"}, "url"),
    ],
)
def test_bad(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(values, AlertSettings)
    assert said in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 65, "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(ConfigError, match="alert name"):
        parse({"alerts": {name: HOOK}}, WatchSettings)


def test_what_is_built() -> None:
    settings = parse({"alerts": {"a": HOOK | {"kinds": "enter"}, "b": MQTT | {"secret": "b"}}}, WatchSettings)
    assert build.alert_targets(settings.alerts) == (AlertTarget("a", kinds=("enter",)), AlertTarget("b"))
    assert build.alert_targets({}) == ()
    made = build.receivers(settings.alerts, Secrets({}, {"SIGHTLINE_SECRET_B": "user:password"}))
    assert [one.target for one in made] == ["a", "b"]
    for one in made:
        one.courier.close()
    with pytest.raises(ConfigError, match="the url of an alert cannot be used"):
        build.receivers({"a": parse(HOOK | {"url": "https://xn--/"}, AlertSettings)}, Secrets({}, {}))
    with pytest.raises(ConfigError, match="there is no secret 'b'"):
        build.receivers(settings.alerts, Secrets({}, {}))
