"""A program on the gate's own host that asks the gate which runs there, through STATE/gate.sock."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from gate.doors.socketlines import ANSWER, CHUNK, SOCKET, Request, Typed, as_text, reachable
from gate.faces import ConsoleChannel, Listener, Terminal
from model.errors import Unavailable

Write = Callable[[bytes], None]


async def call(
    state: Path,
    words: Sequence[str],
    stdin: bytes | None,
    terminal: Terminal | None,
    write_out: Write,
    write_err: Write,
) -> int:
    """Runs a command in the gate that serves `state`; its exit status. Raises `Unavailable` where none answers."""
    request = Request(tuple(words), None if stdin is None else as_text(stdin), terminal)
    reader, writer = await _asked(state, request)
    status = await _heard(reader, writer, write_out, write_err)
    if status is None:
        raise Unavailable("the gate ended before it answered", hint="`wardgate gate status` tells whether it is back")
    return status


async def call_console(state: Path, words: Sequence[str], channel: ConsoleChannel) -> int:
    """Shows the console of the gate that serves `state` on `channel`; its exit status. Raises `Unavailable`."""
    reader, writer = await _asked(state, Request(tuple(words), terminal=channel.terminal, console=True))

    def tell(typed: Typed) -> None:
        if not writer.is_closing():
            writer.write(msgspec.json.encode(typed) + b"\n")

    channel.listen(
        Listener(
            on_input=lambda data: tell(Typed(input=as_text(data))),
            on_resize=lambda columns, rows: tell(Typed(size=(columns, rows))),
            on_closed=writer.close,
        )
    )
    # A terminal that a console was shown on is raw: a line ends by both.
    status = await _heard(reader, writer, channel.write, lambda data: channel.write(data.replace(b"\n", b"\r\n")))
    if status is None:
        raise Unavailable("the gate ended", hint="`wardgate gate status` tells whether it is back")
    return status


async def _asked(state: Path, request: Request) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        reader, writer = await asyncio.open_unix_connection(reachable(state / SOCKET), limit=4 * CHUNK)
    except OSError:
        raise Unavailable(f"no gate serves {state}", hint="start one with: wardgate serve") from None
    writer.write(msgspec.json.encode(request) + b"\n")
    return reader, writer


async def _heard(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, write_out: Write, write_err: Write
) -> int | None:
    """The exit status that ends the answers; None where the gate went away before it."""
    try:
        await writer.drain()
        while line := await reader.readline():
            answer = ANSWER.decode(line)
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
    return None
