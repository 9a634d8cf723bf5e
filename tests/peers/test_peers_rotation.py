"""A new WireGuard key comes back to the device that asked for it, in a delta of its own, whatever else happens."""

from __future__ import annotations

import asyncio
import random
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from peers_agents import Plugged, plug_in
from peers_builders import Served, a_served_gate, acls, eventually

from gate.actor import GATE
from gate.services import agents, devices
from model.enrollment import proof_mac
from model.ids import DeviceID
from model.keys import WireGuardKey
from model.wire import Challenge, Proof, RotateKey, write_line

TURNS = 4


def a_proof(served: Served, id: DeviceID, private: X25519PrivateKey, challenge: Challenge) -> Proof:
    key = served.gate.snapshot.devices[id].ssh_key
    assert key is not None
    shared = private.exchange(X25519PublicKey.from_public_bytes(b64decode(challenge.gate_key)))
    return Proof(mac=b64encode(proof_mac(shared, b64decode(challenge.nonce), key, public(private))).decode())


def public(private: X25519PrivateKey) -> WireGuardKey:
    return WireGuardKey(b64encode(private.public_key().public_bytes_raw()).decode())


async def has_a_new_key(served: Served, agent: Plugged, id: DeviceID) -> None:
    private, heard = X25519PrivateKey.generate(), len(agent.others)
    agent.channel.write(write_line(RotateKey(wireguard_key=public(private))))
    await eventually(lambda: len(agent.others) > heard)
    challenge = agent.others[heard]
    assert isinstance(challenge, Challenge), challenge
    agent.channel.write(write_line(a_proof(served, id, private, challenge)))
    await eventually(lambda: agent.held is not None and agent.held.device.wireguard_key == public(private))


async def rotates(served: Served, name: str, dice: random.Random) -> None:
    """Over and over, now on the connection that it has, now on one that goes on from the map held."""
    id = served.gate.snapshot.by_name[name]  # type: ignore[index]
    agent: Plugged | None = None
    for _ in range(TURNS):
        if agent is None or dice.random() < 0.5:
            older, agent = agent, await plug_in(served.server.port, served.keys[name], agent.held if agent else None)
            if older and older.connection and dice.random() < 0.5:
                older.connection.abort()
        await has_a_new_key(served, agent, id)
        await asyncio.sleep(dice.random() / 5)
    assert agent is not None
    assert agent.connection is not None
    agent.connection.abort()


async def changes(served: Served, names: list[str], dice: random.Random) -> None:
    gate = served.gate
    policies = (acls(("*", "*:*")), acls(("tag:db", "*:*"), ("autogroup:member", "autogroup:self:*")))
    while True:
        name = dice.choice(names)
        match dice.randrange(10):
            case 0:
                await served.a_policy(dice.choice(policies))
            case 1 | 2:
                await gate.perform(devices.retag, GATE, names=[name], tags=(dice.choice(("tag:db", "tag:web")),))
            case _:
                place = f"192.0.2.{dice.randrange(1, 250)}:{dice.randrange(1, 60000)}"
                id = gate.snapshot.by_name[name]  # type: ignore[index]
                await gate.perform(agents.report_endpoints, GATE, device=id, endpoints=[place])
        await asyncio.sleep(dice.random() / 50)


async def test_every_new_key_comes_back_to_its_device_without_its_asking_again(tmp_path: Path) -> None:
    dice = random.Random(6)
    async with a_served_gate(tmp_path) as served:
        names = [f"db-{number}" for number in range(8)]
        for number, name in enumerate(names):
            await served.a_device(name, *(("tag:db",) if number % 2 else ()))
        meanwhile = asyncio.create_task(changes(served, names, dice))
        try:
            await asyncio.gather(*(rotates(served, name, random.Random(name)) for name in names))
        finally:
            meanwhile.cancel()
