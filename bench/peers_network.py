"""A network for the benches of the peers door: devices in cells, each of which sees its cell and nothing else."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gate.network import NewNetwork, init
from model.ids import DeviceName, Endpoint, Tag, UserName
from model.keys import SSHKey, WireGuardKey, ssh_key
from model.records import DeviceState
from store import Store, Transaction, devices, policies, users
from store.layout import DATABASE

PEERS = 50
"""That each device sees."""


def private_key(number: int) -> Ed25519PrivateKey:
    """The SSH key of a device, always the same: clients in other processes make it again by its number."""
    return Ed25519PrivateKey.from_private_bytes(random.Random(number).randbytes(32))


def private_text(number: int) -> bytes:
    return private_key(number).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def public_key(number: int) -> SSHKey:
    text = private_key(number).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return ssh_key(text.decode())


def cells_policy(cells: int, port: str = "*") -> str:
    """Each cell reaches itself at `port`, and all reach the hub."""
    tags = [f"tag:cell-{cell}" for cell in range(cells)]
    acls = [{"action": "accept", "src": [tag], "dst": [f"{tag}:{port}"]} for tag in tags]
    hub = {"action": "accept", "src": ["autogroup:tagged"], "dst": [f"{HUB}:{port}"]}
    return json.dumps({"tagOwners": {tag: [] for tag in (*tags, HUB)}, "acls": [*acls, hub]})


SELF_POLICY = json.dumps({"acls": [{"action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self:*"]}]})
HUB = "tag:hub"


def cells_of(count: int, peers: int = PEERS) -> int:
    return -(-count // (peers + 1))


def a_network(state: Path, count: int, *, owned: bool = False, hub: bool = False) -> None:
    """Makes a state of `count` devices in cells of 51: by tag, or where `owned`, by person.

    With `hub`, device 0 is one that all see. The owner alice has the key of number -1.
    """
    init(state, NewNetwork(
        domain="net.bench", owner="alice", owner_key=public_key(-1), addresses=("127.0.0.1",), ipv4="10.0.0.0/8",
    ))  # fmt: skip
    cells, dice = cells_of(count), random.Random(1)

    def people(tx: Transaction) -> None:
        for cell in range(cells if owned else 0):
            users.add(tx, name=UserName(f"person{cell}@net.bench"))
        policies.add(tx, SELF_POLICY if owned else cells_policy(cells), "bench", "")

    def some(tx: Transaction, first: int) -> None:
        for number in range(first, min(first + 2000, count)):
            cell = number % cells
            tag = HUB if hub and number == 0 else f"tag:cell-{cell}"
            devices.add(
                tx, name=DeviceName(f"device-{number}"), user=UserName(f"person{cell}@net.bench") if owned else None,
                tags=() if owned else (Tag(tag),), ssh_key=public_key(number), state=DeviceState.APPROVED,
                wireguard_key=WireGuardKey(base64.b64encode(dice.randbytes(32)).decode()), os="linux",
                endpoints=(Endpoint(f"192.0.2.{number % 250 + 1}:{1024 + number}"),), agent_version="0.1.0",
            )  # fmt: skip

    store = Store.open(state / DATABASE)
    try:
        store.transact(people)
        for first in range(0, count, 2000):
            store.transact(lambda tx, first=first: some(tx, first))  # type: ignore[misc]
    finally:
        store.close()
