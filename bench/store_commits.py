"""Commits a second with 256 waiting writers on one writer thread, each durable before its writer is told.

Beside it, what a commit of one alone takes on this disk: what the group shares.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.report import Figures, report
from model.change import SettingSet
from store import Store, Transaction
from store.connections import connect

WRITERS = 256
EACH = 200
ROUNDS = 5
CHANGE = SettingSet(key="bench", value=1)


def _row(tx: Transaction) -> None:
    tx.sql.execute("INSERT INTO bench (value) VALUES (1)")


def _change(tx: Transaction) -> None:
    tx.record(CHANGE)


def _audited(tx: Transaction) -> None:
    tx.record(CHANGE)
    tx.audit(
        "alice@example.com", "devices approve", "db-1", before={"state": "pending"}, after={"state": "approved"},
        source="192.0.2.7",
    )  # fmt: skip


def _refused(tx: Transaction) -> None:
    _row(tx)
    raise ValueError


async def _per_second(store: Store, work: Callable[[Transaction], None]) -> float:
    async def writer() -> None:
        for _ in range(EACH):
            with contextlib.suppress(ValueError):
                await store.write(work)

    started = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    return WRITERS * EACH / (time.perf_counter() - started)


def _median(store: Store, work: Callable[[Transaction], None]) -> int:
    return round(statistics.median(asyncio.run(_per_second(store, work)) for _ in range(ROUNDS)))


def _bare(path: Path) -> int:
    """Rows a second by SQLite alone, in transactions as long as a group: what the machine gives at this moment."""
    with contextlib.closing(connect(path, writes=True).conn) as sql:
        started = time.perf_counter()
        for _ in range(EACH):
            sql.execute("BEGIN IMMEDIATE")
            for _ in range(WRITERS):
                sql.execute("INSERT INTO bench (value) VALUES (1)")
            sql.execute("COMMIT")
    return round(WRITERS * EACH / (time.perf_counter() - started))


def _alone_us(store: Store) -> float:
    took = []
    for _ in range(200):
        started = time.perf_counter()
        store.transact(_row)
        took.append((time.perf_counter() - started) * 1e6)
    return round(statistics.median(took), 1)


def figures() -> Figures:
    """Medians of rounds. A row; a change of the log; a change with an audit entry; work that is refused and undone."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "wardgate.db")
        store.transact(lambda tx: tx.sql.execute("CREATE TABLE bench (id INTEGER PRIMARY KEY, value INTEGER)"))
        bare = _bare(store.path)
        found: dict[str, float | int | str] = {
            "bare_sqlite_rows_per_second": bare,
            "rows_per_second": _median(store, _row),
            "changes_per_second": _median(store, _change),
            "audited_changes_per_second": _median(store, _audited),
            "refused_per_second": _median(store, _refused),
            "alone_us": _alone_us(store),
        }
        store.close()
    found["rows_to_bare_ratio"] = round(int(found["rows_per_second"]) / bare, 2)
    return found


if __name__ == "__main__":
    report("store_commits", figures())
