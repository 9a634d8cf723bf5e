"""The gate's own host: commands through STATE/gate.sock, while the gate runs.

Lines of JSON. The client says one: {"words": [...], "stdin": BASE64 | null, "terminal": {...} | null}, and hears
{"out": BASE64}, {"err": BASE64} as they come, and {"exit": N} last. Who may open the socket (mode 0600) has the owner's
rights; the kernel says who that is.
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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gate.actor import local_actor
from gate.doors.attach import Typed, attached
from gate.faces import ConsoleChannel, Listener, Terminal, terminal_size
from model.errors import Conflict, Invalid, Limited, Unavailable, WardgateError

if TYPE_CHECKING:
    from gate.faces import Faces
    from gate.gate import Gate

log = logging.getLogger("wardgate.doors")

SOCKET = "gate.sock"
MAX_REQUEST = 128 * 1024 * 1024
"""Bytes of a request: a policy, or a backup on its standard input."""
_CHUNK = 64 * 1024


class Request(msgspec.Struct, frozen=True):
    words: tuple[str, ...]
    stdin: str | None = None
    terminal: Terminal | None = None
    console: bool = False
    """Asks for the console instead of a command; `words` then name a screen."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    out: str = ""
    err: str = ""
    exit: int | None = None


_request = msgspec.json.Decoder(Request)
_answer = msgspec.json.Decoder(Answer)


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
        self._say(Answer(err=_text(text.encode("utf-8", "replace"))))

    def write_bytes(self, data: bytes) -> None:
        for at in range(0, len(data), _CHUNK):
            self._say(Answer(out=_text(data[at : at + _CHUNK])))

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
            self._server = await asyncio.start_unix_server(self._accept, _reachable(self._path), limit=MAX_REQUEST)
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
            terminal, reader, writer, lambda data: Answer(out=_text(data)),
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
        request = _request.decode(line)
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


def _reachable(path: Path) -> str:
    """A socket's path has some hundred bytes at most: a longer one is reached through /proc, or from its folder."""
    if len(os.fsencode(path)) < 100:
        return str(path)
    near = os.path.relpath(path)
    return near if len(os.fsencode(near)) < len(os.fsencode(path)) else str(path)


def _answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(_reachable(path))
        except OSError:
            return False
        return True


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def call(
    state: Path,
    words: Sequence[str],
    stdin: bytes | None,
    terminal: Terminal | None,
    write_out: Callable[[bytes], None],
    write_err: Callable[[bytes], None],
) -> int:
    """Runs a command in the gate that serves `state`; its exit status. Raises `Unavailable` where none answers."""
    try:
        reader, writer = await asyncio.open_unix_connection(_reachable(state / SOCKET), limit=4 * _CHUNK)
    except OSError:
        raise Unavailable(f"no gate serves {state}", hint="start one with: wardgate serve") from None
    try:
        request = Request(tuple(words), None if stdin is None else _text(stdin), terminal)
        writer.write(msgspec.json.encode(request) + b"\n")
        await writer.drain()
        while line := await reader.readline():
            answer = _answer.decode(line)
            if answer.out:
                write_out(base64.b64decode(answer.out))
            if answer.err:
                write_err(base64.b64decode(answer.err))
            if answer.exit is not None:
                return answer.exit
    except (ConnectionError, msgspec.DecodeError, ValueError):
        pass
    finally:
        writer.close()
    raise Unavailable("the gate ended before it answered", hint="`wardgate gate status` tells whether it is back")


async def call_console(state: Path, words: Sequence[str], channel: ConsoleChannel) -> int:
    """Shows the console of the gate that serves `state` on `channel`; its exit status. Raises `Unavailable`."""
    try:
        reader, writer = await asyncio.open_unix_connection(_reachable(state / SOCKET), limit=4 * _CHUNK)
    except OSError:
        raise Unavailable(f"no gate serves {state}", hint="start one with: wardgate serve") from None

    def tell(typed: Typed) -> None:
        if not writer.is_closing():
            writer.write(msgspec.json.encode(typed) + b"\n")

    try:
        request = Request(tuple(words), terminal=channel.terminal, console=True)
        writer.write(msgspec.json.encode(request) + b"\n")
        channel.listen(
            Listener(
                on_input=lambda data: tell(Typed(input=_text(data))),
                on_resize=lambda columns, rows: tell(Typed(size=(columns, rows))),
                on_closed=writer.close,
            )
        )
        while line := await reader.readline():
            answer = _answer.decode(line)
            if answer.out:
                channel.write(base64.b64decode(answer.out))
            if answer.err:
                channel.write(base64.b64decode(answer.err).replace(b"\n", b"\r\n"))
            if answer.exit is not None:
                return answer.exit
    except (ConnectionError, msgspec.DecodeError, ValueError):
        pass
    finally:
        writer.close()
    raise Unavailable("the gate ended", hint="`wardgate gate status` tells whether it is back")
