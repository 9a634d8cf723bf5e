"""Rows of a long list, fetched page by page as they come into sight; only a few pages are kept."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import msgspec

from console.app.backend import Query, Rows, UserRow
from model.errors import WardgateError
from model.records import AuditEntry, Certificate, Name, Record

PAGE = 128
KEPT = 12
COUNT_AGAIN = 1.0
"""Seconds after which what matches is counted again, where that is not known at once and changes go on."""
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
    """`fetch` may be slow; `arrived` is called after each page, `start` runs a coroutine aside.

    A page comes as soon as its rows are found. Where that leaves open how many there are, they are counted after.
    Another question breaks off what is still asked.
    """

    def __init__(
        self,
        fetch: Callable[[Query], Awaitable[Rows]],
        arrived: Callable[[], None],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.query = Query(limit=PAGE, exact=False)
        self.total: int | None = None
        self.more = False
        """Whether there are more than `total`, and how many is not known yet."""
        self.fault: WardgateError | None = None
        self.flashing: dict[str, float] = {}
        self._fetch, self._arrived, self._start = fetch, arrived, start
        self._pages: OrderedDict[int, tuple[Record, ...]] = OrderedDict()
        self._stale: set[int] = set()
        self._wanted = (0, 0)
        self._working = self._counting = self._uncounted = False
        self._asking: set[asyncio.Future[Rows]] = set()
        self._generation = 0
        self._counted: tuple[int, int] | None = None
        """The generation in which all were counted last, and how many they were."""
        self._counted_at = 0.0

    @property
    def settled(self) -> bool:
        """Whether what is wanted is here."""
        return not self._working and self._missing() is None

    def row(self, index: int) -> Record | None:
        rows = self._pages.get(index // PAGE, ())
        at = index % PAGE
        return rows[at] if at < len(rows) else None

    def kept(self) -> Iterator[Record]:
        """The rows that are here."""
        return (row for rows in self._pages.values() for row in rows)

    def index_of(self, id: str) -> int | None:
        """Where a row is, if it is on a page that is kept."""
        for page, rows in self._pages.items():
            for at, row in enumerate(rows):
                if row_id(row) == id:
                    return page * PAGE + at
        return None

    def ask(self, query: Query) -> None:
        """Another filter or order: what stands stays until the first new page comes."""
        self.query = msgspec.structs.replace(query, limit=PAGE, exact=False)
        self._generation += 1
        self._counted_at = 0.0
        self._stale = set(self._pages)
        self.flashing.clear()
        for asking in self._asking:
            asking.cancel()

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
        """The page to fetch next: of those that are wanted, one that is not here before one that is out of date.

        Answers to another question do not come to stand beside those of the one before.
        """
        first, last = self._wanted
        wanted = range(max(0, first) // PAGE, max(0, last) // PAGE + 1)
        stale = next((page for page in wanted if page in self._stale), None)
        if stale is not None and not self._generation_is_kept:
            return stale
        absent = (
            page for page in wanted
            if page not in self._pages and (page == 0 or self.total is None or page * PAGE < self.total)
        )  # fmt: skip
        return next(absent, stale)

    async def _work(self) -> None:
        """Fetches what is wanted now, until nothing is: pages scrolled past are never asked for."""
        try:
            while (page := self._missing()) is not None:
                generation = self._generation
                try:
                    found = await self._fetched(msgspec.structs.replace(self.query, offset=page * PAGE))
                except WardgateError as fault:
                    self.fault, self.total = fault, self.total or 0
                    self._pages.setdefault(page, ())
                    self._stale.discard(page)
                else:
                    if found is None or generation != self._generation:
                        continue
                    self._take(page, found)
                self._arrived()
        finally:
            self._working = False

    async def _fetched(self, query: Query) -> Rows | None:
        """None where another question was asked meanwhile."""
        asking = asyncio.ensure_future(self._fetch(query))
        self._asking.add(asking)
        try:
            return await asking
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            return None
        finally:
            self._asking.discard(asking)

    async def _count(self) -> None:
        try:
            while self._uncounted:
                if (wait := self._counted_at + COUNT_AGAIN - time.monotonic()) > 0:
                    await asyncio.sleep(min(wait, 0.1))  # another question does not wait
                    continue
                self._uncounted, self._counted_at, generation = False, time.monotonic(), self._generation
                found = await self._fetched(msgspec.structs.replace(self.query, limit=0, exact=True))
                if found is not None and generation == self._generation:
                    self._counted = (generation, found.total)
                    self.total, self.more = found.total, False
                    self._arrived()
        except WardgateError:
            self._counted_at = 0.0  # the next page that comes asks again
        finally:
            self._counting = False

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
        self._take_total(found)
        while len(self._pages) > KEPT:
            self._pages.popitem(last=False)

    def _take_total(self, found: Rows) -> None:
        """Where it is not the whole, what was counted last stands until it is counted again."""
        of, counted = self._counted or (-1, 0)
        known = of == self._generation
        self.total = max(found.total, counted) if found.more and known else found.total
        self.more = self._uncounted = found.more
        if found.more:
            self.more = not known
            if not self._counting:
                self._counting = True
                self._start(self._count())

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
