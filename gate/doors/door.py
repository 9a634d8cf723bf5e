"""One connection, from its first byte to its end: which door it is at, and how long it may take to log in."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

import asyncssh

from gate.doors.connection import GateConnection
from model.keys import SSHKey

if TYPE_CHECKING:
    from gate.doors.keeper import Keeper

log = logging.getLogger("wardgate.doors")

UNANSWERED = 3
"""Questions whether it is there that a client may leave unanswered."""
MAX_NAMES = 3
"""User names that one connection may try. OpenSSH never tries a second."""
KbdInt = tuple[str, str, str, tuple[tuple[str, bool], ...]] | bool
"""What keyboard-interactive says next: name, instruction, language and prompts; True lets in, False refuses."""


class Session(Protocol):
    def end(self, reason: str) -> None:
        """Tells the client and finishes, soon."""
        ...


class Login(Protocol):
    """What a door asks whoever stands at it. Methods are called on the event loop."""

    @property
    def keyboard(self) -> bool:
        """Whether keyboard-interactive and password are offered; the same for all names at this door."""
        ...

    @property
    def known(self) -> bool:
        """Whether it is somebody of the network who logged in. Whoever only holds some key counts as a stranger on."""
        ...

    def accepts(self, key: SSHKey) -> bool:
        """Whether `key`, once proved, would let in. Asked for offers too, so it changes nothing."""
        ...

    def proved(self, key: SSHKey) -> None:
        """The client holds `key`, which was accepted; it is let in now."""
        ...

    async def challenge(self) -> KbdInt: ...

    async def respond(self, answers: tuple[str, ...]) -> KbdInt: ...

    async def password(self, text: str) -> bool: ...

    def completed(self) -> str | None:
        """Logged in. Text is why the connection ends all the same."""
        ...

    def session(self) -> asyncssh.SSHServerSession[bytes] | None:
        """None where it may have no more of them."""
        ...

    async def leave(self, reason: str) -> None:
        """Ends the sessions in their own way; cancelled when that takes too long."""
        ...

    def lost(self) -> None: ...


class ByKeyAlone:
    """The part of a `Login` where nobody is at a keyboard: a key gets in, and nothing is asked."""

    __slots__ = ()
    keyboard = False
    known = True

    async def challenge(self) -> KbdInt:
        return False

    async def respond(self, answers: tuple[str, ...]) -> KbdInt:
        return False

    async def password(self, text: str) -> bool:
        return False


class Door(asyncssh.SSHServer):
    """`source` is the client's address; `number` rises from one connection to the next."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.number = next(keeper.gate.connections)
        self.source = ""
        self.login: Login | None = None
        self._connection: GateConnection | None = None
        self._entered = self._logged_in = self._known = self._leaving = False
        self._gone = asyncio.Event()
        self._grace: asyncio.TimerHandle | None = None
        self._failures = self._offers = self._names = 0

    # The connection.

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        assert isinstance(conn, GateConnection)
        self._connection = conn
        peer = conn.get_extra_info("peername")
        self.source = str(peer[0]) if peer else ""
        reason = self.keeper.admission.enter(self.source)
        if reason:
            _say_before_version(conn, reason)
            conn.abort()
            return
        self._entered = True
        self.keeper.open.add(self)
        self.keeper.lobby.entered(self.number)
        self.allow(self.keeper.limits.login_grace)

    @property
    def program(self) -> str:
        """What the client says it is (RFC 4253, section 4.2)."""
        return str(self._connection.get_extra_info("client_version", "")) if self._connection else ""

    def allow(self, seconds: float, reason: str = "the login took too long; connect again") -> None:
        """Gives the client that long, from now, for what is next: to be logged in, to open its session, or to go."""
        self.stay()
        if not self._gone.is_set():
            self._grace = asyncio.get_running_loop().call_later(seconds, self.disconnect, reason)

    def stay(self) -> None:
        """It did what it was given time for."""
        if self._grace:
            self._grace.cancel()
            self._grace = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.stay()
        if self._entered:
            self.keeper.admission.leave(self.source, known=self._known)
            self.keeper.open.discard(self)
            self.keeper.lobby.left(self.number)
            self._entered = False
        if self.login:
            self.login.lost()
        self.login = self._connection = None
        self._gone.set()

    def check_alive(self, now: float) -> float | None:
        """Asks a client that is silent for long whether it is there, and gives it up after a few times. When to look
        again; None where there is nobody any more."""
        connection, every = self._connection, self.keeper.limits.keepalive
        if connection is None:
            return None
        if now >= connection.heard_at + every * (connection.asked + 1):
            if connection.asked >= UNANSWERED:
                connection.abort()  # nobody would read why
                return None
            connection.ask_alive()
        return connection.heard_at + every * (connection.asked + 1)

    def disconnect(self, reason: str, code: int = asyncssh.DISC_BY_APPLICATION) -> None:
        if self._connection:
            self._connection.end(code, reason)

    async def leave(self, reason: str, patience: float = 1.0) -> None:
        """Ends the sessions in their own way and lets the client go by itself, for at most `patience` seconds: one that
        is disconnected at once may not show what it was told last."""
        if self._leaving:
            await self._gone.wait()
            return
        self._leaving = True
        try:
            async with asyncio.timeout(patience):
                if self.login and self._connection and self._connection.busy:
                    await self.login.leave(reason)
                    await self._gone.wait()
        except TimeoutError:
            pass
        except Exception:
            log.exception("a session did not end in its own way")
        self.disconnect(reason)

    # Logging in.

    def may_offer(self) -> bool:
        """Counts one request to log in; the connection ends with one too many."""
        self._offers += 1
        if self._offers > self.keeper.limits.offers:
            self.disconnect("too many keys offered; name one with ssh -i FILE -o IdentitiesOnly=yes", _NO_MORE)
            return False
        return True

    def failed(self) -> None:
        """Counts a proof that failed."""
        self._failures += 1
        if self._failures >= self.keeper.limits.attempts:
            self.disconnect("too many failed logins on this connection", _NO_MORE)

    def begin_auth(self, username: str) -> bool:
        """True always: no name gets in without a proof."""
        self._names += 1
        if self._names > MAX_NAMES:
            self.disconnect("too many user names on one connection")
        if self.login:
            self.login.lost()
        self.login = self.keeper.login(self, username)
        return True

    def accepts(self, key: SSHKey) -> bool:
        """A key that was revoked gets in nowhere."""
        refused = self.keeper.gate.snapshot.refused
        if key in refused.keys or (refused.fingerprints and key.fingerprint in refused.fingerprints):
            return False
        return self.login is not None and self.login.accepts(key)

    def proved(self, key: SSHKey) -> None:
        assert self.login is not None
        self.login.proved(key)

    def public_key_auth_supported(self) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self.login is not None and self.login.keyboard

    def kbdint_auth_supported(self) -> bool:
        return self.login is not None and self.login.keyboard

    async def validate_password(self, username: str, password: str) -> bool:
        return self.login is not None and await self.login.password(password)

    async def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> KbdInt:
        return await self.login.challenge() if self.login else False

    async def validate_kbdint_response(self, username: str, responses: object) -> KbdInt:
        answers = tuple(str(answer) for answer in responses)  # type: ignore[attr-defined]
        return await self.login.respond(answers) if self.login else False

    def auth_completed(self) -> None:
        assert self.login is not None
        self._logged_in, self._known = True, self.login.known
        if self._known:
            self.keeper.admission.known(self.source)
        self.keeper.lobby.left(self.number, served=True)
        self.stay()
        self.keeper.look_after(self, asyncio.get_running_loop().time() + self.keeper.limits.keepalive)
        reason = self.login.completed()
        if reason:
            self.disconnect(reason)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        session = self.login.session() if self.login and self._logged_in else None
        if session is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "no more sessions on this connection")
        return session


_NO_MORE = asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE


def _say_before_version(conn: asyncssh.SSHServerConnection, reason: str) -> None:
    """Lines may stand before the version (RFC 4253, section 4.2), and ssh -v shows them: sshd refuses so, too."""
    transport = conn._transport
    if transport is not None:
        transport.write(f"{reason}\r\n".encode())
