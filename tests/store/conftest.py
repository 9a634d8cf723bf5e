from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_builders import Clock

from store import Store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """An empty one, whose clock is `clock`."""
    opened = Store.create(tmp_path / "wardgate.db", clock=clock)
    yield opened
    opened.close()
