"""What is selected in a list, as the list reads and changes: ranges over pages that are not there, rows that go."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from console.app.backend import Query, Rows
from console.app.listdrawing import ListDrawing
from console.app.times import count
from model.change import Committed, DeviceChange, DeviceRemoved, UserRemoved
from model.errors import WardgateError
from model.records import Record

MOST_SELECTED, AT_ONCE = 5000, 1000
"""Rows that a range may hold, each kept whole, and rows that are asked for at once."""


class ListSelecting(ListDrawing):
    """The part of a list that keeps to what a person means; `console.app.selection` has the rules."""

    async def _fetch(self, query: Query) -> Rows:
        raise NotImplementedError

    def _read_range(self, span: range) -> None:
        """Selects rows that are on no page; the next key waits for them, so that it is about all that are counted."""
        if len(span) > MOST_SELECTED:
            self.table.selection.end()
            self.console_app.say_refused(
                f"a range of {count(len(span))} is more than {count(MOST_SELECTED)}", "a filter makes it fewer"
            )
        elif not self.reading:
            self.reading = True
            self.console_app.start(self._select(span))

    async def _select(self, span: range) -> None:
        selection = self.table.selection
        try:
            while selection.anchor is not None:
                rows = await self._rows_of(span)
                if selection.span(self.table.cursor) == span:
                    selection.take(rows)
                    break
                span = selection.span(self.table.cursor)  # the wheel went on meanwhile
        except WardgateError:
            selection.end()
            raise
        finally:
            self.reading = False
            self.console_app.let_waiting_keys_go()

    async def _rows_of(self, span: range) -> list[Record]:
        rows: list[Record] = []
        for start in range(span.start, span.stop, AT_ONCE):
            limit = min(span.stop - start, AT_ONCE)
            rows += (await self._fetch(msgspec.structs.replace(self.pages.query, offset=start, limit=limit))).rows
        return rows

    def _keep_selection(self, changes: Sequence[Committed]) -> None:
        """What another renamed or removed meanwhile, on the page or off it."""
        selection, gone = self.table.selection, 0
        for change in (entry.change for entry in changes) if selection.rows else ():
            if isinstance(change, DeviceChange):
                selection.put(change.device)
            elif isinstance(change, DeviceRemoved | UserRemoved):
                gone += selection.drop(str(change.id))
        if gone:
            self.console_app.say_refused(f"{count(gone)} of what was selected {'is' if gone == 1 else 'are'} removed")
