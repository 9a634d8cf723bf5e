"""The agents' door: who gets in, who is connected, and who has to be told something."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import asyncssh

from gate.doors.agentsession import AgentSession
from gate.doors.door import ByKeyAlone
from gate.doors.journal import Journal, Step
from gate.slicing import sliced
from gate.snapshot import News
from gate.telling import Teller
from model import change as c
from model.errors import Conflict, Limited, NotFound, WardgateError
from model.ids import DeviceID
from model.keys import SSHKey
from policy.bits import members

if TYPE_CHECKING:
    from gate.doors.door import Door
    from gate.doors.keeper import Keeper
    from gate.gate import Gate
    from gate.snapshot import Snapshot

log = logging.getLogger("wardgate.doors")

LOGIN_GRACE = 30.0
"""Seconds that an agent has for its login: no person is in between."""
SESSION_GRACE = 30.0
"""The same, from then on, for opening its session."""
COALESCE = 0.004
"""Seconds in which changes become one delta."""
SLICE = 0.003
"""Seconds that telling agents takes the loop at a time, besides the one that is being told."""
SHOWN = 100
"""Devices whose pieces are made in one step of the loop."""
SWEEP = 5.0
"""Seconds between looks for what lapsed and for readers that stopped."""
LAPSE_ON = 0.02
"""Seconds between steps where much lapses at once."""
SLOW = 300.0
"""Seconds that an agent may read nothing of what it was sent."""
TAKEN_OVER = "a newer connection of this device took over"


class AgentLogin(ByKeyAlone):
    """A registered device's key, and nothing else, gets in."""

    __slots__ = ("_door", "_keeper", "_session", "key")

    def __init__(self, keeper: Keeper, door: Door) -> None:
        self._keeper = keeper
        self._door = door
        self.key: SSHKey | None = None
        self._session: AgentSession | None = None
        door.allow(min(LOGIN_GRACE, keeper.limits.login_grace))

    def accepts(self, key: SSHKey) -> bool:
        return self._keeper.agents.device(key) is not None

    def proved(self, key: SSHKey) -> None:
        self.key = key

    def completed(self) -> str | None:
        assert self.key is not None
        self._keeper.agents.logged_in(self.key, self._door)
        self._door.allow(SESSION_GRACE, "no session was opened; ask for the subsystem peers")
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
            await asyncio.sleep(0)

    def lost(self) -> None:
        if self.key is not None:
            self._keeper.agents.opened(self.key, self._door)


