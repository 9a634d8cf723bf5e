"""Following the network: the latest NetMap, for as long as the agent lives, over whatever connection there is.

connect ─▶ hello (version held) ─▶ whole map, or deltas over the one held ─▶ … ─▶ lost ─▶ wait, jittered ─▶ connect
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

import asyncssh
import msgspec

from agent.door import Gate, GateBusy, KeyRefused, Subsystem, open_subsystem
from model.errors import Invalid, Unavailable, WardgateError
from model.ids import Address
from model.netmap import Delta, NetMap, apply_delta, digest, is_diverged
from model.wire import (
    MAX_GATE_LINE,
    Challenge,
    Hello,
    HostCertificate,
    HostChallenge,
    PeersGateLine,
    Refused,
    peers_gate_line,
    read_line,
)

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
STABLE_AFTER = 60.0
"""A connection that lasted this long was a good one: the next wait is a first wait."""


def back_off(attempt: int, jitter: float) -> float:
    """Seconds to wait before try `attempt` (from 0), where `jitter` is in [0, 1).

    Spread over the whole interval, so that the devices of a network do not come back as one.
    """
    top = min(LONGEST_WAIT, FIRST_WAIT * float(1 << min(attempt, 16)))
    return top / 4 + jitter * top * 3 / 4


def advance(held: NetMap | None, line: NetMap | Delta) -> NetMap | None:
    """The map after `line`; None where it does not lead from the one held to the gate's, and a whole one is needed."""
    if isinstance(line, NetMap):
        return line
    if held is None or line.base != held.version:
        return None
    try:
        newer = apply_delta(held, line)
    except (ValueError, msgspec.ValidationError):
        return None
    return None if is_diverged(newer, line.digest) else newer


def greeting(held: NetMap | None) -> Hello:
    """Goes on from the map held; its digest spares the gate to say it all again after a long time."""
    if held is None or held.version == 0:
        return Hello(version=0)
    return Hello(version=held.version, digest=digest(held))


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """What a follower tells. All are called on the event loop."""

    on_map: Callable[[NetMap], None]
    on_connected: Callable[[], None]
    on_lost: Callable[[WardgateError, float], None]
    """Why, and the seconds until the next try."""
    on_reply: Callable[[Challenge | HostChallenge | HostCertificate | Refused], Awaitable[None]]


class Follower:
    """Keeps one connection at the peers door. `send` is for lines that matter only while there is one."""

    def __init__(self, gate: Gate, key: asyncssh.SSHKey, held: NetMap | None, listener: Listener) -> None:
        self.gate = gate
        self.held = held
        self._key = key
        self._listener = listener
        self.gate_addresses: tuple[Address, ...] = ()
        self._channel: Subsystem | None = None
        self._settled: Subsystem | None = None
        self._asked_whole = False
        self._told_wait: float | None = None

    @property
    def connected(self) -> bool:
        return self._channel is not None

    async def run(self) -> None:
        """Until cancelled. Every failure is told and tried again: a device never gives up its network by itself."""
        attempt = 0
        while True:
            began = time.monotonic()
            try:
                await self._session()
                problem: WardgateError = Unavailable(f"{self.gate} ended the connection")
            except WardgateError as error:
                problem = error
            except (OSError, asyncssh.Error) as error:
                problem = Unavailable(f"the connection to {self.gate} broke: {error}")
            attempt = 0 if time.monotonic() - began > STABLE_AFTER else attempt
            wait = self._told_wait or back_off(attempt, random.random())  # noqa: S311  no secret
            attempt += 1
            if isinstance(problem, GateBusy):
                wait = problem.retry_after * (1 + random.random() / 10)  # noqa: S311
            if isinstance(problem, KeyRefused):
                wait = max(wait, LONGEST_WAIT / 2)
            self._told_wait = None
            self._listener.on_lost(problem, wait)
            await asyncio.sleep(wait)

    def moved(self, addresses: Sequence[Address]) -> None:
        """This machine has `addresses` now. A connection from one that it lost is dead, and is not waited for."""
        channel = self._channel
        if channel is None:
            return
        if channel.own_address in addresses:
            self._settled = channel
        elif self._settled is channel:
            channel.abort()

    async def send(self, message: msgspec.Struct) -> bool:
        """Whether there was a connection to hand it to."""
        if self._channel is None:
            return False
        try:
            await self._channel.send(message)
        except (OSError, asyncssh.Error):
            return False
        return True

    async def _session(self) -> None:
        async with await open_subsystem(self.gate, "device", "peers", self._key) as channel:
            self._asked_whole, self._told_wait = False, None
            await channel.send(greeting(self.held))
            self._channel = channel
            self.gate_addresses = (channel.gate_address,)
            try:
                self._listener.on_connected()
                async for line in channel.lines():
                    await self._take(channel, line)
            finally:
                self._channel = None

    async def _take(self, channel: Subsystem, line: bytes) -> None:
        message = _understood(line)
        match message:
            case NetMap() | Delta():
                await self._take_map(channel, message)
            case Refused(about=str()):
                await self._listener.on_reply(message)
            case Refused(retry_after=int(seconds)):
                self._told_wait = seconds * (1 + random.random() / 4)  # noqa: S311
                await self._listener.on_reply(message)
            case Refused(code="conflict"):
                # Another is connected with this device's key: two that call at once would push each other out.
                self._told_wait = LONGEST_WAIT * (1 + random.random()) / 2  # noqa: S311
                await self._listener.on_reply(message)
            case Challenge() | HostChallenge() | HostCertificate() | Refused():
                await self._listener.on_reply(message)

    async def _take_map(self, channel: Subsystem, message: NetMap | Delta) -> None:
        newer = advance(self.held, message)
        if newer is None:
            if not self._asked_whole:
                self._asked_whole = True
                await channel.send(Hello(version=0))
            return
        if isinstance(message, NetMap):
            self._asked_whole = False
        elif self._asked_whole:
            return
        self.held = newer
        self._listener.on_map(newer)


def _understood(line: bytes) -> PeersGateLine | None:
    """None for a line of a type that this agent is too old to know; `Invalid` for one that breaks the protocol."""
    try:
        return read_line(peers_gate_line, line, MAX_GATE_LINE)
    except Invalid:
        if _type_of(line) in {"netmap", "delta", "challenge", "host-challenge", "host-certificate", "refused", None}:
            raise
        return None


class _AnyLine(msgspec.Struct):
    type: str


def _type_of(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=_AnyLine).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
