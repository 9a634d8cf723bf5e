"""How packets leave a connection: asyncssh's way with less work a packet.

`gate.doors.incoming` is the other way.

asyncssh writes each packet by itself, and an empty one before it: against an attack on CBC, which is not offered here.
What is said in one step of the loop leaves in one system call instead, and a line that fits one packet, as nearly all
deltas do, at once. While keys are agreed on, packets take asyncssh's own way.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import time
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import asyncssh
from asyncssh import connection
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_GLOBAL_REQUEST, MSG_IGNORE, MSG_USERAUTH_LAST
from asyncssh.logging import SSHLogger
from asyncssh.saslprep import saslprep

from gate.doors.gcm import BLOCK, GCM
from gate.doors.incoming import Incoming

if TYPE_CHECKING:
    from asyncssh.packet import SSHPacket, SSHPacketLogger

    from gate.steps import Steps

ALIVE = struct.pack(">BI21sB", MSG_GLOBAL_REQUEST, 21, b"keepalive@openssh.com", 1)


class Quiet:
    """Packets are not logged one by one: putting the words together takes a twentieth of a login."""

    def log_sent_packet(self, pkttype: int, pktid: int | None, packet: object, note: str = "") -> None: ...

    def log_received_packet(self, pkttype: int, pktid: int | None, packet: object, note: str = "") -> None: ...


class _Unheard(SSHLogger):
    """Stands where asyncssh keeps a logger a connection and a channel, while nobody listens below a warning."""

    def get_child(self, child: str = "", context: str = "") -> SSHLogger:
        return self

    def debug1(self, msg: str, *args: object, **kwargs: object) -> None: ...

    def debug2(self, msg: str, *args: object, **kwargs: object) -> None: ...

    def info(self, msg: object, *args: object, **kwargs: object) -> None: ...


_UNHEARD = _Unheard()

# asyncssh prepares the user name of each request, three a login, and all agents have the same. It takes 1 KiB at most.
connection.saslprep = lru_cache(maxsize=64)(saslprep)  # type: ignore[attr-defined]


class _Answered:
    """Stands where asyncssh keeps who waits for an answer: that any data came is all that is asked."""

    def cancelled(self) -> bool:
        return True


_ANSWERED = cast("asyncio.Future[tuple[int, SSHPacket]]", _Answered())


class Packets(Quiet, Incoming):
    """`heard_at` is when the client was last heard, by the loop's clock; `asked` how often it was asked since."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, options: asyncssh.SSHServerConnectionOptions, steps: Steps
    ) -> None:
        super().__init__(loop, options, steps)
        if not self._logger.isEnabledFor(logging.INFO):
            self._logger = _UNHEARD
        self._outbox: list[bytes] = []
        self.heard_at = loop.time()
        self.asked = 0

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        cipher = self._flowing(pkttype)
        if cipher is not None:
            size, body = framed(b"%c%b" % (pkttype, b"".join(args)))
            self._send(cipher.seal(size, body))
            self._sent(body)
        elif pkttype != MSG_IGNORE:
            super().send_packet(pkttype, *args, handler=handler)

    def _flowing(self, kind: int) -> GCM | None:
        """What seals a packet of this `kind` now; None where there are no keys, new ones are due or being agreed on, or
        the packet has to wait for the login: all that is asyncssh's to do."""
        cipher = self._send_encryption
        if (
            type(cipher) is not GCM or not self._kex_complete or self._ending or kind == MSG_IGNORE
            or self._rekey_bytes_sent >= self._rekey_bytes or not (self._auth_complete or kind <= MSG_USERAUTH_LAST)
            or (self._rekey_seconds and time.monotonic() >= self._rekey_time)
        ):  # fmt: skip
            return None
        return cipher

    def _sent(self, body: bytes) -> None:
        self._send_seq = (self._send_seq + 1) & 0xFFFFFFFF
        self._rekey_bytes_sent += len(body)

    def _send(self, data: bytes) -> None:
        if self._transport and not self._ending:
            if not self._outbox:
                self._loop.call_soon(self._flush, self._transport)
            self._outbox.append(data)

    def _flush(self, transport: asyncio.Transport) -> None:
        out, self._outbox = self._outbox, []
        if out and not transport.is_closing():
            transport.write(b"".join(out) if len(out) > 1 else out[0])

    def send_at_once(self, kind: int, frame: Frame) -> bool:
        """Sends a packet past all that is packed and left for later; False where something is before it."""
        transport = self._transport
        cipher = self._flowing(kind) if self._auth_complete and not self._outbox else None
        if cipher is None or transport is None:
            return False
        size, body = frame
        transport.write(cipher.seal(size, body))
        self._sent(body)
        return True

    # Whether somebody is there.

    def _reset_keepalive_timer(self) -> None:
        """Called for all data that comes, instead of a timer a connection."""
        self.heard_at = self._loop.time()
        self.asked = 0

    def ask_alive(self) -> None:
        """A request that any client answers (OpenSSH's PROTOCOL, keepalive@openssh.com)."""
        self.asked += 1
        self._global_request_waiters.append(_ANSWERED)
        if not self.send_at_once(MSG_GLOBAL_REQUEST, _ALIVE_FRAME):
            self.send_packet(MSG_GLOBAL_REQUEST, ALIVE[1:])


Frame = tuple[bytes, bytes]
"""A packet before it is sealed: its length, which is sent as it is, and the rest (RFC 5647, section 7.2)."""


def framed(payload: bytes) -> Frame:
    padding = -(1 + len(payload)) % BLOCK
    if padding < 4:
        padding += BLOCK
    return (1 + len(payload) + padding).to_bytes(4, "big"), b"%c%b%b" % (padding, payload, os.urandom(padding))


_ALIVE_FRAME = framed(ALIVE)


class _Newest:
    """The frame of what was said last: a delta that thousands are told alike is framed once."""

    __slots__ = ("_channel", "_data", "_frame")

    def __init__(self) -> None:
        self._data, self._channel, self._frame = b"", -1, (b"", b"")

    def frame(self, channel: int, data: bytes) -> Frame:
        if data is not self._data or channel != self._channel:
            self._frame = framed(struct.pack(">BII", MSG_CHANNEL_DATA, channel, len(data)) + data)
            self._data, self._channel = data, channel
        return self._frame


_NEWEST = _Newest()


class PacketChannel(Quiet, asyncssh.SSHServerChannel[bytes]):
    def write(self, data: bytes, datatype: int | None = None) -> None:
        size = len(data)
        if (
            datatype is None and size <= self._send_window and size <= self._send_pktsize and size
            and not self._send_buf and self._send_state == "open" and isinstance(self._conn, Packets)
            and self._conn.send_at_once(MSG_CHANNEL_DATA, _NEWEST.frame(self._send_chan or 0, data))
        ):  # fmt: skip
            self._send_window -= size
            return
        super().write(data, datatype)
