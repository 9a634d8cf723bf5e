"""Addresses dealt to devices: the lowest free one, as intervals, so that a deal costs the same in a full network.

An address that a device gave up rests until every certificate that may name it has ended. The IPv6 address follows
from the IPv4 one; both go by its number, which is the IPv4 address as an integer.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from model.errors import Conflict, Invalid, Limited
from model.ids import Address, UserName
from model.network import DEFAULT_IPV4, DEFAULT_IPV6, RESERVED
from store import settings

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

LEAST_REST = 30 * 86400
"""Seconds that an address rests at least: a host's certificate may live so long, unless the claims say more, and after
a restore nobody knows what was signed since the backup."""

_REAP = 64
"""Rested addresses that one deal puts back."""
_BITS_BESIDE = 96
"""An IPv6 range this long or shorter has room for a whole IPv4 address in its last bits."""


class Ranges:
    """The two ranges of a network, and how one address follows from the other."""

    def __init__(self, ipv4: str, ipv6: str) -> None:
        self.ipv4 = ipaddress.IPv4Network(ipv4)
        self.ipv6 = ipaddress.IPv6Network(ipv6)
        first = int(self.ipv4.network_address)
        self._shift = 0 if self.ipv6.prefixlen <= _BITS_BESIDE else first
        self.first = first + 1
        self.last = min(int(self.ipv4.broadcast_address) - 1, self._shift + self.ipv6.num_addresses - 1)

    def addresses(self, number: int) -> tuple[Address, Address]:
        ipv6 = self.ipv6[number - self._shift]
        return Address(str(ipaddress.IPv4Address(number))), Address(str(ipv6))

    def numbers(self, ipv4: str, ipv6: str) -> set[int]:
        """What a device with these addresses keeps from others: one number, two where they do not belong together."""
        six = ipaddress.IPv6Address(ipv6)
        found = {int(ipaddress.IPv4Address(ipv4))}
        if six in self.ipv6:
            found.add(int(six) - int(self.ipv6.network_address) + self._shift)
        return {number for number in found if self.first <= number <= self.last}

    def free(self, taken: Iterable[int]) -> Iterator[tuple[int, int]]:
        """The intervals of numbers that are neither taken nor reserved."""
        reserved = [(int(net[0]), int(net[-1])) for net in RESERVED]
        start = self.first
        for low, high in sorted([*reserved, *((number, number) for number in taken)]):
            if low > start:
                yield start, min(low - 1, self.last)
            start = max(start, high + 1)
            if start > self.last:
                return
        if start <= self.last:
            yield start, self.last


def ranges(r: Reader) -> Ranges:
    ipv4, ipv6 = settings.get(r, settings.IPV4), settings.get(r, settings.IPV6)
    return _ranges(str(ipv4 or DEFAULT_IPV4), str(ipv6 or DEFAULT_IPV6))


_ranges = functools.lru_cache(maxsize=16)(Ranges)


def longest_life(r: Reader) -> int:
    """The longest that the claims give a certificate that is issued now, and `LEAST_REST` at least, in seconds."""
    table = settings.get(r, settings.CLAIMS, [])
    given = [row.get("maximum") for row in table] if isinstance(table, list) else []
    return max([LEAST_REST, *(maximum for maximum in given if isinstance(maximum, int))])


def take(tx: Transaction) -> tuple[Address, Address]:
    """Deals the lowest free IPv4 address and the IPv6 address beside it. Raises `Limited` where none is left."""
    space = _settled(tx)
    _reap(tx)
    row = tx.sql.execute("SELECT first FROM free_addresses ORDER BY first LIMIT 1").fetchone()
    if row is None:
        (resting,) = tx.sql.execute("SELECT count(*) FROM released_addresses").fetchone()
        raise Limited(
            f"no address is left in {space.ipv4}; {resting} rest until the certificates that name them have ended",
            hint="remove devices that are no longer used, then wait for the longest life of a certificate",
        )
    _cut(tx, row[0])
    return space.addresses(row[0])


def claim(tx: Transaction, ipv4: Address, ipv6: Address | None = None) -> tuple[Address, Address]:
    """Deals these very addresses; without `ipv6` the one beside `ipv4`.

    Raises `Invalid` where they are outside the network's ranges or reserved, `Conflict` where they are taken or rest.
    """
    space = _settled(tx)
    _reap(tx)
    number = int(ipaddress.IPv4Address(ipv4))
    if not space.first <= number <= space.last or any(ipaddress.IPv4Address(ipv4) in net for net in RESERVED):
        raise Invalid(f"{ipv4} is not an address that {space.ipv4} has to deal", hint="leave it out to get a free one")
    beside = space.addresses(number)[1] if ipv6 is None else ipv6
    if ipaddress.IPv6Address(beside) not in space.ipv6:
        raise Invalid(f"{beside} is not in {space.ipv6}", hint="leave it out to get a free one")
    for each in space.numbers(ipv4, beside):
        if not _cut(tx, each):
            raise Conflict(
                f"the addresses {ipv4} and {beside} are taken, or rest since their device was removed",
                hint="leave them out to get free ones",
            )
    return ipv4, beside


def release(
    tx: Transaction, ipv4: Address, ipv6: Address, named_until: int = 0, *, user: UserName | None = None
) -> None:
    """Puts a device's addresses to rest: for the longest life of a certificate, and until `named_until` at least.

    `user` is whose device it was.
    """
    space = _settled(tx)
    held_until = max(tx.now + longest_life(tx), named_until)
    tx.sql.executemany(
        "INSERT OR REPLACE INTO released_addresses (number, released_at, held_until, user) VALUES (?, ?, ?, ?)",
        [(number, tx.now, held_until, user) for number in space.numbers(ipv4, ipv6)],
    )


def resting_of(r: Reader, user: UserName) -> int:
    """How many addresses rest that devices of `user` gave up."""
    row = r.sql.execute(
        "SELECT count(*) FROM released_addresses WHERE user = ? AND held_until > ?", (user, r.now)
    ).fetchone()
    return int(row[0])


def rest_next(tx: Transaction, count: int) -> None:
    """Puts the next addresses that would be dealt to rest for the longest life: `count`, or half of the free ones."""
    _settled(tx)
    held_until = tx.now + longest_life(tx)
    (free,) = tx.sql.execute("SELECT coalesce(sum(last - first + 1), 0) FROM free_addresses").fetchone()
    for _ in range(min(count, free // 2)):
        (number,) = tx.sql.execute("SELECT min(first) FROM free_addresses").fetchone()
        _cut(tx, number)
        tx.sql.execute(
            "INSERT OR REPLACE INTO released_addresses (number, released_at, held_until) VALUES (?, ?, ?)",
            (number, tx.now, held_until),
        )


def _settled(tx: Transaction) -> Ranges:
    """The ranges, with the free intervals made anew where they are of other ranges than the settings'."""
    space = ranges(tx)
    names = (str(space.ipv4), str(space.ipv6))
    if tx.sql.execute("SELECT ipv4, ipv6 FROM address_space").fetchone() == names:
        return space
    used = {
        number
        for ipv4, ipv6 in tx.sql.execute("SELECT ipv4, ipv6 FROM devices")
        for number in space.numbers(ipv4, ipv6)
    }
    used.update(number for (number,) in tx.sql.execute("SELECT number FROM released_addresses"))
    tx.sql.execute("DELETE FROM free_addresses")
    tx.sql.executemany("INSERT INTO free_addresses VALUES (?, ?)", space.free(used))
    tx.sql.execute("DELETE FROM address_space")
    tx.sql.execute("INSERT INTO address_space VALUES (?, ?)", names)
    return space


