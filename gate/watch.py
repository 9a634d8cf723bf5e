"""How late the event loop is, and what kept it: for `gate status`, the console, and admission of agents."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

from gate.steps import Steps

BEAT = 0.05
"""Seconds between two looks."""
WINDOW = 60
"""Seconds of which the worst look is told."""
LATE = 0.005
"""A step of the loop is to be over by then."""


class Crowd(NamedTuple):
    """Who waits for the gate."""

    waiting: int = 0
    """Connections that nobody has spoken to yet."""
    per_second: float = 0.0
    """Logins that were got through while some waited."""
    turned_away: int = 0
    """Connections, since the gate started."""
    untold: int = 0
    """Agents that are still to be told what changed."""


class _Doing:
    __slots__ = ("_since", "_watch", "_what")

    def __init__(self, watch: Watch, what: str) -> None:
        self._watch = watch
        self._what = what
        self._since = 0.0

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        took = time.perf_counter() - self._since
        self._watch.spent[self._what] += took
        self._watch.steps.name(self._what, took)


class Watch:
    """`doing` names what the loop is at; lateness is put down to what took most of the time since the last look."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.now = 0.0
        """Seconds that the last look came late."""
        self.crowd: Callable[[], Crowd] = Crowd
        self._seconds: deque[tuple[int, float, str]] = deque(maxlen=WINDOW)
        self._next: asyncio.TimerHandle | None = None

    def doing(self, what: str) -> _Doing:
        """Around a step of the loop, without an `await` in it."""
        return _Doing(self, what)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.steps.start(loop)
        self._next = loop.call_later(BEAT, self._look, loop, loop.time() + BEAT)

    def stop(self) -> None:
        if self._next:
            self._next.cancel()
            self.steps.stop()
        self._next = None

    @property
    def on(self) -> bool:
        """From `start` to `stop`: for as long as the gate is served."""
        return self._next is not None

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.note(loop.time(), loop.time() - due)
        self._next = loop.call_later(BEAT, self._look, loop, loop.time() + BEAT)

    def note(self, at: float, late: float) -> None:
        """A look at `at` seconds that came `late`."""
        self.now = late
        cause = max(self.spent, key=lambda what: self.spent[what]) if self.spent else ""
        if cause and self.spent[cause] < late / 4:
            cause = "connections and consoles"
        self.spent.clear()
        second = int(at)
        while self._seconds and self._seconds[0][0] <= second - WINDOW:
            self._seconds.popleft()
        if self._seconds and self._seconds[-1][0] == second:
            if late > self._seconds[-1][1]:
                self._seconds[-1] = second, late, cause
        else:
            self._seconds.append((second, late, cause))

    @property
    def worst(self) -> tuple[float, str]:
        """By how many seconds the latest look of the last minute was late, and what kept the loop."""
        _, late, cause = max(self._seconds, key=lambda second: second[1], default=(0, 0.0, ""))
        return late, (cause or "connections and consoles") if late > LATE else ""
