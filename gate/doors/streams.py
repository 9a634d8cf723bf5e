"""A session's channel as the faces see it: three streams for a command, a terminal for the console."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

import asyncssh

from gate.faces import NOBODY, Listener, Terminal, terminal_size
from model.errors import Invalid, Limited

KEPT_INPUT = 64 * 1024
"""Bytes of input that wait here for a reader; more stay with the client."""
KEPT_OUTPUT = 32 * 1024
"""Bytes that are written together; more go out at once."""
INTERRUPT, END = 3, 4
_BARE_NEWLINE = re.compile(r"(?<!\r)\n")


def described(term: str, columns: int, rows: int, environment: Mapping[str, str]) -> Terminal:
    """A client's words about its terminal, made harmless."""
    known = term if len(term) <= 64 and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_-]*", term) else "dumb"
    width, height = terminal_size(columns, rows)
    kept = {key: value for key, value in environment.items() if value.isprintable()}
    return Terminal(term=known, columns=width, rows=height, environment=kept)


class ChannelStreams:
    """`gate.faces.Streams` on a channel. With a terminal, lines end in CR LF, input is as typed, and binary is refused.

    `on_interrupt` is called when the person at a terminal types ctrl-c.
    """

    def __init__(
        self, channel: asyncssh.SSHServerChannel[bytes], *, terminal: bool, on_interrupt: Callable[[], None]
    ) -> None:
        self._channel = channel
        self._terminal = terminal
        self._on_interrupt = on_interrupt
        self._input = bytearray()
        self._wanted = KEPT_INPUT
        self._ended = self._gone = False
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._output: list[tuple[int | None, bytearray]] = []
        self._kept = 0

    # For the door.

    def feed(self, data: bytes) -> None:
        if self._terminal:
            data = self._typed(data)
        self._input += data
        if len(self._input) > self._wanted:
            self._channel.pause_reading()
        self._news.set()

    def _typed(self, data: bytes) -> bytes:
        if INTERRUPT in data:
            self._on_interrupt()
        if END in data:
            data, self._ended = data[: data.index(END)], True
        return data.replace(b"\r", b"\n")

    def feed_end(self) -> None:
        self._ended = True
        self._news.set()

    def flow(self, on: bool) -> None:
        if on:
            self._writable.set()
        else:
            self._writable.clear()

    def close(self) -> None:
        self._gone = True
        self._news.set()
        self._writable.set()

    # For the face.

    async def read(self, limit: int) -> bytes:
        self._wanted = max(limit, KEPT_INPUT)
        self._channel.resume_reading()
        while len(self._input) <= limit and not self._ended:
            if self._gone:
                raise ConnectionError("the client is gone")
            self._news.clear()
            await self._news.wait()
        if len(self._input) > limit:
            raise Limited(f"standard input has more than the {limit} bytes that are taken here")
        data = bytes(self._input)
        self._input.clear()
        return data

    def write(self, text: str) -> None:
        self._put(text, None)

    def write_error(self, text: str) -> None:
        self._put(text, asyncssh.EXTENDED_DATA_STDERR)

    def write_bytes(self, data: bytes) -> None:
        if self._terminal:
            raise Invalid(
                "this answer is binary, and would garble a terminal", hint="leave -t away and send it to a file"
            )
        self._send(data, None)

    async def drain(self) -> None:
        if self._kept > KEPT_OUTPUT:
            self.flush()
        if not self._gone:
            await self._writable.wait()
        if self._gone:
            raise ConnectionError("the client is gone")

    def _put(self, text: str, kind: int | None) -> None:
        if self._terminal:
            text = _BARE_NEWLINE.sub("\r\n", text)
        self._send(text.encode("utf-8", "replace"), kind)

    def _send(self, data: bytes, kind: int | None) -> None:
        """What is written in one step of the loop goes out together: a packet a line costs more than the lines."""
        if not self._output:
            asyncio.get_running_loop().call_soon(self.flush)
        if self._output and self._output[-1][0] == kind:
            self._output[-1][1].extend(data)
        else:
            self._output.append((kind, bytearray(data)))
        self._kept += len(data)

    def flush(self) -> None:
        """Hands on what was written; called before the channel ends."""
        output, self._output, self._kept = self._output, [], 0
        try:
            for kind, data in output:
                self._channel.write(bytes(data), kind)
        except OSError:
            self.close()


class TerminalChannel:
    """`gate.faces.ConsoleChannel` on a channel. What is typed before `listen` waits for it."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], terminal: Terminal) -> None:
        self.terminal = terminal
        self._channel = channel
        self._early = bytearray()
        self._gone = False
        self._listener = NOBODY

    def write(self, data: bytes) -> None:
        if not self._gone:
            try:
                self._channel.write(data)
            except OSError:
                self._gone = True

    def listen(self, listener: Listener) -> None:
        self._listener = listener
        early = bytes(self._early)
        self._early.clear()
        if early:
            listener.on_input(early)
        if self._gone:
            listener.on_closed()

    # For the door.

    def feed(self, data: bytes) -> None:
        if self._listener is NOBODY:
            self._early += data[: KEPT_INPUT - len(self._early)]
        else:
            self._listener.on_input(data)

    def resize(self, columns: int, rows: int) -> None:
        self._listener.on_resize(*terminal_size(columns, rows))

    def flow(self, on: bool) -> None:
        self._listener.on_flow(on)

    def close(self) -> None:
        if not self._gone:
            self._gone = True
            self._listener.on_closed()
