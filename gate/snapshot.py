"""The network at one moment, in memory: built from the store once, then advanced by changes.

Immutable. Agents and consoles are served from it without a query.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Mapping

import msgspec

import policy as language
from gate.deadlines import Deadlines, deadlines
from gate.layered import Layered
from gate.refused import Refused, encode_krl
from model.errors import Ambiguous, NotFound, PolicyRefused
from model.ids import DeviceID, DeviceName, Domain, Prefix, UserName, Version, quoted
from model.netmap import NetworkFacts, Trust
from model.network import Network
from model.records import Device, DeviceState, Generation, Name, PolicyVersion, Revocation, User
from sshca import Claim
from sshca.generations import trust
from store import Reader, changes, devices, generations, names, policies, settings, users
from store import certificates as certificate_rows

NO_POLICY = '{"acls": []}'
"""What holds where no stored policy compiles: nothing passes."""


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What a step from one snapshot to the next may change in the maps of devices; nothing else in them differs."""

    seen: Mapping[DeviceID, int] = {}
    """Devices that are shown anew, and by whom they are seen, as bits over the compiled policy's slots. What differs
    is the peer alone: no name, no prefix, no filter."""
    own: frozenset[DeviceID] = frozenset()
    """Devices whose own record differs."""
    views: frozenset[DeviceID] = frozenset()
    """Devices of which any part may differ."""
    parts: frozenset[str] = frozenset()
    """Parts of the map that differ for every device: `krl` and `trust` alike for all, `names` for each in its way."""
    everyone: bool = False
    """Any part may differ for every device."""

    def __bool__(self) -> bool:
        return bool(self.seen or self.own or self.views or self.parts or self.everyone)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    version: Version
    domain: Domain
    user_domain: Domain
    ipv4: Prefix
    ipv6: Prefix
    users: Mapping[UserName, User]
    devices: Layered[DeviceID, Device]
    by_name: Layered[DeviceName, DeviceID]
    states: Mapping[DeviceState, int]
    """How many devices are in each state."""
    waiting: frozenset[DeviceID]
    """Devices that ask to join, and those whose time is over: each may be something for a person."""
    names: tuple[Name, ...]
    policy: PolicyVersion | None
    """The version in force; None where nothing stored compiles, and nothing passes."""
    policy_fault: str | None = None
    """Why the stored policy is not the one in force."""
    compiled: language.Compiled
    news: News
    """What devices may have to be told that they were not told from the snapshot before."""
    generations: tuple[Generation, ...]
    revocations: tuple[Revocation, ...]
    refused: Refused
    krl: str
    """The KRL in base64."""
    settings: Mapping[str, object]
    claims: tuple[Claim, ...]
    """The setting `store.settings.CLAIMS`."""
    deadlines: Deadlines

    @property
    def standby(self) -> frozenset[DeviceID]:
        return self.compiled.world.network.standby

    @property
    def network(self) -> NetworkFacts:
        return NetworkFacts(domain=self.domain, ipv4=self.ipv4, ipv6=self.ipv6)

    @property
    def trust(self) -> Trust:
        return trust(self.generations)

    def device(self, text: str) -> Device:
        """By name, fully qualified name, id or address. Raises `NotFound`."""
        wanted = text.strip().lower().rstrip(".").removesuffix(f".{self.domain}")
        found = self.by_name.get(DeviceName(wanted), DeviceID(wanted))
        if found in self.devices:
            return self.devices[found]
        try:
            address = str(ipaddress.ip_address(wanted))
        except ValueError:
            address = ""
        for device in self.devices.values():
            if address and address in device.addresses:
                return device
        raise NotFound(f"no device is called {quoted(text)}", hint="`wardgate devices list` shows them")

    def approved_of(self, name: UserName) -> tuple[Device, ...]:
        """The approved devices of a person who is not disabled, in order of id."""
        world = self.compiled.world
        mine = [self.devices[world.names[slot]] for slot in world.by_user.get(name, ())]
        return tuple(sorted(mine, key=lambda device: device.rank))

    def user(self, text: str) -> User:
        """By full name, or by a local part that one person alone has."""
        wanted = text.strip().casefold()
        if wanted in self.users:
            return self.users[UserName(wanted)]
        found = [user for name, user in self.users.items() if name.partition("@")[0] == wanted]
        if len(found) > 1:
            raise Ambiguous(f"{quoted(text)} could be {' or '.join(user.name for user in found)}")
        if not found:
            raise NotFound(f"no user is called {quoted(text)}", hint="`wardgate users list` shows them")
        return found[0]


