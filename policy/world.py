"""A network made ready for the compiler: devices by number, sets of them as bits, addresses as integers.

A device's number is its slot. Slots are dealt in order of first sight and never again, so that a set made from one
network still means the same devices in the next.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from threading import Lock

import msgspec

from model.ids import DeviceID, Prefix, Tag, UserName
from model.network import Network
from model.records import Device, RouteState, User, UserState
from policy import nets
from policy.bits import bits_of, members
from policy.routes import RouteTable, route_table

_TEXTS = attrgetter("addresses", "ipv4", "ipv6")
EXIT = frozenset({"0.0.0.0/0", "::/0"})


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A device, as far as a policy can tell. Two that are equal are the same to every policy."""

    slot: int
    id: DeviceID
    rank: int
    user: UserName | None
    tags: tuple[Tag, ...]
    ipv4: str
    ipv6: str
    shown: tuple[DeviceID, tuple[Prefix, Prefix]]
    """How it stands among another's peers: with its addresses as prefixes."""
    addresses: tuple[int, int]
    routes: tuple[str, ...]
    """Approved subnet routes, without exit routes."""
    exits: tuple[Prefix, ...]
    attributes: Mapping[str, str]
    standby: bool


class World(msgspec.Struct, frozen=True, kw_only=True):
    network: Network
    slots: dict[DeviceID, int]
    """Only ever added to, and shared by all worlds of one line; so is `names`, its inverse."""
    names: list[DeviceID]
    seen: tuple[Seen | None, ...]
    """By slot. A tuple, which the collector walks but once where nothing in it can be part of a circle."""
    live: int
    users: Mapping[str, User]
    outsiders: frozenset[UserName]
    """People who are disabled: their devices are in no network."""
    by_user: Mapping[str, tuple[int, ...]]
    """Untagged devices of each person."""
    by_tag: Mapping[str, int]
    member: int
    tagged: int
    exits: int
    routes: RouteTable
    addresses: list[tuple[int, int]]
    """Every address with its device's slot, in order of address."""
    ranges: tuple[nets.Span, ...]
    """The network's own address space."""
    internet: tuple[nets.Span, ...]
    ordered: bool
    """Whether slots rise with rank."""

    def device(self, id: DeviceID) -> Seen | None:
        slot = self.slots.get(id)
        return None if slot is None or slot >= len(self.seen) else self.seen[slot]

    def at(self, slot: int) -> Seen:
        found = self.seen[slot]
        assert found is not None
        return found

    def holders(self, spans: Iterable[nets.Span]) -> int:
        """Devices with an address within `spans`."""
        found: list[int] = []
        for low, high in spans:
            first = bisect_left(self.addresses, (low, -1))
            last = bisect_right(self.addresses, (high, 1 << 62))
            found += [slot for _, slot in self.addresses[first:last]]
        return bits_of(found, len(self.seen)) if found else 0

    def text(self, span: nets.Span) -> str:
        """`span` as rules show it; a device's address comes without being put together anew."""
        if span[0] == span[1]:
            place = bisect_left(self.addresses, (span[0], -1))
            if place < len(self.addresses) and self.addresses[place][0] == span[0]:
                owner = self.at(self.addresses[place][1])
                return owner.ipv4 if span[0] < nets.SIX else owner.ipv6
        return nets.show_span(span)

    def texts(self, held: int, more: Sequence[nets.Span] = ()) -> tuple[str, ...]:
        """The addresses of the devices `held` and those of `more`, as rules show them: as few as say it, in order."""
        # A device's addresses are at hand as text: looking each up by its number would take most of the time.
        known: dict[int, str] = {}
        for (first, second), ipv4, ipv6 in map(_TEXTS, map(self.seen.__getitem__, members(held))):
            known[first], known[second] = ipv4, ipv6
        spans = [*more, *nets.runs(sorted(known))]
        merged = nets.merge(spans) if more else spans
        if tuple(merged) == nets.EVERYTHING:
            return ("*",)
        return tuple([known[low] if low == high and low in known else self.text((low, high)) for low, high in merged])

    def domain(self) -> str | None:
        """The domain that people are named in: that of the person known longest."""
        return self.network.users[0].name.rpartition("@")[2] if self.network.users else None

    def owner_devices(self, user: str | None) -> int:
        """The untagged devices of a person."""
        found = 0
        for slot in self.by_user.get(user, ()) if user is not None else ():
            found |= 1 << slot
        return found

    @property
    def width(self) -> int:
        """Bytes that hold a set of this world's devices, with room for more of them."""
        return 64 << (len(self.seen) >> 9).bit_length()


