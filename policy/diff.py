"""What a new policy changes in a network: who gains and who loses which access, before it is set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from model.ids import DeviceID
from policy import nets, ports
from policy.access import Access, accesses, senders
from policy.bits import members
from policy.edges import Edge
from policy.naming import device_names
from policy.reach import Login
from policy.world import Seen, World

if TYPE_CHECKING:
    from policy.compiled import Compiled

MAX_LISTED = 1_000
"""Changes of a kind that are listed; all are counted."""
MAX_SOURCES = 100
"""Devices that one change lists as its sources."""


class Change(msgspec.Struct, frozen=True):
    """`sources` (devices by name, then addresses that no device has) gain or lose `ways` to `destination`.

    `nets` is empty for the device itself; else it is what lies behind it.
    """

    destination: str
    nets: tuple[str, ...]
    ways: tuple[str, ...]
    sources: tuple[str, ...]
    """The first of them; there are `count` in all."""
    count: int


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    gained_pairs: int
    """Of a source and a destination between which something passes that did not."""
    lost_pairs: int
    logins_gained: tuple[Login, ...]
    logins_lost: tuple[Login, ...]
    gained_logins: int
    """Of a host and a login there that somebody gets who did not."""
    lost_logins: int
    devices: frozenset[DeviceID]
    """Those that are touched: as a source, as a destination, or by a login."""

    @property
    def empty(self) -> bool:
        return not (self.gained_pairs or self.lost_pairs or self.gained_logins or self.lost_logins)


Place = str | nets.Span
"""`4` and `6` for a device's own addresses, else a span behind it."""
Cell = tuple[Place, int, int, int]
"""A place, a protocol, and a range of ports that no rule divides further."""
Who = tuple[int, tuple[nets.Span, ...]]
"""Devices as bits, and addresses that no device need have."""
Cells = dict[Cell, Who]


def diff(old: Compiled, new: Compiled) -> Diff:
    """From `old` to `new`, both taken in the network of `old`."""
    from policy.compiled import Compiled

    if new.world is not old.world:
        new = Compiled(new.program, old.world)
    tally = {True: _Side(old), False: _Side(old)}
    touched = 0
    worked: dict[object, tuple[Cells, Cells]] = {}
    for receiver in old.in_order(_concerned(old, new)):
        gained, lost = _between(old, new, receiver, worked)
        for side, cells in ((tally[True], gained), (tally[False], lost)):
            touched |= side.add(receiver, cells)
    logins_gained, logins_lost, hosts = _logins(old, new)
    names = old.world.names
    return Diff(
        gained=tuple(tally[True].changes), lost=tuple(tally[False].changes),
        gained_pairs=tally[True].pairs, lost_pairs=tally[False].pairs,
        logins_gained=tuple(logins_gained[:MAX_LISTED]), logins_lost=tuple(logins_lost[:MAX_LISTED]),
        gained_logins=len(logins_gained), lost_logins=len(logins_lost),
        devices=frozenset(names[slot] for slot in members(touched)) | hosts,
    )  # fmt: skip


# --- which devices to look at


def _alike(edge: Edge) -> object:
    """Rules of which this is equal let the same pass."""
    sources = edge.sources
    return (
        edge.rule.packets, sources.named, tuple(part.spans for part in sources.parts), edge.receivers,
        edge.own_senders, edge.rule.via,
        tuple((target.kind, target.own, target.spans, each.ways)
              for target, each in zip(edge.targets, edge.rule.dst, strict=True)),
    )  # fmt: skip


def _concerned(old: Compiled, new: Compiled) -> int:
    """The devices that get a rule which is not in both."""
    before, after = ({_alike(edge): edge for edge in compiled.edges} for compiled in (old, new))
    found = 0
    for alike in before.keys() ^ after.keys():
        edge = before.get(alike) or after[alike]
        found |= edge.receivers
        for slot in members(edge.own_senders):
            found |= old.world.owner_devices(old.world.at(slot).user)
    return found


