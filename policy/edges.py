"""Rules in a network: who may send by a rule, who receives it, which routes come with it.

An `Edge` is the one place where a rule's meaning for devices is worked out; filters, peers, tests, explanations and
comparisons all ask it.
"""

from __future__ import annotations

from collections.abc import Sequence

from policy import nets
from policy.resolve import Resolved, Target, of_devices, of_spans, spans_of
from policy.rules import Rule
from policy.selectors import Kind
from policy.world import World


class Sources:
    """The sources of a rule together. Their text is worked out when first asked for, and kept."""

    __slots__ = ("_families", "_text", "held", "matched", "named", "parts", "routes", "row")

    def __init__(self, parts: Sequence[Resolved], world: World, satisfied: int | None) -> None:
        if satisfied is not None:
            parts = _fit(parts, satisfied, world)
        held = named = routers = routes = 0
        for part in parts:
            held |= part.held
            named |= part.held if part.identity else 0
            routers |= part.routers
            routes |= part.routes
        self.held = held
        """Devices with an address among the sources."""
        self.named = named
        """Devices that are among them by who they are, and so with both addresses."""
        self.matched = held | routers
        """Those, and routers of a prefix that meets the sources."""
        self.routes = routes
        self.parts = tuple(parts)
        self.row = self.matched.to_bytes(world.width, "little")
        """`matched` in bytes, where one device is found without copying the rest."""
        self._text: tuple[str, ...] | None = None
        self._families: dict[bool, int] = {}

    @property
    def empty(self) -> bool:
        return all(part.empty for part in self.parts)

    def same(self, other: Sources) -> bool:
        """Whether both show the same in a filter, given that no device of theirs changed its address."""
        return self.named == other.named and [p.spans for p in self.parts] == [p.spans for p in other.parts]

    def merged(self, world: World) -> tuple[nets.Span, ...]:
        return nets.merge([*(span for part in self.parts for span in part.spans), *spans_of(self.named, world)])

    def text(self, world: World) -> tuple[str, ...]:
        """As a filter shows them: the fewest addresses, prefixes and ranges, in order."""
        if self._text is None:
            self._text = world.texts(self.named, [span for part in self.parts for span in part.spans])
        return self._text

    def family(self, world: World, *, six: bool) -> int:
        """The devices whose IPv6 address is among the sources, or else those whose IPv4 address is."""
        if six not in self._families:
            space = nets.V6 if six else nets.V4
            spans = [span for part in self.parts for span in part.spans if space[0] <= span[0] <= space[1]]
            self._families[six] = self.named | world.holders(spans)
        return self._families[six]


def _fit(parts: Sequence[Resolved], satisfied: int, world: World) -> tuple[Resolved, ...]:
    """What a posture leaves of sources. It lets by devices: an address that no device shows to be fit is no source,
    and a device that is named by one address is not let by with its other."""
    named, spans = 0, list[nets.Span]()
    for part in parts:
        if part.identity:
            named |= part.held & satisfied
        else:
            own = spans_of(part.held & satisfied, world)
            spans += [span for span in own if nets.overlaps(part.spans, span)]
    return of_devices(named, world), *([of_spans(nets.merge(spans), world)] if spans else [])


class Edge:
    """A rule in a network. `receivers` are the devices that get it; of `autogroup:self`, see `own_senders`."""

    __slots__ = (
        "answer_routes", "answering", "elections", "exits", "index", "of_self", "own_senders", "receiver_row",
        "receivers", "return_routes", "routes", "rule", "sources", "targets",
    )  # fmt: skip

    def __init__(self, index: int, rule: Rule, sources: Sources, targets: tuple[Target, ...], world: World) -> None:
        self.index = index
        self.rule = rule
        self.sources = sources
        self.targets = targets
        self.own_senders = 0
        """Untagged devices that may send to the other devices of their owner."""
        self.receivers = self.routes = self.exits = 0
        """`routes`: what its senders may reach by it; `exits`: through which exit nodes they may reach the internet."""
        self.elections: tuple[tuple[int, int], ...] = ()
        """Routes that some may serve and others not, with those who may. `routes` without `via` may be anybody's."""
        if sources.empty:
            pass
        elif rule.via:
            self._by_via(world)
        else:
            self._by_receiver(world)
        filtered = rule.packets or (rule.application and not rule.via)
        self.return_routes = sources.routes if filtered else 0
        """Routes from which its receivers are reached."""
        self.of_self = any(target.kind is Kind.SELF for target in targets)
        self.answer_routes = 0
        """Routes that its senders are reached from, where a capability is answered."""
        self.answering = 0
        """Devices that answer, and so may reach the routes among its sources."""
        if rule.companions and not rule.via:
            for target in targets:
                self.answering |= target.own | target.routers
                self.answer_routes |= world.routes.all if target.kind is Kind.ANY else target.routes
        self.receiver_row = self.receivers.to_bytes(world.width, "little")
        """`receivers` in bytes, as `sources.row`."""

    def _by_receiver(self, world: World) -> None:
        for target in self.targets:
            if target.kind is Kind.SELF:
                self.own_senders = self.sources.held & world.member
            elif self.rule.packets:
                self.receivers |= target.receivers
                self.routes |= target.routes
                if target.internet:
                    self.exits = world.exits
            elif target.kind is Kind.ANY:
                # A capability for everything is narrowed to each device's own addresses. A router may route those.
                self.receivers |= target.own
                inhabited = (world.routes.served[place] for place in world.routes.inhabited)
                self.elections += tuple(
                    (1 << world.routes.places[each.span], each.bits & each.inhabitants) for each in inhabited
                )
            else:
                self.receivers |= target.own | target.routers
                self.routes |= target.routes

    def _by_via(self, world: World) -> None:
        tagged = 0
        for tag in self.rule.via:
            tagged |= world.by_tag.get(tag, 0)
        for target in self.targets:
            if target.kind is Kind.INTERNET:
                serving = self.exits = world.exits & tagged
                self.receivers |= serving
            elif target.pieces and target.kind is not Kind.ANY:
                serving = tagged
                self.receivers |= target.routers & tagged
            else:
                continue
            self.routes |= target.routes
            self.elections += ((target.routes, serving),)

    def widen(self, width: int) -> None:
        """Makes the rows so many bytes wide: then the byte of any device of the network is there to be looked at."""
        if len(self.sources.row) < width:
            self.sources.row = self.sources.matched.to_bytes(width, "little")
        if len(self.receiver_row) < width:
            self.receiver_row = self.receivers.to_bytes(width, "little")
