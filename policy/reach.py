"""What a device or person reaches, and who reaches it, rule by rule."""

from __future__ import annotations

import msgspec

from model.errors import NotFound
from model.ids import quoted
from policy import nets
from policy.access import RuleRef, accesses, edge_ref, senders, show_ways
from policy.bits import members
from policy.compiled import Compiled
from policy.naming import device_names, devices, person_named
from policy.rules import Rule
from policy.world import Seen


class Reached(msgspec.Struct, frozen=True):
    """What one rule opens: `devices` by name, `nets` that routers and exit nodes lead to, each in all of `ways`."""

    rule: RuleRef
    devices: tuple[str, ...]
    nets: tuple[str, ...]
    ways: tuple[str, ...]


class Login(msgspec.Struct, frozen=True):
    """A login that is open on `device` to `principals`; `fresh:` before a name asks for a login just made."""

    device: str
    login: str
    principals: tuple[str, ...]


class Reach(msgspec.Struct, frozen=True):
    name: str
    devices: tuple[str, ...]
    """Whose reach it is: the device, or the person's devices."""
    outgoing: tuple[Reached, ...]
    incoming: tuple[Reached, ...]
    logins_out: tuple[Login, ...]
    logins_in: tuple[Login, ...]


def reach(compiled: Compiled, name: str) -> Reach:
    """Of a device, a person or a tag. Raises `NotFound` for a name that nothing has."""
    held = devices(compiled, name)
    if held is None:
        raise NotFound(f"{quoted(name)} is nobody and nothing in this network", hint="name a device, a person or a tag")
    names = device_names(compiled)
    own = compiled.in_order(held)
    return Reach(
        name=name, devices=tuple(names[seen.id] for seen in own),
        outgoing=_outgoing(compiled, held), incoming=_incoming(compiled, own),
        logins_out=_logins_out(compiled, name, own),
        logins_in=tuple(
            Login(names[seen.id], login, principals)
            for seen in own for login, principals in compiled.logins(seen.id).items()
        ),
    )  # fmt: skip


Found = dict[tuple[RuleRef, tuple[str, ...]], tuple[int, dict[str, None]]]
"""By rule and ways: devices as bits, nets in order."""


def _add(found: Found, key: tuple[RuleRef, tuple[str, ...]], held: int, places: list[str]) -> None:
    before, known = found.get(key, (0, {}))
    found[key] = before | held, known | dict.fromkeys(places)


def _listed(compiled: Compiled, found: Found) -> tuple[Reached, ...]:
    names = device_names(compiled)
    return tuple(
        Reached(rule, tuple(names[seen.id] for seen in compiled.in_order(held)), tuple(places), ways)
        for (rule, ways), (held, places) in found.items()
    )


def _outgoing(compiled: Compiled, held: int) -> tuple[Reached, ...]:
    """Whom a rule with a source among `held` opens, by what each of those receives of it."""
    world, found = compiled.world, Found()
    candidates = 0
    for slot in members(held):
        candidates |= compiled.visible(world.at(slot))
    for receiver in compiled.in_order(candidates | held):
        for access in accesses(compiled.near(receiver), receiver, world):
            sending = senders(access, receiver, world, six=False) | senders(access, receiver, world, six=True)
            # A device alone need not be told that it reaches itself; a person's devices may reach one another.
            if not sending & held & ~(1 << receiver.slot):
                continue
            key = (edge_ref(compiled, access.edge), show_ways(access.ways))
            at_itself = any(nets.overlaps(access.spans, (number, number)) for number in receiver.addresses)
            _add(found, key, 1 << receiver.slot if at_itself else 0, _beyond(access.spans, receiver, compiled))
    return _listed(compiled, found)


def _beyond(spans: tuple[nets.Span, ...], receiver: Seen, compiled: Compiled) -> list[str]:
    """The parts of `spans` that lie behind `receiver`: in its routes, or in the internet."""
    world = compiled.world
    out = []
    for route in world.routes.routes_of(receiver.slot):
        for low, high in spans:
            first, last = max(low, route.span[0]), min(high, route.span[1])
            if first <= last:
                out.append(nets.show_span((first, last)))
    if receiver.exits:
        if all(nets.contains(spans, span) for span in world.internet):
            out.append("the internet")
        else:
            out += [nets.show_span(span) for span in spans if nets.contains(world.internet, span)]
    return out


def _incoming(compiled: Compiled, own: list[Seen]) -> tuple[Reached, ...]:
    world, found = compiled.world, Found()
    for receiver in own:
        for access in accesses(compiled.near(receiver), receiver, world):
            sending = senders(access, receiver, world, six=False) | senders(access, receiver, world, six=True)
            others = sending & ~(1 << receiver.slot)
            places = [] if access.own else _elsewhere(compiled, access.edge.rule)
            if others or places:  # a device alone need not be told that it is reached by itself
                _add(found, (edge_ref(compiled, access.edge), show_ways(access.ways)), others, places)
    return _listed(compiled, found)


def _elsewhere(compiled: Compiled, rule: Rule) -> list[str]:
    """The sources of a rule that are written as addresses, beyond the devices that have them."""
    if rule.postures:
        return []
    return [nets.show_span(span) for selector in rule.src for span in selector.spans
            if not _is_a_device(compiled, span)]  # fmt: skip


def _is_a_device(compiled: Compiled, span: nets.Span) -> bool:
    return span[0] == span[1] and bool(compiled.world.holders((span,)))


def _logins_out(compiled: Compiled, name: str, own: list[Seen]) -> tuple[Login, ...]:
    """Where the principals of `name` may log in, and as whom."""
    mine: set[str] = set()
    person = person_named(compiled, name)
    if person is not None:
        mine.add(person)
    for seen in own:
        mine |= set(seen.tags) or ({seen.user} if seen.user is not None else set())
    names = device_names(compiled)
    hosts = 0
    for admission in compiled.admissions:
        if admission.names & mine:
            hosts |= compiled.world.live
    out = []
    for seen in compiled.in_order(hosts):
        for login, principals in compiled.logins(seen.id).items():
            open_to = tuple(each for each in principals if each in mine or each.split(":", 2)[-1] in mine)
            if open_to:
                out.append(Login(names[seen.id], login, open_to))
    return tuple(out)