class Agents:
    """All connected agents of one gate.

    An agent that was told everything needs no record of what it was told. Of one that is to be told something, the
    place in the journal is kept from which on it missed something: one delta then covers all since.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._keys: dict[DeviceID, bytes] = {}
        self._by_key: dict[bytes, DeviceID] = {}
        for device in gate.snapshot.devices.values():
            self._know(device.id, device.ssh_key)
        self._unopened: dict[bytes, Door] = {}
        """By key, the connection on which no session was opened yet."""
        self._sessions: dict[DeviceID, AgentSession] = {}
        self._waiting: OrderedDict[DeviceID, int] = OrderedDict()
        """In the order in which they are told. Whoever waits keeps its turn, however much more happens meanwhile."""
        self._slow: dict[AgentSession, float] = {}
        """Since when they take nothing more, by the loop's clock, in that order."""
        self._telling: asyncio.Task[None] | None = None
        self.journal = Journal(gate.snapshot.version)
        self.teller = Teller(gate.presence.observed)
        gate.presence.behind = self.behind
        self._sweep = asyncio.get_running_loop().call_later(SWEEP, self.sweep)
        self._lapsing: asyncio.TimerHandle | None = None

    def device(self, key: SSHKey) -> DeviceID | None:
        return self._by_key.get(key.blob)

    def _know(self, id: DeviceID, key: SSHKey | None) -> None:
        before = self._keys.pop(id, None)
        if before is not None:
            self._by_key.pop(before, None)
        if key is not None:
            self._keys[id] = key.blob
            self._by_key[key.blob] = id

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def waiting(self) -> int:
        """How many are still to be told something."""
        return len(self._waiting)

    def behind(self, id: DeviceID) -> bool:
        """Whether a connected device is still to be told something: it waits its turn, or does not read."""
        session = self._sessions.get(id)
        return id in self._waiting or (session is not None and session.missing)

    def logged_in(self, key: SSHKey, door: Door) -> None:
        """Of connections that open no session, a device has one: the newer wins here, too."""
        older = self._unopened.get(key.blob)
        self._unopened[key.blob] = door
        if older:
            older.disconnect(TAKEN_OVER)

    def opened(self, key: SSHKey, door: Door) -> None:
        """The connection is over, or has its session."""
        if self._unopened.get(key.blob) is door:
            del self._unopened[key.blob]

    def arrive(self, session: AgentSession) -> None:
        """The newer connection of a device wins, and the older is told."""
        self.opened(session.key, session.door)
        older = self._sessions.get(session.device)
        self._sessions[session.device] = session
        self._waiting.pop(session.device, None)
        self._gate.presence.arrived(session.device)
        log.debug("agent connected device=%s", session.device)
        if older:
            older.dismiss(Conflict(TAKEN_OVER), retry_after=None)

    def paused(self, session: AgentSession) -> None:
        """It takes nothing more for now; said as often as one likes."""
        self._slow.setdefault(session, asyncio.get_running_loop().time())

    def reads(self, session: AgentSession) -> None:
        self._slow.pop(session, None)

    def leave(self, session: AgentSession) -> None:
        self.reads(session)
        if session.arrived:
            self._gate.presence.left(session.device)
            log.debug("agent gone device=%s", session.device)
        if self._sessions.get(session.device) is session:
            del self._sessions[session.device]
            self._waiting.pop(session.device, None)

    # The network changes.

    def advance(self, old: Snapshot, new: Snapshot, changes: Sequence[c.Committed]) -> Iterable[tuple[Door, str]]:
        """Marks who has to be told, and returns the connections that end."""
        gone = [door for entry in changes for door in self._follow(entry.change)]
        news = new.news
        if new.compiled.world.slots is not old.compiled.world.slots:
            self.journal.forget()  # built anew: who saw whom before is told in other numbers
        if news:
            compared = old if news.views or news.everyone else None
            self._mark(Step(new.version, news, compared), new)
        return gone

    def _follow(self, change: c.Change) -> Iterable[tuple[Door, str]]:
        match change:
            case c.DeviceChange(device=device):
                self._know(device.id, device.ssh_key)
            case c.DeviceRemoved(id=id, name=name):
                self._know(id, None)
                self.teller.forget(id)
                session = self._sessions.get(id)
                if session:
                    reason = f'device "{name}" was removed from the network'
                    session.dismiss(NotFound(reason), retry_after=None)
                    yield session.door, reason
                self._gate.presence.forget(id)
            case _:
                pass

    def _mark(self, step: Step, now: Snapshot) -> None:
        place = self.journal.add(step)
        for id in self._touched(step.news, now):
            if id in self._sessions:
                self._waiting.setdefault(id, place)  # those who wait already wait from an earlier place on
        self._start_telling()

    def _touched(self, news: News, now: Snapshot) -> Iterable[DeviceID]:
        if news.everyone or news.parts:
            return self._sessions
        names, viewers = now.compiled.world.names, 0
        for some in news.seen.values():
            viewers |= some
        return chain(news.own, news.views, [names[slot] for slot in members(viewers)])

    def shown(self, ids: Sequence[DeviceID]) -> None:
        """Others see these devices at new endpoints: whoever sees them is told."""
        self._forget(ids)
        self._mark_shown(ids)

    async def show(self, ids: Sequence[DeviceID]) -> None:
        """The same of many, whom one agent reported: what they are shown as is made ready in slices."""
        ready = 0
        try:
            async for first in sliced(range(0, len(ids), SHOWN)):
                ready = first + SHOWN
                self._forget(ids[first:ready])
                self.teller.make_ready(self._gate.snapshot, ids[first:ready])
        finally:  # the agent that reported may leave meanwhile; others are told all the same
            self._forget(ids[ready:])
            self._mark_shown(ids)

    def _forget(self, ids: Iterable[DeviceID]) -> None:
        for id in ids:
            self.teller.forget(id)

    def _mark_shown(self, ids: Iterable[DeviceID]) -> None:
        now = self._gate.snapshot
        seen = {id: now.compiled.visible(place) for id in ids if (place := now.compiled.world.device(id)) is not None}
        if seen:
            self._mark(Step(now.version, News(seen=seen), unnumbered=True), now)

    async def prepare(self, id: DeviceID) -> None:
        """Before the whole map of a device that sees many: what it is put together from is made ready in slices."""
        now = self._gate.snapshot
        place = now.compiled.world.device(id)
        if place is None or now.compiled.visible(place).bit_count() <= SHOWN:
            return
        cold = [peer for peer in now.compiled.peers(id) if not self.teller.pieces.known(peer)]
        async for first in sliced(range(0, len(cold), SHOWN)):
            self.teller.make_ready(self._gate.snapshot, cold[first : first + SHOWN])

    def wait(self, session: AgentSession, place: int) -> None:
        """The session is to be told what happened since `place`."""
        if self._sessions.get(session.device) is session:
            self._waiting[session.device] = min(place, self._waiting.get(session.device, place))
            self._start_telling()

    def settled(self, session: AgentSession) -> None:
        """The session is told all up to now, and waits for nothing: a delta over less would undo nothing of it."""
        if self._sessions.get(session.device) is session:
            self._waiting.pop(session.device, None)

    def _start_telling(self) -> None:
        if self._telling is None and self._waiting:
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        """Deltas to all that wait, in slices, so that consoles stay quick meanwhile."""
        try:
            await asyncio.sleep(COALESCE)
            loop = asyncio.get_running_loop()
            watch = self._gate.watch
            while self._waiting:
                with watch.doing("telling agents"):
                    until = loop.time() + SLICE
                    while self._waiting and loop.time() < until:
                        self._tell_one(*self._waiting.popitem(last=False))
                await asyncio.sleep(0)
        finally:
            self._telling = None

    def _tell_one(self, id: DeviceID, place: int) -> None:
        session = self._sessions.get(id)
        if session is None:
            return
        try:
            session.tell(place)
        except Exception:
            log.exception("device %s could not be told a change", id)
            session.dismiss(WardgateError("the gate failed at this; its log says why"), retry_after=30)

    def sweep(self) -> None:
        """What nobody repeats is handed out no more; who reads nothing is let go."""
        loop = asyncio.get_running_loop()
        self._sweep.cancel()
        self._sweep = loop.call_later(SWEEP, self.sweep)
        self._lapse()
        for session, since in tuple(self._slow.items()):
            if loop.time() - since <= SLOW:
                break
            session.door.disconnect("nothing that was sent was read for five minutes; connect again")

    def _lapse(self) -> None:
        """In steps, where much lapses at once."""
        if self._lapsing:
            self._lapsing.cancel()
            self._lapsing = None
        self.shown(self._gate.presence.lapse())
        if self._gate.presence.lapses:
            self._lapsing = asyncio.get_running_loop().call_later(LAPSE_ON, self._lapse)

    def close(self) -> None:
        self._sweep.cancel()
        if self._lapsing:
            self._lapsing.cancel()
        if self._telling:
            self._telling.cancel()
