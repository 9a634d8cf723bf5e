"""Each step of the event loop is timed, with what it was at."""

from __future__ import annotations

import asyncio
import gc
import time
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


@pytest.fixture
async def steps() -> Steps:
    watch = Watch()
    watch.start()
    yield watch.steps  # type: ignore[misc]
    watch.stop()


async def a_while() -> None:
    for _ in range(3):
        await asyncio.sleep(0.001)


async def test_a_callback_a_timer_and_a_task_are_steps(steps: Steps) -> None:
    loop = asyncio.get_running_loop()
    for begin, what in (
        (lambda: loop.call_soon(busy), "busy"), (lambda: loop.call_later(0, busy), "busy"),
        (lambda: loop.call_soon_threadsafe(busy), "busy"), (lambda: loop.create_task(work()), "work"),
    ):  # fmt: skip
        steps._seconds.clear()
        kept = begin()
        while not steps.long.number:
            await asyncio.sleep(0.001)
        await a_while()
        assert steps.long.longest is not None
        assert steps.long.longest.what == what
        assert steps.long.longest.seconds >= 2 * LATE
        del kept


async def test_what_others_took_is_no_cpu_of_the_step(steps: Steps) -> None:
    asyncio.get_running_loop().call_soon(asleep)
    while not steps.long.longest:
        await asyncio.sleep(0.001)
    assert steps.long.longest.what == "asleep"
    assert steps.long.longest.cpu < steps.long.longest.seconds / 2


async def test_the_collector_is_named_where_a_step_was_long_by_it(steps: Steps) -> None:
    rings = [[] for _ in range(300_000)]  # type: ignore[var-annotated]
    for ring in rings:
        ring.append(ring)
    await asyncio.sleep(0)
    steps._seconds.clear()
    asyncio.get_running_loop().call_soon(gc.collect)
    while not steps.long.longest:
        await asyncio.sleep(0.001)
    assert steps.long.longest.what == "collecting garbage"


async def test_what_took_little_of_a_long_step_does_not_name_it(steps: Steps) -> None:
    def mostly_busy() -> None:
        steps.name("collecting garbage", 0.6 * LATE)
        busy()

    asyncio.get_running_loop().call_soon(mostly_busy)
    while not steps.long.longest:
        await asyncio.sleep(0.001)
    assert steps.long.longest.what.endswith("mostly_busy")


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
