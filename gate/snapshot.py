"""The network at one moment, in memory: built from the store once, then advanced by changes.

Immutable. Agents and consoles are served from it without a query.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping, Sequence

import msgspec

import policy as language
import sshca
from model import change as c
from model.errors import Ambiguous, NotFound, PolicyRefused
from model.ids import DeviceID, DeviceName, DNSName, Domain, Prefix, UserName, Version, quoted
from model.netmap import NetworkFacts, Trust
from model.network import Network
from model.records import Device, DeviceState, Generation, Name, PolicyVersion, Revocation, User
from sshca.generations import trust
from store import Reader, changes, devices, generations, names, policies, settings, users
from store import certificates as certificate_rows

NO_POLICY = '{"acls": []}'
"""What holds where no stored policy compiles: nothing passes."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    version: Version
    domain: Domain
    user_domain: Domain
    ipv4: Prefix
    ipv6: Prefix
    users: Mapping[UserName, User]
    devices: Mapping[DeviceID, Device]
    by_name: Mapping[DeviceName, DeviceID]
    names: tuple[Name, ...]
    policy: PolicyVersion | None
    """The version in force; None where nothing stored compiles, and nothing passes."""
    policy_fault: str | None = None
    """Why the stored policy is not the one in force."""
    compiled: language.Compiled
    touched: frozenset[DeviceID] = frozenset()
    """Devices whose NetMap may differ from the snapshot before this one; `everyone` says all may."""
    everyone: bool = False
    generations: tuple[Generation, ...]
    revocations: tuple[Revocation, ...]
    krl: str
    """The KRL in base64."""
    settings: Mapping[str, object]

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


def policy_network(
    people: Mapping[UserName, User], machines: Mapping[DeviceID, Device], facts: NetworkFacts
) -> Network:
    """What the policy sees: every user, and the devices that are approved."""
    return Network(
        users=tuple(people.values()),
        devices=tuple(device for device in machines.values() if device.state is DeviceState.APPROVED),
        domain=facts.domain,
        ipv4=facts.ipv4,
        ipv6=facts.ipv6,
    )


def load(r: Reader, at: int) -> Snapshot:
    """The snapshot of what the store holds."""
    values = settings.all(r)
    facts = NetworkFacts(
        domain=Domain(str(values["domain"])), ipv4=Prefix(str(values["ipv4"])), ipv6=Prefix(str(values["ipv6"]))
    )
    people = {user.name: user for user in users.all(r)}
    machines = {device.id: device for device in devices.all(r)}
    in_force, compiled, fault = _last_good(r, policy_network(people, machines, facts))
    revocations = certificate_rows.revocations(r)
    cas = generations.all(r)
    return Snapshot(
        version=changes.last(r), domain=facts.domain, user_domain=_user_domain(values, facts.domain),
        ipv4=facts.ipv4, ipv6=facts.ipv6, users=people, devices=machines,
        by_name={device.name: device.id for device in machines.values()},
        names=names.all(r), policy=in_force, policy_fault=fault, compiled=compiled, everyone=True,
        generations=cas, revocations=revocations, krl=encode_krl(cas, revocations, at), settings=values,
    )  # fmt: skip


def _user_domain(values: Mapping[str, object], network: Domain) -> Domain:
    return Domain(str(values.get("user-domain") or network))


def _last_good(r: Reader, network: Network) -> tuple[PolicyVersion | None, language.Compiled, str | None]:
    """The newest stored version that compiles; with none, one that lets nothing pass."""
    fault = None
    for version in policies.history(r, 100):
        try:
            return version, language.compile(language.read(version.text), network), fault
        except PolicyRefused as refused:
            fault = fault or f"version {version.number} does not compile: {refused.message}"
    return None, language.compile(language.read(NO_POLICY), network), fault


def encode_krl(cas: Sequence[Generation], revocations: Sequence[Revocation], at: int) -> str:
    """The KRL of all revocations in base64. Its version is the last revocation's number, so it rises."""
    data = sshca.krl(
        version=revocations[-1].number if revocations else 0,
        generated_at=at,
        comment="wardgate",
        revocations=revocations,
        ca_keys={generation.id: generation.key for generation in cas},
    )
    return base64.b64encode(data).decode()


