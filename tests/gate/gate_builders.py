"""A real gate on a state of the test's own, and the people and devices that tests put into it."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gate.actor import Actor, local_actor
from gate.gate import Gate
from gate.network import NewNetwork, init
from gate.services import devices, policies, users
from model.ids import UserName
from model.keys import SSHKey, ssh_key
from model.records import Device, Role

DOMAIN = "net.example.com"
LOCAL = local_actor(0)


@asynccontextmanager
async def a_gate(folder: Path, **new: object) -> AsyncIterator[Gate]:
    """Of the domain net.example.com, owned by alice."""
    state = folder / "state"
    if not state.exists():
        init(state, NewNetwork(**{"domain": DOMAIN, "owner": "alice", **new}))  # type: ignore[arg-type]
    async with await Gate.open(state) as gate:
        yield gate


def a_wireguard_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def an_ssh_key() -> SSHKey:
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return ssh_key(public.decode())


async def a_user(gate: Gate, name: str, role: Role = Role.MEMBER) -> Actor:
    """Added, and as the actor that they are at a door."""
    user = await gate.perform(users.add, LOCAL, name=name, role=role)
    return as_actor(user.name, role)


def as_actor(name: str, role: Role, **more: object) -> Actor:
    full = name if "@" in name else f"{name}@{DOMAIN}"
    return Actor(name=full, role=role, user=UserName(full), source="192.0.2.1", method="key", **more)  # type: ignore[arg-type]


async def a_device(gate: Gate, name: str, *, user: str | None = None, tags: Sequence[str] = ()) -> Device:
    if not user and not tags:
        user = "alice"
    return await gate.perform(devices.add, LOCAL, name=name, wireguard=a_wireguard_key(), user=user, tags=tags)


async def a_policy(gate: Gate, text: str, *, allow_all: bool = False) -> None:
    await gate.perform(policies.set_policy, LOCAL, text=text, allow_all=allow_all)


def acls(*rules: tuple[str, str]) -> str:
    """A policy of `accept` rules, each from a source to a destination with ports."""
    import json

    listed = [{"action": "accept", "src": [src], "dst": [dst]} for src, dst in rules]
    tags = ["tag:db", "tag:web", "tag:ci", "tag:router"]
    return json.dumps({"tagOwners": {tag: [] for tag in tags}, "acls": listed})
