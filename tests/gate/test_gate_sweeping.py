"""What ended in a circle is freed soon after, once for all that ended together."""

import asyncio
import gc
import weakref

import pytest

from gate import sweeping
from gate.sweeping import Sweep
from gate.watch import Watch


class Circle:
    def __init__(self) -> None:
        self.itself = self


async def test_circles_that_ended_are_freed_though_nothing_else_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "AFTER", 0.01)
    sweep = Sweep(Watch())
    was = gc.isenabled()
    gc.disable()
    try:
        for _ in range(2):  # it does so again for the next ones
            kept = [weakref.ref(Circle()) for _ in range(3)]
            assert all(ref() is not None for ref in kept)
            sweep.soon()
            sweep.soon()
            await asyncio.sleep(0.1)
            assert all(ref() is None for ref in kept)
    finally:
        if was:
            gc.enable()


async def test_what_a_console_left_is_not_taken_for_what_stays_before_it_was_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeping, "AFTER", 0.01)
    sweep = Sweep(Watch())
    assert sweep.swept
    with sweep.console(), sweep.console():
        assert not sweep.swept
    assert not sweep.swept
    await asyncio.sleep(0.1)
    assert sweep.swept


async def test_what_is_still_held_at_a_pass_just_after_its_end_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeping, "AFTER", 0.05)
    sweep = Sweep(Watch())
    was = gc.isenabled()
    gc.disable()
    try:
        held = Circle()
        kept = weakref.ref(held)
        with sweep.console():
            sweep.soon()
            await asyncio.sleep(0.04)
        await asyncio.sleep(0.03)
        assert not sweep.swept  # as a connection holds on to what just ended
        del held
        async with asyncio.timeout(10):
            while kept() is not None:
                await asyncio.sleep(0.01)
    finally:
        if was:
            gc.enable()
