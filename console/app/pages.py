"""Rows of a long list, fetched page by page as they come into sight; only a few pages are kept."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from console.app.backend import Query, Rows, UserRow
from model.errors import WardgateError
from model.records import AuditEntry, Certificate, Name, Record

PAGE = 128
KEPT = 12
TYPING, PAUSE = 0.25, 0.06
"""Questions that follow one another within `TYPING` seconds are asked once `PAUSE` has gone by without another."""
FLASH = 1.2
"""Seconds that a changed row shows it."""


def row_id(row: Record) -> str:
    """What stays when the rest of a row changes."""
    if isinstance(row, UserRow):
        return str(row.user.id)
    if isinstance(row, Certificate):
        return str(row.serial)
    if isinstance(row, AuditEntry):
        return str(row.number)
    if isinstance(row, Name):
        return f"{row.name} {row.type} {row.value}"
    return str(getattr(row, "id", ""))


class Pages:
    """`fetch` may be slow; `arrived` is called after each page, `start` runs a coroutine aside."""

    def __init__(
        self,
        fetch: Callable[[Query], Awaitable[Rows]],
        arrived: Callable[[], None],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.query = Query(limit=PAGE)
        self.total: int | None = None
        self.fault: WardgateError | None = None
        self.flashing: dict[str, float] = {}
        self._fetch, self._arrived, self._start = fetch, arrived, start
        self._pages: OrderedDict[int, tuple[Record, ...]] = OrderedDict()
        self._stale: set[int] = set()
        self._wanted = (0, 0)
        self._working = False
        self._generation = 0
        self._asked = self._begin = 0.0

    def row(self, index: int) -> Record | None:
        rows = self._pages.get(index // PAGE, ())
        at = index % PAGE
        return rows[at] if at < len(rows) else None

    def index_of(self, id: str) -> int | None:
        """Where a row is, if it is on a page that is kept."""
        for page, rows in self._pages.items():
            for at, row in enumerate(rows):
                if row_id(row) == id:
                    return page * PAGE + at
        return None

    def ask(self, query: Query) -> None:
        """Another filter or order: what stands stays until the first new page comes."""
        self.query = msgspec.structs.replace(query, limit=PAGE)
        self._generation += 1
        now = time.monotonic()
        self._begin = now + PAUSE if now - self._asked < TYPING else now
        self._asked = now
        self._stale = set(self._pages)
        self.flashing.clear()

    def take(self, found: Rows) -> None:
        """A first page that was fetched elsewhere."""
        self._take(0, found)

    def refresh(self) -> None:
        """The same again, since something changed."""
        self._stale = set(self._pages)
        self.want(*self._wanted)

    def want(self, first: int, last: int) -> None:
        self._wanted = (first, last)
        if not self._working and self._missing() is not None:
            self._working = True
            self._start(self._work())

    def _missing(self) -> int | None:
        first, last = self._wanted
        for page in range(max(0, first) // PAGE, max(0, last) // PAGE + 1):
            known = self.total is None or page * PAGE < self.total or page == 0
            if page in self._stale or (page not in self._pages and known):
                return page
        return None

    async def _work(self) -> None:
        """Fetches what is wanted now, until nothing is: pages scrolled past are never asked for."""
        try:
            while (page := self._missing()) is not None:
                if (wait := self._begin - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                    continue
                generation = self._generation
                query = msgspec.structs.replace(self.query, offset=page * PAGE)
                try:
                    found = await self._fetch(query)
                except WardgateError as fault:
                    self.fault, self.total = fault, self.total or 0
                    self._pages.setdefault(page, ())
                    self._stale.discard(page)
                else:
                    if generation == self._generation:
                        self._take(page, found)
                self._arrived()
        finally:
            self._working = False

    def _take(self, page: int, found: Rows) -> None:
        self.fault = None
        old = self._pages.get(page)
        fresh = page in self._stale and self._generation_is_kept
        if page in self._stale:
            self._stale.discard(page)
            for other in self._stale:
                self._pages.pop(other, None)
            self._stale.clear()
        if old is not None and fresh:
            self._flash(old, found.rows)
        self._shown = self._generation
        self._pages[page] = found.rows
        self._pages.move_to_end(page)
        self.total = found.total
        while len(self._pages) > KEPT:
            self._pages.popitem(last=False)

    _shown = -1

    @property
    def _generation_is_kept(self) -> bool:
        return self._shown == self._generation

    def _flash(self, old: tuple[Record, ...], new: tuple[Record, ...]) -> None:
        before = {row_id(row): row for row in old}
        until = time.monotonic() + FLASH
        for row in new:
            id = row_id(row)
            if id in before and before[id] == row:
                continue
            self.flashing[id] = until

    def is_flashing(self, id: str) -> bool:
        return self.flashing.get(id, 0) > time.monotonic()

    def settle(self) -> bool:
        """Forgets flashes that are over; whether there were any."""
        now = time.monotonic()
        over = [id for id, until in self.flashing.items() if until <= now]
        for id in over:
            del self.flashing[id]
        return bool(over)
