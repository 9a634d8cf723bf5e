"""asyncssh's server side with what its public hooks leave out: proofs told from offers, and bounds on what a client
can make it keep."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING

import asyncssh
from asyncssh.public_key import KeyImportError, decode_ssh_public_key

from gate.doors.packets import PacketChannel, Packets
from model.errors import Invalid
from model.keys import SSHKey, ssh_key_from_blob

if TYPE_CHECKING:
    from asyncssh.misc import MaybeAwait
    from asyncssh.packet import SSHPacket
    from asyncssh.session import SSHSession

    from gate.doors.door import Door
    from gate.steps import Steps

KEX = ("curve25519-sha256", "curve25519-sha256@libssh.org")
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
"""Not used with these ciphers; some clients will not agree on anything without a name in common."""
SIGNATURES: dict[str, frozenset[bytes]] = {
    "ssh-ed25519": frozenset({b"ssh-ed25519"}),
    "sk-ssh-ed25519@openssh.com": frozenset({b"sk-ssh-ed25519@openssh.com"}),
    "ecdsa-sha2-nistp256": frozenset({b"ecdsa-sha2-nistp256"}),
    "ecdsa-sha2-nistp384": frozenset({b"ecdsa-sha2-nistp384"}),
    "ecdsa-sha2-nistp521": frozenset({b"ecdsa-sha2-nistp521"}),
    "sk-ecdsa-sha2-nistp256@openssh.com": frozenset({b"sk-ecdsa-sha2-nistp256@openssh.com"}),
    "ssh-rsa": frozenset({b"rsa-sha2-256", b"rsa-sha2-512"}),
}
"""Signature algorithms by key type: no SHA-1."""
TOUCHED = frozenset({"sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"})
"""Key types whose signatures count as a touch, since one without is refused here."""
LINGER = 2.0
"""Seconds that a client may take to leave after it was told to."""
REKEY = 30.0
"""Seconds in which a client that is logged in has to agree on new keys, once either side asked for them."""
TOO_LATE = "new keys were not agreed on in time; connect again"
LEAST_PACKET = 1024
"""Bytes that a client takes in a packet of a session, at least; RFC 4253, section 6.1, has it take 32768."""
ENVIRONMENT = frozenset({b"COLORTERM", b"NO_COLOR", b"LANG", b"LC_ALL", b"LC_CTYPE", b"TERM_PROGRAM"})


class GateConnection(Packets):
    _owner: Door

    def __init__(
        self, loop: asyncio.AbstractEventLoop, options: asyncssh.SSHServerConnectionOptions, steps: Steps
    ) -> None:
        super().__init__(loop, options, steps)
        self._rekeying: asyncio.TimerHandle | None = None

    def holds(self, key_data: bytes, said: bytes, signature: bytes) -> bool:
        """Certificates are no keys here, so they are refused before they are parsed. All in one step of the loop:
        no other request comes between the verifying and what follows from it."""
        door = self._owner
        if door is None or not door.may_offer():
            return False
        try:
            key = ssh_key_from_blob(key_data)
        except Invalid:
            return False
        if not door.accepts(key):
            if said:
                door.failed()
            return False
        if not said:
            return True
        if not (_signed_well(key, signature) and _verifies(key, _string(self._session_id) + said, signature)):
            door.failed()
            return False
        door.proved(key)
        return True

    def send_userauth_failure(self, partial_success: bool) -> None:
        if self._owner is not None and self._owner.may_offer():
            super().send_userauth_failure(partial_success)

    def create_server_channel(
        self, encoding: str | None = "", errors: str = "", window: int = 0, max_pktsize: int = 0
    ) -> asyncssh.SSHServerChannel[bytes]:
        """Bytes, without a line editor."""
        self._update_recv_pktlen(self._max_pktsize)
        return GateChannel(
            self, self._loop, self._allow_pty, False, False, 0, 0, None, "strict", self._window, self._max_pktsize
        )

    def end(self, code: int, reason: str) -> None:
        """Disconnects so that what was written before arrives: asyncssh's own way may reset the connection under it."""
        transport = self._transport
        if self._ending or transport is None:
            return
        for channel in tuple(self._channels.values()):
            channel.close()
        self._send_disconnect(code, reason, "en")
        self._flush(transport)
        self._ending = True
        self._drop()
        with contextlib.suppress(OSError):  # the client was quicker
            if not transport.is_closing():
                transport.write_eof()
        self._loop.call_later(LINGER, self.abort)

    async def send_userauth_success(self) -> None:
        """A person's answers may be looked at when the connection ends: the right ones let in no more."""
        if self._open:
            await super().send_userauth_success()

    @property
    def busy(self) -> bool:
        """Whether sessions are open."""
        return bool(self._channels)

    # What is told, and when.

    def pause_writing(self) -> None:
        """A client that takes no answers is asked and told nothing more: neither can pile up here."""
        self.hold_back()
        self._flow()

    def resume_writing(self) -> None:
        self.go_on()
        self._flow()

    def _flow(self) -> None:
        on = not self.held_back and self._rekeying is None
        for channel in tuple(self._channels.values()):
            if isinstance(channel, GateChannel):
                channel.flow(on=on)

    # New keys (RFC 4253, section 9).

    def _send_kexinit(self) -> None:
        """Until there are new keys asyncssh keeps what is to be sent, without bound: nothing more is told meanwhile."""
        super()._send_kexinit()
        if self._auth_complete:
            self._rekeying = self._loop.call_later(REKEY, self.end, asyncssh.DISC_KEY_EXCHANGE_FAILED, TOO_LATE)
            self._flow()

    def send_newkeys(self, k: bytes, h: bytes) -> None:
        super().send_newkeys(k, h)
        if self._rekeying:
            self._rekeying.cancel()
            self._rekeying = None
            self._flow()

    def _cleanup(self, exc: Exception | None) -> None:
        super()._cleanup(exc)
        if self._rekeying:
            self._rekeying.cancel()


class GateChannel(PacketChannel):
    def process_open(
        self, send_chan: int, send_window: int, send_pktsize: int, session: MaybeAwait[SSHSession[bytes]]
    ) -> None:
        """What is written is cut into packets in one step of the loop: of a byte each, 300 kB took 1.4 s."""
        if send_pktsize < LEAST_PACKET:
            raise asyncssh.ProtocolError(f"Packets of less than {LEAST_PACKET} bytes are not sent")
        super().process_open(send_chan, send_window, send_pktsize, session)

    def flow(self, *, on: bool) -> None:
        """The connection under it takes more, or does not. Its own window may still hold the session back."""
        if self._session is not None and not self._send_paused:
            if on:
                self._session.resume_writing()
            else:
                self._session.pause_writing()

    def _process_env_request(self, packet: SSHPacket) -> bool:
        """Keeps the few variables that say how to draw, so that a client cannot fill memory with others."""
        key, value = packet.get_string(), packet.get_string()
        packet.check_end()
        if key not in ENVIRONMENT or len(value) > 128:
            return False
        self._env[key] = value
        return True


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _signed_well(key: SSHKey, signature: bytes) -> bool:
    size = int.from_bytes(signature[:4], "big")
    return signature[4 : 4 + size] in SIGNATURES[key.algorithm]


def _verifies(key: SSHKey, data: bytes, signature: bytes) -> bool:
    try:
        public = decode_ssh_public_key(key.blob)
    except (KeyImportError, ValueError):
        return False
    public.set_touch_required(True)
    return bool(public.verify(data, signature))
