"""What a device does as itself. The door proved which device it is; these act for that one alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gate.operation import Call, reads, writes
from gate.presence import Presence
from gate.services import certificates, devices, hostkeys, joining
from gate.slicing import sliced
from gate.snapshot import Snapshot
from model import change as c
from model import wire
from model.errors import Conflict, Denied, Invalid, Limited
from model.ids import DeviceID, Endpoint, Prefix, device_name, endpoint, prefix, quoted
from model.keys import SSHKey, WireGuardKey, wireguard_key
from model.records import Certificate, Device, DeviceState, EnrollmentKey, Route, RouteState
from store import Reader, Transaction, enrollment_keys
from store import devices as rows

MAX_ENDPOINTS = 16
MAX_ROUTES = 64
MAX_ATTRIBUTES = 32
MAX_OBSERVED = 4096


@writes("agent enroll")
def enroll(
    tx: Transaction,
    call: Call,
    *,
    enrollment_key_hash: str,
    name: str,
    wireguard: WireGuardKey,
    ssh_key: SSHKey,
    os: str = "",
    agent_version: str = "",
    endpoints: Sequence[str] = (),
    routes: Sequence[str] = (),
) -> Device:
    """A device of the key's owner or tags. The key serves once more in the same transaction, or nothing happened.

    A device that comes again with its own SSH key, an expired one say, is approved anew instead of doubled. It has
    proved its WireGuard key: one of a person that was added with that key, without proof, makes room for it.
    """
    key = enrollment_keys.take(tx, enrollment_key_hash, tx.now)
    joining.free_ssh_key(tx, call, ssh_key)
    again = rows.by_ssh_key(tx, ssh_key)
    if again is not None:
        return _again(tx, call, again, key, wireguard)
    _make_room(tx, call, wireguard)
    if key.user is not None:
        joining.room_for_one_more(tx, call, key.user, own_word=joining.by_own_word(tx, key))
    device = rows.add(
        tx, name=rows.free_name(tx, device_name(name), lambda one: joining.holder(tx, call, one) is not None),
        user=key.user, tags=key.tags, wireguard_key=wireguard,
        ssh_key=ssh_key, state=DeviceState.APPROVED if key.pre_approved else DeviceState.PENDING,
        ephemeral=key.ephemeral, os=_text(os), agent_version=_text(agent_version),
        expires_at=joining.expiry(tx, call, tagged=bool(key.tags)) if key.pre_approved else None,
        endpoints=_endpoints(endpoints), routes=_offered((), routes),
    )  # fmt: skip
    if key.pre_approved:
        approved = msgspec.structs.replace(device, routes=devices.auto_approved(call, device))
        if approved.routes != device.routes:
            device = approved
            rows.put(tx, device)
    tx.record(c.DeviceEnrolled(device=device))
    call.audit(tx, device.name, after={**devices.described(device), "enrollment_key": key.id})
    return device


def _make_room(tx: Transaction, call: Call, proved: WireGuardKey) -> None:
    unproved = joining.proved(tx, proved)
    if unproved is not None:
        devices.take_out(tx, call, unproved, "another proved that its WireGuard key is theirs")


def _again(tx: Transaction, call: Call, device: Device, key: EnrollmentKey, wireguard: WireGuardKey) -> Device:
    if device.state is DeviceState.DISABLED:
        raise Denied(f'device "{device.name}" is disabled', hint="ask an operator of this network")
    if (device.user, device.tags) != (key.user, key.tags):
        raise Conflict(
            f'this device is "{device.name}" already, of another owner or tags',
            hint=f"remove it first: wardgate devices remove {device.name}",
        )
    if wireguard != device.wireguard_key:
        _make_room(tx, call, wireguard)
    state = DeviceState.APPROVED if key.pre_approved or device.state is DeviceState.APPROVED else DeviceState.PENDING
    changed = msgspec.structs.replace(
        device,
        wireguard_key=wireguard,
        state=state,
        approved_at=tx.now if state is DeviceState.APPROVED else device.approved_at,
        expires_at=joining.expiry(tx, call, tagged=bool(key.tags)) if state is DeviceState.APPROVED else None,
    )
    rows.put(tx, changed)
    tx.record(c.DeviceEnrolled(device=changed))
    call.audit(tx, device.name, before=devices.described(device), after=devices.described(changed))
    return changed


@reads("agent device")
def device_of_key(r: Reader, call: Call, *, key: SSHKey) -> Device | None:
    return rows.by_ssh_key(r, key)


@writes("agent endpoints")
def report_endpoints(tx: Transaction, call: Call, *, device: DeviceID, endpoints: Sequence[str]) -> Device:
    found = _own(tx, device)
    told = _endpoints(endpoints)
    if told == found.endpoints:
        return found
    changed = msgspec.structs.replace(found, endpoints=told)
    rows.put(tx, changed)
    tx.record(c.EndpointsReported(device=changed))
    return changed


async def report_observed(
    snapshot: Snapshot, presence: Presence, *, device: DeviceID, peers: Mapping[DeviceID, str],
    ages: Mapping[DeviceID, int] = {},
) -> tuple[DeviceID, ...]:  # fmt: skip
    """Keeps where `device` sees its peers; returns those who are to be shown anew. In memory alone: it is no change.

    `ages` are seconds since its handshakes with them.

    Raises `Denied` for one that it cannot see, and then kept nothing.
    """
    if len(peers) > MAX_OBSERVED:
        raise Limited(f"a report lists at most {MAX_OBSERVED} peers, this one {len(peers)}")
    place = snapshot.compiled.world.device(device)
    visible = snapshot.compiled.visible(place) if place is not None else 0
    for id in peers:
        peer = snapshot.compiled.world.device(id)
        if peer is None or not visible >> peer.slot & 1:
            raise Denied(f"device {device} reports where it sees {quoted(id)}, which is no peer of its own")
    seen = {id: endpoint(text) async for id, text in sliced(peers.items())}
    return presence.observe(device, seen, ages)


def says_the_same(device: Device, message: wire.Endpoints | wire.Routes | wire.Report) -> bool:
    """Whether `device` is on record as it reports itself: agents repeat themselves each time they connect."""
    match message:
        case wire.Endpoints(endpoints=told):
            return _endpoints(told) == device.endpoints
        case wire.Routes(routes=told):
            offered = _offered(device.routes, told)
            return offered == device.routes and all(route.state is not RouteState.ADVERTISED for route in offered)
        case wire.Report():
            return _reported(device, message.os, message.agent_version, message.attributes) == device


@writes("agent routes")
def report_routes(tx: Transaction, call: Call, *, device: DeviceID, routes: Sequence[str]) -> Device:
    """What is offered counts for nothing until it is approved, by an operator or by the policy's autoApprovers."""
    found = _own(tx, device)
    offered = msgspec.structs.replace(found, routes=_offered(found.routes, routes))
    if found.state is DeviceState.APPROVED:
        offered = msgspec.structs.replace(offered, routes=devices.auto_approved(call, offered))
    return devices.put_routes(tx, call, found, {route.prefix: route.state for route in offered.routes})


