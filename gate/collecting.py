"""When Python's collector runs: seldom while the gate serves, and not while what will stay is read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = (10_000, 5, 5)
"""Objects that are made before the young ones are looked through, and passes before older ones are. A pass costs what
the newest snapshots weigh, whatever came since the last one: Python's 700 would take several a second under changes."""


def seldom() -> None:
    """From now on, in this process."""
    gc.set_threshold(*YOUNG)


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
