"""The people door: names, keys and conversations; then a console or a command."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Sequence
from typing import TYPE_CHECKING

import asyncssh

from gate.actor import Actor
from gate.doors.connection import TOUCHED
from gate.doors.door import KbdInt
from gate.doors.sessions import PersonSession
from gate.login.desk import Applicant
from gate.login.dialogue import by_password, log_in
from gate.login.records import Proof
from gate.login.talk import Challenge, Conversation, Talk
from model import change as c
from model.errors import Ambiguous, Invalid, NotFound, Unavailable, WardgateError
from model.ids import UserName, user_name
from model.keys import SSHKey
from model.records import Role, User, UserKey, UserState
from store import Reader, logins, user_keys, users

if TYPE_CHECKING:
    from gate.doors.door import Door
    from gate.doors.keeper import Keeper
    from gate.doors.limits import Limits
    from gate.gate import Gate

log = logging.getLogger("wardgate.doors")


def person(gate: Gate, name: str) -> tuple[str, User | None]:
    """The name as it is counted by, and who has it: `local@domain`, a bare name under the network's user domain, or
    a bare name that one person alone has. As much is looked up for a name that nobody has."""
    snapshot = gate.snapshot
    try:
        full = user_name(name, snapshot.user_domain)
    except Invalid:
        return name.casefold()[:256], None
    alike = gate.store.read(lambda r: _alone(r, full, snapshot.user_domain)) if "@" not in name else None
    found = snapshot.users.get(full) or alike
    return (found.name if found else full), found


def _alone(r: Reader, full: UserName, user_domain: str) -> User | None:
    try:
        return users.find(r, full.rpartition("@")[0], user_domain)
    except (NotFound, Ambiguous):
        return None


class PersonLogin:
    """Every name, known or not, is offered the same methods with the same first prompt."""

    known = True

    def __init__(self, keeper: Keeper, door: Door, name: str) -> None:
        self._keeper = keeper
        self._door = door
        self._name, user = person(keeper.gate, name)
        self._user = user if user and user.state is UserState.ACTIVE else None
        speaks = self._user if self._user and not self._user.service else None
        self._applicant = Applicant(name=self._name, user=speaks, source=door.source)
        self._talk: Conversation | None = None
        self._sessions: set[PersonSession] = set()
        self._expiry: asyncio.TimerHandle | None = None
        self._found: UserKey | None = None
        self._key_ends_at: int | None = None
        self.proof: Proof | None = None
        self.key: SSHKey | None = None

    @property
    def keyboard(self) -> bool:
        desk = self._keeper.desk
        return desk.passwords or bool(desk.providers)

    # Keys.

    def accepts(self, key: SSHKey) -> bool:
        self._found = self._registered(key)
        return self._found is not None and self._user is not None

    def _registered(self, key: SSHKey) -> UserKey | None:
        """Asked alike for nobody's name, so that it takes alike."""
        name = self._user.name if self._user else UserName("")
        now = time.time()
        for kept in self._keeper.gate.store.read(lambda r: user_keys.of(r, name)):
            if kept.key == key and (kept.expires_at is None or kept.expires_at > now):
                return kept
        return None

    def proved(self, key: SSHKey) -> None:
        kept = self._found  # of the `accepts` that goes before, in the same step of the loop
        assert kept is not None
        assert kept.key == key
        self.key = key
        self.proof = self._by_login(kept) or self._by_key(key, kept)
        self._key_ends_at = kept.expires_at

    def _by_key(self, key: SSHKey, kept: UserKey) -> Proof:
        touched = key.algorithm in TOUCHED
        now = int(time.time())
        return Proof(
            user=kept.user, method="key", factors=("key", "touch") if touched else ("key",), login_at=now,
            fresh_at=now if touched else None, break_glass=kept.break_glass,
        )  # fmt: skip

    def _by_login(self, kept: UserKey) -> Proof | None:
        """A key that is let in for the time of a login is as old, and as fresh, as that login."""
        if kept.expires_at is None:
            return None
        found = self._keeper.gate.store.read(lambda r: logins.by_key(r, kept.user, kept.key.fingerprint))
        if found is None:
            return None
        return Proof(
            user=kept.user, method=found.method, factors=("login-key",), login_at=found.started_at,
            fresh_at=found.auth_time,
        )  # fmt: skip

    # The keyboard.

    async def challenge(self) -> KbdInt:
        if self._talk:
            self._talk.close()
        desk = self._keeper.desk
        self._talk = Talk(lambda talk: log_in(desk, self._applicant, talk))
        return await self._step(self._talk.begin())

    async def respond(self, answers: tuple[str, ...]) -> KbdInt:
        return await self._step(self._talk.answer(answers)) if self._talk else False

    async def _step(self, said: Awaitable[Challenge | Proof | None]) -> KbdInt:
        try:
            step = await said
        except WardgateError as error:
            return self._told(error)
        except Exception:
            log.exception("a login failed")
            return self._told(Unavailable("the gate failed at this; its log says why"))
        if isinstance(step, Challenge):
            if step.patience is not None:
                self._door.allow(step.patience)
            return "", "", "", step.prompts
        self._talk = None
        self.proof = step
        return step is not None or self._refuse()

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
        self._talk = None
        self._refuse()
        self._door.disconnect(f"{error.message}; {error.hint}" if error.hint else error.message)
        return False

    # Let in.

    def completed(self) -> str | None:
        assert self.proof is not None
        desk = self._keeper.desk
        user = self._keeper.gate.snapshot.users.get(self.proof.user)
        if user is None or user.state is not UserState.ACTIVE:  # a login may take minutes
            return "your account was disabled"
        desk.guesses.succeeded(self._name, self._door.source, guessed=self.key is None)
        if "login-key" not in self.proof.factors:
            desk.note(self.proof, self._door.source, self.key.fingerprint if self.key else "")
        ends_at = min(self.proof.login_at + desk.login_life, self._key_ends_at or 2**62)
        self._expiry = asyncio.get_running_loop().call_later(
            max(ends_at - time.time(), 0), self._keeper.leave_soon, self._door, "your login's time is over"
        )
        return self._keeper.people.enter(self.proof.user, self._door, always=self.proof.break_glass)

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
        if self._talk:
            self._talk.close()
        if self._expiry:
            self._expiry.cancel()
        if self.proof:
            self._keeper.people.leave(self.proof.user, self._door)