def _offered(known: Sequence[Route], offered: Sequence[str]) -> tuple[Route, ...]:
    if len(offered) > MAX_ROUTES:
        raise Limited(f"a device offers at most {MAX_ROUTES} routes, this one {len(offered)}")
    wanted = {prefix(text) for text in offered}
    states: dict[Prefix, RouteState] = {}
    for route in known:
        if route.prefix in wanted:
            states[route.prefix] = (
                RouteState.APPROVED if route.state is not RouteState.ADVERTISED else RouteState.ADVERTISED
            )
        elif route.state is not RouteState.ADVERTISED:
            states[route.prefix] = RouteState.WITHDRAWN
    for given in wanted:
        states.setdefault(given, RouteState.ADVERTISED)
    return tuple(Route(given, state) for given, state in sorted(states.items()))


@writes("agent report")
def report(
    tx: Transaction, call: Call, *, device: DeviceID, os: str = "", agent_version: str = "",
    attributes: Mapping[str, str] = {},
) -> Device:  # fmt: skip
    """Attributes of an agent are `node:…` alone; what operators set stays."""
    found = _own(tx, device)
    changed = _reported(found, os, agent_version, attributes)
    if changed != found:
        rows.put(tx, changed)
        tx.record(c.DeviceReported(device=changed))
    return changed


