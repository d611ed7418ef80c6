"""No credential is left in an address, and an address without any is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.redaction import redact

PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://u:p@h/s", "rtsp://***@h/s"),
        ("RTSP://u:p@h:554/s", "RTSP://***@h:554/s"),
        ("rtsp://u:p/ss@h/s", "rtsp://***@h/s"),
        ("rtsp://u:p@ss@h/s", "rtsp://***@h/s"),
        ("rtsp://u:p@s/s@h/s", "rtsp://***@h/s"),
        ("rtsp://u:12?3#4@h/s", "rtsp://***@h/s"),
        ("rtsp://admin:1234/5@h/s", "rtsp://***@h/s"),
        ("rtsp://:p@h", "rtsp://***@h"),
        ("https://token@h/s", "https://***@h/s"),
        ("rtsp://u:p@[fe80::1]:554/s", "rtsp://***@[fe80::1]:554/s"),
        ("rtsp://h/s?user=a&password=x&channel=1", "rtsp://h/s?user=***&password=***&channel=1"),
        ("http://h/?token=abc", "http://h/?token=***"),
        ("http://h/?X-Amz-Signature=ab%2F&t=3", "http://h/?X-Amz-Signature=***&t=3"),
        ("http://h/?pass%77ord=x", "http://h/?pass%77ord=***"),
        ("http://h/?a=1;password=x", "http://h/?a=***"),
        ("http://h/?url=rtsp%3A%2F%2Fu%3Ap%40h%2Fs&t=3", "http://h/?url=***&t=3"),
        ("http://h/s#token=x", "http://h/s#token=***"),
        (
            "rtsp://10.0.0.4:554/user=admin_password=x_channel=1_stream=0.sdp",
            "rtsp://10.0.0.4:554/user=***_password=***_channel=1_stream=0.sdp",
        ),
    ],
)
def test_credentials_go(uri: str, shown: str) -> None:
    assert redact(uri) == shown


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/videos/a@b:c.mp4",
        "C:\\videos\\a.mp4",
        "//[odd/name@2x.mp4",
        "videos/password=x.mp4",
        "file:///videos/a@2x.mp4",
        "rtsp://10.0.0.4:554/cam@2x",
        "rtsp://gate:554/live",
        "rtsp://[fe80::1]:554/cam@2x",
        "http://h/clip.mp4?t=10&width=5",
        "http://h/?token",
        "rtsp://***@h/s?password=***",
        "rtsp://***:***@h/s",
    ],
)
def test_the_rest_stays(uri: str) -> None:
    assert redact(uri) == uri


@given(PASSWORDS)
def test_no_password_survives(password: str) -> None:
    shown = redact(f"rtsp://user:{password}@camera/live")
    assert shown == "rtsp://***@camera/live" or set(password) <= set("*:")


@given(st.text(max_size=40))
def test_twice_is_once(text: str) -> None:
    for uri in (text, f"rtsp://{text}", f"http://u:p@h/?token={text}"):
        assert redact(redact(uri)) == redact(uri)
