"""Logging of every command: lines for people or JSON for machines, and never a password in either."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from urllib.parse import quote, quote_plus

from rich.console import Console
from rich.logging import RichHandler

from pipeline.redaction import HIDDEN, redact

_URI = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_LONG = 4  # letters of a secret from which it is hidden wherever it stands; a shorter one only as a word of its own
_log = logging.getLogger(__name__)


class LogForm(StrEnum):
    """How log lines look."""

    RICH = "rich"  # in a terminal
    PLAIN = "plain"  # time, level and message: for a journal
    JSON = "json"  # an object a line: time, level, logger, camera, message, error


class Redaction(logging.Filter):
    """Takes addresses' credentials and known secrets out of a record: message, arguments and traceback."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        """`words`: secrets, as they are; hidden also as an address would write them."""
        super().__init__()
        forms = {form for word in words if word for form in (word, quote(word, safe=""), quote(word), quote_plus(word))}
        patterns = [
            re.escape(form) if len(form) >= _LONG else rf"(?<!\w){re.escape(form)}(?!\w)"
            for form in sorted(forms, key=len, reverse=True)
        ]
        self._words = re.compile("|".join(patterns)) if patterns else None

    def clean(self, text: str) -> str:
        """The text without secrets."""
        if self._words is not None:
            text = self._words.sub(HIDDEN, text)
        return _URI.sub(lambda found: redact(found[0]), text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record; it always goes on."""
        record.msg, record.args = self.clean(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.clean(record.exc_text)
        if record.stack_info:
            record.stack_info = self.clean(record.stack_info)
        return True


class JsonFormatter(logging.Formatter):
    """A JSON object a line. `extra={"camera": name}` of a log call becomes its camera."""

    def format(self, record: logging.LogRecord) -> str:
        """Of a record that Redaction has cleaned."""
        line: dict[str, str] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if camera := getattr(record, "camera", ""):
            line["camera"] = str(camera)
        if record.exc_text:
            line["error"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)


def set_up(
    form: LogForm = LogForm.RICH,
    *,
    level: int = logging.WARNING,
    secrets: Iterable[str] = (),
    console: Console | None = None,
) -> None:
    """Send all log records to the error output, or to `console`. A second call replaces what the first one set.

    `level`: of Sightline's own; of libraries only warnings are shown. `secrets`: words that appear in no line.
    """
    match form:
        case LogForm.RICH:
            handler: logging.Handler = RichHandler(console=console or Console(stderr=True), show_path=False)
            handler.setFormatter(logging.Formatter("%(message)s"))
        case LogForm.PLAIN:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        case LogForm.JSON:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(JsonFormatter())
    handler.addFilter(Redaction(secrets))
    root = logging.getLogger()
    for old in tuple(root.handlers):
        if any(isinstance(one, Redaction) for one in old.filters):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("pipeline").setLevel(level)


def log_uncaught() -> None:
    """Let an error that ends the process or one of its threads be a log line, without secrets."""
    sys.excepthook = _log_error
    threading.excepthook = _log_thread_error


def _log_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("an error that Sightline does not know; please report it", exc_info=(kind, error, trace))


def _log_thread_error(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None:
        _log_error(found.exc_type, found.exc_value, found.exc_traceback)
