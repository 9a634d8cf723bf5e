"""Why something may pass or may not: the rule that decides, or what is missing."""

from __future__ import annotations

from itertools import islice

import msgspec

from model.errors import Invalid, NotFound
from model.ids import quoted
from policy import nets, ports
from policy.access import Access, RuleRef, accesses, edge_ref, opens, rule_ref, sends, show_ways
from policy.admissions import Admission, shares
from policy.bits import members
from policy.compiled import Compiled
from policy.fault import Fault
from policy.naming import Spot, device_names, devices, person_named, spots
from policy.world import Seen

MAX_PAIRS = 10_000
"""Pairs of source and destination that one explanation looks at."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """`allowed` holds where every source that was meant reaches every destination.

    `source` and `destination` are the first pair that fails, or the first of all where none does. `rule` decides for
    it, `router` passes its packets on, and `why` says so in a sentence.
    """

    allowed: bool
    source: str
    destination: str
    port: int | None
    proto: str | None
    rule: RuleRef | None
    router: str | None
    why: str
    hint: str | None = None
    pairs: int = 1
    """Pairs looked at, and `reached` of them pass."""
    reached: int = 0


class Decision(msgspec.Struct, frozen=True):
    """What came of one pair: the `access` that lets it pass, or else what comes close: `near` is open to the source on
    other ports, `far` is open to other sources. `said` is the reason where it is none of these."""

    access: Access | None = None
    router: Seen | None = None
    near: tuple[Access, ...] = ()
    far: tuple[Access, ...] = ()
    said: tuple[str, str | None] | None = None


def explain(compiled: Compiled, src: str, dst: str, port: int | None, proto: str | None = None) -> Explanation:
    """Whether packets from `src` reach `port` of `dst`, and by which rule.

    Both may be a device, a person, a tag, a group, a host of the policy or an address. Without `proto` it is asked
    whether any of the default protocols passes; `port` is None for protocols without ports.
    Raises `NotFound` for a name that nothing has, `Invalid` for an unknown protocol.
    """
    question = _Question(compiled, port, _protocols(proto))
    froms, tos = spots(compiled, src), spots(compiled, dst)
    each = ((one, other) for one in froms for other in tos if one.numbers != other.numbers)
    pairs = list(islice(each, MAX_PAIRS))
    if not pairs:
        what = src if not froms else dst
        said = f"{what} names no device here" if not froms or not tos else f"{src} and {dst} are one device"
        return Explanation(allowed=False, source=src, destination=dst, port=port, proto=proto, rule=None, router=None,
                           why=said, pairs=0)  # fmt: skip
    decided = [(one, other, question.decide(one, other)) for one, other in pairs]
    one, other, decision = next((found for found in decided if found[2].access is None), decided[0])
    why, hint = question.said(one, other, decision)
    return Explanation(
        allowed=decision.access is not None, source=one.label, destination=other.label, port=port, proto=proto,
        rule=edge_ref(compiled, decision.access.edge) if decision.access is not None else None,
        router=device_names(compiled)[decision.router.id] if decision.router is not None else None,
        why=why, hint=hint, pairs=len(pairs), reached=sum(found.access is not None for _, _, found in decided),
    )  # fmt: skip


def _protocols(proto: str | None) -> frozenset[int]:
    if proto is None:
        return frozenset(ports.DEFAULT_PROTOCOLS)
    try:
        return frozenset((ports.protocol(proto, 0),))
    except Fault as fault:
        raise Invalid(fault.message, hint=fault.hint) from None


class _Question:
    """May anything pass on these ports and protocols? Asked of many pairs, a receiver's accesses are listed once."""

    def __init__(self, compiled: Compiled, port: int | None, protocols: frozenset[int]) -> None:
        self.compiled = compiled
        self.world = compiled.world
        self.port = port
        self.protocols = protocols
        self._accesses: dict[int, tuple[Access, ...]] = {}

    def decide(self, one: Spot, other: Spot) -> Decision:
        """What decides for one source and one destination."""
        return self._behind(one, other) if other.seen is None else self._at(one, other, other.seen)

    def _at(self, one: Spot, other: Spot, receiver: Seen, router: Seen | None = None) -> Decision:
        """What `receiver` lets in of what comes from `one` for `other`."""
        if receiver.slot not in self._accesses:
            self._accesses[receiver.slot] = tuple(accesses(self.compiled.near(receiver), receiver, self.world))
        near: list[Access] = []
        far: list[Access] = []
        for access in self._accesses[receiver.slot]:
            if not any(nets.overlaps(access.spans, (number, number)) for number in other.numbers):
                continue
            sent = self._sent(access, one, other, receiver)
            if sent and opens(access.ways, self.port, self.protocols):
                return Decision(access, router)
            (near if sent else far).append(access)
        return Decision(None, router, tuple(near), tuple(far))

    def _sent(self, access: Access, one: Spot, other: Spot, receiver: Seen) -> bool:
        """Whether an address of `one` may send to one of `other` of its own family."""
        for number in one.numbers:
            reachable = any(
                (number < nets.SIX) is (place < nets.SIX) and nets.overlaps(access.spans, (place, place))
                for place in other.numbers
            )
            if reachable and sends(access, number, one.seen, receiver, self.world):
                return True
        return False

    def _behind(self, one: Spot, other: Spot) -> Decision:
        """An address that no device has is reached through a router that carries its prefix for the source."""
        number, world = other.numbers[0], self.world
        decision: Decision | None = None
        for router in self._routers(one, number):
            decision = self._at(one, other, router, router)
            if decision.access is not None:
                return decision
        if decision is not None:
            return decision
        places = world.routes.meeting(((number, number),))
        if not places and not (world.exits and nets.contains(world.internet, (number, number))):
            return Decision(said=(f"no device has {other.label}, and no approved route leads there",
                                  "approve a route with: devices routes NAME --approve PREFIX"))  # fmt: skip
        serving = members(world.routes.routers(places) | (0 if places else world.exits))
        decision = self._at(one, other, world.at(serving[0]))
        if decision.access is None:
            return decision
        return Decision(said=(f"no router carries {other.label} for {one.label}", None))

    def _routers(self, one: Spot, number: int) -> list[Seen]:
        """Who carries `number` for the source: of a device its peers with the longest such prefix, else all who serve
        it."""
        world = self.world
        if one.seen is None:
            served = world.routes.routers(world.routes.meeting(((number, number),)))
            return [world.at(slot) for slot in members(served)]
        best: list[tuple[int, Seen]] = []
        own = 1 if self.compiled.no_ipv4 else 2
        for id, prefixes in self.compiled.peers(one.seen.id).items():
            peer = world.device(id)
            if len(prefixes) > own and peer is not None:
                spans = (span for prefix in prefixes if (span := nets.prefix(prefix)) is not None)
                best += [(span[1] - span[0], peer) for span in spans if span[0] <= number <= span[1]]
        narrowest = min((width for width, _ in best), default=0)
        return [peer for width, peer in best if width == narrowest]

    def said(self, one: Spot, other: Spot, decision: Decision) -> tuple[str, str | None]:
        """The decision in a sentence, and what to do about it."""
        if decision.access is not None:
            ref = edge_ref(self.compiled, decision.access.edge)
            return f"{ref} on line {ref.line} lets {one.label} reach {other.label}", None
        if decision.said is not None:
            return decision.said
        wanted = _port(self.port, self.protocols)
        if decision.near:
            ref = edge_ref(self.compiled, decision.near[0].edge)
            ways = ", ".join(dict.fromkeys(text for access in decision.near for text in show_ways(access.ways)))
            return (f"{one.label} may reach {other.label} only on {ways}: {ref} on line {ref.line} does not open "
                    f"{wanted}", f"add the port to {ref}")  # fmt: skip
        opening = [access for access in decision.far if opens(access.ways, self.port, self.protocols)]
        if opening:
            ref = edge_ref(self.compiled, opening[0].edge)
            words = ", ".join(selector.text for selector in opening[0].edge.rule.src)
            return (f"{one.label} is not among the sources of {ref} on line {ref.line} ({words}), which opens "
                    f"{wanted} of {other.label}", f"name a source of {one.label} there")  # fmt: skip
        return f"no rule lets anything reach {wanted} of {other.label}", "add an entry to acls or grants"


