"""How a list is drawn: filter row, heads, rows, and a pane of facts beside them or in their place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

from console.app.columns import Context
from console.app.filter import FilterRow
from console.app.modes import draw_prompt
from console.app.pages import Pages, row_id
from console.app.pane import Pane
from console.app.row import Row, fit
from console.app.table import FIRST, Table
from console.app.times import count
from console.app.view import View, empty
from model.records import Record

NAMED = 40
"""Of what is selected, as many as a line may have room for."""
PANE_FROM = 110
PANE_SHARE = 0.38
WIDE = 160
"""Columns from which every list that has facts shows them beside it, asked for or not."""
MOVING, RESTS = 0.2, 0.08
"""A cursor that moved twice within so many seconds is on its way; it rests once so many have gone by."""


class ListDrawing(View):
    """The part of a list that is seen; what it holds and what its keys do is `ListView`'s."""

    noun = ("thing", "things")
    filters: tuple[str, ...] = ()
    """Keys of `key:value` words that the list knows."""
    facts_from: int | None = 0
    """Columns from which a row has facts here; None where none has."""
    base = ""
    """A filter that holds without being typed."""
    pages: Pages
    table: Table
    pane: Pane
    pane_open: bool
    pane_focus: bool
    _facts_of: tuple[str, int] | None
    _moved: float
    _filling: asyncio.Task[None] | None
    _changes: int
    _instead = False
    """The facts stand in the place of the list."""
    _whole: int | None
    """How many there are without the filter, as last seen."""

    async def facts(self, row: Any, pane: Pane, context: Context) -> None:
        """Fills the pane."""

    def nothing(self) -> Sequence[tuple[str, str]]:
        return ((f"No {self.noun[1]} yet", "text"),)

    def called(self, row: Any) -> str:
        """What a person calls it: in breadcrumbs, questions and commands."""
        raise NotImplementedError

    def _enter(self) -> None:
        raise NotImplementedError

    def _order(self, sort: str) -> None:
        raise NotImplementedError

    # The pane

    @property
    def has_pane(self) -> bool:
        return self.facts_from is not None and (not self.facts_from or self.console_app.size.width >= self.facts_from)

    def beside(self, width: int) -> bool:
        """Whether facts stand beside the list."""
        return self.has_pane and width >= PANE_FROM and (self.pane_open or width >= WIDE)

    def before_drawing(self) -> None:
        self.pane_focus = self.pane_focus and self.has_pane
        self._follow_cursor()

    def _follow_cursor(self) -> None:
        row = self.table.current()
        if row is None and self.pages.total == 0:
            self.pane.clear()  # nothing is under the cursor that it could be about
            self._facts_of = None
        if row is None or not self.has_pane or not self.is_attached:
            return
        about = (row_id(row), self._changes)
        if about != self._facts_of:
            same, self._facts_of = self._shows_facts_of(about[0]), about
            now = time.monotonic()
            wait = RESTS if now - self._moved < MOVING else 0
            self._moved = now
            if self._filling and not same:
                self._filling.cancel()  # a cursor that moves on asks for no facts of what it passed
            self._filling = self.console_app.start(self._fill(row, about, wait))

    async def _fill(self, row: Record, about: tuple[str, int], wait: float) -> None:
        if wait:
            await asyncio.sleep(wait)
        filled = Pane()
        await self.facts(row, filled, self.context)
        if self._shows_facts_of(about[0]):
            self.pane.take(filled)

    def _shows_facts_of(self, id: str) -> bool:
        return self._facts_of is not None and self._facts_of[0] == id

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        beside = self.beside(width)
        self._instead = self.has_pane and self.pane_focus and not beside
        if self._instead:
            size = height - (2 if height >= 14 else 1)
            rows = self.pane.draw(width, size, self.context, focused=True, plane="bg")
            return [*rows, *(Row(width) for _ in range(height - 1 - size)), self.draw_status(width)]
        pane_width = self.pane_width(width) if beside else 0
        rows = self._draw_list(width - pane_width, height)
        return self.with_pane(rows, width) if beside else rows

    def pane_width(self, width: int) -> int:
        return round(width * PANE_SHARE) - 1

    def with_pane(self, rows: Sequence[Row], width: int) -> list[Row]:
        """The list's rows, and beside each the facts'."""
        left = width - self.pane_width(width)
        pane = self.pane.draw(width - left, len(rows), self.context, focused=self.pane_focus)
        out = []
        for row, facts in zip(rows, pane, strict=True):
            whole = Row(width)
            whole.lay(0, row)
            whole.lay(left, facts)
            out.append(whole)
        return out

    def _draw_list(self, width: int, height: int) -> list[Row]:
        airy = height >= 14
        rows = [self._filter_row(width)]
        rows += [Row(width)] if airy else []
        body = max(2, height - len(rows) - (2 if airy else 1))
        if self.pages.total == 0:
            rows += self._nothing(width)[:body]
        else:
            rows += self.table.draw(
                width,
                body,
                self.context,
                first=FIRST,
                focused=not self.pane_focus,
                open_row=self._enter,
                sort_by=self._order,
            )
        rows += [Row(width) for _ in range(height - 1 - len(rows))]
        return [*rows[: height - 1], self.draw_status(width)]

    def _nothing(self, width: int) -> list[Row]:
        if self.pages.fault is not None:
            fault = self.pages.fault
            return empty(width, "bg", ((fault.message, "bad"), (fault.hint or "", "muted")))
        if self.filter_text:
            lines = [(f"No {self.noun[0]} matches {self.filter_text}", "text"), ("Esc clears the filter", "key")]
            keys = {word.partition(":")[0] for word in self.filter_text.split() if ":" in word}
            if self.filters and keys - {*self.filters}:
                lines.append((f"{', '.join(f'{key}:' for key in self.filters)} are filtered by", "muted"))
            return empty(width, "bg", lines)
        return empty(width, "bg", self.nothing())

    def _filter_row(self, width: int) -> Row:
        row = Row(width)
        mode = self.console_app.mode
        typing = isinstance(mode, FilterRow) and mode.view is self
        total = self.pages.total
        if typing:
            assert isinstance(mode, FilterRow)
            end = draw_prompt(row, "/", mode.edit, self.console_app)
            if total is not None:
                row.put(end + 3, self._found(), "muted")
            row.right(row.right(width - 2, "clears", "muted") - 1, "Esc", "accent", "b")
        elif self.filter_text:
            end = row.put(4, fit(self.filter_text, width // 2), "bright", "b")
            row.put(2, "/", "accent", "b")
            row.put(end + 4, self._found(), "muted")
            row.right(row.right(width - 2, "clears", "muted") - 1, "Esc", "accent", "b")
        else:
            self.summary(row)
        return row

    def _found(self) -> str:
        found = self._count()
        return f"{found} of {count(self._whole)}" if self._whole is not None else f"{found} found"

    def _count(self) -> str:
        total = self.pages.total or 0
        return f"{count(total - 1)}+" if self.pages.more else count(total)

    def summary(self, row: Row) -> None:
        """What the row over the heads says while nothing is filtered."""
        total = self.pages.total
        if total is not None:
            row.put(2, f"{self._count()} {self.noun[0] if total == 1 else self.noun[1]}", "muted")

    def status(self, row: Row) -> None:
        table = self.table
        if self.pages.total is None:
            row.put(2, "reading…", "muted")
            return
        end = row.width - 2
        if self._instead:
            end = row.right(end, self.pane.place(), "muted")
        elif table.total:
            last = min(table.total, table.top + table.height)
            end = row.right(end, f"{table.top + 1:,}–{last:,} of {self._count()}", "muted")
        if table.above:
            end = row.right(end - 3, f"{table.above:,} new {'↑' if self.context.glyphs.on == '●' else '^'}", "accent")
        if table.selected:
            x = row.put(2, f"{len(table.selected):,} selected", "accent", "b")
            if hidden := table.out_of_sight():
                x = row.put(x, f", {hidden:,} not in sight", "warn")
            named = islice(table.selected.values(), NAMED)
            row.put(x + 3, fit(", ".join(map(self.called, named)), end - x - 5), "muted")
