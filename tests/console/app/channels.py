"""A terminal in memory, for driving the console without one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from console.app.app import ConsoleApp
from console.app.backend import Backend
from gate.faces import Listener, Terminal


class MemoryChannel:
    """Keeps what was written; `type` is what a person does."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.written: list[bytes] = []
        self._listener: Listener | None = None

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def type(self, data: bytes | str) -> None:
        assert self._listener is not None
        self._listener.on_input(data.encode() if isinstance(data, str) else data)

    def resize(self, columns: int, rows: int) -> None:
        assert self._listener is not None
        self._listener.on_resize(columns, rows)

    def flow(self, reads: bool) -> None:
        assert self._listener is not None
        self._listener.on_flow(reads)

    def close(self) -> None:
        assert self._listener is not None
        self._listener.on_closed()

    @property
    def output(self) -> bytes:
        return b"".join(self.written)


def a_terminal(term: str = "xterm-256color", columns: int = 120, rows: int = 36, **environment: str) -> Terminal:
    return Terminal(term=term, columns=columns, rows=rows, environment=environment or {"COLORTERM": "truecolor"})


async def until(true: Callable[[], object], seconds: float = 10) -> None:
    """Waits until `true()` is; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.002)


async def settled(app: ConsoleApp) -> None:
    """Until what was typed has been acted on, and what that started is done."""
    for _ in range(500):
        await asyncio.sleep(0.002)
        if app._message_queue.empty() and not app._tasks and not app._held and app.view.ready:
            break
    await asyncio.sleep(0.03)


async def typed(app: ConsoleApp, channel: MemoryChannel, text: str) -> None:
    channel.type(text)
    await settled(app)


class Session:
    """A console that runs on a channel in memory."""

    def __init__(self, app: ConsoleApp, channel: MemoryChannel) -> None:
        self.app = app
        self.channel = channel

    async def type(self, *texts: str) -> None:
        for text in texts:
            await typed(self.app, self.channel, text)

    def frame(self) -> str:
        """The screen as text, without trailing blanks."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def shows(self, text: str, seconds: float = 10) -> None:
        """Waits until `text` stands on the screen."""
        try:
            await until(lambda: text in self.frame(), seconds)
        except AssertionError:
            raise AssertionError(f"{text!r} does not stand on the screen:\n{self.frame()}") from None


@contextlib.asynccontextmanager
async def a_console(
    backend: Backend, *words: str, terminal: Terminal | None = None, **preferences: str
) -> AsyncIterator[Session]:
    channel = MemoryChannel(terminal or a_terminal())
    app = ConsoleApp(backend, channel, words, preferences)
    running = asyncio.create_task(app.run_on_channel())
    await until(lambda: app.view.ready and app._running)
    await settled(app)
    try:
        yield Session(app, channel)
    finally:
        if not running.done():
            app.exit()
        await asyncio.wait_for(running, 10)