class People:
    """Who is connected, so that a removed person or key is so at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._doors: defaultdict[UserName, set[Door]] = defaultdict(set)

    def enter(self, name: UserName, door: Door, *, always: bool = False) -> str | None:
        """Why not, if so. `always` is an emergency, in which whoever has a person's other keys keeps nobody out."""
        if len(self._doors[name]) >= self._limits.people_per_account and not always:
            return f"{name} has as many connections as one person may; close one first"
        self._doors[name].add(door)
        return None

    def leave(self, name: UserName, door: Door) -> None:
        self._doors[name].discard(door)
        if not self._doors[name]:
            del self._doors[name]

    def __len__(self) -> int:
        """How many people are connected."""
        return len(self._doors)

    def of(self, name: UserName) -> tuple[Door, ...]:
        return tuple(self._doors.get(name, ()))

    def unwelcome(self, changes: Sequence[c.Committed]) -> Iterable[tuple[Door, str]]:
        """Connections that end with `changes`, and why."""
        for entry in changes:
            match entry.change:
                case c.UserDisabled(user=user):
                    yield from ((door, "your account was disabled") for door in self.of(user.name))
                case c.LoginsEnded(user=name, reason=reason):
                    yield from ((door, reason) for door in self.of(name))
                case c.UserRemoved(name=name):
                    yield from ((door, "your account was removed") for door in self.of(name))
                case c.UserKeyRemoved(user=name, fingerprint=fingerprint):
                    for door in self.of(name):
                        key = getattr(door.login, "key", None)
                        if key is not None and key.fingerprint == fingerprint:
                            yield door, "the key that you logged in with was removed"
                case _:
                    pass
