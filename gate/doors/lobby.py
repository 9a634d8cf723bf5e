"""Where connections wait while more come than can be served: after a restart, all agents come at once.

    accepted ─▶ waiting ─▶ greeted: the SSH handshake ─▶ known: logged in, or a person who takes their time
                   └─▶ turned away, told when to come back

A client names its program before anything costs (RFC 4253, section 4.2). Agents of Wardgate wait behind people. It is
a hint and no secret: who lies gains a place among people, of whom one address never has many.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from gate.doors.limits import Admission, Limits
from gate.login.rates import origin
from gate.watch import Watch

if TYPE_CHECKING:
    from gate.doors.connection import GateConnection

AGENT = b"SSH-2.0-WardgateAgent"
VERSION = b"SSH-2.0-Wardgate\r\n"
SILENT = 10.0
"""Seconds that a waiting client has for the line with its version."""
SILENT_OF_MANY = 1.0
"""The same, where as many of its address as may are being logged in."""
MOST_SILENT = 128
"""Connections of one address that may be that silent at a time, while others wait."""
PATIENCE = 12.0
"""Seconds that an agent is let wait; who would wait longer is told when to come back instead."""
MOST_WAITING = 4096
"""Agents that wait at a time."""
MOST_PEOPLE = 512
"""Others that wait at a time."""
HANDSHAKE = 10.0
"""Seconds after which a handshake does not keep others waiting any more; it goes on under the login's own limit."""
FEWEST, MOST = 8, 128
"""Bounds of the handshakes at a time."""
PEOPLE_TURNS = 4
"""Of so many places, one is an agent's even while people wait; the rest are people's first."""
TICK = 0.05
LATE, EARLY = 0.025, 0.012
"""Lateness of the loop, in seconds, above which fewer are greeted at a time, and below which more are."""
KEPT = 8192
"""Bytes of a waiting client that are kept: its version, and what it says before it is answered."""
LONGEST_AWAY = 120


class Waiting(asyncio.Protocol):
    """One connection that nobody has spoken to yet."""

    __slots__ = ("_data", "_late", "_lobby", "address", "agent", "gone", "queued", "transport")

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self._data = b""
        self._late: asyncio.TimerHandle | None = None
        self.address = ""
        self.agent = self.gone = self.queued = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        if self._lobby.calm(self.address):
            self.greet()
        else:
            self._late = self._lobby.listen(self)

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        if self.gone:
            return
        self._data += data
        if len(self._data) > KEPT:
            self.drop()
        elif b"\n" in self._data:
            self.agent = self._data.startswith(AGENT)
            self.transport.pause_reading()
            self._settle()
            self._lobby.arrived(self)

    def drop(self) -> None:
        """It said nothing, or nothing of SSH."""
        self._settle()
        self._lobby.dropped += 1
        self.turn_away(self._lobby.reason(self.address))

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle()
        if not self.gone:
            self.gone = True
            if self.queued:
                self._lobby.lost(self)

    def _settle(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None
            self._lobby.listened(self)

    def greet(self) -> None:
        """Hands the connection on to SSH, with all that the client said."""
        assert self.transport is not None
        self._settle()
        self.gone = True
        connection = self._lobby.make()
        self.transport.set_protocol(connection)
        connection.connection_made(self.transport)
        if self._data:
            self.transport.resume_reading()
            connection.data_received(self._data)

    def turn_away(self, text: str) -> None:
        """A version and a disconnect message (RFC 4253, section 11.1), which need no handshake."""
        assert self.transport is not None
        self.gone = True
        self.transport.write(VERSION + too_many(text))
        self.transport.resume_reading()  # unread bytes would reset the connection under the message
        if self.transport.can_write_eof():
            self.transport.write_eof()
        asyncio.get_running_loop().call_later(1.0, self.transport.abort)


def too_many(text: str) -> bytes:
    """A disconnect message before any key exchange: too many connections, in words that an agent reads too."""
    said = text.encode()
    payload = struct.pack(">BII", 1, 12, len(said)) + said + struct.pack(">I", 2) + b"en"
    padding = 8 - (len(payload) + 5) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


class _Line:
    """Those who wait, in turn by address, so that one address does not keep all others waiting."""

    def __init__(self) -> None:
        self._by_origin: dict[str, deque[Waiting]] = {}
        self._turns: deque[str] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, one: Waiting) -> None:
        where = origin(one.address)
        if where not in self._by_origin:
            self._by_origin[where] = deque()
            self._turns.append(where)
        self._by_origin[where].append(one)
        one.queued = True
        self._count += 1

    def lost(self) -> None:
        self._count -= 1

    def next(self, has_room: Callable[[str], bool]) -> Waiting | None:
        """Whose turn it is, of an address that `has_room`."""
        for _ in range(min(len(self._turns), 64)):
            where = self._turns.popleft()
            line = self._by_origin[where]
            while line and line[0].gone:
                line.popleft()
            if not line:
                del self._by_origin[where]
                continue
            self._turns.append(where)
            if has_room(line[0].address):
                one = line.popleft()
                one.queued = False
                self._count -= 1
                return one
        return None

    def all(self) -> list[Waiting]:
        return [one for line in self._by_origin.values() for one in line if not one.gone]


