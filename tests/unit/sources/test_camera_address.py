"""Addresses of cameras: kinds, and credentials in and out."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.secrets import Secret
from pipeline.sources.camera_address import Kind, kind_of, shown, with_secret, without_secret

TEXTS = st.text(st.characters(min_codepoint=33, exclude_categories=("Cs",)), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("rtsp://10.0.0.4/stream", Kind.RTSP),
        ("RTSPS://cam.local:322/a?b=c", Kind.RTSP),
        ("http://[fe80::1]:80/mjpg", Kind.HTTP),
        ("https://cam/live.m3u8", Kind.HTTP),
        ("/dev/video0", Kind.DEVICE),
        ("/dev/v4l/by-id/usb-cam", Kind.DEVICE),
        ("street.mp4", Kind.FILE),
        ("/videos/a b@c:1.mp4", Kind.FILE),
    ],
)
def test_kinds(url: str, kind: Kind) -> None:
    assert kind_of(url) is kind


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/a",
        "rtmp://u:hush@h/a",
        "rtsp://",
        "rtsp:///path",
        "rtsp://h:99999/",
        "http://u:hush@h/\n",
        "http://h/a b",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        kind_of(url)
    assert "hush" not in str(caught.value)


@given(TEXTS, TEXTS)
def test_any_user_and_password_get_there(user: str, password: str) -> None:
    address = with_secret("rtsp://10.0.0.4:554/stream?channel=1", Secret(user, password))
    parts = urlsplit(address)
    assert (parts.hostname, parts.port, parts.path, parts.query) == ("10.0.0.4", 554, "/stream", "channel=1")
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)
    assert without_secret(address) == ("rtsp://10.0.0.4:554/stream?channel=1", Secret(user, password))
    assert shown(address) == "rtsp://***@10.0.0.4:554/stream?channel=1"


@pytest.mark.parametrize(
    ("typed", "bare", "secret"),
    [
        ("rtsp://10.0.0.4/a", "rtsp://10.0.0.4/a", None),
        ("rtsp://me:p@s:s/w?o#rd@10.0.0.4/a", "rtsp://10.0.0.4/a", Secret("me", "p@s:s/w?o#rd")),
        ("http://me@10.0.0.4/a", "http://10.0.0.4/a", Secret("me", "")),
        ("street@2x.mp4", "street@2x.mp4", None),
    ],
)
def test_as_people_type_them(typed: str, bare: str, secret: Secret | None) -> None:
    assert without_secret(typed) == (bare, secret)


def test_secrets_where_they_do_not_belong() -> None:
    with pytest.raises(SourceError, match="asks for no password"):
        with_secret("/dev/video0", Secret("me", "hush"))
    with pytest.raises(SourceError, match="holds a user already") as caught:
        with_secret("rtsp://you:hush@h/a", Secret("me", "word"))
    assert "hush" not in str(caught.value)
    assert with_secret("street.mp4", None) == "street.mp4"