def _reported(device: Device, os: str, agent_version: str, attributes: Mapping[str, str]) -> Device:
    if len(attributes) > MAX_ATTRIBUTES or any(
        not key.startswith("node:") or len(key) > 64 or not key.isprintable() for key in attributes
    ):
        raise Invalid(f"a device reports at most {MAX_ATTRIBUTES} attributes, each called node:…")
    kept = {key: value for key, value in device.attributes.items() if not key.startswith("node:")}
    return msgspec.structs.replace(
        device, os=_text(os), agent_version=_text(agent_version),
        attributes=kept | {key: _text(value) for key, value in attributes.items()},
    )  # fmt: skip


@writes("agent host-certificate")
def host_certificate(
    tx: Transaction, call: Call, *, device: DeviceID, key: SSHKey, proved: bool = False
) -> Certificate:
    """`proved` says that the device showed that it holds `key`: whoever merely claimed it gives way then."""
    found = _own(tx, device)
    certificates.may_have_host(tx, found)
    if proved:
        hostkeys.free_for_holder(tx, call, found, key)
    return certificates.issue_host(tx, call, found, key, proved=proved)


@writes("agent rotate-key")
def rotate_key(tx: Transaction, call: Call, *, device: DeviceID, wireguard: str) -> Device:
    found = _own(tx, device)
    key = wireguard_key(wireguard)
    if key != found.wireguard_key:
        _make_room(tx, call, key)
    changed = msgspec.structs.replace(found, wireguard_key=key)
    rows.put(tx, changed)
    tx.record(c.DeviceKeyRotated(device=changed))
    call.audit(tx, found.name, before={"wireguard_key": found.wireguard_key}, after={"wireguard_key": key})
    return changed


def _away_until(device: Device, snapshot: Snapshot, presence: Presence) -> int:
    """When an ephemeral device has been offline for as long as the settings say, should it not come back before."""
    after = int(str(snapshot.settings["devices.ephemeral-after"]))
    return max(presence.last_seen(device.id) or 0, device.created_at) + after


def _away(snapshot: Snapshot, presence: Presence, now: int) -> list[Device]:
    """Ephemeral devices that are to go."""
    there = (snapshot.devices[id] for id in snapshot.deadlines.ephemeral)
    return [device for device in there if _away_until(device, snapshot, presence) < now]


class Lapses:
    """Says whether devices are to expire or to go. It is asked each second, and looks at each device only when one
    may have been away for long enough: none that is there now, or comes later, can be before the next look."""

    def __init__(self) -> None:
        self._look_at = 0
        self._settings: object = None

    def due(self, snapshot: Snapshot, presence: Presence, now: int) -> bool:
        return snapshot.deadlines.expired(now) or self._gone(snapshot, presence, now)

    def _gone(self, snapshot: Snapshot, presence: Presence, now: int) -> bool:
        if now <= self._look_at and self._settings is snapshot.settings:
            return False
        self._settings = snapshot.settings
        there = (snapshot.devices[id] for id in snapshot.deadlines.ephemeral)
        longest = now + int(str(snapshot.settings["devices.ephemeral-after"]))
        self._look_at = min((_away_until(device, snapshot, presence) for device in there), default=longest)
        return self._look_at < now


@writes("agent lapse")
def lapse(tx: Transaction, call: Call) -> None:
    """Expires what is due, and removes ephemeral devices that have been away for long."""
    for due in rows.due(tx, tx.now):
        devices.end(tx, call, due)
    for device in _away(call.snapshot, call.presence, tx.now):
        devices.take_out(tx, call, device, "ephemeral, and away")


def _own(tx: Transaction, id: DeviceID) -> Device:
    found = rows.by_id(tx, id)
    if found.state is DeviceState.DISABLED:
        raise Denied(f'device "{found.name}" is disabled')
    return found


def _endpoints(texts: Sequence[str]) -> tuple[Endpoint, ...]:
    if len(texts) > MAX_ENDPOINTS:
        raise Limited(f"a device has at most {MAX_ENDPOINTS} endpoints, this one {len(texts)}")
    return tuple(dict.fromkeys(endpoint(text) for text in texts))


def _text(given: str) -> str:
    """Text of a device, kept short and printable; the faces neutralize the rest."""
    return "".join(char for char in given[:128] if char.isprintable())
