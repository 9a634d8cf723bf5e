"""The gate's own host: commands through STATE/gate.sock, while the gate runs. `socketlines` is what is said there.

Who may open the socket (mode 0600) has the owner's rights; the kernel says who that is.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gate.actor import local_actor
from gate.doors.attach import attached
from gate.doors.socketlines import CHUNK, REQUEST, SOCKET, Answer, Request, as_text, reachable
from gate.faces import Terminal, terminal_size
from model.errors import Conflict, Invalid, Limited, WardgateError

if TYPE_CHECKING:
    from gate.faces import Faces
    from gate.gate import Gate

log = logging.getLogger("wardgate.doors")

MAX_REQUEST = 128 * 1024 * 1024
"""Bytes of a request: a policy, or a backup on its standard input."""


class SocketStreams:
    """`gate.faces.Streams` whose input came whole, with the request. Line ends stay: a local terminal makes its own."""

    def __init__(self, writer: asyncio.StreamWriter, stdin: bytes) -> None:
        self._writer = writer
        self._stdin = stdin

    async def read(self, limit: int) -> bytes:
        if len(self._stdin) > limit:
            raise Limited(f"standard input has more than the {limit} bytes that are taken here")
        data, self._stdin = self._stdin, b""
        return data

    def write(self, text: str) -> None:
        self.write_bytes(text.encode("utf-8", "replace"))

    def write_error(self, text: str) -> None:
        self._say(Answer(err=as_text(text.encode("utf-8", "replace"))))

    def write_bytes(self, data: bytes) -> None:
        for at in range(0, len(data), CHUNK):
            self._say(Answer(out=as_text(data[at : at + CHUNK])))

    async def drain(self) -> None:
        await self._writer.drain()

    def exit(self, status: int) -> None:
        self._say(Answer(exit=status))

    def _say(self, answer: Answer) -> None:
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(answer) + b"\n")


class LocalDoor:
    def __init__(self, gate: Gate, faces: Faces) -> None:
        self._gate = gate
        self._faces = faces
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def _path(self) -> Path:
        return self._gate.state / SOCKET

    async def open(self) -> None:
        """Raises `Conflict` where another gate answers there; a socket that nobody answers is a leftover."""
        if await asyncio.to_thread(_answered, self._path):
            raise Conflict(f"another gate serves {self._gate.state}", hint="stop it first")
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._accept, reachable(self._path), limit=MAX_REQUEST)
        finally:
            os.umask(mask)

    async def close(self) -> None:
        if self._server:
            self._server.close()
        self._path.unlink(missing_ok=True)
        for task in tuple(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=2)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(Exception):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        streams = SocketStreams(writer, b"")
        try:
            request, stdin = _read(await reader.readline())
            streams = SocketStreams(writer, stdin)
            status = await self._face(request, streams, reader, writer)
        except (WardgateError, ValueError) as error:
            hint = getattr(error, "hint", None)
            streams.write_error(f"error: {error}\n" + (f"hint: {hint}\n" if hint else ""))
            status = 1
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("a local command failed")
            streams.write_error("error: the gate failed at this; its log says why\n")
            status = 1
        streams.exit(status)
        await streams.drain()

    async def _face(
        self, request: Request, streams: SocketStreams, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> int:
        actor, terminal = local_actor(_peer(writer)), _clamped(request.terminal)
        if not request.console:
            command = self._faces.command(self._gate, actor, request.words, streams, terminal)
            return await _while_there(asyncio.ensure_future(command), reader)
        if terminal is None or terminal.dumb:
            raise Invalid("a console needs a terminal", hint="the same commands work without one: wardgate --help")
        return await attached(
            lambda channel: self._faces.console(self._gate, actor, channel, request.words),
            terminal, reader, writer,
        )  # fmt: skip


async def _while_there(face: asyncio.Future[int], reader: asyncio.StreamReader) -> int:
    """The face's status; a client that leaves first takes it along."""
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait((face, gone), return_when=asyncio.FIRST_COMPLETED)
        if not face.done():
            face.cancel()
            raise ConnectionError("the client is gone")
        return face.result()
    finally:
        face.cancel()
        gone.cancel()


def _read(line: bytes) -> tuple[Request, bytes]:
    try:
        request = REQUEST.decode(line)
        return request, base64.b64decode(request.stdin or "", validate=True)
    except (msgspec.DecodeError, ValueError):
        raise Invalid("the local request was not understood", hint="use the program that the gate came with") from None


def _clamped(terminal: Terminal | None) -> Terminal | None:
    if terminal is None:
        return None
    columns, rows = terminal_size(terminal.columns, terminal.rows)
    return msgspec.structs.replace(terminal, columns=columns, rows=rows)


def _peer(writer: asyncio.StreamWriter) -> int:
    """The uid at the other end, from the kernel (SO_PEERCRED; LOCAL_PEERCRED elsewhere is the socket's owner here)."""
    peer: socket.socket = writer.get_extra_info("socket")
    if sys.platform == "linux":
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    return os.getuid()


def _answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(reachable(path))
        except OSError:
            return False
        return True
