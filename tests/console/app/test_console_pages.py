"""Long lists: pages come as they are looked at, and the cursor stays on its row."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from seeded import a_device

from console.app.backend import Query, Rows
from console.app.pages import KEPT, PAGE, Pages, row_id
from console.app.table import Table
from model.records import Device


class Source:
    def __init__(self, size: int) -> None:
        self.rows = [a_device(number, f"d-{number}") for number in range(1, size + 1)]
        self.asked: list[Query] = []

    async def fetch(self, query: Query) -> Rows:
        self.asked.append(query)
        await asyncio.sleep(0)
        found = [row for row in self.rows if query.filter in row.name]
        return Rows(tuple(found[query.offset : query.offset + query.limit]), query.offset, len(found))


def a_table(source: Source) -> tuple[Table, Pages]:
    tasks: set[asyncio.Task[None]] = set()

    def start(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)

    pages = Pages(source.fetch, lambda: table.arrived(), start)  # noqa: PLW0108 - the table is made after
    table = Table((), lambda row, context: ("", ""), pages)
    table.height = 20
    return table, pages


async def calm() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def on(table: Table) -> str:
    row = table.current()
    assert isinstance(row, Device)
    return row.name


async def test_only_what_is_in_sight_is_asked_for() -> None:
    source = Source(100_000)
    table, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    table.go(99_999)
    await calm()
    assert on(table) == "d-100000"
    assert len(source.asked) == 2


async def test_pages_scrolled_past_are_never_asked_for() -> None:
    source = Source(100_000)
    table, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    for _ in range(500):
        table.move(200)
    await calm()
    assert len(source.asked) < 6


async def test_a_page_that_came_into_sight_is_fetched_before_one_that_is_out_of_date() -> None:
    source = Source(1_000)
    _, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    pages.want(PAGE - 10, PAGE + 10)
    pages.refresh()
    await calm()
    assert [query.offset for query in source.asked][:3] == [0, PAGE, 0]
    assert pages.settled


async def test_few_pages_are_kept() -> None:
    source = Source(100_000)
    table, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    for at in range(40):
        table.go(at * PAGE)
        await calm()
    assert len(pages._pages) <= KEPT


async def test_the_cursor_stays_on_its_row_when_others_come_before_it() -> None:
    source = Source(300)
    table, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    table.go(50)
    place = table.cursor - table.top
    source.rows.insert(0, a_device(999, "d-new"))
    pages.refresh()
    await calm()
    assert (on(table), table.cursor, table.cursor - table.top) == ("d-51", 51, place)


async def test_the_cursor_moves_up_when_its_row_is_gone_at_the_end() -> None:
    source = Source(3)
    table, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    table.go(2)
    source.rows.pop()
    pages.refresh()
    await calm()
    assert on(table) == "d-2"


async def test_a_changed_row_flashes_and_its_neighbours_do_not() -> None:
    source = Source(5)
    _, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    source.rows[2] = a_device(3, "d-renamed")
    pages.refresh()
    await calm()
    assert [id for id in "12345" if pages.is_flashing(id)] == ["3"]


async def test_a_new_filter_makes_no_flash() -> None:
    source = Source(50)
    table, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    table.filter("d-4")
    await calm()
    assert not pages.flashing
    assert table.total == 11


async def test_an_answer_to_an_older_question_is_dropped() -> None:
    source = Source(50)
    table, _ = a_table(source)
    table.filter("d-1")
    table.filter("d-2")
    await asyncio.sleep(0.2)
    await calm()
    assert table.total == 11
    assert on(table) == "d-2"


async def test_a_range_selects_what_lies_between() -> None:
    source = Source(50)
    table, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    table.go(3)
    table.toggle_range()
    table.go(6)
    table.toggle_range()
    table.go(20)
    assert [row_id(row) for row in table.chosen()] == ["4", "5", "6", "7"]


class Vague(Source):
    """Counts only when it is asked to, and then as long as `slow` is set."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.slow = asyncio.Event()
        self.broken_off: list[str] = []

    async def fetch(self, query: Query) -> Rows:
        whole = await super().fetch(query)
        if query.exact:
            try:
                await self.slow.wait()
            except asyncio.CancelledError:
                self.broken_off.append(query.filter)
                raise
            return whole
        known = min(whole.total, query.offset + query.limit + 1)
        return Rows(whole.rows, whole.offset, known, more=known < whole.total)


async def test_rows_come_before_they_are_counted() -> None:
    source = Vague(1000)
    _, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    assert (pages.row(0) is not None, pages.more, pages.settled) == (True, True, True)
    source.slow.set()
    await calm()
    assert (pages.total, pages.more) == (1000, False)


async def test_what_was_counted_stands_while_it_is_counted_again() -> None:
    source = Vague(1000)
    _, pages = a_table(source)
    source.slow.set()
    pages.want(0, 20)
    await calm()
    source.slow.clear()
    pages.refresh()
    await calm()
    assert (pages.total, pages.more) == (1000, False)


async def test_the_next_question_breaks_off_the_one_before() -> None:
    source = Vague(1000)
    table, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    table.filter("d-9")
    await calm()
    assert source.broken_off == [""]
    assert [row.name for index in range(2) if isinstance(row := pages.row(index), Device)] == ["d-9", "d-90"]


async def test_the_end_is_gone_to_once_it_is_known() -> None:
    source = Vague(1000)
    table, pages = a_table(source)
    pages.want(0, 20)
    await calm()
    table.end()
    source.slow.set()
    await calm()
    assert on(table) == "d-1000"
