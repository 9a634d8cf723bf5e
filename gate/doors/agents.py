"""The agents' door: who is connected, and what each of them was told."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import asyncssh

from gate import netmaps
from gate.actor import Actor
from gate.doors.door import KbdInt
from gate.doors.lines import LineSession
from gate.doors.proof import Asked
from gate.operation import Operation
from gate.services import agents as operations
from model import change as c
from model import wire
from model.errors import Conflict, Denied, Invalid, Limited, NotFound, WardgateError
from model.ids import DeviceID, Endpoint, Version
from model.keys import SSHKey, WireGuardKey, ssh_key, wireguard_key
from model.netmap import Delta, delta
from model.records import Role
from store import Reader

if TYPE_CHECKING:
    from gate.doors.door import Door
    from gate.doors.keeper import Keeper
    from gate.gate import Gate
    from gate.snapshot import Snapshot

S = TypeVar("S", bound=Reader)
T = TypeVar("T")

log = logging.getLogger("wardgate.doors")

COALESCE = 0.004
"""Seconds in which changes become one delta."""
SLICE = 0.004
"""Seconds that telling agents takes the loop at a time."""
HELLO = 0.05
"""Seconds that an agent may take to say from where it resumes; nothing is asked of one that says nothing."""
LAPSE_CHECK = 20.0
HISTORY = 32
"""Snapshots that a returning agent can resume from."""


class AgentLogin:
    """A registered device's key, and nothing else, gets in."""

    keyboard = False

    def __init__(self, keeper: Keeper, door: Door) -> None:
        self._keeper = keeper
        self._door = door
        self.key: SSHKey | None = None
        self._session: AgentSession | None = None

    def accepts(self, key: SSHKey) -> bool:
        return self._keeper.agents.device(key) is not None

    def proved(self, key: SSHKey) -> None:
        self.key = key

    async def challenge(self) -> KbdInt:
        return False

    async def respond(self, answers: tuple[str, ...]) -> KbdInt:
        return False

    async def password(self, text: str) -> bool:
        return False

    def completed(self) -> str | None:
        return None

    def session(self) -> asyncssh.SSHServerSession[bytes] | None:
        id = self._keeper.agents.device(self.key) if self.key else None
        if self._session is not None or id is None or self.key is None:
            return None
        self._session = AgentSession(self._keeper.gate, self._keeper.agents, id, self.key, self._door)
        return self._session

    async def leave(self, reason: str) -> None:
        if self._session:
            self._session.dismiss(Limited(reason), retry_after=5)

    def lost(self) -> None: ...