def waits(device: Device) -> bool:
    return device.state in (DeviceState.PENDING, DeviceState.EXPIRED)


STANDBY = "routers.standby"
"""Where the store keeps which routers stand by: no setting of an operator's."""


def policy_network(
    people: Mapping[UserName, User],
    machines: Mapping[DeviceID, Device],
    facts: NetworkFacts,
    standby: frozenset[DeviceID] = frozenset(),
) -> Network:
    """What the policy sees: every user, and the devices that are approved."""
    return Network(
        users=tuple(people.values()),
        devices=tuple(device for device in machines.values() if device.state is DeviceState.APPROVED),
        domain=facts.domain,
        ipv4=facts.ipv4,
        ipv6=facts.ipv6,
        standby=standby,
    )


def load(r: Reader) -> Snapshot:
    """The snapshot of what the store holds."""
    values = settings.all(r)
    facts = _facts(values)
    people = {user.name: user for user in users.all(r)}
    machines = {device.id: device for device in devices.all(r)}
    in_force, compiled, fault = _last_good(r, policy_network(people, machines, facts, _standby(values)))
    revocations = certificate_rows.revocations(r)
    cas = generations.all(r)
    return Snapshot(
        version=changes.last(r), domain=facts.domain, user_domain=user_domain_of(values, facts.domain),
        ipv4=facts.ipv4, ipv6=facts.ipv6, users=people, devices=Layered(machines),
        by_name=Layered({device.name: device.id for device in machines.values()}),
        states=Counter(device.state for device in machines.values()),
        waiting=frozenset(device.id for device in machines.values() if waits(device)),
        names=names.all(r), policy=in_force, policy_fault=fault, compiled=compiled, news=News(everyone=True),
        generations=cas, revocations=revocations, refused=Refused().after(cas, revocations),
        krl=encode_krl(cas, revocations), settings=values, claims=claims_of(values),
        deadlines=deadlines(machines.values()),
    )  # fmt: skip


def network_of(r: Reader) -> Network:
    """What a policy sees of what the store holds."""
    values = settings.all(r)
    people = {user.name: user for user in users.all(r)}
    machines = {device.id: device for device in devices.all(r)}
    return policy_network(people, machines, _facts(values), _standby(values))


def _facts(values: Mapping[str, object]) -> NetworkFacts:
    return NetworkFacts(
        domain=Domain(str(values["domain"])), ipv4=Prefix(str(values["ipv4"])), ipv6=Prefix(str(values["ipv6"]))
    )


def _standby(values: Mapping[str, object]) -> frozenset[DeviceID]:
    kept = values.get(STANDBY)
    return frozenset(DeviceID(str(id)) for id in kept) if isinstance(kept, list) else frozenset()


def claims_of(values: Mapping[str, object]) -> tuple[Claim, ...]:
    return msgspec.convert(values[settings.CLAIMS], tuple[Claim, ...])


def user_domain_of(values: Mapping[str, object], network: Domain) -> Domain:
    return Domain(str(values.get("user-domain") or network))


def _last_good(r: Reader, network: Network) -> tuple[PolicyVersion | None, language.Compiled, str | None]:
    """The newest stored version that compiles; with none, one that lets nothing pass."""
    fault = None
    for version in policies.history(r, 100):
        try:
            return version, language.compile(language.read(version.text), network).index(), fault
        except PolicyRefused as refused:
            fault = fault or f"version {version.number} does not compile: {refused.message}"
    return None, language.compile(language.read(NO_POLICY), network), fault
