"""How often a secret may be guessed: by account, by address, in all. Pure but for the clock that it is given.

A name's lock counts for strangers' addresses only: from an address at which the person logged in before, their own
few guesses count, so that nobody can be locked out of their account by others, however many guess at everyone's. Keys
and providers are never locked. Names that nobody has are counted alike, so that a lock tells nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from gate.login.rates import Bucket, origin

FREE = 5
"""Wrong guesses without a wait."""
FIRST_WAIT, LONGEST_WAIT = 2.0, 900.0
FORGOTTEN_AFTER = 3600.0
KNOWN_FOR = 30 * 86400.0
KEPT = 20_000
"""Accounts and addresses that are remembered; the longest untouched are forgotten."""


class Lock(msgspec.Struct, frozen=True):
    """For operators: who has to wait, and until when (by the clock's count)."""

    name: str
    failures: int
    until: float


class _Count:
    __slots__ = ("failures", "last", "until")

    def __init__(self) -> None:
        self.failures, self.last, self.until = 0, 0.0, 0.0


class Guesses:
    def __init__(self, clock: Callable[[], float], rate: float = 50.0, burst: float = 100.0) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._total = Bucket(rate, burst)

    def wait(self, name: str, address: str) -> float:
        """Seconds until `name` may be guessed from `address`; 0 means now, and that one guess is counted in all."""
        now = self._clock()
        until = max((self._counts[key].until for key in self._keys(name, address) if key in self._counts), default=0.0)
        if until > now:
            return until - now
        return 0.0 if self._is_known(name, origin(address)) or self._total.take(now) else 1.0

    def failed(self, name: str, address: str) -> float:
        """Seconds of the wait that begins with this guess; 0 where none does."""
        now, began = self._clock(), 0.0
        for key in self._keys(name, address):
            count = self._counts.pop(key, None)
            if count is None or now - count.last > FORGOTTEN_AFTER:
                count = _Count()
            count.failures, count.last = count.failures + 1, now
            allowed = FREE if key[0] != "address" else FREE * 4
            if count.failures >= allowed and key[0] != "pair":
                count.until = now + min(FIRST_WAIT * 2 ** min(count.failures - allowed, 20), LONGEST_WAIT)
                began = max(began, count.until - now)
            self._counts[key] = count
        while len(self._counts) > KEPT:
            self._counts.popitem(last=False)
        return began

    def succeeded(self, name: str, address: str, *, guessed: bool = True) -> None:
        """The person is at `address`: guesses of others elsewhere do not hinder them here.

        What is forgotten is what they mistyped themselves, of the address's count too: many may share one. A login by a
        key (`guessed` false) forgives nobody's.
        """
        if guessed:
            self._forgive(name, address)
        key = (name, origin(address))
        self._known.pop(key, None)
        self._known[key] = self._clock() + KNOWN_FOR
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def _forgive(self, name: str, address: str) -> None:
        keys = self._keys(name, address)
        own = {kind: self._counts.pop(key) for key in keys if (kind := key[0]) != "address" and key in self._counts}
        shared = self._counts.get(("address", origin(address)))
        if shared is not None and "pair" in own:
            # An address whose wait was lifted counts from 0 again, and has no more to forgive than that.
            shared.failures = max(0, shared.failures - own["pair"].failures)

    def _keys(self, name: str, address: str) -> tuple[tuple[str, str], ...]:
        where = origin(address)
        if self._is_known(name, where):
            return (("here", f"{name} {where}"),)
        return ("name", name), ("address", where), ("pair", f"{name} {where}")

    def _is_known(self, name: str, where: str) -> bool:
        return self._known.get((name, where), 0.0) > self._clock()

    def locked(self, name: str) -> float:
        """Seconds that `name` still has to wait, where strangers guess."""
        count = self._counts.get(("name", name))
        return max(0.0, count.until - self._clock()) if count else 0.0

    def locks(self) -> tuple[Lock, ...]:
        now = self._clock()
        return tuple(
            Lock(key[1], count.failures, count.until) for key, count in self._counts.items() if count.until > now
        )

    def lift(self, name: str) -> bool:
        """Ends what keeps `name` (or an address) waiting; False where nothing did."""
        found = [key for key in self._counts if key[1] == name or key[1].startswith(f"{name} ")]
        for key in found:
            del self._counts[key]
        return bool(found)