def _cut(tx: Transaction, number: int) -> bool:
    """Takes `number` out of the interval that holds it; False where it is not free."""
    row = tx.sql.execute(
        "SELECT first, last FROM free_addresses WHERE first <= ? ORDER BY first DESC LIMIT 1", (number,)
    ).fetchone()
    if row is None or row[1] < number:
        return False
    first, last = row
    tx.sql.execute("DELETE FROM free_addresses WHERE first = ?", (first,))
    rest = [(low, high) for low, high in ((first, number - 1), (number + 1, last)) if low <= high]
    tx.sql.executemany("INSERT INTO free_addresses VALUES (?, ?)", rest)
    return True


def _reap(tx: Transaction) -> None:
    """Puts addresses that have rested back among the free ones."""
    rested = tx.sql.execute(
        "SELECT number FROM released_addresses WHERE held_until <= ? AND released_at <= ? ORDER BY held_until LIMIT ?",
        (tx.now, tx.now - longest_life(tx), _REAP),
    ).fetchall()
    if not rested:
        return
    space = ranges(tx)
    for (number,) in rested:
        tx.sql.execute("DELETE FROM released_addresses WHERE number = ?", (number,))
        if space.first <= number <= space.last:
            _free(tx, number)


def _free(tx: Transaction, number: int) -> None:
    """Adds `number` to the free intervals, joined with its neighbours."""
    sql = tx.sql
    below = sql.execute("SELECT first FROM free_addresses WHERE last = ?", (number - 1,)).fetchone()
    above = sql.execute("SELECT last FROM free_addresses WHERE first = ?", (number + 1,)).fetchone()
    first, last = (below[0] if below else number), (above[0] if above else number)
    sql.execute("DELETE FROM free_addresses WHERE first IN (?, ?)", (first, number + 1))
    sql.execute("INSERT INTO free_addresses VALUES (?, ?)", (first, last))