class Lobby:
    """`make` makes the SSH side of a connection. While few come, nobody waits here."""

    def __init__(self, limits: Limits, admission: Admission, watch: Watch) -> None:
        self.make: Callable[[], GateConnection]
        self._silence = min(SILENT, limits.login_grace)
        self._silent: Counter[str] = Counter()
        self._admission = admission
        self._watch = watch
        self._people, self._agents = _Line(), _Line()
        self._handshakes: dict[int, float] = {}
        """Connections' numbers, in order of their beginning."""
        self._at_a_time = MOST // 2
        self._turn = 0
        self._tick: asyncio.TimerHandle | None = None
        self._served = 0
        self._rate = 200.0
        self._promised = 0.0
        self.turned_away = self.dropped = 0

    @property
    def waiting(self) -> int:
        return len(self._people) + len(self._agents)

    @property
    def per_second(self) -> float:
        """How many logins a second are got through while some wait."""
        return self._rate

    def calm(self, address: str) -> bool:
        """Whether a connection from `address` may go on at once."""
        return not self.waiting and len(self._handshakes) < self._at_a_time and self._admission.refusal(address) is None

    # Connections.

    def listen(self, one: Waiting) -> asyncio.TimerHandle:
        """Gives the client its time to say what it is; none where many of its address are silent already."""
        where = origin(one.address)
        self._silent[where] += 1
        patience = self._silence if self._has_room(one.address) else min(SILENT_OF_MANY, self._silence)
        if self._silent[where] > MOST_SILENT:
            patience = 0.0
        return asyncio.get_running_loop().call_later(patience, one.drop)

    def listened(self, one: Waiting) -> None:
        where = origin(one.address)
        self._silent[where] -= 1
        if not self._silent[where]:
            del self._silent[where]

    def reason(self, address: str) -> str:
        """Why one of `address` waits, or waited in vain."""
        return self._admission.refusal(address) or "this is an SSH server, and you said nothing while others waited"

    def arrived(self, one: Waiting) -> None:
        line, most = (self._agents, MOST_WAITING) if one.agent else (self._people, MOST_PEOPLE)
        wait = len(self._agents) / self._rate if one.agent else 0.0
        if len(line) >= most or wait > PATIENCE:
            self._turn_away(one)
            return
        line.add(one)
        self._pump()

    def _turn_away(self, one: Waiting) -> None:
        """Each is told a time of its own, in the order in which they came and at the rate at which they are served."""
        now = asyncio.get_running_loop().time()
        self._promised = max(self._promised, now + len(self._agents) / self._rate) + 1 / self._rate
        seconds = (self._promised - now) * random.uniform(1.0, 1.15)  # noqa: S311 - no secret
        self.turned_away += 1
        one.turn_away(
            f"the gate is busy: {self.waiting} wait for a login; retry in {round(min(seconds, LONGEST_AWAY)) + 1} s"
        )

    def lost(self, one: Waiting) -> None:
        (self._agents if one.agent else self._people).lost()

    def entered(self, number: int) -> None:
        """Connection `number` is in its handshake."""
        self._handshakes[number] = asyncio.get_running_loop().time()

    def left(self, number: int, *, served: bool = False) -> None:
        """It is known who it is, or it is over; said as often as one likes."""
        if self._handshakes.pop(number, None) is not None:
            self._served += served
            if self.waiting:
                self._pump()

    # Turns.

    def _pump(self) -> None:
        while self.waiting and len(self._handshakes) < self._at_a_time:
            one = self._next()
            if one is None:
                break
            before = len(self._handshakes)
            one.greet()
            if len(self._handshakes) == before:
                break  # it was not let in
        if self._tick is None and self.waiting:
            self._served = 0
            self._tick = asyncio.get_running_loop().call_later(TICK, self._adapt)

    def _next(self) -> Waiting | None:
        self._turn += 1
        first, second = self._people, self._agents
        if self._turn % PEOPLE_TURNS == 0:
            first, second = second, first
        return first.next(self._has_room) or second.next(self._has_room)

    def _has_room(self, address: str) -> bool:
        return self._admission.refusal(address) is None

    def _adapt(self) -> None:
        """Greets fewer at a time where the loop is late, more where it is not."""
        self._tick = None
        now = asyncio.get_running_loop().time()
        if self._watch.now > LATE:
            self._at_a_time = max(FEWEST, self._at_a_time * 3 // 4)
        elif self._watch.now < EARLY:
            self._at_a_time = min(MOST, self._at_a_time + 4)
        self._rate = max(20.0, self._rate * 0.95 + 0.05 * self._served / TICK)
        self._served = 0
        for number in [number for number, since in self._handshakes.items() if now - since > HANDSHAKE]:
            self.left(number)
        self._pump()

    def close(self) -> None:
        if self._tick:
            self._tick.cancel()
        for one in (*self._people.all(), *self._agents.all()):
            one.turn_away("the gate is stopping; retry in 5 s")