# --- what one device lets in


def _between(
    old: Compiled, new: Compiled, receiver: Seen, worked: dict[object, tuple[Cells, Cells]]
) -> tuple[Cells, Cells]:
    world = old.world
    both = [list(accesses(compiled.edges, receiver, world)) for compiled in (old, new)]
    serves = bool(receiver.exits) or receiver.slot in world.routes.by_router
    signature: object = receiver.slot if serves else tuple(
        tuple((each.edge.index, each.place, _own_places(each, receiver), receiver.user if each.own else None)
              for each in found)
        for found in both
    )  # fmt: skip
    if signature not in worked:
        places = _cut_places(both, receiver, world) if serves else {}
        edges = _cut_ports(both)
        before, after = (_cells(found, receiver, world, places, edges) for found in both)
        worked[signature] = _less(after, before), _less(before, after)
    return worked[signature]


def _own_places(access: Access, receiver: Seen) -> tuple[str, ...]:
    return tuple(
        "6" if number >= nets.SIX else "4" for number in receiver.addresses
        if nets.overlaps(access.spans, (number, number))
    )  # fmt: skip


def _cut_places(both: Iterable[list[Access]], receiver: Seen, world: World) -> dict[Access, list[nets.Span]]:
    """What lies behind a router, access by access, in spans that no access divides further."""
    behind = [route.span for route in world.routes.routes_of(receiver.slot)]
    behind += world.internet if receiver.exits else ()
    clipped = {
        id(access): [
            (max(low, first), min(high, last)) for low, high in access.spans for first, last in behind
            if max(low, first) <= min(high, last)
        ]
        for found in both for access in found
    }  # fmt: skip
    starts = sorted({start for spans in clipped.values() for low, high in spans for start in (low, high + 1)})
    out: dict[Access, list[nets.Span]] = {}
    for found in both:
        for access in found:
            spans = nets.merge(clipped[id(access)])
            out[access] = [
                (low, next_low - 1) for low, next_low in pairwise(starts)
                if nets.contains(spans, (low, next_low - 1))
            ]  # fmt: skip
    return out


def _cut_ports(both: Iterable[list[Access]]) -> list[int]:
    return sorted({
        edge for found in both for access in found for way in access.ways for low, high in way.ports
        for edge in (low, high + 1)
    })  # fmt: skip


def _cells(
    found: list[Access], receiver: Seen, world: World, places: Mapping[Access, list[nets.Span]], edges: list[int]
) -> Cells:
    out: Cells = {}
    for access in found:
        at: list[Place] = [*_own_places(access, receiver), *places.get(access, ())]
        for place in at:
            six = place == "6" or (not isinstance(place, str) and place[0] >= nets.SIX)
            who = _who(access, receiver, world, six=six)
            for way in access.ways:
                for proto in ports.DEFAULT_PROTOCOLS if way.proto is None else (way.proto,):
                    for low, high in _divided(way.ports, edges):
                        cell = (place, proto, low, high)
                        bits, spans = out.get(cell, (0, ()))
                        out[cell] = bits | who[0], nets.merge((*spans, *who[1])) if who[1] else spans
    return out


def _divided(ranges: Iterable[ports.Ports], edges: list[int]) -> Iterable[ports.Ports]:
    for low, high in ranges:
        inner = [edge for edge in edges if low <= edge <= high + 1]
        yield from ((start, end - 1) for start, end in pairwise(inner))


def _who(access: Access, receiver: Seen, world: World, *, six: bool) -> Who:
    bits = senders(access, receiver, world, six=six)
    if access.own:
        return bits, ()
    spans = [
        span for part in access.edge.sources.parts for span in part.spans
        if (span[0] >= nets.SIX) is six and not (span[0] == span[1] and world.holders((span,)))
    ]  # fmt: skip
    # The network's own space is its devices, which are there already.
    return bits, nets.subtract(spans, world.ranges) if spans else ()


