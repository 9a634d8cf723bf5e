"""How many rows match, remembered for as long as nothing is committed."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

_MOST = 1000
"""Totals that are remembered at once."""


class Totals:
    """Shared by all readers. `epoch` is even between commits and odd during one, and never comes back.

    A reader notes the epoch before its snapshot begins. Where it is the same afterwards, and even, the snapshot is that
    epoch's, and so is any total counted in it.
    """

    def __init__(self, epoch: Callable[[], int]) -> None:
        self.epoch = epoch
        self._of = -1
        self._known: dict[tuple[str, tuple[object, ...]], int] = {}
        self._lock = threading.Lock()

    def count(self, sql: sqlite3.Connection, began: int, query: str, parameters: tuple[object, ...]) -> int:
        """What `query` counts in the snapshot of `sql`, whose loan began at epoch `began`."""
        sql.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()  # from here on the snapshot stands
        exact = began % 2 == 0 and self.epoch() == began
        key = (query, parameters)
        if exact:
            with self._lock:
                if self._of == began and key in self._known:
                    return self._known[key]
        total: int = sql.execute(query, parameters).fetchone()[0]
        if exact:
            self._remember(began, key, total)
        return total

    def _remember(self, epoch: int, key: tuple[str, tuple[object, ...]], total: int) -> None:
        with self._lock:
            if self._of < epoch or len(self._known) >= _MOST:
                self._of, self._known = max(epoch, self._of), {}
            if self._of == epoch:
                self._known[key] = total
