"""Work of many small parts, with the loop given away in between: nobody waits for all of a long list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import perf_counter
from typing import Final, TypeVar

T = TypeVar("T")
SLICE: Final = 0.003
"""Seconds that the loop is taken at a time, besides the part that is at work."""


async def sliced(parts: Iterable[T]) -> AsyncIterator[T]:
    """`parts`, made one after the other; others have their turn in between."""
    until = perf_counter() + SLICE
    for part in parts:
        yield part
        if perf_counter() > until:
            await asyncio.sleep(0)
            until = perf_counter() + SLICE
