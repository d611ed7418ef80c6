"""The message that tells of an event: JSON, the same by webhook and by MQTT.

Form 1, all keys always there:

    version    1; another form will have another number
    test       true where `sightline alerts test` made it up, and nothing happened
    id         the event's id: the same at every attempt, so that a receiver can tell what it has had before
    kind       enter, leave, dwell, loiter, cross, count or speed
    rule       name of the zone or line
    camera     its name
    at         when it was seen, UTC: 2026-11-21T15:24:21.123456Z
    value      seconds (leave, dwell, loiter), metres a second (speed), how many (count), or null
    direction  which way over a line, or null
    class      name of the class, or null
    track      id of the track, or null for an event of no single one
    object     id of the object that showed the track when the message was sent, or null
    place      {x, y} in pixels, or null
    run        id of the run
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pipeline.events import EventKind
from pipeline.store.deliveries import AlertEvent

VERSION = 1


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, and what it is about."""

    key: str  # the event's id
    body: bytes  # JSON, UTF-8
    camera: str
    rule: str
    kind: str


def event_message(event: AlertEvent, *, test: bool = False) -> Message:
    """The message of an event. `test`: nothing happened, somebody tries whether messages arrive."""
    place = None if event.x is None or event.y is None else {"x": round(event.x, 2), "y": round(event.y, 2)}
    told = {
        "version": VERSION,
        "test": test,
        "id": str(event.public_id),
        "kind": event.kind.value,
        "rule": event.rule,
        "camera": event.camera,
        "at": _iso(event.at),
        "value": event.value,
        "direction": event.direction,
        "class": event.class_name,
        "track": _text(event.track),
        "object": _text(event.object),
        "place": place,
        "run": str(event.run),
    }
    body = json.dumps(told, allow_nan=False).encode()
    return Message(str(event.public_id), body, event.camera, event.rule, event.kind.value)


def trial_message(event: UUID, *, at: int) -> Message:
    """A message of a made-up event, marked as such. `at`: microseconds UTC."""
    made_up = AlertEvent(event, EventKind.ENTER, rule="test", camera="test", at=at, run=UUID(int=0))
    return event_message(made_up, test=True)


def _iso(at: int) -> str:
    seconds, microseconds = divmod(at, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds, tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"


def _text(public_id: UUID | None) -> str | None:
    return None if public_id is None else str(public_id)
