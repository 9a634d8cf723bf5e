"""A policy and a network, compiled: filters, peers and logins of each device, worked out when asked for."""

from __future__ import annotations

from collections.abc import Mapping

from model.ids import DeviceID, Prefix
from model.netmap import FilterDestination, FilterRule
from model.network import Network
from policy import nets
from policy.bits import members
from policy.document import Document, read
from policy.edges import Edge, Sources
from policy.fault import Fault, located
from policy.resolve import Groups, Resolved, Target, groups_of, resolve, spans_of, target
from policy.rules import Rule, rules
from policy.selectors import Definitions, Kind, Selector
from policy.world import Seen, World, world


class Compiled:
    """What a policy means in a network. Immutable; `advance` gives the next."""

    def __init__(self, document: Document, world: World, definitions: Definitions, rules: tuple[Rule, ...]) -> None:
        self.document = document
        self.world = world
        self.definitions = definitions
        self.rules = rules
        self.groups: Groups = groups_of(document.groups, world)
        self._sources: dict[tuple[Kind, str], Resolved] = {}
        self._targets: dict[tuple[Kind, str], Target] = {}
        self.edges = tuple(self._edge(index, rule) for index, rule in enumerate(rules))
        self.no_ipv4 = 0

    # --- compiling

    def source(self, selector: Selector) -> Resolved:
        found = self._sources.get(selector.key)
        if found is None:
            found = self._sources[selector.key] = resolve(selector, self.world, self.groups)
        return found

    def target(self, selector: Selector) -> Target:
        found = self._targets.get(selector.key)
        if found is None:
            found = self._targets[selector.key] = target(selector, self.world, self.groups)
        return found

    def _edge(self, index: int, rule: Rule) -> Edge:
        sources = Sources([self.source(selector) for selector in rule.src], self.world, None)
        targets = tuple(self.target(destination.selector) for destination in rule.dst)
        return Edge(index, rule, sources, targets, self.world)

    # --- what a device is told

    @property
    def allows_all(self) -> bool:
        return self.document.acls is None and self.document.grants is None

    def visible(self, seen: Seen) -> int:
        """Whom a device knows, as bits over slots: whoever may send to it, and whoever it may send to."""
        slot, found = seen.slot, 0
        own = 0 if seen.tags else self.world.owner_devices(seen.user)
        for edge in self.edges:
            if edge.receives(slot):
                found |= edge.sources.matched
            if edge.sends(slot):
                found |= edge.receivers
            if own and edge.own_senders & own:
                found |= edge.own_senders & own
                if edge.own_senders >> slot & 1:
                    found |= own
        return found & ~(1 << slot)

    def peers(self, device: DeviceID) -> Mapping[DeviceID, tuple[Prefix, ...]]:
        """The peers that `device` knows with what is routed to each, in order of id."""
        seen = self.world.device(device)
        if seen is None:
            return {}
        visible = self.visible(seen)
        everyone = self.world.seen
        peers = [peer for slot in members(visible) if (peer := everyone[slot]) is not None]
        if not self.world.ordered:
            peers.sort(key=lambda peer: peer.rank)
        out: dict[DeviceID, tuple[Prefix, ...]] = {peer.id: peer.own for peer in peers}
        without = visible if self.no_ipv4 >> seen.slot & 1 else visible & self.no_ipv4
        for slot in members(without):
            peer = self.world.at(slot)
            out[peer.id] = peer.own[1:]
        for slot, prefixes in self._routed(seen, visible).items():
            peer = self.world.at(slot)
            out[peer.id] = (*out[peer.id], *prefixes)
        return out

    def _routed(self, seen: Seen, visible: int) -> dict[int, list[Prefix]]:
        """Which visible router carries which routes for a device."""
        slot, table = seen.slot, self.world.routes
        forward = back = exits = 0
        elected: dict[int, int] = {}
        for edge in self.edges:
            if edge.receives(slot):
                back |= edge.return_routes
            if not (edge.routes or edge.exits or edge.answer_routes) or not edge.sends(slot):
                continue
            back |= edge.answer_routes
            exits |= edge.exits
            if edge.candidates is None:
                forward |= edge.routes
                continue
            for place in members(edge.routes):
                among = table.served[place].bits & edge.candidates
                if among:
                    elected[place] = elected.get(place, 0) | among
        own = table.by_router.get(slot, 0)
        wanted = forward | back | own
        out: dict[int, list[Prefix]] = {}
        for place in sorted({*members(wanted), *elected}):
            served = table.served[place]
            only = elected.get(place) if not (own | forward) >> place & 1 else None
            router = served.primary(only)
            if router is not None and visible >> router & 1:
                out.setdefault(router, []).append(served.prefix)
        for router in members(exits & visible):
            out.setdefault(router, []).extend(self.world.at(router).exits)
        return out

    def filter(self, device: DeviceID) -> tuple[FilterRule, ...]:
        """What may come in at `device`, in the policy's order."""
        seen = self.world.device(device)
        if seen is None:
            return ()
        out: list[FilterRule] = []
        own = 0 if seen.tags else self.world.owner_devices(seen.user)
        for edge in self.edges:
            if edge.rule.packets and edge.receives(seen.slot):
                out += self._delivered(edge, seen, edge.sources.text, own_part=False)
            senders = edge.own_senders & own
            if senders and edge.rule.packets:
                spans = nets.merge(spans_of(senders, self.world))
                out += self._delivered(edge, seen, tuple(map(self.world.text, spans)), own_part=True)
        return tuple(out)

    def _delivered(self, edge: Edge, seen: Seen, src: tuple[str, ...], *, own_part: bool) -> list[FilterRule]:
        ways: dict[int | None, dict[FilterDestination, None]] = {}
        for destination, place in zip(edge.rule.dst, edge.targets, strict=True):
            if (place.kind is Kind.SELF) is not own_part:
                continue
            addresses = self._addresses(edge, place, seen)
            for way in destination.ways if addresses else ():
                found = ways.setdefault(way.proto, {})
                for address in addresses:
                    for ports in way.ports:
                        found[FilterDestination(address, ports)] = None
        return [FilterRule(src, tuple(dst), () if proto is None else (proto,)) for proto, dst in ways.items()]

    def _addresses(self, edge: Edge, place: Target, seen: Seen) -> list[str]:
        """The destination `place` as `seen` receives it."""
        if edge.rule.via:
            return self._via_addresses(place, seen)
        if place.pieces:
            return [piece.text for piece in place.pieces if piece.receivers >> seen.slot & 1]
        held = self.world.owner_devices(seen.user) if place.kind is Kind.SELF else place.own
        out = [seen.ipv4, seen.ipv6] if held >> seen.slot & 1 else []
        for route in members(self.world.routes.by_router.get(seen.slot, 0)):
            served = self.world.routes.served[route]
            inside = served.inhabitants & held & ~(1 << seen.slot)
            out += [
                self.world.text(span) for span in sorted(spans_of(inside, self.world))
                if served.span[0] <= span[0] <= served.span[1]
            ]  # fmt: skip
        return out

    def _via_addresses(self, place: Target, seen: Seen) -> list[str]:
        if place.kind is Kind.INTERNET:
            return [piece.text for piece in place.pieces] if seen.exits else []
        if place.kind is Kind.ANY:
            return []
        return [piece.text for piece in place.pieces if piece.routers >> seen.slot & 1]


def compile(document: Document, network: Network, *, run_tests: bool = False) -> Compiled:
    """What `document` means in `network`. Raises `PolicyRefused`, with line and column."""
    indexed = world(network)
    try:
        definitions = Definitions(document, indexed.internet)
        return Compiled(document, indexed, definitions, rules(document, definitions))
    except Fault as fault:
        raise located(fault, document.text) from None


def check(text: str, network: Network) -> Compiled:
    """`text` read, compiled for `network`, and held to its own tests. Raises `PolicyRefused`."""
    return compile(read(text), network, run_tests=True)
