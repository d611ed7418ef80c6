"""Settings -> who is told of which events, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.camera_settings import AlertSettings
from pipeline.secrets import Secret, Secrets

if TYPE_CHECKING:
    from pipeline.alerts.courier import Courier
    from pipeline.alerts.dispatcher import Receiver
    from pipeline.store.deliveries import AlertTarget


def alert_targets(alerts: Mapping[str, AlertSettings]) -> tuple[AlertTarget, ...]:
    """Which events are for whom."""
    from pipeline.store.deliveries import AlertTarget

    return tuple(
        AlertTarget(name, cameras=one.cameras or (), rules=one.rules or (), kinds=one.kinds or ())
        for name, one in alerts.items()
    )


def receivers(alerts: Mapping[str, AlertSettings], secrets: Secrets) -> list[Receiver]:
    """The ways to all who are to be told of events; nothing connects yet. Raises ConfigError for a missing secret."""
    from pipeline.alerts.dispatcher import Receiver

    found = {name: None if one.secret is None else secrets.find(one.secret) for name, one in alerts.items()}
    return [Receiver(name, _courier(one, found[name]), one.timeout_seconds) for name, one in alerts.items()]


def _courier(settings: AlertSettings, secret: Secret | None) -> Courier:
    credentials = None if secret is None else (secret.user, secret.password)
    match settings.kind:
        case "webhook":
            from pipeline.alerts.webhook import Webhook

            return Webhook(settings.url, credentials=credentials, timeout=settings.timeout_seconds)
        case "mqtt":
            from pipeline.alerts.mqtt import Mqtt

            return Mqtt(settings.url, topic=settings.topic, credentials=credentials, timeout=settings.timeout_seconds)
