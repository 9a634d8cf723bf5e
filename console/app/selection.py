"""Which rows are meant: kept by what stays of them, whatever the list under them does. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from console.app.pages import row_id
from model.records import Record


class Selection:
    """`rows` are whole, so that they can be named off the page.

    A range begins at a row and reaches to the cursor, to and fro, until it is ended. It holds exactly the rows that
    `take` was given last, beside those that were selected before it.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Record] = {}
        self.anchor: int | None = None
        """Where the range that is open began."""
        self._anchored = ""
        self._before: dict[str, Record] = {}

    def toggle(self, row: Record) -> None:
        self.end()
        if self.rows.pop(row_id(row), None) is None:
            self.rows[row_id(row)] = row

    def begin(self, at: int, row: Record | None) -> None:
        self.anchor, self._before = at, dict(self.rows)
        self._anchored = row_id(row) if row is not None else ""

    def end(self) -> None:
        self.anchor, self._before = None, {}

    def span(self, cursor: int) -> range:
        """The rows of the range by their place in the list."""
        first, last = sorted((cursor if self.anchor is None else self.anchor, cursor))
        return range(first, last + 1)

    def take(self, rows: Iterable[Record]) -> None:
        self.rows = self._before | {row_id(row): row for row in rows}

    def clear(self) -> bool:
        had = bool(self.rows) or self.anchor is not None
        self.rows = {}
        self.end()
        return had

    def back(self, rows: dict[str, Record]) -> None:
        """What was let go for a deed that then was not done."""
        self.rows = rows | self.rows

    # While the list changes

    def moved(self, index_of: Callable[[str], int | None], by: int) -> None:
        """The list changed around the range, by so many rows at the cursor: it still begins at the same row."""
        if self.anchor is not None:
            found = index_of(self._anchored)
            self.anchor = max(0, self.anchor + by) if found is None else found

    def put(self, row: Record) -> None:
        """A row as it is now."""
        for rows in (self.rows, self._before):
            if (id := row_id(row)) in rows:
                rows[id] = row

    def drop(self, id: str) -> bool:
        """The row is no more; whether it was meant."""
        self._before.pop(id, None)
        return self.rows.pop(id, None) is not None

    def out_of_sight(self, shown: Collection[str]) -> int:
        """How many are meant besides those that are `shown`."""
        return len(self.rows) - sum(id in self.rows for id in shown)
