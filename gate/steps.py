"""How long the steps of the event loop take, and what they are: each callback, not only how late the loop is.

A loop is watched through its own `call_soon` and the like, by which timers, tasks and futures run; data that comes is
handed on by `run`. It costs half a microsecond a step.
"""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Callable
from time import monotonic, perf_counter, thread_time
from typing import Any, Final, NamedTuple

LATE: Final = 0.005
"""Seconds by which a step is to be over."""
WINDOW: Final = 60
"""Seconds of which the steps are told."""
READ_EVERY: Final = 0.002
"""Seconds that the thread's CPU clock is not read again: a reading is a system call."""


class Step(NamedTuple):
    """One that took longer than it may: by the clock, and of that the thread's CPU, to 2 ms. The rest was other
    processes', or other threads' of this one."""

    seconds: float
    cpu: float
    what: str


class Long(NamedTuple):
    """The long steps of the last minute."""

    number: int = 0
    of_cpu: int = 0
    """Of them, those that took as long of the CPU: no other's fault."""
    longest: Step | None = None


class Steps:
    """Belongs to the loop that it watches from `start` to `stop`."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, Long]] = deque(maxlen=WINDOW)
        self._read_at = self._cpu = self._named_at = self._named_for = self._collecting = 0.0
        self._name = ""
        self._inside = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        for name, place in (("call_soon", 0), ("call_soon_threadsafe", 0), ("call_later", 1), ("call_at", 1)):
            setattr(loop, name, self._watched(getattr(loop, name), place))
        gc.callbacks.append(self._collects)

    def stop(self) -> None:
        if self._loop is not None:
            for name in ("call_soon", "call_soon_threadsafe", "call_later", "call_at"):
                delattr(self._loop, name)  # its class has them
            gc.callbacks.remove(self._collects)
            self._loop = None

    def _watched(self, schedule: Callable[..., Any], place: int) -> Callable[..., Any]:
        run = self.run

        def soon(callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
            return schedule(run, callback, *args, context=context)

        def later(when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
            if callback == run:  # asyncio's own `call_later` asks `call_at`
                return schedule(when, run, *args, context=context)
            return schedule(when, run, callback, *args, context=context)

        return later if place else soon

    def run(self, callback: Callable[..., Any], *args: Any) -> None:
        """`callback(*args)`, as a step, or as a part of the one that is at work."""
        if self._inside:
            callback(*args)
            return
        self._inside = True
        began = perf_counter()
        if began - self._read_at > READ_EVERY:
            self._read_at, self._cpu = began, thread_time()
        try:
            callback(*args)
        finally:
            self._inside = False
            took = perf_counter() - began
            if took > LATE:
                self._note(callback, began, took)

    def name(self, what: str, seconds: float) -> None:
        """What the step now at work was at for so long: it is called so where that is half of it."""
        if seconds > LATE / 2:
            self._name, self._named_at, self._named_for = what, perf_counter(), seconds

    def _note(self, callback: Callable[..., Any], began: float, took: float) -> None:
        cpu = min(took, max(0.0, thread_time() - self._cpu))
        self._read_at = 0.0
        named = self._named_at >= began and self._named_for >= took / 2
        self.note(monotonic(), Step(took, cpu, self._name if named else described(callback)))

    def note(self, at: float, step: Step) -> None:
        """A long step that ended at `at` seconds."""
        second = int(at)
        self._forget(second)
        known = self._seconds.pop()[1] if self._seconds and self._seconds[-1][0] == second else Long()
        longest = max(known.longest or step, step)
        self._seconds.append((second, Long(known.number + 1, known.of_cpu + (step.cpu > LATE), longest)))

    def _forget(self, second: int) -> None:
        while self._seconds and self._seconds[0][0] <= second - WINDOW:
            self._seconds.popleft()

    @property
    def long(self) -> Long:
        """Of the last minute."""
        self._forget(int(monotonic()))
        kept = [long for _, long in self._seconds]
        return Long(
            sum(long.number for long in kept), sum(long.of_cpu for long in kept),
            max((long.longest for long in kept if long.longest), default=None),
        )  # fmt: skip

    def _collects(self, phase: str, info: dict[str, int]) -> None:
        now = perf_counter()
        if phase == "start":
            self._collecting = now
        else:
            self.name("collecting garbage", now - self._collecting)


def described(callback: Callable[..., Any]) -> str:
    """What a callback is at: a task's coroutine, or the callback's own name."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        coroutine = owner.get_coro()
        return str(getattr(coroutine, "__qualname__", coroutine))
    inner = getattr(callback, "func", callback)
    return str(getattr(inner, "__qualname__", type(inner).__name__))
