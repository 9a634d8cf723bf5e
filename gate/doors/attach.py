"""A console on the gate's own host, painted by the gate that runs: bytes and sizes over gate.sock, both ways.

After a request that asks for a console, the client's lines are `Typed`; the gate's are `Answer`s, as for a command.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable

import msgspec

from gate.doors.socketlines import TYPED, Answer, Typed, as_text
from gate.faces import NOBODY, ConsoleChannel, Listener, Terminal, terminal_size

HIGH_WATER = 256 * 1024
"""Bytes on their way to a client above which it counts as not reading."""


class SocketChannel:
    """`gate.faces.ConsoleChannel` over gate.sock."""

    def __init__(self, terminal: Terminal, say: Callable[[bytes], None], waiting: Callable[[], int]) -> None:
        self.terminal = terminal
        self._say = say
        self._waiting = waiting
        self._slow = False
        self._listener = NOBODY
        self._early = b""

    def write(self, data: bytes) -> None:
        self._say(data)
        if not self._slow and self._waiting() > HIGH_WATER:
            self._slow = True
            self._listener.on_flow(False)

    def listen(self, listener: Listener) -> None:
        self._listener = listener
        if self._early:
            early, self._early = self._early, b""
            listener.on_input(early)

    def heard(self, typed: Typed) -> None:
        if typed.size is not None:
            self._listener.on_resize(*terminal_size(*typed.size))
        data = base64.b64decode(typed.input)
        if data and self._listener is not NOBODY:
            self._listener.on_input(data)
        elif data and len(self._early) < HIGH_WATER:
            self._early += data

    def relieved(self) -> None:
        """The client reads again."""
        if self._slow and self._waiting() == 0:
            self._slow = False
            self._listener.on_flow(True)

    def gone(self) -> None:
        self._listener.on_closed()


async def attached(
    face: Callable[[ConsoleChannel], Awaitable[int]],
    terminal: Terminal,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> int:
    """Runs a console for the client at the other end; raises `ConnectionError` once that is gone."""

    def say(data: bytes) -> None:
        if not writer.is_closing():
            writer.write(msgspec.json.encode(Answer(out=as_text(data))) + b"\n")

    channel = SocketChannel(terminal, say, writer.transport.get_write_buffer_size)
    app = asyncio.ensure_future(face(channel))
    ears = asyncio.ensure_future(_hear(channel, reader))
    relief = asyncio.ensure_future(_relieve(channel))
    try:
        await asyncio.wait((app, ears), return_when=asyncio.FIRST_COMPLETED)
        if app.done():
            return app.result()
        channel.gone()
        raise ConnectionError("the client is gone")
    finally:
        for task in (app, ears, relief):
            task.cancel()
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await app


async def _hear(channel: SocketChannel, reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError, msgspec.DecodeError, ValueError):
        while line := await reader.readline():
            channel.heard(TYPED.decode(line))


async def _relieve(channel: SocketChannel) -> None:
    while True:
        await asyncio.sleep(0.05)
        channel.relieved()
