"""The enrollment door: any good SSH key, and an enrollment key; out comes a registered device."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncssh

from gate import netmaps
from gate.actor import Actor
from gate.doors.door import ByKeyAlone
from gate.doors.lines import LineSession
from gate.doors.proof import Asked
from gate.services import agents as operations
from model import wire
from model.enrollment import parse_enrollment_key
from model.errors import Invalid, Limited
from model.keys import SSHKey, WireGuardKey, wireguard_key
from model.records import Role

if TYPE_CHECKING:
    from gate.doors.door import Door
    from gate.doors.keeper import Keeper

PATIENCE = 60.0
"""Seconds for the whole enrollment."""


class EnrollmentLogin(ByKeyAlone):
    """Whoever proves a key gets in: what they may do is decided by the enrollment key that they bring."""

    known = False

    def __init__(self, keeper: Keeper, door: Door) -> None:
        self._keeper = keeper
        self._door = door
        self._key: SSHKey | None = None
        self._session: EnrollmentSession | None = None

    def accepts(self, key: SSHKey) -> bool:
        return True

    def proved(self, key: SSHKey) -> None:
        self._key = key

    def completed(self) -> str | None:
        asyncio.get_running_loop().call_later(PATIENCE, self._door.disconnect, "the enrollment took too long")
        return None

    def session(self) -> asyncssh.SSHServerSession[bytes] | None:
        if self._session is not None or self._key is None:
            return None
        self._session = EnrollmentSession(self._keeper, self._key, self._door.source)
        return self._session

    async def leave(self, reason: str) -> None:
        if self._session:
            self._session.refuse(Limited(reason), 30)
            self._session.finish(1)

    def lost(self) -> None: ...


class EnrollmentSession(LineSession):
    """enroll ─▶ challenge ─▶ proof ─▶ enrolled, or refused from anywhere, and then it is over."""

    subsystem = "enroll"

    def __init__(self, keeper: Keeper, key: SSHKey, source: str) -> None:
        super().__init__(rate=1, burst=4)
        self._keeper = keeper
        self._key = key
        self._source = source
        self._wanted: wire.Enroll | None = None
        self._wireguard: WireGuardKey | None = None
        self._asked: Asked | None = None

    def started(self) -> None: ...

    def ended(self) -> None:
        if self._wanted is None and not self._lines:
            self.refuse(Invalid("nothing was asked for", hint='send a line {"type": "enroll", ...} first'))
            self.finish(1)

    async def line(self, line: bytes) -> None:
        try:
            await self._next(wire.read_line(wire.enrollment_client_line, line))
        except BaseException:
            # Told by the caller; the exit follows what it says.
            asyncio.get_running_loop().call_soon(self.finish, 1)
            raise

    async def _next(self, message: wire.Enroll | wire.Proof) -> None:
        if isinstance(message, wire.Enroll):
            if self._wanted is not None:
                raise Invalid("one device enrolls on one connection", hint="connect again for another")
            parse_enrollment_key(message.enrollment_key)
            self._wanted = message
            self._wireguard = wireguard_key(message.wireguard_key)
            self._asked = Asked(self._wireguard, self._key)
            self.send(self._asked.challenge)
            return
        if self._asked is None or self._wanted is None or self._wireguard is None:
            raise Invalid("a proof answers a challenge", hint='send a line {"type": "enroll", ...} first')
        self._asked.check(message)
        gate = self._keeper.gate
        self._keeper.desk.may_enroll(self._source)
        wanted = self._wanted
        actor = Actor(name="enroll", role=Role.OWNER, source=self._source, method="enrollment-key")
        device = await gate.perform(
            operations.enroll, actor,
            enrollment_key_hash=parse_enrollment_key(wanted.enrollment_key).hash, name=wanted.name,
            wireguard=self._wireguard, ssh_key=self._key, os=wanted.os, agent_version=wanted.agent_version,
            endpoints=wanted.endpoints, routes=wanted.routes,
        )  # fmt: skip
        self._keeper.desk.enrolled(self._source)
        self.send(wire.Enrolled(device=netmaps.netmap(gate.snapshot, device.id).device))
        self.finish(0)
