"""A console on a real gate in this process, for what the seeded backend would only pretend."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from channels import Session, a_console, a_terminal

from console.app.gatebackend import GateBackend
from console.commandline.face import execute
from gate.actor import Actor, local_actor
from gate.faces import Terminal
from gate.gate import Gate
from gate.network import NewNetwork, init
from gate.services import users
from model.ids import UserName
from model.records import Role

LOCAL = local_actor(0)


@contextlib.asynccontextmanager
async def a_gate(folder: Path) -> AsyncIterator[Gate]:
    """Of the domain example.com, owned by alice; opened again where it is there already."""
    state = folder / "net"
    if not state.exists():
        init(state, NewNetwork(domain="example.com", owner="alice"))
    async with await Gate.open(state) as gate:
        yield gate


async def a_person(gate: Gate, name: str, role: Role) -> Actor:
    full = UserName(f"{name}@example.com")
    if full not in gate.snapshot.users:
        await gate.perform(users.add, LOCAL, name=name, role=role)
    return Actor(name=full, role=role, user=full, source="192.0.2.1", method="key", connection=1)


@contextlib.asynccontextmanager
async def a_console_at(
    gate: Gate, actor: Actor, *words: str, terminal: Terminal | None = None
) -> AsyncIterator[Session]:
    """With the preferences that the store has for `actor`."""
    terminal = terminal or a_terminal()
    backend = GateBackend(gate, actor, terminal, execute)
    async with a_console(backend, *words, terminal=terminal, **await backend.preferences()) as session:
        yield session


def a_wireguard_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()
