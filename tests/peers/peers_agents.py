"""Agents for tests of the peers door: each assembles its map from the lines that it gets, as a real one does."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
import msgspec

from gate.doors import Server
from gate.doors.agentsession import AgentSession
from gate.gate import Gate
from model.ids import DeviceID
from model.netmap import Delta, NetMap, apply_delta, digest
from model.wire import Hello, PeersGateLine, peers_gate_line, write_line

HIGH_WATER = 8 * 1024


class Assembling:
    """The map that follows from lines, with what is wrong with them found at once."""

    def __init__(self, held: NetMap | None = None) -> None:
        self.held = held
        self.others: list[PeersGateLine] = []
        self.wholes = self.deltas = 0

    def take(self, line: bytes) -> None:
        message = peers_gate_line.decode(line)
        match message:
            case NetMap():
                self.wholes += 1
                self._keep(msgspec.structs.replace(message, digest=""), message.digest)
            case Delta():
                self.deltas += 1
                assert self.held is not None, "a delta over nothing"
                self._keep(apply_delta(self.held, message), message.digest)
            case _:
                self.others.append(message)

    def _keep(self, newer: NetMap, told: str) -> None:
        assert self.held is None or newer.version >= self.held.version, "the version fell"
        assert told in {"", digest(newer)}, "the digest is of another map"
        self.held = newer

    def same_as(self, truth: NetMap) -> bool:
        """But for the version: what changes nothing for a device is not told to it."""
        return self.held is not None and msgspec.structs.replace(self.held, version=truth.version) == truth


class Unplugged(Assembling):
    """An agent on a session of the gate's own, without a wire: `reading` False is a client that stopped reading."""

    def __init__(self, gate: Gate, server: Server, device: DeviceID, held: NetMap | None = None) -> None:
        super().__init__(held)
        self.device = device
        self.reading = True
        self.status: int | None = None
        self._kept = b""
        agents = server.keeper.agents
        key = gate.snapshot.devices[device].ssh_key
        assert key is not None
        self.session = AgentSession(gate, agents, device, key, _NoDoor())  # type: ignore[arg-type]
        self.session.connection_made(self)  # type: ignore[arg-type]
        self.session.session_started()

    def say(self, line: bytes) -> None:
        self.session.data_received(line, None)

    def stop_reading(self) -> None:
        self.reading = False

    def read(self) -> None:
        """Takes all that was sent, and goes on reading."""
        self.reading = True
        *lines, self._kept = self._kept.split(b"\n")
        for line in lines:
            self.take(line)
        if self.session.paused:
            self.session.resume_writing()

    def leave(self) -> None:
        self.session.connection_lost(None)

    # The channel's side, as the session uses it.

    def write(self, data: bytes) -> None:
        self._kept += data
        if self.reading:
            self.read()
        elif len(self._kept) > HIGH_WATER and not self.session.paused:
            self.session.pause_writing()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def exit(self, status: int) -> None:
        self.status = status


class _NoDoor:
    source, number, program = "127.0.0.1", 0, ""

    def disconnect(self, reason: str) -> None: ...

    def allow(self, seconds: float, reason: str) -> None: ...

    def stay(self) -> None: ...

    async def leave(self, reason: str) -> None: ...


class Plugged(Assembling, asyncssh.SSHClientSession):  # type: ignore[misc]
    """An agent over SSH, in this process. What tests ask of it they may ask of one that is unplugged, too."""

    def __init__(self, held: NetMap | None = None) -> None:
        super().__init__(held)
        self.connection: asyncssh.SSHClientConnection | None = None
        self.channel: Any = None
        self.lost = asyncio.Event()
        self.status: int | None = None
        self._kept = b""

    def connection_made(self, chan: Any) -> None:
        self.channel = chan

    def say(self, line: bytes) -> None:
        self.channel.write(line)

    def stop_reading(self) -> None:
        self.channel.pause_reading()

    def read(self) -> None:
        self.channel.resume_reading()

    def leave(self) -> None:
        assert self.connection is not None
        self.connection.abort()

    @property
    def transport(self) -> Any:
        """TCP under it."""
        assert self.connection is not None
        return self.connection._transport

    def data_received(self, data: bytes, datatype: Any) -> None:
        *lines, self._kept = (self._kept + data).split(b"\n")
        for line in lines:
            self.take(line)

    def exit_status_received(self, status: int) -> None:
        self.status = status

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


async def plug_in(
    port: int, key: asyncssh.SSHKey, held: NetMap | None = None, *, ours: bool = False, window: int = 1 << 21
) -> Plugged:
    """Connects as `device` with `key`, opens the subsystem, and goes on from the map that it holds.

    One of `ours` names itself and always says hello, as Wardgate's agent does: it is waited for on a busy machine too.
    Of what it does not read, `window` bytes may be on their way.
    """
    connection = await asyncssh.connect(
        "127.0.0.1", port, username="device", client_keys=[key], config=None, agent_path=None, known_hosts=None,
        preferred_auth="publickey", compression_algs=None, encryption_algs=["aes128-gcm@openssh.com"],
        login_timeout=60, client_version="WardgateAgent" if ours else "Test",
    )  # fmt: skip
    _, agent = await connection.create_session(lambda: Plugged(held), subsystem="peers", encoding=None, window=window)
    agent.connection = connection
    if held is not None:
        agent.channel.write(write_line(Hello(version=held.version, digest=digest(held))))
    elif ours:
        agent.channel.write(write_line(Hello()))
    return agent


__all__ = ["Assembling", "Plugged", "Unplugged", "plug_in"]
