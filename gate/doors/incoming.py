"""How packets come to a connection: asyncssh's rules, with less work a packet, and never many of them at a time.

What comes before there are keys takes asyncssh's own way; what comes under keys is opened at once and handed to whom
it is for. asyncssh makes a task of what may have to wait; of that, here only a person's answers do.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

import asyncssh
from asyncssh.auth import MSG_USERAUTH_PK_OK, lookup_server_auth
from asyncssh.constants import (
    MSG_CHANNEL_FIRST,
    MSG_CHANNEL_LAST,
    MSG_IGNORE,
    MSG_KEX_FIRST,
    MSG_KEX_LAST,
    MSG_KEXINIT,
    MSG_UNIMPLEMENTED,
    MSG_USERAUTH_FIRST,
    MSG_USERAUTH_LAST,
)
from asyncssh.misc import MACError, ProtocolError
from asyncssh.packet import PacketDecodeError, SSHPacket, SSHPacketHandler, String

from gate.doors.gcm import BLOCK, GCM, TAG

if TYPE_CHECKING:
    from gate.steps import Steps

T = TypeVar("T")

PORTION = 2048
"""Bytes of a client that are taken in one step of the loop: of packets that mean nothing 128 at most, or 2 ms."""
MOST_DEFERRED = 1024
"""Answers that are kept while new keys are agreed on: asyncssh keeps them without bound, and sends all in one step."""


class Fields(SSHPacket):
    """A packet's fields (RFC 4251, section 5), read without a call for each part of each."""

    def get_byte(self) -> int:
        at = self._idx
        if at >= self._len:
            raise PacketDecodeError("Incomplete packet")
        self._idx = at + 1
        return self._packet[at]

    def get_boolean(self) -> bool:
        return self.get_byte() != 0

    def get_uint32(self) -> int:
        at = self._idx
        if at + 4 > self._len:
            raise PacketDecodeError("Incomplete packet")
        self._idx = at + 4
        return int.from_bytes(self._packet[at : at + 4], "big")

    def get_string(self) -> bytes:
        at = self._idx + 4
        end = at + int.from_bytes(self._packet[at - 4 : at], "big")
        if at > self._len or end > self._len:
            raise PacketDecodeError("Incomplete packet")
        self._idx = end
        return self._packet[at:end]


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of what waits for nothing, without a task."""
    try:
        work.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    work.close()
    raise RuntimeError("what was to be done at once waits for something")


def _nothing_more() -> bool:
    return False


class Incoming(asyncssh.SSHServerConnection):
    held_back = _ending = _taking = False
    _later: bytes | memoryview = b""
    """What came already, and waits for its turn."""
    _outbox: list[bytes]
    """What is sent at the end of this step."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, options: asyncssh.SSHServerConnectionOptions, steps: Steps
    ) -> None:
        super().__init__(loop, options)
        self._steps = steps

    # What comes, and when it is taken.

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """In portions: of the smallest packets, which anyone may send, one reading of the socket has thousands."""
        if not self._open:
            return
        if not self._later and len(data) <= PORTION:
            self._steps.run(self._receive, data)
            return
        assert self._transport is not None
        self._transport.pause_reading()
        self._later = memoryview(bytes(self._later) + data)
        self._take_later()

    def _receive(self, data: bytes) -> None:
        self._inpbuf += data
        self._recv_data()
        if not self._auth_complete and not self._outbox:
            self._acknowledge()

    def _take_later(self) -> None:
        """Takes what came already, and then reads on, unless it is held back."""
        if self._transport is None or self.held_back or self._taking:
            return
        if self._later:
            self._taking = True
            self._loop.call_soon(self._take_portion)
        else:
            self._transport.resume_reading()

    def _take_portion(self) -> None:
        self._taking = False
        if self._later and not self.held_back:
            portion, self._later = bytes(self._later[:PORTION]), self._later[PORTION:]
            self._receive(portion)
        self._take_later()

    def hold_back(self) -> None:
        """Takes nothing until `go_on`."""
        self.held_back = True
        if self._transport is not None:
            self._transport.pause_reading()

    def go_on(self) -> None:
        self.held_back = False
        self._take_later()

    def _acknowledge(self) -> None:
        """Until OpenSSH has a session it sends no packet before the one before is acknowledged (RFC 896, Nagle), and
        Linux keeps that back for 40 ms, to go along with an answer. In a login two have none: the client's algorithms
        and its new keys. What the kernel is told here holds until the next answer."""
        if sys.platform == "linux" and self._transport is not None:
            with contextlib.suppress(OSError):  # the client is gone
                wire: socket.socket = self._transport.get_extra_info("socket")
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    # The end.

    @property
    def _open(self) -> bool:
        return self._transport is not None and not self._ending

    def _force_close(self, exc: Exception | None) -> None:
        super()._force_close(exc)
        self._drop()

    def _drop(self) -> None:
        """What came behind that which ended the connection is not taken: a proof in it would still let in."""
        self._inpbuf = self._later = b""

    def _cleanup(self, exc: Exception | None) -> None:
        """Lets go of what keeps the connection in a circle: it is freed now, and not by a long collection."""
        super()._cleanup(exc)
        self._recv_handler = _nothing_more

    # A packet.

    def _recv_pkthdr(self) -> bool:
        """Takes the next packet, once it is there whole."""
        cipher = self._recv_encryption
        if type(cipher) is not GCM:
            return super()._recv_pkthdr()
        came = self._inpbuf
        if len(came) < BLOCK:
            return False
        size = came[:4]
        end = 4 + int.from_bytes(size, "big") + TAG
        if end > 4 + self._max_recv_pktlen + TAG:
            raise ProtocolError("Max packet size exceeded")
        if len(came) < end:
            return False
        opened = cipher.open(size, came[4:end])
        if not opened:
            raise MACError("MAC verification failed")
        self._inpbuf = came[end:]
        self._take(opened[1 : -opened[0]])
        return True

    def _take(self, payload: bytes) -> None:
        """Hands a packet that came under keys to whom it is for, or refuses it in asyncssh's words."""
        packet, seq = Fields(payload), self._recv_seq
        try:
            kind = packet.get_byte()
            handler = self._handler(kind, packet) if kind != MSG_IGNORE else None
            done = handler.process_packet(kind, seq, packet) if handler is not None else True
            if not done:
                self.send_packet(MSG_UNIMPLEMENTED, seq.to_bytes(4, "big"))
            elif done is not True:
                at_once(cast("Coroutine[Any, Any, None]", done))
        except PacketDecodeError as error:
            raise ProtocolError(str(error)) from None
        if len(self._deferred_packets) > MOST_DEFERRED:
            raise ProtocolError("Too many requests before new keys")
        self._finish_recv_packet(kind, seq)

    def _handler(self, kind: int, packet: SSHPacket) -> SSHPacketHandler | None:
        """Who takes packets of this kind now; None where it is passed over."""
        if kind > MSG_KEX_LAST and self._kex is not None:  # RFC 4253, section 7.1: answers would wait for new keys
            raise ProtocolError("Unexpected packet during key exchange")
        if kind > MSG_USERAUTH_LAST:
            if not self._auth_complete:
                raise ProtocolError("Invalid request before authentication was complete")
            if MSG_CHANNEL_FIRST <= kind <= MSG_CHANNEL_LAST:
                number = packet.get_uint32()
                if number not in self._channels:
                    raise ProtocolError(f"Invalid channel number {number} received")
                return self._channels[number]
        elif kind >= MSG_USERAUTH_FIRST:
            if self._auth is None:
                raise ProtocolError("Authentication not in progress")
            return self._auth
        elif MSG_KEX_FIRST <= kind <= MSG_KEX_LAST:
            if self._kex is None:
                raise ProtocolError("Key exchange not in progress")
            if self._ignore_first_kex:
                self._ignore_first_kex = False
                return None
            return self._kex
        return self

    def _keys_asked(self, kind: int, seq: int, packet: SSHPacket) -> None:
        """In the clear, too, in the step in which it comes: agreeing on keys waits for nothing here.

        Once before the login: for each more a stranger would have the gate's signature without waiting for a turn."""
        if self._session_id and not self._auth_complete:
            raise ProtocolError("New keys are agreed on after the login")
        fields = Fields(packet.get_full_payload())
        fields.get_byte()
        at_once(self._process_kexinit(kind, seq, fields))

    _packet_handlers = {**asyncssh.SSHServerConnection._packet_handlers, MSG_KEXINIT: _keys_asked}  # noqa: RUF012

    # Logging in.

    def _finish_userauth(self, begin_auth: bool, method: bytes, packet: SSHPacket) -> None:  # type: ignore[override]
        if self._owner is not None and begin_auth:
            self._owner.begin_auth(self._username)
        if self._owner is None:
            return
        if method == b"publickey":
            self._key_offered(packet)
        else:
            self._auth = lookup_server_auth(self, self._username, method, packet)

    def _key_offered(self, packet: SSHPacket) -> None:
        """A key, and where it is signed for, the proof that the client holds it (RFC 4252, section 7)."""
        signed, algorithm, key = packet.get_boolean(), packet.get_string(), packet.get_string()
        said = packet.get_consumed_payload() if signed else b""
        signature = packet.get_string() if signed else b""
        packet.check_end()
        if not self.holds(key, said, signature):
            self.send_userauth_failure(False)
        elif signed:
            at_once(self.send_userauth_success())
        else:
            self.send_packet(MSG_USERAUTH_PK_OK, String(algorithm), String(key))

    def holds(self, key_data: bytes, said: bytes, signature: bytes) -> bool:
        """Whether the client may log in with the key; where it `said` something, whether that is signed with it."""
        raise NotImplementedError
