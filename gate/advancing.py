"""From one snapshot to the next: what changes make of it, and whose NetMaps may differ by them. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

import policy as language
from gate.refused import encode_krl
from gate.snapshot import News, Snapshot, claims_of, policy_network, user_domain_of, waits
from model import change as c
from model.ids import DeviceID, DeviceName, DNSName, UserName
from model.network import Network
from model.records import Device, DeviceState, Name, Revocation, RouteState, User
from sshca.generations import trust

HEAVY = c.PolicySet | c.UserChange | c.UserRemoved | c.CertificatesRevoked
MOVING = c.DeviceChange | c.DeviceRemoved | c.StandbySet


MANY = 25_000
"""Devices above which what the policy sees of one of them is moved on in a thread: lists of all are copied for it."""


def is_light(old: Snapshot, committed: Sequence[c.Committed]) -> bool:
    """Whether `advance` takes so little that it may run on the event loop: nothing is compiled, indexed or encoded
    whole."""
    told = [entry.change for entry in committed if entry.change.shows]
    heavy = HEAVY if len(old.devices) <= MANY else HEAVY | MOVING
    return old.compiled.indexed and len(told) <= 2 and not any(isinstance(change, heavy) for change in told)


def advance(old: Snapshot, committed: Sequence[c.Committed]) -> Snapshot:
    """`old` with `committed` applied, in their order; `news` says whose NetMaps may differ, and in what."""
    told = [entry.change for entry in committed if entry.change.shows]
    if not told:
        return msgspec.structs.replace(old, version=committed[-1].number, news=News())
    now = _Draft(old)
    for change in told:
        now.apply(change)
    now.place()
    policy_changed = now.policy is not None and (old.policy is None or now.policy.number != old.policy.number)
    compiled, views = old.compiled, frozenset[DeviceID]()
    if policy_changed:
        assert now.policy is not None
        network = policy_network(now.users, now.devices, old.network, now.standby)
        compiled = language.compile(language.read(now.policy.text), network, over=old.compiled)
    elif now.moved or now.regroup or now.standby != old.standby:
        network = _network_after(old, now.users if now.regroup else None, now.devices, now.moved)
        network = msgspec.structs.replace(network, standby=now.standby)
        compiled, views = language.advance(old.compiled, network, changed=now.moved)
    if policy_changed or not old.compiled.indexed:
        compiled.index()
    refused, krl = old.refused, old.krl
    if now.revoked or now.generations is not old.generations:
        refused = old.refused.after(now.generations, now.revoked)
    if now.revoked:
        krl = encode_krl(now.generations, now.revocations)
    return Snapshot(
        version=committed[-1].number, domain=old.domain, user_domain=user_domain_of(now.settings, old.domain),
        ipv4=old.ipv4, ipv6=old.ipv6, users=now.users, devices=now.devices, by_name=now.by_name,
        states=_states(old, now) if now.moved else old.states,
        waiting=_waiting(old, now) if now.moved else old.waiting, names=now.names, policy=now.policy,
        policy_fault=None if policy_changed else old.policy_fault, compiled=compiled,
        news=News(everyone=True) if policy_changed else _news(old, now, compiled, views, _parts(old, now, krl)),
        generations=now.generations, revocations=now.revocations, refused=refused, krl=krl, settings=now.settings,
        claims=old.claims if now.settings is old.settings else claims_of(now.settings),
        deadlines=old.deadlines.after(old.devices, now.devices, now.moved) if now.moved else old.deadlines,
    )  # fmt: skip


class _Draft:
    """A snapshot's records while changes are applied to them. What none of them touches stays the snapshot's own."""

    def __init__(self, old: Snapshot) -> None:
        self._old = old
        self.users, self.devices, self.by_name = old.users, old.devices, old.by_name
        self.names, self.settings, self.policy = old.names, old.settings, old.policy
        self.generations, self.revocations = old.generations, old.revocations
        self.standby = old.standby
        self._placed: dict[DeviceID, Device | None] = {}
        self.revoked: list[Revocation] = []
        self.regroup = False

    def apply(self, change: c.Change) -> None:  # noqa: PLR0912 - one arm a kind of change
        match change:
            case c.UserChange(user=user):
                self.users, self.regroup = {**self.users, user.name: user}, True
            case c.UserRemoved(name=name):
                self.users, self.regroup = {key: value for key, value in self.users.items() if key != name}, True
            case c.DeviceChange(device=device):
                self._placed[device.id] = device
            case c.DeviceRemoved(id=id):
                self._placed[id] = None
            case c.PolicySet(policy=version):
                self.policy = version
            case c.PolicyConfirmed(number=number) if self.policy is not None and self.policy.number == number:
                self.policy = msgspec.structs.replace(self.policy, confirm_by=None)
            case c.NameSet(name=record):
                self.names = (*_without(self.names, record.name, record.type, record.value), record)
            case c.NameRemoved(name=name_, type=type_, value=value):
                self.names = _without(self.names, name_, type_, value)
            case c.CertificatesRevoked(revocations=more):
                self.revocations = (*self.revocations, *more)
                self.revoked += more
            case c.GenerationChanged(generation=generation):
                kept = {g.id: g for g in self.generations} | {generation.id: generation}
                self.generations = tuple(kept.values())
            case c.StandbySet(devices=ids):
                self.standby = frozenset(ids)
            case c.SettingSet(key=key, value=setting):
                self.settings = {**self.settings, key: setting}
            case _:
                pass

    @property
    def moved(self) -> Collection[DeviceID]:
        """Devices that changed, came or went."""
        return self._placed.keys()

    def place(self) -> None:
        """Puts the devices where their last change has them."""
        if not self._placed:
            return
        old = {id: self._old.devices.get(id) for id in self._placed}
        new = {id: device for id, device in self._placed.items() if device is not None}
        self.devices = self.devices.after(new, self._placed.keys() - new.keys())
        left = {was.name for id, was in old.items() if was is not None and _called(was) != _called(new.get(id))}
        named = {device.name: id for id, device in new.items() if _called(old[id]) != device.name}
        if left or named:
            self.by_name = self.by_name.after(named, left)


def _states(old: Snapshot, now: _Draft) -> Counter[DeviceState]:
    states = Counter(old.states)
    states.subtract(old.devices[id].state for id in now.moved if id in old.devices)
    states.update(now.devices[id].state for id in now.moved if id in now.devices)
    return states


def _waiting(old: Snapshot, now: _Draft) -> frozenset[DeviceID]:
    return old.waiting.difference(now.moved) | {id for id in now.moved if id in now.devices and waits(now.devices[id])}


def _called(device: Device | None) -> DeviceName | None:
    return None if device is None else device.name


def _network_after(
    old: Snapshot,
    people: Mapping[UserName, User] | None,
    machines: Mapping[DeviceID, Device],
    moved: Iterable[DeviceID],
) -> Network:
    """What the policy sees next, put together from what it saw last; `people` where they changed."""
    before = old.compiled.world.network
    approved = list(before.devices)
    for id in moved:
        place = bisect_left(approved, int(id), key=lambda device: device.rank)
        there = place < len(approved) and approved[place].id == id
        device = machines.get(id)
        if device is not None and device.state is DeviceState.APPROVED:
            approved[place : place + there] = [device]
        elif there:
            del approved[place]
    users = before.users if people is None else tuple(people.values())
    return msgspec.structs.replace(before, users=users, devices=tuple(approved))


def _parts(old: Snapshot, now: _Draft, krl: str) -> frozenset[str]:
    found = {"krl"} if krl != old.krl else set()
    if now.names != old.names:
        found.add("names")
    if now.generations is not old.generations and trust(now.generations) != old.trust:
        found.add("trust")
    return frozenset(found)


def _news(
    old: Snapshot, now: _Draft, compiled: language.Compiled, views: frozenset[DeviceID], parts: frozenset[str]
) -> News:
    """`views` is what the policy says; a device that it sees no differently may still be shown otherwise."""
    seen: dict[DeviceID, int] = {}
    own: set[DeviceID] = set()
    named: set[DeviceID] = set()
    standing = not now.regroup and now.standby == old.standby
    if standing and _same_rules(old.compiled, compiled) and all(
        _placed(old.devices.get(id)) == _placed(now.devices.get(id)) for id in now.moved
    ):  # fmt: skip
        views = frozenset()  # what differs is an attribute that no rule asks for
    for id in now.moved:
        before, after = old.devices.get(id), now.devices.get(id)
        if before is None or after is None:
            continue
        if _of_itself(before) != _of_itself(after):
            own.add(id)
        if before.state != after.state:
            named.add(id)  # whatever the policy thinks of it: its owner may be disabled
        if before.name != after.name:
            named |= compiled.visible_from(id) | {id}
        elif _shown(before) != _shown(after) and (place := compiled.world.device(id)) is not None:
            seen[id] = compiled.visible(place)
    return News(seen=seen, own=frozenset(own), views=views | named, parts=parts)


def _same_rules(before: language.Compiled, after: language.Compiled) -> bool:
    return before.edges == after.edges and before.admissions == after.admissions


def _placed(device: Device | None) -> object:
    """What of a device decides who sees it and what is routed to it, besides attributes that rules may ask for."""
    if device is None:
        return None
    approved = [route for route in device.routes if route.state is RouteState.APPROVED]
    return device.state, device.user, device.tags, device.addresses, approved


def _of_itself(device: Device) -> object:
    return (
        device.name, device.user, device.tags, device.addresses, device.wireguard_key, device.state, device.expires_at,
        device.routes,
    )  # fmt: skip


def _shown(device: Device) -> object:
    return device.name, device.user, device.tags, device.wireguard_key, device.endpoints


def _without(records: tuple[Name, ...], name: DNSName, type_: str, value: str | None) -> tuple[Name, ...]:
    return tuple(
        record
        for record in records
        if not (record.name == name and record.type == type_ and value in {None, record.value})
    )
