"""Each step of the event loop is timed, with what it was at."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from pathlib import Path

import gate_builders as build
import pytest

from gate.services import health
from gate.steps import LATE, WINDOW, Long, Step, Steps
from gate.watch import Watch


def busy(seconds: float = 2 * LATE) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def asleep() -> None:
    time.sleep(4 * LATE)


async def work() -> None:
    await asyncio.sleep(0)
    busy()


class Noted(list[Step]):
    """The long steps of a loop that is watched, as they come: a busy machine makes others long too."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        steps.note = lambda _, step: self.append(step)  # type: ignore[method-assign]

    async def first(self, what: str) -> Step:
        """The first whose name ends so."""
        async with asyncio.timeout(20):
            while True:
                for step in self:
                    if step.what.endswith(what):
                        return step
                await asyncio.sleep(0.001)


@pytest.fixture
async def noted() -> AsyncIterator[Noted]:
    watch = Watch()
    watch.start()
    yield Noted(watch.steps)
    watch.stop()


async def test_a_callback_a_timer_and_a_task_are_steps(noted: Noted) -> None:
    loop = asyncio.get_running_loop()
    for begin, what in (
        (lambda: loop.call_soon(busy), "busy"), (lambda: loop.call_later(0, busy), "busy"),
        (lambda: loop.call_soon_threadsafe(busy), "busy"), (lambda: loop.create_task(work()), "work"),
    ):  # fmt: skip
        noted.clear()
        kept = begin()
        assert (await noted.first(what)).seconds >= 2 * LATE
        del kept


async def test_what_others_took_is_no_cpu_of_the_step(noted: Noted) -> None:
    asyncio.get_running_loop().call_soon(asleep)
    step = await noted.first("asleep")
    assert step.cpu < step.seconds / 2


async def test_the_collector_is_named_where_a_step_was_long_by_it(noted: Noted) -> None:
    rings = [[] for _ in range(300_000)]  # type: ignore[var-annotated]
    for ring in rings:
        ring.append(ring)
    await asyncio.sleep(0)
    noted.clear()
    asyncio.get_running_loop().call_soon(gc.collect)
    assert await noted.first("collecting garbage")


async def test_what_took_little_of_a_long_step_does_not_name_it(noted: Noted) -> None:
    def mostly_busy() -> None:
        noted.steps.name("collecting garbage", 0.6 * LATE)
        busy()

    asyncio.get_running_loop().call_soon(mostly_busy)
    assert await noted.first("mostly_busy")


async def test_a_loop_that_is_watched_no_more_is_as_it_was() -> None:
    loop = asyncio.get_running_loop()
    before = loop.call_soon
    watch = Watch()
    watch.start()
    assert loop.call_soon != before
    watch.stop()
    assert loop.call_soon == before


def test_a_minute_of_steps_is_told() -> None:
    steps, now = Steps(), time.monotonic()
    steps.note(now - WINDOW - 1, Step(0.9, 0.9, "long ago"))
    steps.note(now - 1, Step(0.006, 0.001, "kept by others"))
    steps.note(now - 1, Step(0.02, 0.02, "telling agents"))
    assert steps.long == Long(2, 1, Step(0.02, 0.02, "telling agents"))


async def test_gate_status_tells_of_the_longest_step(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        quiet = await gate.perform(health.status, build.LOCAL)
        assert (quiet.long_steps, quiet.longest_step) == (0, "")
        gate.watch.steps.note(time.monotonic(), Step(0.0213, 0.0201, "a change"))
        found = await gate.perform(health.status, build.LOCAL)
        assert (found.long_steps, found.long_steps_cpu, found.longest_step) == (1, 1, "a change")
        assert (found.longest_step_ms, found.longest_step_cpu_ms) == (21.3, 20.1)
