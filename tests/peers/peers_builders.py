"""A served gate for tests of the peers door, and devices for it whose keys the test holds."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import asyncssh

from gate.actor import GATE
from gate.doors import Limits, Server, serve
from gate.gate import Gate
from gate.network import NewNetwork, init
from gate.services import devices, policies, users
from model.ids import DeviceID, DeviceName, UserName
from model.keys import WireGuardKey, ssh_key
from model.records import Device, DeviceState
from store import devices as device_rows
from store.layout import HOST_KEY

HOST = asyncssh.generate_private_key("ssh-ed25519").export_private_key()


def a_wireguard_key() -> WireGuardKey:
    return WireGuardKey(base64.b64encode(os.urandom(32)).decode())


def acls(*rules: tuple[str, str], ssh: Sequence[dict[str, object]] = ()) -> str:
    """A policy of `accept` rules, each from a source to a destination with ports."""
    found = {where.rpartition(":")[0] if where.count(":") > 1 else where for rule in rules for where in rule}
    tags = {"tag:db", "tag:web", "tag:ci", "tag:router"} | {tag for tag in found if tag.startswith("tag:")}
    return json.dumps({
        "groups": {"group:ops": ["bob@net.test"]},
        "tagOwners": {tag: [] for tag in sorted(tags)},
        "acls": [{"action": "accept", "src": [src], "dst": [dst]} for src, dst in rules],
        "ssh": list(ssh),
    })  # fmt: skip


class Served:
    """A gate with its doors open, and the private keys of its devices by name."""

    def __init__(self, state: Path, gate: Gate, server: Server) -> None:
        self.state, self.gate, self.server = state, gate, server
        self.keys: dict[str, asyncssh.SSHKey] = {}

    async def a_device(self, name: str, *tags: str, user: str = "alice") -> Device:
        key = self.keys[name] = asyncssh.generate_private_key("ssh-ed25519")
        return await self.gate.perform(
            devices.add, GATE, name=name, user=None if tags else user, tags=tags, wireguard=a_wireguard_key(),
            ssh_key=ssh_key(key.export_public_key().decode()),
        )  # fmt: skip

    async def some_devices(self, count: int, *tags: str) -> tuple[Device, ...]:
        """Many at once; they are there after the gate is opened the next time, or a change of another."""
        made = {
            f"{tags[0].removeprefix('tag:')}-{n}": asyncssh.generate_private_key("ssh-ed25519") for n in range(count)
        }
        self.keys |= made
        return await self.gate.store.write(
            lambda tx: tuple(
                device_rows.add(
                    tx, name=DeviceName(name), user=None, tags=tags, wireguard_key=a_wireguard_key(),  # type: ignore[arg-type]
                    ssh_key=ssh_key(key.export_public_key().decode()), state=DeviceState.APPROVED,
                ) for name, key in made.items()
            )
        )  # fmt: skip

    def key_of(self, id: DeviceID) -> asyncssh.SSHKey:
        """Whatever the device is called by now."""
        held = {ssh_key(key.export_public_key().decode()): key for key in self.keys.values()}
        return held[self.gate.snapshot.devices[id].ssh_key]  # type: ignore[index]

    async def a_policy(self, text: str) -> None:
        await self.gate.perform(policies.set_policy, GATE, text=text, allow_all=True)


class NoFaces:
    async def command(self, gate, actor, words, streams, terminal) -> int:  # type: ignore[no-untyped-def]
        streams.write(f"{' '.join(words)}\n")
        return 0

    async def console(self, gate, actor, channel, words) -> int:  # type: ignore[no-untyped-def]
        return 0


@contextlib.asynccontextmanager
async def a_served_gate(folder: Path, port: int = 0, **limits: object) -> AsyncIterator[Served]:
    """On the state in `folder`, made where there is none: of the domain net.test, with alice and bob."""
    state = folder / "state"
    new = not state.exists()
    if new:
        init(state, NewNetwork(domain="net.test", owner="alice"))
        (state / HOST_KEY).write_bytes(HOST)
    async with await Gate.open(state) as gate:
        if new:
            await gate.perform(users.add, GATE, name=UserName("bob@net.test"))
        server = await serve(
            gate, NoFaces(), host="127.0.0.1", port=port, host_key=HOST, host_certificate=None, limits=Limits(**limits)
        )
        try:
            yield Served(state, gate, server)
        finally:
            await server.close()


async def eventually(right: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not right():
            await asyncio.sleep(0.01)
