"""Reads that take long, such as compiling a policy of a megabyte: in threads of their own, and one a person at a time.

All others read meanwhile, and nobody's heavy questions wait behind another's for longer than one of each. Threads take
the interpreter in turns: while many agents are told of a change, what they are told comes first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gate.watch import Watch
from model.errors import Limited

T = TypeVar("T")
THREADS = 2
WAITING = 4
"""Questions of one person that may wait for the one that is being answered."""
UNTOLD = 200
"""Agents that are still to be told of a change, above which a long question waits for them."""
PATIENCE, LOOK_EVERY = 5.0, 0.05
"""Seconds that it waits at the most, and between two looks."""


class _Turn:
    __slots__ = ("asked", "lock")

    def __init__(self) -> None:
        self.asked = 0
        self.lock = asyncio.Lock()


class Heavy:
    """Belongs to one event loop."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._turns: dict[str, _Turn] = {}
        self._threads = ThreadPoolExecutor(THREADS, "heavy")

    async def run(self, who: str, what: str, work: Callable[[], T]) -> T:
        """What `work` gives, in a thread, when it is `who`'s turn. Raises `Limited` where as many wait as may."""
        turn = self._turns.setdefault(who, _Turn())
        if turn.asked > WAITING:
            raise Limited(
                f"{WAITING} questions like {what} wait for an answer already, and one is being worked on",
                hint="wait for their answers, then ask again",
            )
        turn.asked += 1
        try:
            async with turn.lock:
                await self._after_agents()
                return await self._uncancelled(work)
        finally:
            turn.asked -= 1
            if not turn.asked:
                self._turns.pop(who, None)

    async def _after_agents(self) -> None:
        for _ in range(round(PATIENCE / LOOK_EVERY)):
            if self._watch.crowd().untold < UNTOLD:
                return
            await asyncio.sleep(LOOK_EVERY)

    async def _uncancelled(self, work: Callable[[], T]) -> T:
        """Whoever leaves keeps their turn until the thread is free again: nothing ends what it is at."""
        running = self._threads.submit(work)
        answer = asyncio.wrap_future(running)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            if not running.cancel():
                await asyncio.wait([answer])
            raise

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
