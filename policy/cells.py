"""What one device lets in by either of two policies, in parts that no rule of them divides further."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from policy import nets, ports
from policy.access import Access, accesses, senders
from policy.compiled import Compiled
from policy.world import Seen, World

Place = str | nets.Span
"""`4` and `6` for a device's own addresses, else a span behind it."""
Cell = tuple[Place, int, int, int]
"""A place, a protocol, and a range of ports that no rule divides further."""
Who = tuple[int, tuple[nets.Span, ...]]
"""Devices as bits, and addresses that no device need have."""
Cells = dict[Cell, Who]


def between(
    old: Compiled, new: Compiled, receiver: Seen, worked: dict[object, tuple[Cells, Cells]]
) -> tuple[Cells, Cells]:
    """What `receiver` lets in more by `new` than by `old`, and what less. Devices that are alike share an answer."""
    world = old.world
    both = [list(accesses(compiled.near(receiver), receiver, world)) for compiled in (old, new)]
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
