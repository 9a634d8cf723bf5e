"""A real gate in a namespace: an event loop in a thread that is there, and a test that asks things of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from agent_world import World, inside

from gate import network
from gate.actor import GATE, Actor
from gate.doors import Server, serve
from gate.faces import ConsoleChannel, Streams, Terminal
from gate.gate import Gate
from gate.services import authority, policies, users
from gate.services import enrollment_keys as keys
from model.ids import DeviceName
from model.keys import Secret, ssh_key
from model.records import Device
from sshca import load
from store.layout import host_key


class KeyFaces:
    """Of all commands only the one by which a person's login fetches an enrollment key, as the command line has it."""

    async def command(
        self, gate: Gate, actor: Actor, words: Sequence[str], streams: Streams, terminal: Terminal | None
    ) -> int:
        assert list(words[:2]) == ["enrollment-keys", "create"]
        made = await gate.perform(keys.create, actor, user=None, uses=1, lives=300)
        streams.write(json.dumps({"id": made.record.id, "key": str(made.key)}) + "\n")
        return 0

    async def console(self, gate: Gate, actor: Actor, channel: ConsoleChannel, words: Sequence[str]) -> int:
        return 1


class RealGate:
    """`do` performs an operation as the gate itself; all calls block the test's thread."""

    def __init__(self, made: World, folder: Path) -> None:
        self.address = made.gate_address
        self.folder = folder
        self.state = folder / "gate"
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._gate: Gate | None = None
        self._server: Server | None = None
        self._thread = threading.Thread(target=lambda: inside(made.hub, self._run))
        self._thread.start()
        self._ready.wait(30)
        assert self.port, "the gate did not start"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._start())
        finally:
            self._ready.set()
        self._loop.run_forever()
        self._loop.close()

    async def _start(self) -> None:
        network.init(self.state, network.NewNetwork(domain="net.test", owner="alice", addresses=(self.address,)))
        self._gate = await Gate.open(self.state)
        key = load(host_key(self.state), None).key
        addresses = authority.addresses_of(self._gate.snapshot)
        certificate = network.host_certificate(self._gate.store, self._gate.signers, key, addresses)
        assert certificate
        self._server = await serve(
            self._gate, KeyFaces(), host=self.address, port=0, host_key=host_key(self.state),
            host_certificate=certificate.line.encode(),
        )  # fmt: skip
        self.port = self._server.port

    @property
    def gate(self) -> Gate:
        assert self._gate is not None
        return self._gate

    def _call(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def body() -> Any:
            return await work()

        return asyncio.run_coroutine_threadsafe(body(), self._loop).result(30)

    def do(self, operation: Any, **arguments: object) -> Any:
        return self._call(lambda: self.gate.perform(operation, GATE, **arguments))

    def enrollment_key(self, **more: object) -> Secret:
        made = self.do(keys.create, **({"user": "alice@net.test", "pre_approved": True} | more))
        return Secret(made.key)

    def policy(self, text: str) -> None:
        self.do(policies.set_policy, text=text)

    def person_key(self, name: str, line: str) -> None:
        self.do(users.add_key, name=name, key=ssh_key(line))

    def device(self, name: str) -> Device | None:
        wanted = DeviceName(name)
        return next((device for device in self.gate.snapshot.devices.values() if device.name == wanted), None)

    def online(self, name: str) -> bool:
        device = self.device(name)
        return device is not None and self.gate.presence.online(device.id)

    def end(self) -> None:
        async def stop() -> None:
            assert self._server is not None
            await self._server.close()
            await self.gate.close()

        self._call(stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


@contextlib.contextmanager
def real_gate(made: World, folder: Path) -> Iterator[RealGate]:
    gate = RealGate(made, folder)
    try:
        yield gate
    finally:
        gate.end()