class Agents:
    """All connected agents of one gate.

    An agent that was told everything needs no record of what it was told: the snapshot of the moment says it.
    One that waits to be told something keeps the snapshot before, so that one delta covers all since.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._by_key: dict[bytes, DeviceID] = {}
        for device in gate.snapshot.devices.values():
            if device.ssh_key:
                self._by_key[device.ssh_key.blob] = device.id
        self._sessions: dict[DeviceID, AgentSession] = {}
        self._waiting: dict[DeviceID, AgentSession] = {}
        self._telling: asyncio.Task[None] | None = None
        self._history: deque[Snapshot] = deque([gate.snapshot], maxlen=HISTORY)
        self._observed: dict[DeviceID, tuple[Endpoint, ...]] = {}
        self._sweep = asyncio.get_running_loop().call_later(LAPSE_CHECK, self._lapse)

    def device(self, key: SSHKey) -> DeviceID | None:
        return self._by_key.get(key.blob)

    def arrive(self, session: AgentSession) -> None:
        """The newer connection of a device wins, and the older is told."""
        older = self._sessions.get(session.device)
        self._sessions[session.device] = session
        self._gate.presence.arrived(session.device)
        if older:
            older.dismiss(Conflict("a newer connection of this device took over"), retry_after=None)

    def leave(self, session: AgentSession) -> None:
        self._gate.presence.left(session.device)
        if self._sessions.get(session.device) is session:
            del self._sessions[session.device]
            self._waiting.pop(session.device, None)

    # The network changes.

    def advance(self, old: Snapshot, new: Snapshot, changes: Sequence[c.Committed]) -> Iterable[tuple[Door, str]]:
        """Marks who has to be told, and returns the connections that end."""
        self._history.append(new)
        gone = [door for entry in changes for door in self._follow(entry.change)]
        for id in netmaps.affected(new, self._sessions):
            session = self._sessions.get(id)
            if session and id in new.devices:
                self.mark(session, old)
        return gone

    def _follow(self, change: c.Change) -> Iterable[tuple[Door, str]]:
        match change:
            case c.DeviceChange(device=device):
                if device.ssh_key:
                    self._by_key[device.ssh_key.blob] = device.id
            case c.DeviceRemoved(id=id, name=name):
                for blob in [blob for blob, owner in self._by_key.items() if owner == id]:
                    del self._by_key[blob]
                session = self._sessions.get(id)
                if session:
                    session.dismiss(NotFound(f'device "{name}" was removed from the network'), retry_after=None)
                    yield session.door, f'device "{name}" was removed from the network'
            case _:
                pass

    def mark(self, session: AgentSession, before: Snapshot) -> None:
        if session.before is None:
            session.before = before
        if session.whole_sent and not session.paused:
            self._waiting[session.device] = session
            if self._telling is None:
                self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        """Deltas to all that wait, in slices, so that consoles stay quick meanwhile."""
        try:
            await asyncio.sleep(COALESCE)
            loop = asyncio.get_running_loop()
            until = loop.time() + SLICE
            while self._waiting:
                session = self._waiting.pop(next(iter(self._waiting)))
                if session.paused:
                    continue
                try:
                    session.tell(self._gate.snapshot)
                except Exception:
                    log.exception("device %s could not be told a change", session.device)
                    session.dismiss(WardgateError("the gate failed at this; its log says why"), retry_after=30)
                if loop.time() > until:
                    await asyncio.sleep(0)
                    until = loop.time() + SLICE
        finally:
            self._telling = None

    def snapshot_at(self, version: int) -> Snapshot | None:
        """The snapshot that a map of `version` was made from, where it is still kept."""
        return next((kept for kept in reversed(self._history) if kept.version == version), None)

    def observed(self, ids: Iterable[DeviceID]) -> None:
        """Others see these devices at new endpoints: whoever sees them is told."""
        now = self._gate.snapshot
        for id in ids:
            self._observed[id] = self._gate.presence.observed(id)
            for viewer in now.compiled.peers(id) if id in now.devices else ():
                session = self._sessions.get(viewer)
                if session:
                    session.news.add(id)
                    self.mark(session, now)

    def _lapse(self) -> None:
        """What nobody repeats is handed out no more."""
        self._sweep = asyncio.get_running_loop().call_later(LAPSE_CHECK, self._lapse)
        lapsed = [id for id, told in self._observed.items() if self._gate.presence.observed(id) != told]
        self.observed(lapsed)
        for id in lapsed:
            if not self._observed[id]:
                del self._observed[id]

    def close(self) -> None:
        self._sweep.cancel()
        if self._telling:
            self._telling.cancel()


class AgentSession(LineSession):
    """`before` is the newest snapshot that the agent knows of, where it is not the gate's of the moment."""

    subsystem = "peers"

    def __init__(self, gate: Gate, agents: Agents, device: DeviceID, key: SSHKey, door: Door) -> None:
        super().__init__(rate=2, burst=40)
        self.device = device
        self.door = door
        self.before: Snapshot | None = None
        self.news: set[DeviceID] = set()
        self.whole_sent = False
        self._gate = gate
        self._agents = agents
        self._key = key
        self._told = 0
        self._start: asyncio.TimerHandle | None = None
        self._asked: tuple[Asked, WireGuardKey] | None = None

    def started(self) -> None:
        self._agents.arrive(self)
        self._start = asyncio.get_running_loop().call_later(HELLO, self._whole)

    def ended(self) -> None:
        if not self._lines and self._worker is None:
            self._whole()

    def lost(self) -> None:
        if self._start:
            self._start.cancel()
        self._agents.leave(self)

    def dismiss(self, why: WardgateError, *, retry_after: int | None) -> None:
        self.refuse(why, retry_after)
        self.finish(1)

    # Telling.

    def _whole(self, *, again: bool = False) -> None:
        """The whole map, once, or when it is asked for."""
        if self._start:
            self._start.cancel()
            self._start = None
        if (self.whole_sent and not again) or self.over:
            return
        now = self._gate.snapshot
        if self.device not in now.devices:
            self.dismiss(NotFound("this device was removed from the network"), retry_after=None)
            return
        try:
            line = netmaps.encode(netmaps.netmap(now, self.device, self._gate.presence.observed))
        except Exception:
            log.exception("no map could be made for device %s", self.device)
            self.dismiss(WardgateError("the gate failed at this; its log says why"), retry_after=30)
            return
        self.before, self.whole_sent, self._told = None, True, now.version
        self.news.clear()
        self.send_bytes(line)

    def tell(self, now: Snapshot) -> None:
        """What changed since `before`, as one delta over what the agent was told last."""
        before, self.before = self.before, None
        news, self.news = self.news, set()
        if before is None or self.over or self.device not in now.devices:
            return
        observed = self._gate.presence.observed
        new = netmaps.netmap(now, self.device, observed)
        change = delta(netmaps.netmap(before, self.device, observed), new)
        peers = {peer.id: peer for peer in change.peers} if change else {}
        peers |= {peer.id: peer for peer in new.peers if peer.id in news}
        if change is None and not peers:
            return
        told = Delta(
            version=now.version, base=Version(self._told), peers=tuple(peers.values()),
            removed=change.removed if change else (), set=change.set if change else {},
        )  # fmt: skip
        self._told = now.version
        self.send_bytes(netmaps.encode(told))

    def resume_writing(self) -> None:
        """A reader that was slow gets the last state, and nothing of what was between."""
        super().resume_writing()
        if self.before is not None:
            self._agents.mark(self, self.before)

    # Listening.

    async def line(self, line: bytes) -> None:
        message = wire.read_line(wire.peers_client_line, line)
        if isinstance(message, wire.Hello):
            self._hello(message)
            return
        self._whole()
        match message:
            case wire.HostCertificateRequest(key=text):
                issued = await self._perform(operations.host_certificate, key=ssh_key(text))
                self.send(wire.HostCertificate(certificate=issued.line))
            case wire.RotateKey(wireguard_key=text):
                wanted = wireguard_key(text)
                self._asked = Asked(wanted, self._key), wanted
                self.send(self._asked[0].challenge)
            case wire.Proof():
                await self._rotate(message)
            case _:
                await self._report(message)

    def _hello(self, hello: wire.Hello) -> None:
        if self.whole_sent:
            if hello.version == 0:
                self._whole(again=True)
            return
        known = self._agents.snapshot_at(hello.version) if hello.version else None
        if known is None or self.device not in known.devices or hello.version > self._gate.snapshot.version:
            self._whole()
            return
        if self._start:
            self._start.cancel()
            self._start = None
        self.whole_sent, self._told = True, hello.version
        self.news.update(id for id in known.compiled.peers(self.device) if self._gate.presence.observed(id))
        self._agents.mark(self, known)

    async def _report(self, message: wire.PeersClientLine) -> None:
        match message:
            case wire.Endpoints(endpoints=endpoints):
                await self._perform(operations.report_endpoints, endpoints=endpoints)
            case wire.Observed(peers=peers):
                try:
                    fresh = await self._perform(operations.report_observed, peers=peers)
                except Denied as denied:
                    await self._gate.audit(self._actor(), "agent observed", "refused", {"why": denied.message})
                    raise
                self._agents.observed(fresh)
            case wire.Routes(routes=routes):
                await self._perform(operations.report_routes, routes=routes)
            case wire.Report():
                await self._perform(
                    operations.report, os=message.os, agent_version=message.agent_version,
                    attributes=message.attributes,
                )  # fmt: skip

    async def _rotate(self, proof: wire.Proof) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            raise Invalid("a proof answers a challenge", hint='send a line {"type": "rotate-key", ...} first')
        asked[0].check(proof)
        await self._perform(operations.rotate_key, wireguard=asked[1])

    async def _perform(self, operation: Operation[S, ..., T], **arguments: object) -> T:
        return await self._gate.perform(operation, self._actor(), device=self.device, **arguments)

    def _actor(self) -> Actor:
        """The device itself. What it may do is what the agents' operations do, for this device alone."""
        device = self._gate.snapshot.devices.get(self.device)
        name = device.name if device else self.device
        return Actor(
            name=f"device:{name}", role=Role.OWNER, source=self.door.source, method="key",
            connection=self.door.number,
        )  # fmt: skip
