"""A process that is killed in the middle of writing loses nothing of what it had answered."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from store import Store, audit, changes

ROOT = Path(__file__).parents[2]
WRITER = """
import asyncio, sys
from pathlib import Path
from model.change import SettingSet
from store import Store

def work(tx):
    number = tx.record(SettingSet(key="a", value=1))
    tx.audit("gate", "test", str(number), source="gate")
    return number

async def write(store):
    while True:
        print(await store.write(work), flush=True)

async def main():
    store = Store.open(Path(sys.argv[1]))
    await asyncio.gather(*(write(store) for _ in range(16)))

asyncio.run(main())
"""


@pytest.mark.parametrize("round_", range(3))
def test_what_was_answered_survives_a_kill(tmp_path: Path, round_: int) -> None:
    path = tmp_path / "wardgate.db"
    Store.create(path).close()
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as writer:
        assert writer.stdout is not None
        answered = [writer.stdout.readline() for _ in range(random.Random(round_).randrange(200, 2000))]
        writer.send_signal(signal.SIGKILL)
        answered += writer.stdout.readlines()
    numbers = [int(line) for line in answered if line.endswith("\n")]
    store = Store.open(path)
    kept = [committed.number for committed in store.read(lambda r: changes.since(r, 0))]
    assert kept == list(range(1, len(kept) + 1))
    assert max(numbers) <= len(kept)
    assert store.read(audit.verify) is None
    assert store.transact(lambda tx: tx.audit("gate", "test", "next", source="gate")) == len(kept) + 1
    store.close()