def _port(port: int | None, protocols: frozenset[int]) -> str:
    if len(protocols) == 1:
        number = next(iter(protocols))
        name = next((name for name, known in ports.NAMES.items() if known == number), str(number))
        return name if port is None else f"{name}:{port}"
    return "it" if port is None else f"port {port}"


# --- SSH logins


class SSHExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """`action` is accept, check or deny; `check_period_s` is how fresh a login must be, where it is check."""

    action: str
    source: str
    login: str
    destination: str
    rule: RuleRef | None
    check_period_s: int | None
    why: str
    hint: str | None = None
    packets: Explanation
    """Whether port 22 of the host can be reached at all."""


def explain_ssh(compiled: Compiled, src: str, login: str, host: str) -> SSHExplanation:
    """Whether the person, tag or device `src` may log in as `login` on the device `host`, and by which rule.

    Raises `NotFound` where `src` or `host` is nobody's name.
    """
    found = [spot for spot in spots(compiled, host) if spot.seen is not None]
    if not found or found[0].seen is None:
        raise NotFound(f"{quoted(host)} is no device of this network")
    principals = _principals(compiled, src)
    packets = explain(compiled, src, host, 22, "tcp")
    action, admission, why, hint = _login(compiled, principals, login, found[0].seen, src, host)
    policy = admission.policy if admission is not None else None
    return SSHExplanation(
        action=action, source=src, login=login, destination=host, why=why, hint=hint, packets=packets,
        check_period_s=policy.check_period if policy is not None and action == "check" else None,
        rule=rule_ref(compiled, "ssh", policy.index, policy.at) if policy is not None else None,
    )  # fmt: skip


