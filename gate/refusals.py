"""Refusals in the audit trail: the first of a kind at once, its repeats as one entry with their number.

A refusal costs whoever asks nothing, so they must not fill the trail with as many entries as they like.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from model.errors import WardgateError

log = logging.getLogger("wardgate.gate")

TOGETHER = 60.0
"""Seconds in which refusals of one kind are one entry."""
MOST = 1000
"""Kinds that are kept apart; those beyond are one kind."""


class Refusal(msgspec.Struct, frozen=True):
    actor: str
    operation: str
    source: str


Write = Callable[[Refusal, dict[str, object]], Awaitable[object]]


class Refusals:
    """`write` puts one entry into the trail. Belongs to one event loop."""

    def __init__(self, write: Write, together: float = TOGETHER) -> None:
        self._write = write
        self._together = together
        self._repeats: dict[Refusal, tuple[int, str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def note(self, refusal: Refusal, why: str) -> None:
        if refusal not in self._repeats and len(self._repeats) >= MOST:
            refusal = Refusal("others", refusal.operation, "several")
        if refusal in self._repeats:
            count, _ = self._repeats[refusal]
            self._repeats[refusal] = count + 1, why
            return
        self._repeats[refusal] = 0, why
        task = asyncio.get_running_loop().create_task(self._later(refusal))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await self._write(refusal, {"why": why})

    async def _later(self, refusal: Refusal) -> None:
        """For as long as they go on, an entry each time."""
        while True:
            await asyncio.sleep(self._together)
            count, why = self._repeats[refusal]
            if not count:
                del self._repeats[refusal]
                return
            self._repeats[refusal] = 0, why
            try:
                await self._write(refusal, {"why": why, "times": count})
            except WardgateError as fault:
                log.warning("refusals were not recorded: %s", fault.message)

    @property
    def counted(self) -> int:
        """Kinds of which one more makes no entry of its own now."""
        return len(self._repeats)

    async def close(self) -> None:
        """Writes what was counted and not written."""
        for task in tuple(self._tasks):
            task.cancel()
        counted, self._repeats = self._repeats, {}
        for refusal, (count, why) in counted.items():
            if count:
                await self._write(refusal, {"why": why, "times": count})