def _less(cells: Cells, than: Cells) -> Cells:
    out: Cells = {}
    for cell, (bits, spans) in cells.items():
        known_bits, known_spans = than.get(cell, (0, ()))
        left = bits & ~known_bits, nets.subtract(spans, known_spans) if spans else ()
        if left[0] or left[1]:
            out[cell] = left
    return out


# --- gathering


class _Side:
    """What is gained, or what is lost."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.names = device_names(compiled)
        self.changes: list[Change] = []
        self.pairs = 0

    def add(self, receiver: Seen, cells: Cells) -> int:
        """Counts and lists what changes at `receiver`; returns the devices that it touches."""
        itself = 1 << receiver.slot
        by_place: dict[Place, tuple[int, tuple[nets.Span, ...]]] = {}
        groups: dict[tuple[bool, Who], list[Cell]] = {}
        for cell, (bits, spans) in cells.items():
            who = bits & ~itself, spans
            if not who[0] and not who[1]:
                continue
            place = "own" if isinstance(cell[0], str) else cell[0]
            known = by_place.get(place, (0, ()))
            by_place[place] = known[0] | who[0], nets.merge((*known[1], *who[1]))
            groups.setdefault((place == "own", who), []).append(cell)
        self.pairs += sum(bits.bit_count() + len(spans) for bits, spans in by_place.values())
        touched = itself if by_place else 0
        for bits, _ in by_place.values():
            touched |= bits
        for (own, who), found in groups.items():
            if len(self.changes) < MAX_LISTED:
                self.changes.append(self._change(receiver, own, who, found))
        return touched

    def _change(self, receiver: Seen, own: bool, who: Who, cells: list[Cell]) -> Change:
        places = [] if own else [cell[0] for cell in cells if not isinstance(cell[0], str)]
        sources = [self.names[seen.id] for seen in self.compiled.in_order(who[0], MAX_SOURCES)]
        return Change(
            self.names[receiver.id], tuple(map(nets.show_span, nets.merge(places))), show_cells(cells),
            (*sources, *map(nets.show_span, who[1])), who[0].bit_count() + len(who[1]),
        )  # fmt: skip


def show_cells(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Protocols and ports in the fewest words: `22`, `tcp:80-90`, `*`."""
    by_proto: dict[int, set[ports.Ports]] = {}
    for _, proto, low, high in cells:
        by_proto.setdefault(proto, set()).add((low, high))
    joined = {proto: nets.merge(ranges) for proto, ranges in by_proto.items()}
    names = {number: name for name, number in reversed(ports.NAMES.items())}
    out: list[str] = []
    for ranges in dict.fromkeys(joined.values()):
        protos = [proto for proto, found in joined.items() if found == ranges]
        heads = [f"{names.get(proto, proto)}:" for proto in protos]
        if set(ports.DEFAULT_PROTOCOLS) <= set(protos):
            heads = ["", *(f"{names.get(each, each)}:" for each in protos if each not in ports.DEFAULT_PROTOCOLS)]
        for head in heads:
            out += [
                head
                + ("*" if span == ports.ALL_PORTS else str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}")
                for span in ranges
            ]
    return tuple(out)


def _logins(old: Compiled, new: Compiled) -> tuple[list[Login], list[Login], frozenset[DeviceID]]:
    names = device_names(old)
    gained: list[Login] = []
    lost: list[Login] = []
    hosts: set[DeviceID] = set()
    for seen in old.in_order(old.world.live):
        before, after = old.logins(seen.id), new.logins(seen.id)
        if before == after:
            continue
        hosts.add(seen.id)
        for login in sorted(before.keys() | after.keys()):
            was, now = set(before.get(login, ())), set(after.get(login, ()))
            for found, extra in ((gained, now - was), (lost, was - now)):
                if extra:
                    found.append(Login(names[seen.id], login, tuple(sorted(extra))))
    return gained, lost, frozenset(hosts)
