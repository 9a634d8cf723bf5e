"""When Python's collector runs: seldom while the gate serves, and not while what will stay is read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

NEVER = 1_000_000_000
YOUNG = (10_000, NEVER, NEVER)
"""Objects that are made before those are looked through, in 2 to 4 ms. A pass costs what the newest snapshots weigh,
whatever came since the last one: Python's 700 would take several a second under changes. Of what outlived a pass there
is none by itself: it would come where most is made, take as long as all of that, and find most of it in use."""
MIDDLE, OLD = 2, 15
"""In a quiet moment: passes after which what outlived them is looked through, and of those, after which all is."""
OVERDUE = 300
"""Passes after which all is looked through, however much there is to do."""
SURVIVORS, ALL = 1, 2
"""Python's generations."""


def seldom() -> None:
    """From now on, in this process."""
    gc.set_threshold(*YOUNG)


def due(*, quiet: bool) -> int | None:
    """Which generation to look through now, with those under it; `quiet` is when few wait for the loop."""
    _, young, survivors = gc.get_count()
    if young >= OVERDUE or (quiet and survivors >= OLD):
        return ALL
    return SURVIVORS if quiet and young >= MIDDLE else None


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