def _principals(compiled: Compiled, src: str) -> frozenset[str]:
    """The principals in the certificates of `src`."""
    if src.startswith("tag:"):
        return frozenset((src,))
    by_name = next((device for device in compiled.world.network.devices if device.name == src), None)
    person = person_named(compiled, src)
    if person is not None and by_name is None:
        return frozenset((person,))
    held = devices(compiled, src)
    if not held:
        raise NotFound(f"{quoted(src)} is nobody and nothing in this network")
    found: set[str] = set()
    for slot in members(held):
        seen = compiled.world.at(slot)
        found |= set(seen.tags) if seen.tags else {seen.user} if seen.user is not None else set()
    return frozenset(found)


def _login(
    compiled: Compiled, principals: frozenset[str], login: str, host: Seen, src: str, name: str
) -> tuple[str, Admission | None, str, str | None]:
    ordered = sorted(compiled.admissions, key=lambda admission: admission.policy.action != "check")
    here = named = False
    for admission in ordered:
        ref = rule_ref(compiled, "ssh", admission.policy.index, admission.policy.at)
        for scope, users in shares(admission, host, compiled.world):
            here = True
            if not principals & admission.names_of(scope):
                continue
            named = True
            if users.get(login) or (login != "root" and users.get("*")):
                action = admission.policy.action
                verb = "lets" if action == "accept" else "asks for a fresh login and lets"
                return action, admission, f"{ref} on line {ref.line} {verb} {src} log in as {login}", None
    if not here:
        return "deny", None, f"no ssh rule has {name} among its destinations", "add an entry to ssh"
    if not named:
        return "deny", None, f"no ssh rule for {name} has {src} among its sources", "name a source of it in ssh"
    return "deny", None, f"no ssh rule lets {src} log in as {login} on {name}", "add the login to the rule's users"
