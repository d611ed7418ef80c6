"""MQTT: messages published to a broker with QoS 1."""

from __future__ import annotations

import logging
import threading
import time
from urllib.parse import urlsplit

from paho.mqtt.enums import MQTTProtocolVersion

from pipeline.alerts.broker_link import OLD_BROKER, BrokerLink
from pipeline.alerts.courier import ABORTED, Answer, Outcome
from pipeline.alerts.message import Message

PORTS = {"mqtt": 1883, "mqtts": 8883}
_LONGEST_LEVEL = 200  # letters of a name in a topic

_log = logging.getLogger(__name__)


class Mqtt:
    """Publishes each message and waits until the broker says that it has it.

    MQTT 5, in which a broker tells when a topic is forbidden; 3.1.1 with brokers that know no better. The connection is
    kept. After whatever went wrong it is cut, and made anew with the next message: otherwise a message would wait
    twice, in the store and in the library.
    """

    def __init__(
        self, url: str, *, topic: str, credentials: tuple[str, str] | None = None, timeout: float = 5.0
    ) -> None:
        """`url`: mqtt://host:port or mqtts://host:port. `topic`: with {camera}, {rule} and {kind}. `timeout`: seconds.

        `credentials`: user and password.
        """
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        self._encrypted = parts.scheme == "mqtts"
        self._topic = topic
        self._credentials = credentials
        self._timeout = timeout
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._changed = threading.Condition()
        self._link: BrokerLink | None = None
        self._aborted = False

    def deliver(self, message: Message) -> Answer:
        """Connect, if need be, publish once, and wait for the acknowledgement."""
        if self._link is None or self._link.over:
            self._cut()
            self._link = self._connect()
        answer = self._exchange(self._link, message)
        if answer.outcome in (Outcome.FAILED, Outcome.ABORTED):
            self._cut()
        if answer.said.endswith(OLD_BROKER) and self._protocol is MQTTProtocolVersion.MQTTv5:
            _log.warning("the broker %s speaks no MQTT 5; 3.1.1 does not tell when a topic is forbidden", self._host)
            self._protocol = MQTTProtocolVersion.MQTTv311
            return self.deliver(message)
        return answer

    def abort(self) -> None:
        """End the waiting."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()

    def close(self) -> None:
        """Take leave of the broker."""
        if self._link is not None:
            self._link.end()
            self._link = None

    def _connect(self) -> BrokerLink:
        return BrokerLink(
            self._host,
            self._port,
            encrypted=self._encrypted,
            credentials=self._credentials,
            protocol=self._protocol,
            timeout=self._timeout,
            changed=self._changed,
        )

    def _exchange(self, link: BrokerLink, message: Message) -> Answer:
        deadline = time.monotonic() + self._timeout
        if (problem := self._wait(link, None, deadline)) is not None:
            return problem
        number = link.publish(topic_of(self._topic, message), message.body)
        if (problem := self._wait(link, number, deadline)) is not None:
            return problem
        reason = link.acknowledged.pop(number)
        return Answer(Outcome.REFUSED if reason.is_failure else Outcome.ARRIVED, f"the broker says: {reason}")

    def _wait(self, link: BrokerLink, number: int | None, deadline: float) -> Answer | None:
        """For the connection, or for the acknowledgement of a message. None once it is there, else what came before."""
        with self._changed:
            while not (self._aborted or (link.connected if number is None else number in link.acknowledged)):
                if link.over:
                    return Answer(Outcome.FAILED, link.over)
                left = deadline - time.monotonic()
                if left <= 0:
                    return Answer(Outcome.FAILED, f"gave no answer within {self._timeout:g} s")
                self._changed.wait(left)
            return ABORTED if self._aborted else None

    def _cut(self) -> None:
        if self._link is not None:
            self._link.cut()
            self._link = None


def topic_of(template: str, message: Message) -> str:
    """The template with its names filled in, each as one level of a topic.

    + and # are wildcards, / begins a level, $ a topic of the broker's own, and control characters are forbidden
    (MQTT 5, 4.7 and 1.5.4): they become _. The message holds the names as they are.
    """
    filled = {"camera": message.camera, "rule": message.rule, "kind": message.kind}
    return template.format(**{name: _level(value) for name, value in filled.items()})


def _level(name: str) -> str:
    kept = (letter if letter.isprintable() and letter not in "+#/$" else "_" for letter in name[:_LONGEST_LEVEL])
    return "".join(kept) or "_"
