"""A list of any length: cursor, selection, order, and the drawing of the rows in sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from rich.cells import cell_len

from console.app.columns import Cell, Column, Context, Placed, place
from console.app.pages import Pages, row_id
from console.app.row import Link, Row, fit, fit_middle
from console.app.selection import Selection
from model.records import Record

MARK, STATE, FIRST = 2, 4, 6
"""Columns of the selection mark, the state's glyph and the first text."""


class Table:
    """`state` gives a row's glyph and role. `reach` is asked for the rows of a range that are on no page."""

    def __init__(
        self,
        columns: Sequence[Column],
        state: Callable[[Any, Context], tuple[str, str]],
        pages: Pages,
        reach: Callable[[range], object] = lambda _: None,
    ) -> None:
        self.columns = columns
        self.state = state
        self.pages = pages
        self.cursor = 0
        self.top = 0
        self.height = 1
        self.selection = Selection()
        self._reach = reach
        self.above = 0
        """How many came before what is in sight, since the cursor was moved last."""
        self.kept: str | None = None
        """The row under the cursor, followed when the list changes around it."""
        self._to_end = False
        self.shown: Sequence[Column] = ()
        """Those of the columns that there was room for."""
        self._widest: dict[str, int] = {}
        """Cells of the widest text of each column, of what was in sight since the filter changed last."""

    # Where the cursor is

    @property
    def total(self) -> int:
        return self.pages.total or 0

    def current(self) -> Record | None:
        return self.pages.row(self.cursor)

    def move(self, step: int) -> None:
        self.go(self.cursor + step)

    def go(self, index: int) -> None:
        self.cursor = max(0, min(index, self.total - 1))
        self.kept = None
        self._to_end = False
        self.above = 0
        self._scroll()
        if self.selection.anchor is not None:
            self._select_range()

    def end(self) -> None:
        """To the last row: at once as far as is known, and on once the rest was counted."""
        self.go(self.total - 1)
        self._to_end = self.pages.more

    def _scroll(self) -> None:
        if self.cursor < self.top:
            self.top = self.cursor
        elif self.cursor >= self.top + self.height:
            self.top = self.cursor - self.height + 1
        self.top = max(0, min(self.top, self.total - self.height))
        self.pages.want(self.top, self.top + self.height)
        row = self.current()
        if row is not None:
            self.kept = row_id(row)

    def arrived(self) -> None:
        """New rows came: the cursor stays on its row, and that row at its place on the screen.

        At the top of the list the place gives way, so that what is new shows.
        """
        if self._to_end:
            self.end()
            return
        if self.kept is not None and (found := self.pages.index_of(self.kept)) is not None:
            if self.top:
                self.above += max(0, found - self.cursor)
                self.top = max(0, self.top + found - self.cursor)
            self.selection.moved(self.pages.index_of, found - self.cursor)
            self.cursor = found
        self.cursor = max(0, min(self.cursor, self.total - 1))
        if self.selected:
            for row in self.pages.kept():
                self.selection.put(row)
        self._scroll()

    def order(self, sort: str, descending: bool) -> None:
        """A range ends, since it was one in the order before; what is selected stays so."""
        self.selection.end()
        self.pages.ask(msgspec.structs.replace(self.pages.query, sort=sort, descending=descending))
        self.pages.want(self.top, self.top + self.height)

    def filter(self, text: str) -> None:
        """What is selected stays so, in sight or not."""
        self.selection.end()
        self.pages.ask(msgspec.structs.replace(self.pages.query, filter=text))
        self.cursor = self.top = 0
        self.kept = None
        self._to_end = False
        self._widest.clear()
        self.pages.want(0, self.height)

    # What is selected

    @property
    def selected(self) -> dict[str, Record]:
        return self.selection.rows

    def toggle(self) -> None:
        row = self.current()
        if row is not None:
            self.selection.toggle(row)
            self.move(1)

    def toggle_range(self) -> None:
        """Begins a range at the cursor, or ends the one that is open."""
        if self.selection.anchor is None:
            self.selection.begin(self.cursor, self.current())
            self._select_range()
        else:
            self.selection.end()

    def _select_range(self) -> None:
        """What is on no page has to be fetched: `reach` sees to it, and gives it to the selection."""
        span = self.selection.span(self.cursor)
        rows = [row for index in span if (row := self.pages.row(index)) is not None]
        if len(rows) == len(span):
            self.selection.take(rows)
        else:
            self._reach(span)

    def clear(self) -> bool:
        return self.selection.clear()

    def chosen(self) -> list[Record]:
        """The selection, or else what the cursor is on."""
        if self.selected:
            return list(self.selected.values())
        row = self.current()
        return [] if row is None else [row]

    def out_of_sight(self) -> int:
        """How many are selected that do not stand on the screen."""
        shown = (self.pages.row(index) for index in range(self.top, self.top + self.height))
        return self.selection.out_of_sight({row_id(row) for row in shown if row is not None})

    # Drawing

    def draw(
        self, width: int, height: int, context: Context, *, plane: str = "bg", first: int = FIRST, focused: bool = True,
        open_row: Callable[[], object] | None = None, sort_by: Callable[[str], object] | None = None,
    ) -> list[Row]:  # fmt: skip
        """The heads and as many rows as fit in `height`, with a bar at the right where there are more."""
        self.height = max(1, height - 1)
        self.top = max(0, min(self.top, max(0, self.total - self.height)))
        self.pages.want(self.top, self.top + self.height)
        self._measure(context)
        placed = place(self.columns, first, width - 3, self._widest)
        self.shown = [item.column for item in placed]
        rows = [self._heads(width, placed, context, plane, sort_by)]
        for y in range(min(self.height, self.total - self.top)):
            rows.append(self._row(self.top + y, width, placed, context, plane, focused, open_row))
        rows += [Row(width, plane) for _ in range(height - len(rows))]
        self._bar(rows, width, context)
        return rows

    def _measure(self, context: Context) -> None:
        for index in range(self.top, min(self.top + self.height, self.total)):
            if (row := self.pages.row(index)) is None:
                continue
            for column in self.columns:
                if column.least < column.most:
                    size = cell_len(column.cell(row, context).text)
                    if size > self._widest.get(column.head, 0):
                        self._widest[column.head] = size

    def _heads(
        self, width: int, placed: Sequence[Placed], context: Context, plane: str,
        sort_by: Callable[[str], object] | None,
    ) -> Row:  # fmt: skip
        row = Row(width, plane)
        query = self.pages.query
        for item in placed:
            column = item.column
            sorted_by = bool(column.sort) and column.sort == query.sort
            arrow = (context.glyphs.down if query.descending else context.glyphs.up) if sorted_by else ""
            head = fit(column.head, item.width)
            role, attributes = ("bright", "b") if sorted_by else ("muted", "")
            link: Link | None = (lambda key=column.sort: sort_by(key)) if sort_by and column.sort else None
            size = cell_len(head) + (2 if sorted_by else 0)
            x = item.x + max(0, item.width - size) if column.right else item.x
            end = row.put(x, head, role, attributes, link)
            if sorted_by:
                row.put(end + 1, arrow, "accent")
        return row

    def _row(
        self, index: int, width: int, placed: Sequence[Placed], context: Context, plane: str, focused: bool,
        open_row: Callable[[], object] | None,
    ) -> Row:  # fmt: skip
        row = Row(width, plane)
        record = self.pages.row(index)
        edge = width - 1
        if record is None:
            row.put(placed[0].x, context.glyphs.none, "muted")
            return row
        id = row_id(record)
        under = index == self.cursor and focused
        if under:
            row.plane("cursor", 1, edge)
            row.put(1, context.glyphs.cursor, "accent")
        else:
            flashing = self.pages.is_flashing(id)
            if id in self.selected or index == self.cursor or (flashing and not context.calm):
                row.plane("select", 1, edge)
            if index == self.cursor:
                row.put(1, context.glyphs.cursor, "thumb")  # what the focus, elsewhere, is about
            if flashing:
                row.put(1, context.glyphs.flash, "accent")
        if id in self.selected:
            row.put(placed[0].x - 4, context.glyphs.done, "accent", "b")
        glyph, role = self.state(record, context)
        row.put(placed[0].x - 2, glyph, role)
        for item in placed:
            self._cell(row, item, item.column.cell(record, context), under or id in self.selected, item is placed[0])
        row.links.append((0, width, lambda: self._clicked(index, open_row)))
        return row

    def _cell(self, row: Row, item: Placed, cell: Cell, chosen: bool, first: bool) -> None:
        whole = cell.short if cell.short and cell_len(cell.text) > item.width else cell.text
        text = fit_middle(whole, item.width) if cell.middle else fit(whole, item.width)
        role = "bright" if chosen and first and cell.role == "text" else cell.role
        if chosen and role == "muted" and not first:
            role = "text"
        if item.column.right:
            row.right(item.x + item.width, text, role)
        else:
            start = item.x
            end = row.put(start, text, role)
            row.put(end, cell.rest[: max(0, start + item.width - end)], "line")
            self._matches(row, start, text)

    def _matches(self, row: Row, start: int, text: str) -> None:
        lowered = text.lower()
        for word in self.pages.query.filter.lower().split():
            if ":" in word or not word or not lowered.isascii():
                continue
            at = lowered.find(word)
            if at >= 0:
                row.tint(start + at, start + at + len(word), "accent")

    def _clicked(self, index: int, open_row: Callable[[], object] | None) -> None:
        again = index == self.cursor
        self.go(index)
        if again and open_row:
            open_row()

    def _bar(self, rows: list[Row], width: int, context: Context) -> None:
        total, body = self.total, len(rows) - 1
        if total <= body or body < 2:
            return
        size = max(1, body * body // total)
        start = (body - size) * self.top // max(1, total - body)
        for y in range(body):
            inside = start <= y < start + size
            glyph = context.glyphs.thumb if inside else context.glyphs.track
            rows[y + 1].put(width - 1, glyph, "thumb" if inside else "line")
