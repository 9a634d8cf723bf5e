"""Rows that are written together, where much work is one part of a commit, and the ends of sequences it carries on."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

Values = Sequence[Any]


class Later:
    """What one part of a commit has yet to write. `Transaction.sql` writes it first, so nobody misses it.

    A row costs less among others of its kind, and a sequence's end is read and written once for all that go on from it.
    """

    __slots__ = ("_ends", "_fault", "_moved", "_rows", "_sql", "waits")

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql
        self._rows: dict[str, list[Values]] = {}
        self._ends: dict[str, Values] = {}
        self._moved: dict[str, str] = {}
        self._fault: BaseException | None = None
        self.waits = False

    def row(self, insertion: str, values: Values) -> None:
        """Adds a row by the statement `insertion`."""
        self.waits = True
        rows = self._rows.get(insertion)
        if rows is None:
            self._rows[insertion] = [values]
        else:
            rows.append(values)

    def end(self, query: str) -> Values:
        """The one row that `query` yields, as this part left it."""
        found = self._ends.get(query)
        if found is None:
            row: Values = self._sql.execute(query).fetchone()
            found = self._ends[query] = row
        return found

    def move(self, query: str, values: Values, update: str | None = None) -> None:
        """`query` yields `values` from now on; by the statement `update`, or by the rows that were added."""
        self.waits = True
        self._ends[query] = values
        if update is not None:
            self._moved[query] = update

    def write(self) -> None:
        """Leaves nothing to be written. What failed fails again, until the part is undone."""
        if self._fault is not None:
            raise self._fault
        try:
            for insertion, values in self._rows.items():
                self._sql.executemany(insertion, values)
            for query, update in self._moved.items():
                self._sql.execute(update, self._ends[query])
        except BaseException as fault:
            self._fault = fault
            raise
        self._rows, self._ends, self._moved, self.waits = {}, {}, {}, False
