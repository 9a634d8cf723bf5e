"""Subnet routes: who serves which prefix, which routes a set of addresses meets, who of several is primary."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import msgspec

from model.ids import Prefix
from policy import nets
from policy.bits import bits_of


class Served(msgspec.Struct, frozen=True):
    """A prefix and its routers, the earliest registered first."""

    prefix: Prefix
    span: nets.Span
    routers: tuple[int, ...]
    standby: frozenset[int]
    bits: int
    inhabitants: int
    """Devices whose own address lies in the prefix: none, unless somebody routes a part of the network's own space."""

    def primary(self, among: int | None = None) -> int | None:
        """The router that serves the prefix, of all or of the set `among`: the earliest registered that stands ready,
        or the earliest of all where none does."""
        candidates = [slot for slot in self.routers if among is None or among >> slot & 1]
        return next((slot for slot in candidates if slot not in self.standby), candidates[0] if candidates else None)


class RouteTable(msgspec.Struct, frozen=True):
    """All served prefixes, in order of address; sets of them are bits over their places here."""

    served: tuple[Served, ...]
    starts: tuple[int, ...]
    places: dict[nets.Span, int]
    widths: tuple[tuple[int, int, int], ...]
    """The sizes of prefixes that occur, with where their family begins and ends: what may hold an address is
    looked up once a size."""
    by_router: dict[int, int]
    inhabited: tuple[int, ...]
    all: int

    def meeting(self, spans: Iterable[nets.Span]) -> int:
        """The routes that share an address with `spans`."""
        found = 0
        for low, high in spans:
            first, last = bisect_left(self.starts, low), bisect_right(self.starts, high)
            if last > first:
                found |= (1 << last) - (1 << first)
            for width, begin, end in self.widths:
                if begin <= low <= end:
                    start = low & ~(width - 1)
                    place = self.places.get((start, start + width - 1))
                    if place is not None:
                        found |= 1 << place
        return found

    def met_by_devices(self, devices: int) -> int:
        """The routes in which one of `devices` has its own address."""
        found = 0
        for place in self.inhabited:
            if self.served[place].inhabitants & devices:
                found |= 1 << place
        return found

    def routers(self, places: int) -> int:
        """Who serves one of the routes `places`."""
        if places == self.all:
            return self.serving
        found = 0
        for place in _places(places):
            found |= self.served[place].bits
        return found

    @property
    def serving(self) -> int:
        found = 0
        for each in self.served:
            found |= each.bits
        return found


def _places(bits: int) -> Iterable[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def route_table(
    routers: Iterable[tuple[int, int, bool, Sequence[str]]], addresses: Sequence[tuple[int, int]], size: int
) -> RouteTable:
    """The table of `routers` (slot, rank, standby, prefixes); `addresses` are the devices' own, in order."""
    found: dict[nets.Span, tuple[str, list[tuple[int, int]]]] = {}
    standby: set[int] = set()
    for slot, rank, waits, prefixes in routers:
        if waits:
            standby.add(slot)
        for prefix in prefixes:
            span = nets.prefix(prefix)
            assert span is not None
            found.setdefault(span, (prefix, []))[1].append((rank, slot))
    served = []
    for span in sorted(found, key=lambda span: (span[0], span[1])):
        prefix, ranked = found[span]
        slots = tuple(slot for _, slot in sorted(ranked))
        first, last = bisect_left(addresses, (span[0], -1)), bisect_right(addresses, (span[1], 1 << 62))
        inside = bits_of((slot for _, slot in addresses[first:last]), size) if last > first else 0
        served.append(Served(
            Prefix(prefix), span, slots, frozenset(slots) & standby, bits_of(slots, size), inside
        ))  # fmt: skip
    by_router: dict[int, int] = {}
    for place, each in enumerate(served):
        for slot in each.routers:
            by_router[slot] = by_router.get(slot, 0) | 1 << place
    widths = {(span[1] - span[0] + 1, *(nets.V4 if span[0] < nets.SIX else nets.V6)) for span in found}
    return RouteTable(
        served=tuple(served), starts=tuple(each.span[0] for each in served),
        places={each.span: place for place, each in enumerate(served)}, widths=tuple(sorted(widths)),
        by_router=by_router, inhabited=tuple(place for place, each in enumerate(served) if each.inhabitants),
        all=(1 << len(served)) - 1,
    )  # fmt: skip
