"""What a device is told: its filter, its peers, and the routes that each peer carries for it."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from model.ids import DeviceID, Prefix
from model.netmap import FilterDestination, FilterRule
from policy.bits import members
from policy.edges import Edge
from policy.resolve import Target, spans_of
from policy.selectors import Kind
from policy.world import Seen, World

Edges = Sequence[Edge]
_SHOWN = attrgetter("shown")


def _owned(seen: Seen, world: World) -> int:
    """The devices of the same owner; none for a device that has tags instead."""
    return 0 if seen.tags else world.owner_devices(seen.user)


# --- peers


def visible(edges: Edges, seen: Seen, world: World) -> int:
    slot, own, found = seen.slot, _owned(seen, world), 0
    at, bit = slot >> 3, 1 << (slot & 7)
    for edge in edges:
        if edge.receiver_row[at] & bit:
            found |= edge.sources.matched
        if edge.sources.row[at] & bit:
            found |= edge.receivers
        if edge.own_senders and edge.own_senders & own:
            found |= edge.own_senders & own
            if edge.own_senders >> slot & 1:
                found |= own
    return found & ~(1 << slot)


def in_order(bits: int, world: World, most: int | None = None) -> list[Seen]:
    slots = members(bits)
    if world.ordered:
        return [world.at(slot) for slot in slots[:most]]
    return sorted((world.at(slot) for slot in slots), key=lambda each: each.rank)[:most]


def peers(edges: Edges, seen: Seen, world: World, no_ipv4: int) -> dict[DeviceID, tuple[Prefix, ...]]:
    """Peers in order of id, each with its own addresses and the routes that it carries for `seen`."""
    known = visible(edges, seen, world)
    slots = members(known)
    if not world.ordered:
        slots.sort(key=lambda slot: world.at(slot).rank)
    out: dict[DeviceID, tuple[Prefix, ...]] = dict(map(_SHOWN, map(world.seen.__getitem__, slots)))
    for slot in members(known if no_ipv4 >> seen.slot & 1 else known & no_ipv4):
        peer = world.at(slot)
        out[peer.id] = peer.shown[1][1:]
    for slot, prefixes in _routed(edges, seen, world, known).items():
        peer = world.at(slot)
        out[peer.id] = (*out[peer.id], *prefixes)
    return out


def _routed(edges: Edges, seen: Seen, world: World, known: int) -> dict[int, list[Prefix]]:
    """Which known router carries which routes: its own routes' primary for a router, the elected among those that
    a rule leads to, and the primary of a route from which packets come."""
    slot, table = seen.slot, world.routes
    forward = back = exits = 0
    elected: dict[int, int] = {}
    at, bit = slot >> 3, 1 << (slot & 7)
    for edge in edges:
        if edge.return_routes and edge.receiver_row[at] & bit:
            back |= edge.return_routes
        if edge.answering >> slot & 1:
            forward |= edge.sources.routes
        if not (edge.routes or edge.elections or edge.exits or edge.answer_routes) or not edge.sources.row[at] & bit:
            continue
        back |= edge.answer_routes
        exits |= edge.exits
        if not edge.rule.via:
            forward |= edge.routes
        for routes, serving in edge.elections:
            for place in members(routes):
                if among := table.served[place].bits & serving:
                    elected[place] = elected.get(place, 0) | among
    own = table.by_router.get(slot, 0)
    out: dict[int, list[Prefix]] = {}
    for place in table.in_order({*members(forward | back | own), *elected}):
        served = table.served[place]
        only = elected.get(place) if not (own | forward) >> place & 1 else None
        router = served.primary(only)
        if router is not None and known >> router & 1:
            out.setdefault(router, []).append(served.prefix)
    for router in members(exits & known):
        out.setdefault(router, []).extend(world.at(router).exits)
    return out


# --- filters


def filter(edges: Edges, seen: Seen, world: World) -> tuple[FilterRule, ...]:
    out: list[FilterRule] = []
    own = _owned(seen, world)
    at, bit = seen.slot >> 3, 1 << (seen.slot & 7)
    for edge in edges:
        if not edge.rule.packets:
            continue
        if edge.receiver_row[at] & bit:
            out += _delivered(edge, seen, world, edge.sources.text(world), own_part=False)
        senders = edge.own_senders and edge.own_senders & own
        if senders:
            out += _delivered(edge, seen, world, world.texts(senders), own_part=True)
    return tuple(out)


def _delivered(edge: Edge, seen: Seen, world: World, src: tuple[str, ...], *, own_part: bool) -> list[FilterRule]:
    """The rule as `seen` gets it; `own_part` is what `autogroup:self` gives, the rest goes apart from it."""
    ways: dict[int | None, dict[FilterDestination, None]] = {}
    for destination, place in zip(edge.rule.dst, edge.targets, strict=True):
        if (place.kind is Kind.SELF) is not own_part:
            continue
        found_at = addresses(edge, place, seen, world)
        for way in destination.ways if found_at else ():
            found = ways.setdefault(way.proto, {})
            for address in found_at:
                for ports in way.ports:
                    found[FilterDestination(address, ports)] = None
    return [FilterRule(src, tuple(dst), () if proto is None else (proto,)) for proto, dst in ways.items()]


def addresses(edge: Edge, place: Target, seen: Seen, world: World) -> list[str]:
    """The destination as `seen` receives it: whole, never narrowed to what it serves."""
    if edge.rule.via:
        return _via_addresses(place, seen)
    if place.pieces:
        return [piece.text for piece in place.pieces if piece.receivers >> seen.slot & 1]
    held = world.owner_devices(seen.user) if place.kind is Kind.SELF else place.own
    out = [seen.ipv4, seen.ipv6] if held >> seen.slot & 1 else []
    for route in world.routes.routes_of(seen.slot):
        inside = route.inhabitants & held & ~(1 << seen.slot)
        out += [
            world.text(span) for span in sorted(spans_of(inside, world))
            if route.span[0] <= span[0] <= route.span[1]
        ]  # fmt: skip
    return out


def _via_addresses(place: Target, seen: Seen) -> list[str]:
    if place.kind is Kind.INTERNET:
        return [piece.text for piece in place.pieces] if seen.exits else []
    if place.kind is Kind.ANY:
        return []
    return [piece.text for piece in place.pieces if piece.routers >> seen.slot & 1]
