"""One agent's session: what it is told, and what it tells of itself."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NoReturn, TypeVar

from gate import telling
from gate.actor import Actor
from gate.doors.hostproof import HostAsked
from gate.doors.lines import LineSession
from gate.doors.lobby import AGENT
from gate.doors.proof import Asked
from gate.operation import Operation
from gate.services import agents as operations
from model import wire
from model.errors import Denied, Invalid, NotFound, WardgateError
from model.ids import DeviceID, Version, quoted
from model.keys import SSHKey, WireGuardKey, ssh_key, wireguard_key
from model.records import Role
from store import Reader

if TYPE_CHECKING:
    from gate.doors.agents import Agents
    from gate.doors.door import Door
    from gate.gate import Gate

S = TypeVar("S", bound=Reader)
T = TypeVar("T")

log = logging.getLogger("wardgate.doors")

HELLO = 0.1
"""Seconds that a client may take to say from where it resumes; nothing is asked of one that says nothing."""
AGENTS_HELLO = 10.0
"""The same for Wardgate's own agent, which always says it: a busy machine is no reason to tell it all anew."""
SEALED_BELOW = 200
"""Agents that wait to be told, above which a delta goes without the map's digest: it can follow when there is time."""
FAREWELL = 2.0
"""Seconds that a client has, after its session, to end the connection by itself."""
SAID_TOO_LATE = 2.0
"""Seconds in which the first hello of a new agent crosses the map that it asks for."""


