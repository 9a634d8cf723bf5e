"""When Python's collector runs: seldom while the gate serves, and not while what will stay is read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = (10_000, 5, 1_000_000_000)
"""Objects that are made before the young ones are looked through, and passes before those are that outlived one. A pass
costs what the newest snapshots weigh, whatever came since the last one: Python's 700 would take several a second under
changes. Of all objects there is no pass by itself: it would come where most is made, and so find most of it in use."""
OLD, OVERDUE = 5, 50
"""Passes over what outlived one, after which it is time to look at all when nothing else is to do, and at any time."""


def seldom() -> None:
    """From now on, in this process."""
    gc.set_threshold(*YOUNG)


def old_are_due(*, quiet: bool) -> bool:
    """Whether to look through all objects that were not set aside; `quiet` is when few wait for the loop."""
    return gc.get_count()[2] >= (OLD if quiet else OVERDUE)


@contextmanager
def uncollected() -> Iterator[None]:
    """While nothing but what stays is made: a quarter of the time goes with looking through it in vain."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
