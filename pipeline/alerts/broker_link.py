"""One connection to an MQTT broker, from its beginning to its end; a new one is made for the next try."""

from __future__ import annotations

import secrets
import socket
import ssl
import threading
from contextlib import suppress
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

OLD_BROKER = "Unsupported protocol version"  # what the library says of a broker that knows no MQTT 5
_KEEP_ALIVE = 30  # seconds
_FAREWELL = 0.3  # seconds that a polite end may take


class _TidySocket(ssl.SSLSocket):
    """Closed where the two sides do not agree; the library forgets it then."""

    def do_handshake(self, block: bool = False) -> None:
        """As the base does it."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class BrokerLink:
    """Connects at once, in a thread; another of the library's serves the connection. Nothing is tried again here.

    `connected`, `over` and `acknowledged` change under the condition that whoever waits for them gave.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        encrypted: bool,
        credentials: tuple[str, str] | None,
        protocol: MQTTProtocolVersion,
        timeout: float,
        changed: threading.Condition,
    ) -> None:
        """`credentials`: user and password. `timeout`: seconds of connecting. `changed`: is notified."""
        self.connected = False
        self.over = ""  # why, once it is
        self.acknowledged: dict[int, ReasonCode] = {}  # what the broker said of a message, by its number
        self._changed = changed
        self._ended = False
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"sightline-{secrets.token_hex(6)}",
            protocol=protocol,
            reconnect_on_failure=False,
        )
        self._client.connect_timeout = timeout
        if credentials is not None:
            self._client.username_pw_set(*credentials)
        if encrypted:
            self._client.tls_set_context(_encryption())
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        threading.Thread(target=self._open, args=(host, port), name="alert mqtt", daemon=True).start()

    def publish(self, topic: str, body: bytes) -> int:
        """Send a message with QoS 1. Returns its number; where the connection is over, it is never acknowledged."""
        sent = self._client.publish(topic, body, qos=1)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._tell_over("the connection to the broker broke off")
        return sent.mid

    def cut(self) -> None:
        """End it without another byte: what was not sent yet is not sent later."""
        self._ended = True
        connection: Any = self._client.socket()
        if connection is not None:
            with suppress(OSError):  # the other side was quicker
                connection.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Take leave. A connection that is too slow for that is cut."""
        self._ended = True
        self._client.disconnect()
        with self._changed:
            polite = self._changed.wait_for(lambda: self.over, _FAREWELL)
        if not polite:
            self.cut()

    def _open(self, host: str, port: int) -> None:
        try:
            self._client.connect(host, port, keepalive=_KEEP_ALIVE)
        except TimeoutError:
            self._tell_over("the broker cannot be reached: no answer")
        except (OSError, ValueError) as error:  # of ValueError: a name that none can have
            self._tell_over(f"the broker cannot be reached: {getattr(error, 'strerror', None) or error}")
        else:
            self._client.loop_start()
            if self._ended:  # meanwhile
                self.cut()

    def _tell_over(self, reason: str) -> None:
        with self._changed:
            self.over = self.over or reason
            self._changed.notify_all()

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._tell_over(f"the broker refuses the connection: {reason}")
            return
        with self._changed:
            self.connected = True
            self._changed.notify_all()

    def _on_publish(self, _client: Any, _data: Any, number: int, reason: ReasonCode, _properties: Any) -> None:
        with self._changed:
            self.acknowledged[number] = reason
            self._changed.notify_all()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._tell_over(f"the broker ended the connection: {reason}")


def _encryption() -> ssl.SSLContext:
    """With a certificate that this machine trusts, made out to the broker's name."""
    context = ssl.create_default_context()
    context.sslsocket_class = _TidySocket
    return context
