"""Where a secret may be sent: not to whatever host somebody names in the page, who would then know the password."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from pipeline.api.failures import refused
from pipeline.api.services import Services
from pipeline.store.cameras import CameraRow


def check_secret(services: Services, cameras: Iterable[CameraRow], secret: str, url: str) -> None:
    """Raise a 422 where a camera of this address may not log in with this secret.

    It may at hosts where a camera of the service logs in with it already, and at those that the server's owner named.
    """
    allowed = services.limits.login_hosts
    host = _host(url)
    if allowed is None or is_among(host, allowed):
        return
    if host and any(
        camera.settings.get("secret") == secret and _host(camera.uri_redacted) == host for camera in cameras
    ):
        return
    raise refused(
        f"no camera logs in at {host or 'such an address'} with the secret '{secret}' yet, and a secret is sent to no "
        "host that is named here alone; add it on the server with `sightline cameras add`, or name the host in "
        "SIGHTLINE_LOGIN_HOSTS there"
    )


def is_among(host: str, allowed: Iterable[str]) -> bool:
    """Whether a host is one of those named, or its address lies in a network of them."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in allowed
    return any(address in network for network in map(_network, allowed) if network is not None)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:  # a name
        return None


def _host(url: str) -> str:
    """In small letters; "" where there is none."""
    try:
        return (urlsplit(url).hostname or "").lower() if "://" in url else ""
    except ValueError:
        return ""
