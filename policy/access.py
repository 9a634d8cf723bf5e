"""Access, rule by rule: from whom to what a device lets packets in. Explanations, reach and comparisons rest on it.

It is read from the same edges as filters are, destination by destination as they are delivered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from policy import nets, ports
from policy.compiled import Compiled
from policy.delivery import addresses
from policy.edges import Edge
from policy.fault import line_and_column
from policy.resolve import Target
from policy.rules import Way
from policy.selectors import Kind
from policy.world import Seen, World


class RuleRef(msgspec.Struct, frozen=True, order=True):
    """Where a rule stands: `acls[3]`, on a line of the policy's text. The rule of a policy without any is `default`."""

    section: str
    index: int
    line: int

    def __str__(self) -> str:
        return f"{self.section}[{self.index}]" if self.section != "default" else "no acls and no grants"


def rule_ref(compiled: Compiled, section: str, index: int, at: int) -> RuleRef:
    return RuleRef(section, index, line_and_column(compiled.document.text, at)[0])


def edge_ref(compiled: Compiled, edge: Edge) -> RuleRef:
    return rule_ref(compiled, edge.rule.section, edge.rule.index, edge.rule.at)


class Access(msgspec.Struct, frozen=True):
    """One destination of a rule as one device gets it: what lies there, in which ways, for which senders."""

    edge: Edge
    place: int
    """Of the destination, in the rule."""
    spans: tuple[nets.Span, ...]
    ways: tuple[Way, ...]
    own: bool
    """Whether it is `autogroup:self`, whose senders are the owner's."""


def accesses(edges: Sequence[Edge], seen: Seen, world: World) -> Iterator[Access]:
    """All that `seen` lets in."""
    own = 0 if seen.tags else world.owner_devices(seen.user)
    for edge in edges:
        if not edge.rule.packets:
            continue
        received = edge.receiver_row[seen.slot >> 3] >> (seen.slot & 7) & 1
        for place, (destination, target) in enumerate(zip(edge.rule.dst, edge.targets, strict=True)):
            is_own = target.kind is Kind.SELF
            if not (edge.own_senders & own if is_own else received):
                continue
            spans = delivered_spans(edge, target, seen, world)
            if spans:
                yield Access(edge, place, spans, destination.ways, is_own)


def delivered_spans(edge: Edge, target: Target, seen: Seen, world: World) -> tuple[nets.Span, ...]:
    found: list[nets.Span] = []
    for text in addresses(edge, target, seen, world):
        if text == "*":
            return nets.EVERYTHING
        span = nets.prefix(text) or nets.range_(text)
        assert span is not None
        found.append(span)
    return nets.merge(found)


def sends(access: Access, number: int, holder: Seen | None, receiver: Seen, world: World) -> bool:
    """Whether the address `number`, which is that of `holder` if it is a device's, is a sender of `access`."""
    edge = access.edge
    if access.own:
        owned = edge.own_senders & world.owner_devices(receiver.user)
        return holder is not None and bool(owned >> holder.slot & 1)
    for part in edge.sources.parts:
        if part.identity:
            if holder is not None and part.held >> holder.slot & 1:
                return True
        elif nets.contains(part.spans, (number, number)):
            return True
    return False


def opens(ways: tuple[Way, ...], port: int | None, protocols: frozenset[int]) -> bool:
    """Whether one of `ways` lets one of `protocols` through to `port`; None is for protocols without ports."""
    for way in ways:
        listed = frozenset(ports.DEFAULT_PROTOCOLS) if way.proto is None else frozenset((way.proto,))
        if listed & protocols and (port is None or any(low <= port <= high for low, high in way.ports)):
            return True
    return False


def show_ways(ways: tuple[Way, ...]) -> tuple[str, ...]:
    """As a grant would write them: `*`, `22`, `tcp:80-90`."""
    names = {number: name for name, number in reversed(ports.NAMES.items())}
    found = []
    for way in ways:
        head = "" if way.proto is None else f"{names.get(way.proto, way.proto)}:"
        found += [head + ports.show(each) for each in way.ports]
    return tuple(found)


def senders(access: Access, receiver: Seen, world: World, *, six: bool) -> int:
    """The devices that may send by `access` from their address of one family."""
    edge = access.edge
    if access.own:
        return edge.own_senders & world.owner_devices(receiver.user)
    return edge.sources.family(world, six=six)
