"""Long work gives the loop away between its parts."""

from __future__ import annotations

import asyncio

import pytest

from gate import slicing


async def test_others_have_their_turn_between_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicing, "SLICE", 0.0)
    seen: list[int] = []
    parts: list[int] = []

    async def other() -> None:
        while len(parts) < 5:
            seen.append(len(parts))
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    async for part in slicing.sliced(range(5)):
        parts.append(part)
    await beside
    assert parts == [0, 1, 2, 3, 4]
    assert set(seen) == {1, 2, 3, 4} or set(seen) == {0, 1, 2, 3, 4}
