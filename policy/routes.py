"""Subnet routes: who serves which prefix, which routes a set of addresses meets, who of several is primary."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import msgspec

from model.ids import Prefix
from policy import nets
from policy.bits import bits_of, members


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
    """All prefixes served, each at a place of its own; sets of them are bits over places.

    A place, once given, stays its prefix's, so that a set means the same routes in a later table.
    """

    served: tuple[Served, ...]
    starts: tuple[int, ...]
    """First addresses in order, of `order`."""
    order: tuple[int, ...]
    """Places in order of address."""
    places: dict[nets.Span, int]
    widths: tuple[tuple[int, int, int], ...]
    """The sizes of prefixes that occur, with where their family begins and ends: what may hold an address is
    looked up once a size."""
    by_router: dict[int, int]
    inhabited: tuple[int, ...]
    all: int
    serving: int
    """Everyone who serves a route."""

    def meeting(self, spans: Iterable[nets.Span]) -> int:
        """The routes that share an address with `spans`."""
        found = 0
        for low, high in spans:
            first, last = bisect_left(self.starts, low), bisect_right(self.starts, high)
            for place in self.order[first:last]:
                found |= 1 << place
            for width, begin, end in self.widths:
                if begin <= low <= end:
                    start = low & ~(width - 1)
                    place_of = self.places.get((start, start + width - 1))
                    if place_of is not None:
                        found |= 1 << place_of
        return found & self.all

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
        for place in members(places):
            found |= self.served[place].bits
        return found

    def in_order(self, places: Iterable[int]) -> list[int]:
        return sorted(places, key=lambda place: self.served[place].span)

    def routes_of(self, slot: int) -> list[Served]:
        """What a device serves, in order of address."""
        return [self.served[place] for place in self.in_order(members(self.by_router.get(slot, 0)))]


Router = tuple[int, int, bool, Sequence[str]]
"""Slot, rank, whether on standby, prefixes."""


def route_table(
    routers: Iterable[Router], addresses: Sequence[tuple[int, int]], size: int, before: RouteTable | None = None
) -> RouteTable:
    """The table of `routers`; `addresses` are the devices' own, in order. `before` lends its places."""
    found: dict[nets.Span, list[tuple[int, int]]] = {}
    names: dict[nets.Span, str] = {}
    standby: set[int] = set()
    for slot, rank, waits, prefixes in routers:
        if waits:
            standby.add(slot)
        for prefix in prefixes:
            span = nets.prefix(prefix)
            assert span is not None
            names.setdefault(span, prefix)
            ranked = found.setdefault(span, [])
            if (rank, slot) not in ranked:
                ranked.append((rank, slot))
    places = dict(before.places) if before is not None else {}
    for span in sorted(found):
        places.setdefault(span, len(places))
    served = [
        _served(span, names.get(span, ""), sorted(found.get(span, ())), standby, addresses, size) for span in places
    ]
    return _indexed(tuple(served), places)


def _served(
    span: nets.Span, prefix: str, ranked: Sequence[tuple[int, int]], standby: set[int],
    addresses: Sequence[tuple[int, int]], size: int,
) -> Served:  # fmt: skip
    slots = tuple(slot for _, slot in ranked)
    first, last = bisect_left(addresses, (span[0], -1)), bisect_right(addresses, (span[1], 1 << 62))
    inside = bits_of((slot for _, slot in addresses[first:last]), size) if slots and last > first else 0
    return Served(Prefix(prefix), span, slots, frozenset(slots) & standby, bits_of(slots, size) if slots else 0, inside)


def _indexed(served: tuple[Served, ...], places: dict[nets.Span, int]) -> RouteTable:
    by_router: dict[int, int] = {}
    every = serving = 0
    for place, each in enumerate(served):
        serving |= each.bits
        every |= bool(each.routers) << place
        for slot in each.routers:
            by_router[slot] = by_router.get(slot, 0) | 1 << place
    order = tuple(place for _, place in sorted((each.span, place) for place, each in enumerate(served)))
    widths = {(each.span[1] - each.span[0] + 1, *(nets.V4 if each.span[0] < nets.SIX else nets.V6)) for each in served}
    return RouteTable(
        served=served, starts=tuple(served[place].span[0] for place in order), order=order, places=places,
        widths=tuple(sorted(widths)), by_router=by_router,
        inhabited=tuple(place for place, each in enumerate(served) if each.inhabitants), all=every, serving=serving,
    )  # fmt: skip
