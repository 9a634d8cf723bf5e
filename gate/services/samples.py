"""Sample data: an empty network filled with people and devices to look around in. Nothing of it can connect."""

from __future__ import annotations

import base64
import hashlib

import msgspec

from gate.operation import Call, writes
from model import change as c
from model.errors import Conflict
from model.ids import DeviceName, Endpoint, Prefix, Tag, user_name
from model.keys import WireGuardKey
from model.records import Device, DeviceState, Role, Route, RouteState, User
from store import Transaction, devices, users

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


@writes("gate sample-data")
def fill(tx: Transaction, call: Call) -> Filled:
    """Refused where there is any device: sample data never mixes with what is real."""
    if call.snapshot.devices:
        raise Conflict("this network has devices", hint="sample data is for an empty one: wardgate init --state DIR …")
    people = [_person(tx, call, name, role) for name, role in _PEOPLE]
    made = 0
    for at, person in enumerate(people):
        for kind in _LAPTOPS[: 1 + at % len(_LAPTOPS)]:
            waits = (at, kind) == (4, "macbook")
            _device(tx, f"{kind}-{person.name.partition('@')[0]}", owner=person, approved=not waits)
            made += 1
    for base, tag, count in _SERVERS:
        for number in range(1, count + 1):
            offered = (Prefix("10.20.0.0/16"),) if tag == "tag:router" else ()
            _device(tx, f"{base}-{number}", tags=(Tag(tag),), routes=offered)
            made += 1
    call.audit(tx, "sample data", after={"users": len(people), "devices": made})
    return Filled(len(people), made)


def _person(tx: Transaction, call: Call, name: str, role: Role) -> User:
    full = user_name(f"{name}-sample", call.snapshot.user_domain)
    person = users.add(tx, name=full, email=f"{name}@example.com", role=role)
    tx.record(c.UserAdded(user=person))
    return person


def _device(
    tx: Transaction,
    name: str,
    *,
    owner: User | None = None,
    tags: tuple[Tag, ...] = (),
    approved: bool = True,
    routes: tuple[Prefix, ...] = (),
) -> Device:
    digest = hashlib.sha256(name.encode()).digest()
    device = devices.add(
        tx, name=DeviceName(name), user=owner.name if owner else None, tags=tags,
        wireguard_key=WireGuardKey(base64.b64encode(digest).decode()),
        state=DeviceState.APPROVED if approved else DeviceState.PENDING,
        expires_at=tx.now + 90 * 86400 if owner and approved else None, os="Debian 12", agent_version="0.1.0",
        endpoints=(Endpoint(f"192.0.2.{digest[0]}:51820"),),
        routes=tuple(Route(given, RouteState.ADVERTISED) for given in routes),
    )  # fmt: skip
    tx.record(c.DeviceEnrolled(device=device))
    return device
