"""Which endpoint of a peer to send to. Pure; WireGuard itself follows a peer that sends from somewhere new."""

from __future__ import annotations

import msgspec

from model.ids import Endpoint

FRESH_HANDSHAKE = 180
"""Seconds. WireGuard makes a new handshake every two minutes while there is traffic."""
TRIAL = 6
"""Seconds that an endpoint is given to answer: one handshake and its first retry."""


class Path(msgspec.Struct, frozen=True):
    """What is being tried for one peer."""

    candidates: tuple[Endpoint, ...] = ()
    endpoint: Endpoint | None = None
    since: float = 0.0


def choose(
    before: Path, candidates: tuple[Endpoint, ...], live: Endpoint | None, handshake_age: float | None, now: float
) -> Path:
    """The path from now on: what works is kept, what is silent gives way to the next candidate in turn.

    `live` is where WireGuard sends at this moment, `handshake_age` None where there never was one.
    """
    current = live or before.endpoint
    if not candidates:
        return Path((), current, now)
    withdrawn = current in before.candidates and current not in candidates
    if current is not None and not withdrawn:
        if handshake_age is not None and handshake_age < FRESH_HANDSHAKE:
            return Path(candidates, current, now)
        if current == before.endpoint and now - before.since < TRIAL:
            return Path(candidates, current, before.since)
    at = candidates.index(current) + 1 if current in candidates else 0
    return Path(candidates, candidates[at % len(candidates)], now)
