"""Who keeps the doors: what all connections of one server share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from gate.doors.agents import AgentLogin, Agents
from gate.doors.enrollment import EnrollmentLogin
from gate.doors.limits import Admission, Limits
from gate.doors.lobby import Lobby
from gate.doors.people import People, PersonLogin
from gate.login.desk import Desk
from gate.watch import Crowd
from model.change import CertificatesRevoked, Committed, UserUnlocked

if TYPE_CHECKING:
    from gate.doors.door import Door, Login
    from gate.faces import Faces
    from gate.gate import Gate
    from gate.snapshot import Snapshot

log = logging.getLogger("wardgate.doors")

LOOK_EVERY = 1.0
"""Seconds between looks for clients that are silent."""
SLICE = 0.003
"""Seconds that a look takes the loop at a time."""


class Keeper:
    """Follows the gate from making to `close`: a removed person or device loses its connections with the change."""

    def __init__(self, gate: Gate, faces: Faces, limits: Limits, desk: Desk) -> None:
        self.gate = gate
        self.faces = faces
        self.limits = limits
        self.desk = desk
        self.admission = Admission(limits)
        self.lobby = Lobby(limits, self.admission, gate.watch)
        self.open: set[Door] = set()
        self._due: list[tuple[float, int, Door]] = []
        """A heap of those who are logged in, by when to look whether they were heard."""
        self.people = People(limits)
        self.agents = Agents(gate)
        gate.watch.crowd = lambda: Crowd(
            waiting=self.lobby.waiting, per_second=self.lobby.per_second,
            turned_away=self.lobby.turned_away + self.admission.turned_away,
            untold=self.agents.waiting,
        )  # fmt: skip
        self._tasks: set[asyncio.Task[None]] = set()
        gate.locked = desk.guesses.locked
        self._unsubscribe = gate.subscribe(self._changed)
        self._alive = asyncio.get_running_loop().create_task(self._check_alive())

    def login(self, door: Door, name: str) -> Login:
        """The door that a user name stands for (RFC 4252's user name, prepared, its case kept)."""
        if name == "device":
            return AgentLogin(self, door)
        self.lobby.left(door.number)  # people take their time, and nobody waits for them
        if name == "enroll":
            return EnrollmentLogin(self, door)
        return PersonLogin(self, door, name)

    def leave_soon(self, door: Door, reason: str) -> None:
        task = asyncio.get_running_loop().create_task(door.leave(reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _changed(self, old: Snapshot, new: Snapshot, changes: Sequence[Committed]) -> None:
        for entry in changes:
            if isinstance(entry.change, UserUnlocked):
                self.desk.guesses.lift(entry.change.user)
        for door in self._by_revoked_keys(changes):
            self.leave_soon(door, "the key that you logged in with was revoked")
        for door, reason in self.people.unwelcome(changes):
            self.leave_soon(door, reason)
        for door, reason in self.agents.advance(old, new, changes):
            self.leave_soon(door, reason)

    def _by_revoked_keys(self, changes: Sequence[Committed]) -> list[Door]:
        revoked = [one for entry in changes if isinstance(entry.change, CertificatesRevoked)
                   for one in entry.change.revocations]  # fmt: skip
        keys = {one.key.fingerprint if one.key else one.fingerprint for one in revoked} - {None}
        if not keys:
            return []
        held = ((door, getattr(door.login, "key", None)) for door in self.open)
        return [door for door, key in held if key is not None and key.fingerprint in keys]

    def look_after(self, door: Door, at: float) -> None:
        """Has the door looked at `at`, by the loop's clock, whether its client is there."""
        heappush(self._due, (at, door.number, door))

    async def _check_alive(self) -> None:
        """In the order in which clients were heard: who was heard lately is not looked at, and has no timer either."""
        loop, due = asyncio.get_running_loop(), self._due
        while True:
            await asyncio.sleep(min(LOOK_EVERY, self.limits.keepalive / 4))
            until = loop.time() + SLICE
            while due and due[0][0] <= (now := loop.time()):
                if now > until:
                    await asyncio.sleep(0)
                    until = loop.time() + SLICE
                _, _, door = heappop(due)
                again = door.check_alive(now)
                if again is not None:
                    self.look_after(door, again)

    async def close(self, reason: str) -> None:
        """Tells everyone and ends all connections, within the limits' `close_grace`."""
        self._unsubscribe()
        self._alive.cancel()
        leaving = [
            asyncio.ensure_future(door.leave(reason, self.limits.close_grace * 0.6)) for door in tuple(self.open)
        ]
        leaving += list(self._tasks)
        if leaving:
            _, late = await asyncio.wait(leaving, timeout=self.limits.close_grace)
            for task in late:
                task.cancel()
        for door in tuple(self.open):
            door.disconnect(reason)
        self.agents.close()
