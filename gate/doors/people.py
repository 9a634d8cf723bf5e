"""The people door: names, keys and conversations; then a console or a command."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import TYPE_CHECKING

import asyncssh

from gate.actor import Actor
from gate.doors.connection import TOUCHED
from gate.doors.door import KbdInt
from gate.doors.sessions import PersonSession
from gate.login.desk import Applicant, Proof
from gate.login.dialogue import Answers, Challenge, Step, by_password, dialogue
from model import change as c
from model.errors import Invalid, Limited, WardgateError
from model.ids import UserName, user_name
from model.keys import SSHKey
from model.records import Role, User, UserKey, UserState
from store import user_keys

if TYPE_CHECKING:
    from gate.doors.door import Door
    from gate.doors.keeper import Keeper
    from gate.doors.limits import Limits
    from gate.snapshot import Snapshot

log = logging.getLogger("wardgate.doors")


def person(snapshot: Snapshot, name: str) -> tuple[str, User | None]:
    """The name as it is counted by, and who has it: `local@domain`, a bare name under the network's user domain, or
    a bare name that one person alone has."""
    try:
        full = user_name(name, snapshot.user_domain)
    except Invalid:
        return name.casefold()[:256], None
    found = snapshot.users.get(full)
    if found is None and "@" not in name:
        local = full.rpartition("@")[0] + "@"
        alike = [user for known, user in snapshot.users.items() if known.startswith(local)]
        found = alike[0] if len(alike) == 1 else None
    return (found.name if found else full), found


class PersonLogin:
    """Every name, known or not, is offered the same methods with the same first prompt."""

    def __init__(self, keeper: Keeper, door: Door, name: str) -> None:
        self._keeper = keeper
        self._door = door
        self._name, user = person(keeper.gate.snapshot, name)
        self._user = user if user and user.state is UserState.ACTIVE else None
        speaks = self._user if self._user and not self._user.service else None
        self._applicant = Applicant(name=self._name, user=speaks, source=door.source)
        self._dialogue: AsyncGenerator[Step, Answers] | None = None
        self._sessions: set[PersonSession] = set()
        self._expiry: asyncio.TimerHandle | None = None
        self.proof: Proof | None = None
        self.key: SSHKey | None = None

    @property
    def keyboard(self) -> bool:
        return self._keeper.desk.passwords

    # Keys.

    def accepts(self, key: SSHKey) -> bool:
        return self._registered(key) is not None and self._user is not None

    def _registered(self, key: SSHKey) -> UserKey | None:
        """Asked alike for nobody's name, so that it takes alike."""
        name = self._user.name if self._user else UserName("")
        now = time.time()
        for kept in self._keeper.gate.store.read(lambda r: user_keys.of(r, name)):
            if kept.key == key and (kept.expires_at is None or kept.expires_at > now):
                return kept
        return None

    def proved(self, key: SSHKey) -> None:
        kept = self._registered(key)
        assert kept is not None
        assert self._user is not None
        now = int(time.time())
        touched = key.algorithm in TOUCHED
        self.key = key
        self.proof = Proof(
            user=self._user.name, method="key", factors=("key", "touch") if touched else ("key",),
            login_at=now, fresh_at=now if touched else None,
        )  # fmt: skip
        if kept.expires_at is not None:
            self._expiry = asyncio.get_running_loop().call_later(
                max(kept.expires_at - time.time(), 0), self._keeper.leave_soon, self._door, "your key's time is over"
            )

    # The keyboard.

    async def challenge(self) -> KbdInt:
        if self._dialogue:
            await self._dialogue.aclose()
        self._dialogue = dialogue(self._keeper.desk, self._applicant)
        return await self._step(None)

    async def respond(self, answers: tuple[str, ...]) -> KbdInt:
        return await self._step(answers)

    async def _step(self, answers: Answers | None) -> KbdInt:
        """A second answer while the first is looked at finds the conversation over."""
        talk, self._dialogue = self._dialogue, None
        if talk is None:
            return False
        try:
            step = await (talk.__anext__() if answers is None else talk.asend(answers))
        except StopAsyncIteration:
            return self._refuse()
        except WardgateError as error:
            return self._told(error)
        if isinstance(step, Challenge):
            self._dialogue = talk
            return "", "", "", step.prompts
        await talk.aclose()
        self.proof = step
        return True

    async def password(self, text: str) -> bool:
        try:
            self.proof = await by_password(self._keeper.desk, self._applicant, text)
        except WardgateError as error:
            return self._told(error)
        return self.proof is not None or self._refuse()

    def _refuse(self) -> bool:
        self._door.failed()
        return False

    def _told(self, error: WardgateError) -> bool:
        """What someone must know who is not let in, such as how long to wait. It is said alike for all names."""
        if isinstance(error, Limited):
            self._door.disconnect(f"{error.message}; {error.hint}" if error.hint else error.message)
        return self._refuse()

    # Let in.

    def completed(self) -> str | None:
        assert self.proof is not None
        self._keeper.desk.guesses.succeeded(self._name, self._door.source)
        return self._keeper.people.enter(self.proof.user, self._door)

    def actor(self) -> Actor:
        """With the role of this moment."""
        assert self.proof is not None
        user = self._keeper.gate.snapshot.users.get(self.proof.user)
        return Actor(
            name=self.proof.user, user=self.proof.user, role=user.role if user else Role.MEMBER,
            source=self._door.source, login_at=self.proof.login_at, fresh_at=self.proof.fresh_at,
            method=self.proof.method, connection=self._door.number,
        )  # fmt: skip

    def session(self) -> asyncssh.SSHServerSession[bytes] | None:
        if len(self._sessions) >= self._keeper.limits.sessions_per_person:
            return None
        session = PersonSession(self._keeper.gate, self._keeper.faces, self.actor, self._sessions.discard)
        self._sessions.add(session)
        return session

    async def leave(self, reason: str) -> None:
        await asyncio.gather(*(session.leave(reason) for session in tuple(self._sessions)))

    def lost(self) -> None:
        if self._expiry:
            self._expiry.cancel()
        if self.proof:
            self._keeper.people.leave(self.proof.user, self._door)


class People:
    """Who is connected, so that a removed person or key is so at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._doors: defaultdict[UserName, set[Door]] = defaultdict(set)

    def enter(self, name: UserName, door: Door) -> str | None:
        if len(self._doors[name]) >= self._limits.people_per_account:
            return f"{name} has as many connections as one person may; close one first"
        self._doors[name].add(door)
        return None

    def leave(self, name: UserName, door: Door) -> None:
        self._doors[name].discard(door)
        if not self._doors[name]:
            del self._doors[name]

    def of(self, name: UserName) -> tuple[Door, ...]:
        return tuple(self._doors.get(name, ()))

    def unwelcome(self, changes: Sequence[c.Committed]) -> Iterable[tuple[Door, str]]:
        """Connections that end with `changes`, and why."""
        for entry in changes:
            match entry.change:
                case c.UserDisabled(user=user):
                    yield from ((door, "your account was disabled") for door in self.of(user.name))
                case c.UserRemoved(name=name):
                    yield from ((door, "your account was removed") for door in self.of(name))
                case c.UserKeyRemoved(user=name, fingerprint=fingerprint):
                    for door in self.of(name):
                        key = getattr(door.login, "key", None)
                        if key is not None and key.fingerprint == fingerprint:
                            yield door, "the key that you logged in with was removed"
                case _:
                    pass
