"""From one network to the next: an index moved on by what differs, so that a change costs what it changes."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import msgspec

from model.ids import DeviceID, UserName
from model.network import Network
from model.records import Device, User
from policy.routes import RouteTable, route_table
from policy.world import Seen, World, deal_slot, outsiders_of, see, world

Pair = tuple[Seen | None, Seen | None]
"""A device before and after; None where it is not in the network."""


class Step(msgspec.Struct, frozen=True):
    """The next world, and what in it differs as far as a policy can tell."""

    world: World
    devices: tuple[Pair, ...]
    users: frozenset[str]


def step(before: World, network: Network, changed: Iterable[DeviceID] | None) -> Step:
    """`network` indexed by what differs from `before`; `changed` names the devices that may differ, if known."""
    users = _changed_users(before.network, network)
    found = set(_differing(before.network, network)) if changed is None else set(changed)
    found |= before.network.standby ^ network.standby
    if users:
        found |= {device.id for device in (*before.network.devices, *network.devices) if device.user in users}
    out = outsiders_of(network) if users else before.outsiders
    pairs: list[Pair] = []
    for id in sorted(found, key=int):
        device = _record(network, id)
        if device is not None and not device.tags and device.user in out:
            device = None
        old = before.device(id)
        slot = deal_slot(id, before.slots, before.names) if device is not None else 0
        new = see(device, slot, standby=id in network.standby) if device is not None else None
        if old != new:
            pairs.append((old, new))
    return Step(_moved(before, network, pairs, renamed=bool(users)), tuple(pairs), frozenset(users))


def _changed_users(old: Network, new: Network) -> set[UserName]:
    if old.users is new.users:
        return set()
    earlier = {user.name: _facts(user) for user in old.users}
    later = {user.name: _facts(user) for user in new.users}
    return {name for name in earlier.keys() | later.keys() if earlier.get(name) != later.get(name)}


def _facts(user: User) -> tuple[object, ...]:
    return user.role, user.state, user.groups


def _differing(old: Network, new: Network) -> Iterator[DeviceID]:
    """The devices whose record is not the same object: only between the parts that agree at both ends."""
    first, second = old.devices, new.devices
    if first is second:
        return
    shorter = min(len(first), len(second))
    head = next((place for place in range(shorter) if first[place] is not second[place]), shorter)
    tail = next((place for place in range(shorter - head) if first[-1 - place] is not second[-1 - place]),
                shorter - head)  # fmt: skip
    earlier = {device.id: device for device in first[head : len(first) - tail]}
    for device in second[head : len(second) - tail]:
        if earlier.pop(device.id, None) is not device:
            yield device.id
    yield from earlier


def _record(network: Network, id: DeviceID) -> Device | None:
    place = bisect_left(network.devices, int(id), key=lambda device: device.rank)
    found = network.devices[place] if place < len(network.devices) else None
    return found if found is not None and found.id == id else None


def _moved(before: World, network: Network, pairs: list[Pair], *, renamed: bool) -> World:
    """`before` with `pairs` carried out."""
    replace = msgspec.structs.replace
    users: Mapping[str, User] = {user.name: user for user in network.users} if renamed else before.users
    outsiders = outsiders_of(network) if renamed else before.outsiders
    if not pairs:
        return replace(before, network=network, users=users, outsiders=outsiders)
    seen = [*before.seen, *[None] * (len(before.names) - len(before.seen))]
    sets = {"live": before.live, "member": before.member, "tagged": before.tagged, "exits": before.exits}
    by_user, by_tag = dict(before.by_user), dict(before.by_tag)
    addresses = before.addresses
    for old, new in pairs:
        for each, on in ((old, False), (new, True)):
            if each is not None:
                seen[each.slot] = new
                _mark(each, sets, by_user, by_tag, on=on)
        if (old.addresses if old else None) != (new.addresses if new else None):
            addresses = addresses.copy() if addresses is before.addresses else addresses
            for number in old.addresses if old is not None else ():
                del addresses[bisect_left(addresses, (number, old.slot if old is not None else 0))]
            for number in new.addresses if new is not None else ():
                insort(addresses, (number, new.slot if new is not None else 0))
    ordered = before.ordered and all(
        _in_place(new.slot, before.names) for old, new in pairs if old is None and new is not None
    )
    return replace(
        before, network=network, users=users, outsiders=outsiders, seen=tuple(seen),
        by_user=by_user, by_tag=by_tag, addresses=addresses,
        routes=_moved_routes(before, pairs, seen, addresses), ordered=ordered, **sets,
    )  # fmt: skip


def _in_place(slot: int, names: list[DeviceID]) -> bool:
    """Whether the device of a slot was registered between those of the slots beside it."""
    beside = [int(name) for name in names[max(0, slot - 1) : slot + 2]]
    return all(a < b for a, b in pairwise(beside))


def _mark(
    each: Seen, sets: dict[str, int], by_user: dict[str, tuple[int, ...]], by_tag: dict[str, int], *, on: bool
) -> None:
    bit = 1 << each.slot
    names = ["live", "tagged" if each.tags else "member", *(["exits"] if each.exits else [])]
    for name in names:
        sets[name] = sets[name] | bit if on else sets[name] & ~bit
    for tag in each.tags:
        left = by_tag.get(tag, 0) | bit if on else by_tag.get(tag, 0) & ~bit
        if left:
            by_tag[tag] = left
        else:
            by_tag.pop(tag, None)
    if not each.tags and each.user is not None:
        slots = {*by_user.get(each.user, ()), each.slot} if on else {*by_user.get(each.user, ())} - {each.slot}
        if slots:
            by_user[each.user] = tuple(sorted(slots))
        else:
            by_user.pop(each.user, None)


def _moved_routes(
    before: World, pairs: list[Pair], seen: list[Seen | None], addresses: list[tuple[int, int]]
) -> RouteTable:  # fmt: skip
    """The route table, put together anew only where a router changed or somebody moved within a route."""
    table = before.routes
    if not any(
        each is not None and (each.routes or table.meeting((number, number) for number in each.addresses))
        for pair in pairs if _routing(pair[0]) != _routing(pair[1]) for each in pair
    ):  # fmt: skip
        return table
    slots = sorted({*table.by_router, *(new.slot for _, new in pairs if new is not None)})
    serving = (each for slot in slots if (each := seen[slot]) is not None and each.routes)
    routers = ((each.slot, each.rank, each.standby, each.routes) for each in serving)
    return route_table(routers, addresses, len(seen), table)


def _routing(seen: Seen | None) -> object:
    return None if seen is None else (seen.addresses, seen.routes, seen.standby)


def moved_to(before: World, network: Network) -> World:
    """The index of `network`, taken from `before` where that is the same network at another moment."""
    if network is before.network:
        return before
    if (network.ipv4, network.ipv6) != (before.network.ipv4, before.network.ipv6):
        return world(network)
    return step(before, network, None).world
