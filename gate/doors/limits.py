"""How much a stranger may ask of the gate: counts of connections, by address and in all. Pure: no clock, no I/O."""

from __future__ import annotations

from collections import Counter

import msgspec

from gate.login.rates import origin


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Counts hold at one moment, times are seconds."""

    connections: int = 20_000
    """Open connections in all."""
    strangers: int = 400
    """Of them, those that did not log in yet, or are there to enroll."""
    strangers_per_address: int = 60
    """From one IPv4 address, or one IPv6 /64."""
    people_per_account: int = 32
    """Connections of one person."""
    sessions_per_person: int = 10
    """Sessions on one of them."""
    attempts: int = 6
    """Proofs that may fail on one connection: signatures, passwords, codes. An offered key is not one."""
    offers: int = 64
    """Requests to log in on one connection, offers included."""
    login_grace: float = 120.0
    """From connecting to being logged in: a person answers a host-key question and a passphrase in it."""
    keepalive: float = 60.0
    close_grace: float = 5.0
    """How long an ending gate waits for its clients."""


class Admission:
    """Who is in. Each `enter` that says None is answered by one `leave`, with at most one `known` between."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._strangers: Counter[str] = Counter()
        self.connections = 0
        self.strangers = 0
        self.turned_away = 0

    def enter(self, address: str) -> str | None:
        """Counts a connection in, or says why it is not let in."""
        reason = self.refusal(address)
        if reason:
            self.turned_away += 1
            return reason
        self.connections += 1
        self.strangers += 1
        self._strangers[origin(address)] += 1
        return None

    def refusal(self, address: str) -> str | None:
        """Why no more from `address` is let in now, if so."""
        where = origin(address)
        if self.connections >= self._limits.connections:
            return "the gate has as many connections as it takes; try again in a minute"
        if self._strangers[where] >= self._limits.strangers_per_address:
            return "too many connections from your address wait for a login; try again in a minute"
        if self.strangers >= self._limits.strangers:
            return "too many connections wait for a login; try again in a minute"
        return None

    def known(self, address: str) -> None:
        """Somebody of the network logged in: the connection counts as a stranger's no more."""
        self._no_stranger(address)

    def leave(self, address: str, *, known: bool) -> None:
        self.connections -= 1
        if not known:
            self._no_stranger(address)

    def _no_stranger(self, address: str) -> None:
        where = origin(address)
        self.strangers -= 1
        self._strangers[where] -= 1
        if not self._strangers[where]:
            del self._strangers[where]
