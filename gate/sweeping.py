"""Memory of consoles that ended is given back soon: they are circles, and an idle gate makes nothing that finds any."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from gate.watch import Watch

AFTER = 2.0
"""Seconds from the end of one to a pass, which finds all that ended meanwhile."""


class Sweep:
    """A pass takes some 5 ms, and 1 ms for each more: devices, and what was there from the start, are not looked at."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._next: asyncio.TimerHandle | None = None
        self._open = 0
        self._ended_at = 0.0

    @contextmanager
    def console(self) -> Iterator[None]:
        """While one is open: what it made goes soon after."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            self._ended_at = asyncio.get_running_loop().time()
            self.soon()

    @property
    def swept(self) -> bool:
        """Whether no console is open, and those that ended were looked for."""
        return not self._open and self._next is None

    def soon(self) -> None:
        """Belongs to the loop that runs."""
        if self._next is None:
            self._next = asyncio.get_running_loop().call_later(AFTER, self._now)

    def _now(self) -> None:
        self._next = None
        held = asyncio.get_running_loop().time() - self._ended_at < AFTER / 2  # by its connection, it may be
        with self._watch.doing("collecting garbage"):
            gc.collect()
        if held:
            self.soon()
