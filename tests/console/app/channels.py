"""A terminal in memory, for driving the console without one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from console.app.app import ConsoleApp
from gate.faces import Terminal


class MemoryChannel:
    """Keeps what was written; `type` is what a person does."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.written: list[bytes] = []
        self._on_input: Callable[[bytes], None] | None = None
        self._on_resize: Callable[[int, int], None] | None = None
        self._on_flow: Callable[[bool], None] | None = None
        self._on_closed: Callable[[], None] | None = None

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def listen(
        self,
        *,
        on_input: Callable[[bytes], None],
        on_resize: Callable[[int, int], None],
        on_flow: Callable[[bool], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._on_input, self._on_resize = on_input, on_resize
        self._on_flow, self._on_closed = on_flow, on_closed

    def type(self, data: bytes | str) -> None:
        assert self._on_input is not None
        self._on_input(data.encode() if isinstance(data, str) else data)

    def resize(self, columns: int, rows: int) -> None:
        assert self._on_resize is not None
        self._on_resize(columns, rows)

    def flow(self, reads: bool) -> None:
        assert self._on_flow is not None
        self._on_flow(reads)

    def close(self) -> None:
        assert self._on_closed is not None
        self._on_closed()

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