def is_light(committed: Sequence[c.Committed]) -> bool:
    """Whether `advance` takes so little that it may run on the event loop: nothing is compiled whole."""
    return len(committed) <= 4 and not any(
        isinstance(entry.change, c.PolicySet | c.UserChange | c.UserRemoved | c.CertificatesRevoked)
        for entry in committed
    )


def advance(old: Snapshot, committed: Sequence[c.Committed]) -> Snapshot:  # noqa: PLR0912 - one arm a kind of change
    """`old` with `committed` applied, in their order; `touched` says whose NetMaps may differ."""
    people, machines, by_name = old.users, old.devices, old.by_name
    records, cas, revocations, values = old.names, old.generations, old.revocations, old.settings
    in_force = old.policy
    moved: set[DeviceID] = set()
    regroup = everyone = revoked = False
    for entry in committed:
        match entry.change:
            case c.UserChange(user=user):
                people, regroup = {**people, user.name: user}, True
            case c.UserRemoved(name=name):
                people, regroup = {key: value for key, value in people.items() if key != name}, True
            case c.DeviceChange(device=device):
                was = machines.get(device.id)
                if machines is old.devices:
                    machines = dict(machines)
                machines[device.id] = device  # type: ignore[index]
                if was is None or was.name != device.name:
                    by_name = {key: value for key, value in by_name.items() if value != device.id}
                    by_name[device.name] = device.id
                moved.add(device.id)
            case c.DeviceRemoved(id=id, name=name):
                machines = {key: value for key, value in machines.items() if key != id}
                by_name = {key: value for key, value in by_name.items() if key != name}
                moved.add(id)
            case c.PolicySet(policy=version):
                in_force, everyone = version, True
            case c.PolicyConfirmed(number=number) if in_force is not None and in_force.number == number:
                in_force = msgspec.structs.replace(in_force, confirm_by=None)
            case c.NameSet(name=record):
                records, everyone = (*_without(records, record.name, record.type, record.value), record), True
            case c.NameRemoved(name=name_, type=type_, value=value):
                records, everyone = _without(records, name_, type_, value), True
            case c.CertificatesRevoked(revocations=more):
                revocations, revoked = (*revocations, *more), True
            case c.GenerationChanged(generation=generation):
                kept = {g.id: g for g in cas} | {generation.id: generation}
                cas, revoked = tuple(kept.values()), True
            case c.SettingSet(key=key, value=setting):
                values = {**values, key: setting}
                everyone = everyone or key.startswith("names.")
            case _:
                pass
    policy_changed = in_force is not None and (old.policy is None or in_force.number != old.policy.number)
    facts = old.network
    compiled, touched = old.compiled, frozenset[DeviceID]()
    if policy_changed:
        assert in_force is not None
        compiled = language.compile(language.read(in_force.text), policy_network(people, machines, facts))
    elif moved or regroup:
        compiled, touched = old.compiled.advance(policy_network(people, machines, facts))
    return Snapshot(
        version=committed[-1].number, domain=old.domain, user_domain=_user_domain(values, old.domain),
        ipv4=old.ipv4, ipv6=old.ipv6, users=people, devices=machines, by_name=by_name, names=records, policy=in_force,
        policy_fault=None if policy_changed else old.policy_fault, compiled=compiled,
        touched=touched | moved | _viewers(old, compiled, moved), everyone=everyone or revoked,
        generations=cas, revocations=revocations,
        krl=encode_krl(cas, revocations, committed[-1].at) if revoked else old.krl, settings=values,
    )  # fmt: skip


def _viewers(old: Snapshot, compiled: language.Compiled, moved: set[DeviceID]) -> frozenset[DeviceID]:
    """Who lists one of `moved` as a peer, before or after: visibility is mutual, so they are its own peers."""
    found: set[DeviceID] = set()
    for id in moved:
        found.update(old.compiled.peers(id), compiled.peers(id))
    return frozenset(found)


def _without(records: tuple[Name, ...], name: DNSName, type_: str, value: str | None) -> tuple[Name, ...]:
    return tuple(
        record
        for record in records
        if not (record.name == name and record.type == type_ and value in {None, record.value})
    )
