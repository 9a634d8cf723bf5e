"""Devices: approving, naming, tagging, expiring, routes, removing."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

import msgspec

from gate import netmaps
from gate.operation import Call, reads, writes
from gate.services import joining, own, revocations
from gate.services.queries import whole
from model import change as c
from model.errors import Conflict, Denied, Invalid
from model.ids import DeviceName, Prefix, Tag, UserName, device_name, prefix, quoted, tag
from model.keys import SSHKey, wireguard_key
from model.netmap import NetMap
from model.records import Device, DeviceState, Page, Route, RouteState
from store import Query, Reader, Transaction, consents, devices

LONGEST_LIFE = 10 * 366 * 86400


@reads("devices list")
def list_devices(r: Reader, call: Call, *, query: Query) -> Page:
    if call.own:
        assert call.actor.user is not None
        query = msgspec.structs.replace(query, where={**query.where, "user": call.actor.user})
    page = whole(r, devices.page, query)
    rows = tuple(_seen(call, row) for row in page.rows if isinstance(row, Device))
    return msgspec.structs.replace(page, rows=rows)


@reads("devices show")
def show(r: Reader, call: Call, *, name: str) -> Device:
    return _seen(call, own.device(r, call, name))


def _seen(call: Call, device: Device) -> Device:
    return msgspec.structs.replace(device, last_seen=call.presence.last_seen(device.id))


@reads("devices netmap")
def netmap(r: Reader, call: Call, *, name: str) -> NetMap:
    return netmaps.netmap(call.snapshot, own.device(r, call, name).id, call.presence.observed)


@writes("devices add")
def add(
    tx: Transaction,
    call: Call,
    *,
    name: str,
    wireguard: str,
    user: str | None = None,
    tags: Sequence[str] = (),
    ssh_key: SSHKey | None = None,
) -> Device:
    """A device that does not enroll itself. Whose role adds for others vouches for it: it is approved.

    Anyone else adds one of their own, as the device limit and the network's rule of approval have it, and without an
    SSH key: at the agents' door nobody speaks for a device who has not proved its keys.
    """
    if call.own:
        user = _own_plain(tx, call, user, tags, ssh_key)
        joining.not_another_s(tx, call, device_name(name), wireguard_key(wireguard))
    owner, roles = joining.owner_or_tags(tx, call, user, tags)
    if owner is not None and owner == call.actor.user:
        joining.room_for_one_more(tx, call, owner, own_word=call.own)
    if ssh_key is not None:
        joining.free_ssh_key(tx, call, ssh_key)
    approved = not call.own or joining.approves_itself(tx, call, owner)
    device = devices.add(
        tx, name=_open_name(tx, call, name), user=owner, tags=roles, wireguard_key=wireguard_key(wireguard),
        ssh_key=ssh_key, state=DeviceState.APPROVED if approved else DeviceState.PENDING, ephemeral=False,
        expires_at=joining.expiry(tx, call, tagged=bool(roles)) if approved else None,
    )  # fmt: skip
    tx.record(c.DeviceEnrolled(device=device))
    call.audit(tx, device.name, after=described(device))
    return device


def _own_plain(r: Reader, call: Call, user: str | None, tags: Sequence[str], ssh_key: SSHKey | None) -> UserName:
    """The actor, as the owner of a device that they add; whatever else was asked for is refused."""
    if tags:
        raise Denied("your role adds devices of your own alone, without tags", hint="ask an operator of this network")
    if ssh_key is not None:
        raise Denied("your role adds devices without an SSH key", hint="one that has a key enrolls itself: wardgate up")
    return own.user(r, call, user or "me").name


def _open_name(r: Reader, call: Call, text: str) -> DeviceName:
    name = device_name(text)
    held = joining.holder(r, call, name)
    if held:
        raise Conflict(f'"{name}" is the name of {held}', hint="choose another name")
    return name


@writes("devices approve")
def approve(tx: Transaction, call: Call, *, names: Sequence[str]) -> tuple[Device, ...]:
    return tuple(_approve(tx, call, own.device(tx, call, name)) for name in names)


def _approve(tx: Transaction, call: Call, device: Device) -> Device:
    if device.state is DeviceState.APPROVED:
        return device
    if device.state is DeviceState.DISABLED:
        raise Conflict(f'device "{device.name}" is disabled', hint=f"enable it: wardgate devices enable {device.name}")
    changed = msgspec.structs.replace(
        device,
        state=DeviceState.APPROVED,
        approved_at=tx.now,
        expires_at=joining.expiry(tx, call, tagged=bool(device.tags)),
        routes=auto_approved(call, device),
    )
    devices.put(tx, changed)
    tx.record(c.DeviceApproved(device=changed))
    _audit_state(tx, call, device, changed)
    return changed


def auto_approved(call: Call, device: Device) -> tuple[Route, ...]:
    """The device's routes, with those approved that the policy's autoApprovers cover."""
    allowed = {one for one in call.snapshot.compiled.auto_approved(device) if not of_the_network(call, one)}
    return tuple(
        Route(route.prefix, RouteState.APPROVED)
        if route.state is RouteState.ADVERTISED and route.prefix in allowed
        else route
        for route in device.routes
    )


def of_the_network(call: Call, route: Prefix) -> bool:
    """Whether a route is a part of the network's own ranges: it would take other devices' addresses from them."""
    inner = ipaddress.ip_network(route)
    ranges = [ipaddress.ip_network(text) for text in (call.snapshot.ipv4, call.snapshot.ipv6)]
    return any(inner.version == outer.version and inner.subnet_of(outer) for outer in ranges)  # type: ignore[arg-type]


@writes("devices rename")
def rename(tx: Transaction, call: Call, *, name: str, new: str) -> Device:
    device = own.device(tx, call, name)
    changed = msgspec.structs.replace(device, name=_open_name(tx, call, new))
    devices.put(tx, changed)
    tx.record(c.DeviceRenamed(device=changed, was=device.name))
    consents.end_of(tx, device.name)
    revocations.revoke_all(tx, call, device=device, reason="device renamed", hosts_only=True)
    call.audit(tx, changed.name, before={"name": device.name}, after={"name": changed.name})
    return changed


@writes("devices tag")
def retag(tx: Transaction, call: Call, *, names: Sequence[str], tags: Sequence[str]) -> tuple[Device, ...]:
    """Sets the tags. An owner is so no more, and certificates for the device are revoked."""
    roles = tuple(sorted({tag(text) for text in tags}))
    if not roles:
        raise Invalid("no tag was given", hint="a tag begins with tag:, like tag:db")
    return tuple(_retag(tx, call, own.device(tx, call, name), roles) for name in names)


def _retag(tx: Transaction, call: Call, device: Device, roles: tuple[Tag, ...]) -> Device:
    changed = msgspec.structs.replace(
        device, user=None, tags=roles, expires_at=None if device.user else device.expires_at
    )
    devices.put(tx, changed)
    tx.record(c.DeviceTagged(device=changed, was=device.user))
    revocations.revoke_all(tx, call, device=device, reason="device tagged")
    call.audit(
        tx, device.name,
        before={"user": device.user, "tags": list(device.tags)}, after={"user": None, "tags": list(roles)},
    )  # fmt: skip
    return changed


@writes("devices set")
def set_attributes(tx: Transaction, call: Call, *, name: str, attributes: Mapping[str, str]) -> Device:
    """Posture attributes of an operator, `custom:KEY`; an empty value removes one."""
    device = own.device(tx, call, name)
    kept = dict(device.attributes)
    for key, value in attributes.items():
        full = key if ":" in key else f"custom:{key}"
        if not full.startswith("custom:") or not full[7:].replace("-", "").replace("_", "").isalnum() or len(full) > 64:
            raise Invalid(f"{quoted(key)} is not an attribute to be set", hint="it reads like custom:tier=prod")
        if value:
            kept[full] = value[:256]
        else:
            kept.pop(full, None)
    changed = msgspec.structs.replace(device, attributes=kept)
    devices.put(tx, changed)
    tx.record(c.DeviceAttributesSet(device=changed))
    call.audit(tx, device.name, before={**device.attributes}, after={**kept})
    return changed


@writes("devices expire")
def expire(tx: Transaction, call: Call, *, names: Sequence[str], within: int | None = None) -> tuple[Device, ...]:
    """Now, or `within` seconds from now."""
    return tuple(_expire(tx, call, own.device(tx, call, name), within) for name in names)


def _expire(tx: Transaction, call: Call, device: Device, within: int | None) -> Device:
    if within is not None and within > LONGEST_LIFE:
        raise Invalid(f"a device expires within {LONGEST_LIFE // 86400} d at the latest")
    if call.own and within is not None and device.expires_at is not None and tx.now + within > device.expires_at:
        raise Invalid("this would lengthen the device's life", hint="log in on it again, or ask an operator")
    if within:
        changed = msgspec.structs.replace(device, expires_at=tx.now + within)
        devices.put(tx, changed)
        tx.record(c.DeviceExpirySet(device=changed))
        call.audit(tx, device.name, before={"expires_at": device.expires_at}, after={"expires_at": changed.expires_at})
        return changed
    return end(tx, call, device)


def end(tx: Transaction, call: Call, device: Device) -> Device:
    """The device is expired from now on. One that is disabled stays so: its owner could enroll it anew otherwise."""
    state = DeviceState.DISABLED if device.state is DeviceState.DISABLED else DeviceState.EXPIRED
    changed = msgspec.structs.replace(device, state=state, expires_at=tx.now)
    devices.put(tx, changed)
    tx.record(c.DeviceExpired(device=changed))
    revocations.revoke_all(tx, call, device=device, reason="device expired")
    _audit_state(tx, call, device, changed)
    return changed


@writes("devices disable")
def disable(tx: Transaction, call: Call, *, names: Sequence[str]) -> tuple[Device, ...]:
    return tuple(_disable(tx, call, own.device(tx, call, name)) for name in names)


def _disable(tx: Transaction, call: Call, device: Device) -> Device:
    changed = msgspec.structs.replace(device, state=DeviceState.DISABLED)
    devices.put(tx, changed)
    tx.record(c.DeviceDisabled(device=changed))
    revocations.revoke_all(tx, call, device=device, reason="device disabled")
    _audit_state(tx, call, device, changed)
    return changed


@writes("devices enable")
def enable(tx: Transaction, call: Call, *, names: Sequence[str]) -> tuple[Device, ...]:
    return tuple(_enable(tx, call, own.device(tx, call, name)) for name in names)


def _enable(tx: Transaction, call: Call, device: Device) -> Device:
    if device.state is not DeviceState.DISABLED:
        return device
    over = device.expires_at is not None and device.expires_at <= tx.now
    before = DeviceState.PENDING if device.approved_at is None else DeviceState.APPROVED
    changed = msgspec.structs.replace(device, state=DeviceState.EXPIRED if over else before)
    devices.put(tx, changed)
    tx.record(c.DeviceEnabled(device=changed))
    _audit_state(tx, call, device, changed)
    return changed


@writes("devices remove")
def remove(tx: Transaction, call: Call, *, names: Sequence[str]) -> tuple[Device, ...]:
    return tuple(take_out(tx, call, own.device(tx, call, name), "device removed") for name in names)


def take_out(tx: Transaction, call: Call, device: Device, reason: str) -> Device:
    revocations.revoke_all(tx, call, device=device, reason=reason)
    devices.remove(tx, device)
    consents.end_of(tx, device.name)
    tx.record(c.DeviceRemoved(id=device.id, name=device.name))
    call.audit(tx, device.name, before=described(device), after={"removed": reason})
    return device


@writes("devices routes")
def routes(
    tx: Transaction, call: Call, *, name: str, approve: Sequence[str] = (), withdraw: Sequence[str] = ()
) -> Device:
    """Approves prefixes (also ahead of their being offered), or takes approval back."""
    device = own.device(tx, call, name)
    if not approve and not withdraw:
        return device
    known = {route.prefix: route.state for route in device.routes}
    for given in map(prefix, approve):
        if of_the_network(call, given):
            raise Invalid(
                f"{given} is of the network's own addresses, which belong to its devices",
                hint="a route leads to what lies behind a device",
            )
        known[given] = RouteState.WITHDRAWN if known.get(given) in {None, RouteState.WITHDRAWN} else RouteState.APPROVED
    for given in map(prefix, withdraw):
        if known.get(given) is RouteState.WITHDRAWN:
            del known[given]
        elif given in known:
            known[given] = RouteState.ADVERTISED
        else:
            raise Invalid(f'device "{device.name}" has no route {given}', hint="`devices routes NAME` lists them")
    return put_routes(tx, call, device, known)


def put_routes(tx: Transaction, call: Call, device: Device, known: Mapping[Prefix, RouteState]) -> Device:
    changed = msgspec.structs.replace(device, routes=tuple(Route(p, s) for p, s in sorted(known.items())))
    if changed.routes == device.routes:
        return device
    devices.put(tx, changed)
    tx.record(c.RoutesChanged(device=changed))
    call.audit(
        tx, device.name,
        before={route.prefix: route.state.value for route in device.routes},
        after={route.prefix: route.state.value for route in changed.routes},
    )  # fmt: skip
    return changed


def _audit_state(tx: Transaction, call: Call, before: Device, after: Device) -> None:
    call.audit(tx, after.name, before={"state": before.state.value}, after={"state": after.state.value})


def described(device: Device) -> dict[str, object]:
    """What the audit trail keeps of a device that came or went."""
    return {
        "id": device.id, "user": device.user, "tags": list(device.tags), "state": device.state.value,
        "ipv4": device.ipv4, "ipv6": device.ipv6, "wireguard_key": device.wireguard_key,
    }  # fmt: skip
