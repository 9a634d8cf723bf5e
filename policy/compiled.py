"""A policy and a network, compiled: filters, peers and logins of each device, worked out when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from model.ids import DeviceID, Prefix, Tag
from model.netmap import FilterRule, Logins
from model.records import Device, User
from policy import approvals, delivery, nets
from policy.admissions import ALWAYS, Admission, SSHRule, logins, names_of, ssh_rules
from policy.bits import bits_of, members
from policy.concerns import FEWEST, Concerns, concerns
from policy.document import Document
from policy.edges import Edge, Sources
from policy.postures import satisfied_by
from policy.program import Key, Program
from policy.resolve import Groups, Resolved, Target, groups_of, resolve, spans_of, target
from policy.selectors import IDENTITIES, Selector
from policy.world import Seen, World


class Stale(msgspec.Struct, frozen=True):
    """What a change leaves of a compilation: all but this."""

    sources: Mapping[Key, Resolved | None] = {}
    """Each with what it is now, where that is known already."""
    targets: frozenset[Key] = frozenset()
    fit: Mapping[tuple[str, ...], int] = {}
    """The devices that satisfy postures, as they are now."""
    edges: frozenset[int] = frozenset()
    admissions: frozenset[int] = frozenset()
    users: bool = False
    names: bool = False
    """Whether who may log in has changed, and not only where."""


class Compiled:
    """What a policy means in a network. Immutable; `advance` gives the next.

    Devices are told only of what is worked out here: filters, peers, logins, tests, explanations and comparisons all
    rest on `edges` and `admissions`.
    """

    def __init__(
        self, program: Program, world: World, before: Compiled | None = None, stale: Stale | None = None
    ) -> None:
        """Compiled whole, or from `before`, of which everything is kept but what is `stale`."""
        self.program = program
        self.world = world
        self.sources: dict[Key, Resolved] = {}
        self.targets: dict[Key, Target] = {}
        self.fit: dict[tuple[str, ...], int] = {}
        """The devices that satisfy one of some postures."""
        self._sources: dict[object, Sources] = {}
        self._logins: dict[object, Logins] = {}
        self._concerns: Concerns | None = None
        if before is None or stale is None:
            self.groups: Groups = groups_of(program.document.groups, world)
            self.edges = tuple(self.edge(index) for index in range(len(program.rules)))
            self.admissions = tuple(self.admission(index) for index in range(len(program.ssh)))
        else:
            self.groups = groups_of(program.document.groups, world) if stale.users else before.groups
            self.sources, self.targets = before.sources.copy(), before.targets.copy()
            for key, resolved in stale.sources.items():
                if resolved is None:
                    self.sources.pop(key, None)
                else:
                    self.sources[key] = resolved
            for key in stale.targets:
                self.targets.pop(key, None)
            self.fit = dict(stale.fit)
            if not stale.admissions:
                self._logins = before._logins
            edges, admissions = list(before.edges), list(before.admissions)
            if world.width > before.world.width:
                for edge in edges:
                    edge.widen(world.width)
            for index in stale.edges:
                edges[index] = self.edge(index)
            for index in stale.admissions:
                known = None if stale.names else before.admissions[index].names
                admissions[index] = self.admission(index, known)
            self.edges, self.admissions = tuple(edges), tuple(admissions)
            self._concerns = before._concerns and before._concerns.after(stale.edges, before.edges, self.edges)
        self.no_ipv4 = self.without_ipv4()

    # --- compiling

    @property
    def document(self) -> Document:
        return self.program.document

    def source(self, selector: Selector) -> Resolved:
        """`selector` as a source in this network."""
        found = self.sources.get(selector.key)
        if found is None:
            found = self.sources[selector.key] = resolve(selector, self.world, self.groups)
        return found

    def target(self, selector: Selector) -> Target:
        """`selector` as a destination in this network."""
        found = self.targets.get(selector.key)
        if found is None:
            identity = self.source(selector) if selector.kind in IDENTITIES else None
            found = self.targets[selector.key] = target(selector, self.world, identity)
        return found

    def spans(self, selector: Selector) -> tuple[nets.Span, ...]:
        """The addresses that `selector` names in this network."""
        found = self.source(selector)
        return found.spans if not found.identity else tuple(spans_of(found.held, self.world))

    def satisfied(self, postures: tuple[str, ...]) -> int | None:
        """The devices that satisfy one of `postures`; None where there are none to satisfy."""
        if not postures:
            return None
        found = self.fit.get(postures)
        if found is None:
            fit = (seen.slot for seen in self.world.seen if seen is not None and self.is_fit(seen, postures))
            found = self.fit[postures] = bits_of(fit, len(self.world.seen))
        return found

    def is_fit(self, seen: Seen, postures: tuple[str, ...]) -> bool:
        return satisfied_by(postures, self.program.postures, seen.attributes)

    def edge(self, index: int) -> Edge:
        rule = self.program.rules[index]
        words = tuple(selector.key for selector in rule.src), rule.postures
        sources = self._sources.get(words)
        if sources is None:
            parts = [self.source(selector) for selector in rule.src]
            sources = self._sources[words] = Sources(parts, self.world, self.satisfied(rule.postures))
        targets = tuple(self.target(destination.selector) for destination in rule.dst)
        return Edge(index, rule, sources, targets, self.world)

    def admission(self, index: int, names: frozenset[str] | None = None) -> Admission:
        """`names` are the rule's principals, if they are known to be the same as before."""
        policy = self.program.ssh[index]
        src = [self.source(selector).held for selector in policy.src]
        dst = [self.source(selector).held for selector in policy.dst]
        fit = self.satisfied(policy.postures)
        if names is None:
            names = names_of(policy, self.world, self.groups, fit)
        return Admission(policy, src, dst, fit, names)

    def without_ipv4(self) -> int:
        found = 0
        for selector in self.program.without_ipv4:
            found |= self.source(selector).held
        return found

    # --- what a device is told

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the policy says that has no meaning here."""
        return self.program.warnings

    @property
    def check_periods(self) -> frozenset[int]:
        """Seconds after a login within which some `check` rule lets it count; `always` is 60."""
        return frozenset(rule.check_period or ALWAYS for rule in self.program.ssh if rule.check_period is not None)

    @property
    def allows_all(self) -> bool:
        """Whether the policy has neither `acls` nor `grants`, and so lets everything pass."""
        return self.document.acls is None and self.document.grants is None

    @property
    def indexed(self) -> bool:
        """Whether it is ready to be asked about many devices, or needs no making ready."""
        return self._concerns is not None or len(self.edges) <= FEWEST

    def index(self) -> Compiled:
        """Itself, made ready to be asked about many devices. Takes some microseconds a device; what follows from it by
        small changes is ready too."""
        if not self.indexed:
            self._concerns = concerns(self.edges, len(self.world.seen))
        return self

    def near(self, seen: Seen) -> Sequence[Edge]:
        """The rules, in order, without some of those that say nothing about a device."""
        return self.edges if self._concerns is None else self._concerns.of(seen.slot, self.edges)

    def filter(self, device: DeviceID) -> tuple[FilterRule, ...]:
        """What may come in at `device`, in the policy's order. Empty for a device that is not in the network."""
        seen = self.world.device(device)
        return () if seen is None else delivery.filter(self.near(seen), seen, self.world)

    def visible(self, seen: Seen) -> int:
        """Whom a device knows, as bits over slots: whoever may send to it, and whoever it may send to."""
        return delivery.visible(self.near(seen), seen, self.world)

    def peers(self, device: DeviceID) -> Mapping[DeviceID, tuple[Prefix, ...]]:
        """The peers that `device` knows with what is routed to each, in order of id."""
        seen = self.world.device(device)
        return {} if seen is None else delivery.peers(self.near(seen), seen, self.world, self.no_ipv4)

    def knows_as(self, other: Compiled, device: DeviceID) -> bool:
        """Whether it is plain, without listing them, that `device` knows the same peers here as in `other`."""
        world, before = self.world, other.world
        if world.seen is not before.seen or world.routes.serving or world.exits or self.no_ipv4 != other.no_ipv4:
            return False
        seen = world.device(device)
        return seen is None or self.visible(seen) == other.visible(seen)

    def visible_from(self, device: DeviceID) -> frozenset[DeviceID]:
        """Who knows `device`; the same as whom it knows."""
        seen = self.world.device(device)
        return frozenset() if seen is None else self.ids(self.visible(seen))

    def ssh_rules(self, device: DeviceID) -> tuple[SSHRule, ...]:
        """The SSH rules of `device`; the first that matches a connection decides."""
        seen = self.world.device(device)
        return () if seen is None else ssh_rules(self.admissions, seen, self.world)

    def logins(self, device: DeviceID) -> Logins:
        """`{login: principals}` of `device`; `*` stands for any login but root without an entry of its own."""
        seen = self.world.device(device)
        if seen is None:
            return {}
        alike = self._alike(seen)
        found = self._logins.get(alike)
        if found is None:
            found = self._logins[alike] = logins(self.admissions, seen, self.world)
        return found

    def _alike(self, seen: Seen) -> object:
        """Devices of which this is equal have the same logins."""
        slot, named, held, own = seen.slot, 0, 0, False
        for place, admission in enumerate(self.admissions):
            policy = admission.policy
            named |= (admission.targets >> slot & 1) << place
            if policy.localparts:
                held |= (admission.held >> slot & 1) << place
            own = own or policy.own
        return named, held, seen.user if own or held else None, bool(seen.tags)

    # --- what the gate asks

    def auto_approved(self, device: Device) -> tuple[Prefix, ...]:
        """The routes of `device` that `autoApprovers` approve, of all that it offers."""
        return approvals.auto_approved(self.document, self.groups, self.world, device)

    def may_tag(self, user: User, tag: Tag) -> bool:
        """Whether `tagOwners` let `user` give a device `tag`."""
        return approvals.may_tag(self.document, self.groups, user, tag)

    # --- sets of devices

    def ids(self, bits: int) -> frozenset[DeviceID]:
        """The devices of a set; one that left the network just now is among them by the id that it had."""
        names = self.world.names
        return frozenset(map(names.__getitem__, members(bits)))

    def in_order(self, bits: int, most: int | None = None) -> list[Seen]:
        """The devices of a set in order of registration, or the first of them."""
        return delivery.in_order(bits, self.world, most)