class AgentSession(LineSession):
    """silent ─(a line, end of input, or HELLO)─▶ started: has its map ─▶ … ─▶ lost

    A reader that is slow is told nothing more until it has read, and then one delta over all that it missed.
    """

    subsystem = "peers"

    def __init__(self, gate: Gate, agents: Agents, device: DeviceID, key: SSHKey, door: Door) -> None:
        super().__init__(rate=2, burst=40)
        self.device = device
        self.door = door
        self.arrived = self.started_telling = False
        self._gate = gate
        self._agents = agents
        self.key = key
        self._told = Version(0)
        self._missing: int | None = None
        """The journal's place from which on a paused client missed something."""
        self._start: asyncio.TimerHandle | None = None
        self._asked: tuple[Asked, WireGuardKey] | None = None
        self._host_asked: HostAsked | None = None
        self._began = 0.0
        self._greeted = False

    def started(self) -> None:
        if self.device not in self._gate.snapshot.devices:
            self._removed()
            return
        self.arrived = True
        self.door.stay()
        self._agents.arrive(self)
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        patience = AGENTS_HELLO if self.door.program.encode().startswith(AGENT) else HELLO
        self._start = loop.call_later(patience, self.whole)

    def ended(self) -> None:
        if not self._lines and self._worker is None:
            self.whole()

    def lost(self) -> None:
        self._begin()
        self._agents.leave(self)
        self._end_soon()

    def finish(self, status: int) -> None:
        super().finish(status)
        self._end_soon()

    def _end_soon(self) -> None:
        """A connection has one session. What stays after it would be a device's that may have any number of them."""
        self.door.allow(FAREWELL, "the session is over; connect again")

    def _begin(self) -> None:
        if self._start:
            self._start.cancel()
            self._start = None

    def dismiss(self, why: WardgateError, *, retry_after: int | None) -> None:
        self.refuse(why, retry_after)
        self.finish(1)

    def _removed(self) -> None:
        self.dismiss(NotFound("this device was removed from the network"), retry_after=None)

    # Telling.

    def whole(self, *, again: bool = False) -> None:
        """The whole map, once, or when it is asked for."""
        self._begin()
        if (self.started_telling and not again) or self.over:
            return
        now = self._gate.snapshot
        if self.device not in now.devices:
            self._removed()
            return
        try:
            line = self._agents.teller.whole(now, self.device)
        except Exception:
            log.exception("no map could be made for device %s", self.device)
            self.dismiss(WardgateError("the gate failed at this; its log says why"), retry_after=30)
            return
        self.started_telling, self._missing, self._told = True, None, now.version
        self._agents.settled(self)
        self.send_bytes(line)

    def tell(self, place: int, *, sealed: bool = False) -> None:
        """What the device missed since `place` in the journal, as one delta, or the whole map where that is shorter."""
        if self.over or not self.started_telling:
            return
        if self.paused:
            self._missing = place if self._missing is None else min(place, self._missing)
            return
        now = self._gate.snapshot
        if self.device not in now.devices:
            return
        missed = self._agents.journal.missed(place, self.device, now.compiled.world.slots.get(self.device))
        if missed is None:
            self.whole(again=True)
            return
        if not missed:
            return
        teller, base = self._agents.teller, self._told
        if missed.before is not None and self.device in missed.before.devices:
            line = teller.difference(
                missed.before, now, self.device, base, missed.shown, missed.parts,
                sealed=sealed or self._agents.waiting < SEALED_BELOW,
            )  # fmt: skip
        elif missed.before is not None:
            line = teller.whole(now, self.device)
        else:
            line = teller.news(now, self.device, base, missed.shown, missed.parts, sealed=sealed)
        if line is not None:
            self._told = now.version
            self.send_bytes(line)

    @property
    def missing(self) -> bool:
        """It does not read, and there is something that it was not told."""
        return self._missing is not None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._agents.paused(self)

    def resume_writing(self) -> None:
        """A reader that was slow gets the last state, and nothing of what was between."""
        super().resume_writing()
        self._agents.reads(self)
        missing, self._missing = self._missing, None
        if missing is not None:
            self._agents.wait(self, missing)

    # Listening.

    async def line(self, line: bytes) -> None:
        message = wire.read_line(wire.peers_client_line, line)
        if isinstance(message, wire.Own) and message.device not in {None, self.device}:
            await self._denied(
                message, Denied(f"device {self.device} speaks for itself alone, not for {quoted(message.device)}")
            )
        if not self.started_telling:
            await self._agents.prepare(self.device)
        if isinstance(message, wire.Hello):
            self._hello(message)
            return
        self.whole()
        match message:
            case wire.HostCertificateRequest():
                await self._certify(message)
            case wire.RotateKey(wireguard_key=text):
                wanted = wireguard_key(text)
                self._asked = Asked(wanted, self.key), wanted
                self.send(self._asked[0].challenge)
            case wire.Proof():
                await self._rotate(message)
            case _:
                await self._report(message)

    def _hello(self, hello: wire.Hello) -> None:
        """Goes on from the map that the device holds, where that is known or its digest is right."""
        now = self._gate.snapshot
        first, self._greeted = not self._greeted, True
        if self.started_telling:
            crossed = first and asyncio.get_running_loop().time() - self._began < SAID_TOO_LATE
            if hello.version != self._told and not crossed:
                self.whole(again=True)
            return
        if not 0 < hello.version <= now.version or self.device not in now.devices:
            self.whole()
            return
        held = Version(hello.version)
        if hello.digest and hello.digest == self._agents.teller.digest(now, self.device):
            self._resume(held)
            self._told = now.version
            self.send_bytes(telling.current(now.version, held))
            return
        place = self._agents.journal.place(held)
        missed = None
        if place is not None:
            missed = self._agents.journal.missed(place, self.device, now.compiled.world.slots.get(self.device))
        if place is None or missed is None or (hello.digest and not missed):
            self.whole()
            return
        self._resume(held)
        self.tell(place, sealed=bool(hello.digest))

    def _resume(self, held: Version) -> None:
        self._begin()
        self._agents.settled(self)
        self.started_telling, self._told = True, held

    async def _report(self, message: wire.PeersClientLine) -> None:
        if isinstance(message, wire.Observed):
            await self._observed(message)
            return
        known = self._gate.snapshot.devices.get(self.device)
        if (
            known is not None
            and isinstance(message, wire.Endpoints | wire.Routes | wire.Report)
            and operations.says_the_same(known, message)
        ):
            return
        match message:
            case wire.Endpoints(endpoints=endpoints):
                await self._perform(operations.report_endpoints, endpoints=endpoints)
            case wire.Routes(routes=routes):
                await self._perform(operations.report_routes, routes=routes)
            case wire.Report():
                await self._perform(
                    operations.report, os=message.os, agent_version=message.agent_version,
                    attributes=message.attributes,
                )  # fmt: skip

    async def _observed(self, message: wire.Observed) -> None:
        gate = self._gate
        try:
            fresh = await operations.report_observed(
                gate.snapshot, gate.presence, device=self.device, peers=message.peers, ages=message.handshakes
            )
        except Denied as denied:
            await self._denied(message, denied)
        await self._agents.show(fresh)

    async def _denied(self, message: wire.Own, why: Denied) -> NoReturn:
        """Refuses what a device may not do, and has it in the audit trail."""
        action = f"agent {message.__struct_config__.tag}"
        await self._gate.audit(self._actor(), action, "refused", {"why": why.message})
        raise why

    async def _certify(self, message: wire.HostCertificateRequest) -> None:
        """A host certificate. One that cannot be given is refused as such, and known to who looks at the device."""
        presence = self._gate.presence
        try:
            key = ssh_key(message.key)
            if message.prove:
                self._host_asked = HostAsked(key, self.key)
                self.send(self._host_asked.challenge)
                return
            if message.proof:
                asked, self._host_asked = self._host_asked, None
                if asked is None:
                    raise Invalid("a proof answers a challenge", hint='ask for one with "prove": true')
                asked.check(key, message.proof)
            issued = await self._perform(operations.host_certificate, key=key, proved=bool(message.proof))
        except WardgateError as error:
            presence.refuse_host(self.device, error)
            self.send(wire.Refused.because(error, about="host-certificate"))
            return
        presence.refuse_host(self.device, None)
        self.send(wire.HostCertificate(certificate=issued.line))

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
