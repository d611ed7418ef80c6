"""No log line holds a secret, whatever it came with; machines get an object a line."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from rich.console import Console

from pipeline.logs import JsonFormatter, LogForm, Redaction, set_up
from tests.conftest import ROOT

PASSWORDS = ["p@ss:w/o?rd#1", "plain-secret", "100%", "ü ß"]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a handler with all passwords known has written as JSON."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(Redaction(PASSWORDS))
    logger = logging.getLogger("sightline.test")
    logger.addHandler(handler)
    logger.propagate = False
    yield out
    logger.removeHandler(handler)


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_secret_is_hidden_in_message_arguments_and_traceback(lines: io.StringIO, password: str) -> None:
    logger = logging.getLogger("sightline.test")
    logger.error("cannot open %s (%s)", f"rtsp://admin:{password}@10.0.0.4/stream", password)
    try:
        raise ValueError(f"401 for {password}")
    except ValueError:
        logger.exception("it broke: %r", {"word": password}, stack_info=True)
    written = lines.getvalue()
    assert password not in written
    assert json.dumps(password)[1:-1] not in written
    assert "10.0.0.4/stream" in written
    assert "401 for ***" in json.loads(written.splitlines()[1])["error"]


def test_an_address_is_hidden_also_where_the_password_is_not_known() -> None:
    redaction = Redaction()
    assert redaction.clean("at rtsp://u:x@y/z@10.0.0.4/s: no answer") == "at rtsp://***@10.0.0.4/s: no answer"
    assert redaction.clean("see https://example.org/a?b=1, and mail me@example.org") == (
        "see https://example.org/a?b=1, and mail me@example.org"
    )


def test_what_an_address_would_write_of_a_secret_is_hidden_too() -> None:
    assert Redaction(["a/b c"]).clean("sent a%2Fb%20c, a%2Fb+c and a/b%20c") == "sent ***, *** and ***"


def test_a_short_secret_is_hidden_as_a_word_and_not_inside_others() -> None:
    assert Redaction(["cat", ""]).clean("cat concatenates: (cat)") == "*** concatenates: (***)"


def test_a_json_line_says_when_who_and_which_camera(lines: io.StringIO) -> None:
    logging.getLogger("sightline.test").warning("gave no frame for %.1f s", 10, extra={"camera": "gate"})
    (line,) = (json.loads(line) for line in lines.getvalue().splitlines())
    assert line | {"time": ""} == {
        "time": "",
        "level": "warning",
        "logger": "sightline.test",
        "camera": "gate",
        "message": "gave no frame for 10.0 s",
    }
    assert line["time"].endswith("+00:00")


def test_setting_up_again_replaces_what_was_there() -> None:
    root = logging.getLogger()
    before, level, own = list(root.handlers), root.level, logging.getLogger("pipeline")
    out = io.StringIO()
    try:
        set_up(LogForm.PLAIN, level=logging.INFO)
        assert (root.level, own.level) == (logging.WARNING, logging.INFO)
        set_up(LogForm.RICH, secrets=["open-sesame"], console=Console(file=out, width=200))
        assert len([handler for handler in root.handlers if handler not in before]) == 1
        logging.getLogger("sightline.other").warning("the word is open-sesame")
    finally:
        for handler in list(root.handlers):
            if handler not in before:
                root.removeHandler(handler)
        root.setLevel(level)
        own.setLevel(logging.NOTSET)
    assert "the word is ***" in out.getvalue()


def test_an_error_that_nobody_catches_is_a_line_without_secrets() -> None:
    code = """
import threading
from pipeline.logs import LogForm, log_uncaught, set_up
set_up(LogForm.JSON, secrets=["open-sesame"])
log_uncaught()
def fail(): raise RuntimeError("rtsp://a:b@host/x said open-sesame")
thread = threading.Thread(target=fail); thread.start(); thread.join()
fail()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["critical", "critical"]
    assert all("rtsp://***@host/x said ***" in line["error"] for line in lines)
    assert "open-sesame" not in done.stderr
