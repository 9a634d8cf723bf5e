"""Rates, and whom they count: pure, the caller gives the time."""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=16384)
def origin(address: str) -> str:
    """What counts as one stranger: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class Bucket:
    """A token bucket: `rate` a second, at most `burst` at once. The caller gives the time, in seconds of any clock."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst, self._tokens, self._at = rate, burst, burst, float("-inf")

    def take(self, now: float) -> bool:
        passed = now - self._at
        self._tokens = self._burst if passed > self._burst / self._rate else self._tokens + passed * self._rate
        self._tokens, self._at = min(self._tokens, self._burst), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
