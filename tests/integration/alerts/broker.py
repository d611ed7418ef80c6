"""A real MQTT broker (mosquitto) that a test can kill and start again, and a listener to it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from tests.conftest import unavailable
from tests.integration.alerts.receiver import free_port
from tests.promptness import allowed, until


class Broker:
    """Keeps what its listeners have not got in a file, so that nothing is lost when it is killed. A context manager."""

    def __init__(self, folder: Path, *, options: Sequence[str] = ("allow_anonymous true",)) -> None:
        """`options`: lines of its configuration."""
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        if not Path(program).exists():
            unavailable("mosquitto is not installed: apt-get install mosquitto")
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        lines = [f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {folder}/"]
        lines += ["autosave_interval 1", "autosave_on_changes true", "max_queued_messages 100000"]
        lines += [f"user {'root' if os.geteuid() == 0 else 'nobody'}", *options]
        (folder / "broker.conf").write_text("\n".join(lines) + "\n")
        self._command = [program, "-c", str(folder / "broker.conf")]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def number(self) -> int | None:
        """Of its process."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Begin to listen."""
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until(self._listens, 10, lambda: f"it does not listen: {(self._folder / 'broker.log').read_text()}")

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(allowed(10))
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


@dataclass(frozen=True)
class Heard:
    """A message that came."""

    topic: str
    body: bytes
    repeated: bool  # the broker says that it may have sent it before

    @property
    def told(self) -> Any:
        """The message."""
        return json.loads(self.body)


class Listener:
    """Hears everything, QoS 1, under a name that the broker remembers over restarts. A context manager."""

    def __init__(self, port: int, *, credentials: tuple[str, str] | None = None) -> None:
        self.heard: list[Heard] = []
        self.subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
        if credentials is not None:
            self._client.username_pw_set(*credentials)
        self._client.reconnect_delay_set(0.1, 0.5)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_message = self._hear
        self._port = port

    def _hear(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard.append(Heard(message.topic, message.payload, message.dup))

    def wait(self, count: int, *, seconds: float = 20.0) -> None:
        """Until so many messages have come; AssertionError where they do not."""
        until(lambda: len(self.heard) >= count, seconds, lambda: f"{len(self.heard)} of {count} messages came")

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port, keepalive=60)
        assert self._client.loop_start() == MQTTErrorCode.MQTT_ERR_SUCCESS
        assert self.subscribed.wait(allowed(10))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()
