"""Sample data: an empty network filled with people and devices to look around in, and rid of them again.

Nothing of it can connect: its WireGuard keys are hashes of names, to which nobody has the private part. By those keys
it is known again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from gate.operation import Call, writes
from gate.services.devices import take_out
from gate.services.enrollment_keys import serving_of
from gate.services.users import take_out as take_out_person
from gate.snapshot import Snapshot
from model import change as c
from model.errors import Conflict
from model.ids import DeviceName, Endpoint, Prefix, Tag, UserName, user_name
from model.keys import WireGuardKey
from model.records import Device, DeviceState, Role, Route, RouteState, User, UserState
from store import Transaction, codes, devices, identities, totp, user_keys, users

LIFE = 90 * 86400
_PEOPLE = (
    ("mara", Role.ADMIN), ("bob", Role.OPERATOR), ("carol", Role.OPERATOR), ("dave", Role.MEMBER),
    ("erin", Role.MEMBER), ("frank", Role.AUDITOR),
)  # fmt: skip
_LAPTOPS = ("thinkpad", "macbook", "phone")
_SERVERS = (
    ("web-fra", "tag:web", 4), ("db-fra", "tag:db", 3), ("ci-fra", "tag:ci", 3), ("gw-fra", "tag:router", 2),
    ("mon-fra", "tag:monitor", 1),
)  # fmt: skip


class Filled(msgspec.Struct, frozen=True):
    users: int
    devices: int


class Emptied(msgspec.Struct, frozen=True):
    users: int
    devices: int
    kept: tuple[str, ...]
    """What somebody changed since, by name."""


@writes("gate sample-data")
def fill(tx: Transaction, call: Call) -> Filled:
    """Refused where there is any device: sample data never mixes with what is real."""
    if call.snapshot.devices:
        raise Conflict("this network has devices", hint="sample data is for an empty one: wardgate init --state DIR …")
    people, machines = list(_people(call)), list(_machines(call))
    for person in people:
        tx.record(c.UserAdded(user=users.add(tx, **person)))
    for machine in machines:
        expires = tx.now + LIFE if machine["user"] and machine["state"] is DeviceState.APPROVED else None
        tx.record(c.DeviceEnrolled(device=devices.add(tx, expires_at=expires, **machine)))
    call.audit(tx, "sample data", after={"users": len(people), "devices": len(machines)})
    return Filled(len(people), len(machines))


@writes("gate sample-data")
def empty(tx: Transaction, call: Call, *, changed: bool = False) -> Emptied:
    """Takes out what `fill` made. What somebody changed since stays, unless `changed` says otherwise.

    A person who has a device of their own stays in any case: they are real by now.
    """
    made, kept = 0, []
    for machine in _machines(call):
        device = devices.by_wireguard_key(tx, machine["wireguard_key"])
        if device is None:
            continue
        if changed or _untouched(device, machine):
            take_out(tx, call, device, "sample data removed")
            made += 1
        else:
            kept.append(str(device.name))
    people = 0
    for person in _people(call):
        user = users.by_name(tx, person["name"])
        if user is None or user.email != person["email"]:
            continue
        if not devices.of_user(tx, user.name) and (changed or _as_made(tx, user, person)):
            take_out_person(tx, call, user)
            people += 1
        else:
            kept.append(str(user.name))
    if not made and not people:
        raise Conflict(
            "there is no sample data to remove" if not kept else f"all that is left of it was changed: {kept[0]} …",
            hint="--changed removes it all the same" if kept else None,
        )
    call.audit(tx, "sample data", before={"users": people, "devices": made}, after={"kept": kept})
    return Emptied(people, made, tuple(kept))


def present(snapshot: Snapshot) -> bool:
    """Whether some of it is there, as far as its people tell."""
    return any(name in snapshot.users for name in _names(snapshot.user_domain))


@lru_cache(maxsize=8)
def _names(domain: str) -> tuple[UserName, ...]:
    """Consoles ask at every key whether some is there."""
    return tuple(user_name(f"{name}-sample", domain) for name, _ in _PEOPLE)


def _people(call: Call) -> Iterator[dict[str, Any]]:
    for name, role in _PEOPLE:
        yield {"name": _called(call, name), "email": f"{name}@example.com", "role": role}


def _called(call: Call, name: str) -> UserName:
    return user_name(f"{name}-sample", call.snapshot.user_domain)


def _machines(call: Call) -> Iterator[dict[str, Any]]:
    for at, (name, _) in enumerate(_PEOPLE):
        for kind in _LAPTOPS[: 1 + at % len(_LAPTOPS)]:
            waits = (at, kind) == (4, "macbook")
            yield _machine(f"{kind}-{name}-sample", owner=_called(call, name), approved=not waits)
    for base, tag, count in _SERVERS:
        offered = (Route(Prefix("10.20.0.0/16"), RouteState.ADVERTISED),) if tag == "tag:router" else ()
        for number in range(1, count + 1):
            yield _machine(f"{base}-{number}", tags=(Tag(tag),), routes=offered)


def _machine(
    name: str,
    *,
    owner: UserName | None = None,
    tags: tuple[Tag, ...] = (),
    approved: bool = True,
    routes: tuple[Route, ...] = (),
) -> dict[str, Any]:
    digest = hashlib.sha256(name.encode()).digest()
    return {
        "name": DeviceName(name), "user": owner, "tags": tags, "routes": routes,
        "wireguard_key": WireGuardKey(base64.b64encode(digest).decode()),
        "state": DeviceState.APPROVED if approved else DeviceState.PENDING,
        "os": "Debian 12", "agent_version": "0.1.0",
        "endpoints": (Endpoint(f"192.0.2.{digest[0]}:51820"),),
    }  # fmt: skip


def _untouched(device: Device, machine: dict[str, Any]) -> bool:
    """Time alone may have passed over it."""
    expires = device.created_at + LIFE if machine["user"] and machine["state"] is DeviceState.APPROVED else None
    lapsed = device.state is DeviceState.EXPIRED and expires is not None
    same = all(getattr(device, key) == value for key, value in machine.items() if key != "state" or not lapsed)
    return same and device.expires_at == expires and not device.attributes


def _as_made(tx: Transaction, user: User, person: dict[str, Any]) -> bool:
    """Nobody gave them another role, or a way in for them or a machine of theirs, be it on its way."""
    same = all(getattr(user, key) == value for key, value in person.items()) and user.state is UserState.ACTIVE
    ways_in = (
        user.groups, user_keys.of(tx, user.name), users.password(tx, user.id), identities.of_user(tx, user.name),
        totp.get(tx, user.name), codes.waiting(tx, user.name), serving_of(tx, user.name),
    )  # fmt: skip
    return same and not any(ways_in)
