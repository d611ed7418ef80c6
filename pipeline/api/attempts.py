"""Attempts: how often somebody may be wrong about the password, from one address and from all together."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE = 5  # failures of an address before it has to wait
LONGEST = 900.0  # seconds that an address waits at most
FREE_OVERALL = 100  # failures of all addresses together before everybody has to wait
LONGEST_OVERALL = 10.0  # seconds; short, so that an attacker cannot lock the owner out
FORGOTTEN = 3600.0  # seconds after which failures no longer count
MOST = 10_000  # addresses that are remembered


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = -math.inf  # seconds


class Attempts:
    """Counts failures. The wait doubles with each: 1 s after FREE of them, then 2, 4, ... Safe to share."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._of: OrderedDict[str, _Failures] = OrderedDict()  # the address that failed longest ago first
        self._overall = _Failures()

    def wait(self, address: str) -> float:
        """Seconds until an attempt from there is looked at, 0.0 for now."""
        now = self._clock()
        with self._lock:
            own = self._of.get(_network(address), _Failures())
            return max(
                _remaining(own, now, FREE, LONGEST), _remaining(self._overall, now, FREE_OVERALL, LONGEST_OVERALL)
            )

    def failed(self, address: str) -> None:
        """The password from there was wrong."""
        now, network = self._clock(), _network(address)
        with self._lock:
            own = self._of.pop(network, None) or _Failures()
            self._of[network] = own
            for failures in (own, self._overall):
                failures.count = 1 if now - failures.last > FORGOTTEN else failures.count + 1
                failures.last = now
            while len(self._of) > MOST:
                self._of.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """The password from there was right: its failures are forgotten."""
        with self._lock:
            self._of.pop(_network(address), None)


def _remaining(failures: _Failures, now: float, free: int, longest: float) -> float:
    if failures.count < free or now - failures.last > FORGOTTEN:
        return 0.0
    wait = min(longest, 2.0 ** min(failures.count - free, 32))
    return max(0.0, failures.last + wait - now)


def _network(address: str) -> str:
    """One host may hold a whole IPv6 /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