def see(device: Device, slot: int, *, standby: bool) -> Seen:
    approved = [route.prefix for route in device.routes if route.state is RouteState.APPROVED]
    first, second = nets.address(device.ipv4), nets.address(device.ipv6)
    assert first is not None
    assert second is not None
    attributes = device.attributes
    if device.os and "node:os" not in attributes:
        attributes = {"node:os": device.os, **attributes}
    return Seen(
        slot=slot, id=device.id, rank=device.rank, user=None if device.tags else device.user, tags=device.tags,
        ipv4=device.ipv4, ipv6=device.ipv6, addresses=(first, second),
        shown=(device.id, (Prefix(f"{device.ipv4}/32"), Prefix(f"{device.ipv6}/128"))),
        routes=tuple(route for route in approved if route not in EXIT) if approved else (),
        exits=tuple(sorted(route for route in approved if route in EXIT)) if approved else (),
        attributes=attributes, standby=standby,
    )  # fmt: skip


_dealing = Lock()


def deal_slot(id: DeviceID, slots: dict[DeviceID, int], names: list[DeviceID]) -> int:
    """The slot of a device, dealt at first sight."""
    slot = slots.get(id)
    if slot is None:
        # Worlds of one line share their slots, and threads may each take one further.
        with _dealing:
            slot = slots.setdefault(id, len(names))
            if slot == len(names):
                names.append(id)
    return slot


def outsiders_of(network: Network) -> frozenset[UserName]:
    """People whose devices are in no network while they are disabled."""
    return frozenset(user.name for user in network.users if user.state is UserState.DISABLED)


def world(network: Network, before: World | None = None) -> World:
    """`network` indexed whole. `before`, if given, lends its slots."""
    slots = before.slots if before is not None else {}
    names = before.names if before is not None else []
    out = outsiders_of(network)
    devices = [device for device in network.devices if device.tags or device.user not in out]
    for device in devices:
        deal_slot(device.id, slots, names)
    seen: list[Seen | None] = [None] * len(names)
    for device in devices:
        slot = slots[device.id]
        seen[slot] = see(device, slot, standby=device.id in network.standby)
    return _indexed(network, slots, names, tuple(seen), out)


def _indexed(
    network: Network, slots: dict[DeviceID, int], names: list[DeviceID], seen: tuple[Seen | None, ...],
    outsiders: frozenset[UserName],
) -> World:  # fmt: skip
    size = len(seen)
    here = [each for each in seen if each is not None]
    by_user: dict[str, list[int]] = {}
    by_tag: dict[str, list[int]] = {}
    for each in here:
        if each.tags:
            for tag in each.tags:
                by_tag.setdefault(tag, []).append(each.slot)
        elif each.user is not None:
            by_user.setdefault(each.user, []).append(each.slot)
    addresses = sorted((number, each.slot) for each in here for number in each.addresses)
    spans = [nets.prefix(network.ipv4), nets.prefix(network.ipv6)]
    ranges = tuple(span for span in spans if span is not None)
    ranks = [int(name) for name in names]
    return World(
        network=network, slots=slots, names=names, seen=seen, outsiders=outsiders,
        users={user.name: user for user in network.users},
        live=bits_of((each.slot for each in here), size),
        by_user={user: tuple(found) for user, found in by_user.items()},
        by_tag={tag: bits_of(found, size) for tag, found in by_tag.items()},
        member=bits_of((each.slot for each in here if not each.tags), size),
        tagged=bits_of((each.slot for each in here if each.tags), size),
        exits=bits_of((each.slot for each in here if each.exits), size),
        routes=route_table(((each.slot, each.rank, each.standby, each.routes) for each in here if each.routes),
                           addresses, size),
        addresses=addresses, ranges=ranges, internet=nets.internet(ranges),
        ordered=all(a < b for a, b in pairwise(ranks)),
    )  # fmt: skip
