"""What is selected: exactly what was counted, off the page too, and whatever the list does meanwhile."""

from channels import a_console, until
from hypothesis import given
from hypothesis import strategies as st
from seeded import Seeded
from seeds import a_device

from console.app.backend import Listing, Query, Rows
from console.app.selection import Selection
from model import change as c
from model.errors import Unavailable
from model.records import DeviceState

DOWN, UP, ESC, ENTER = "\x1b[B", "\x1b[A", "\x1b", "\r"
ROWS = [a_device(number, f"d-{number}") for number in range(1, 31)]


def ids(selection: Selection) -> set[int]:
    return {int(id) for id in selection.rows}


@given(st.sets(st.integers(1, 30)), st.integers(0, 29), st.lists(st.integers(0, 29), min_size=1))
def test_a_range_holds_what_lies_between_and_what_was_selected_before(
    before: set[int], anchor: int, moves: list[int]
) -> None:
    selection = Selection()
    for number in before:
        selection.toggle(ROWS[number - 1])
    selection.begin(anchor, ROWS[anchor])
    for cursor in moves:
        selection.take([ROWS[index] for index in selection.span(cursor)])
    low, high = sorted((anchor, moves[-1]))
    assert ids(selection) == before | set(range(low + 1, high + 2))


async def test_a_range_over_pages_that_were_never_read_selects_each_row_once() -> None:
    backend = Seeded(size=1204)
    async with a_console(backend, "devices") as session:
        await session.type("v" + "G")
        await session.shows("1,204 selected, 1,1")
        await session.type("x")
        await session.shows("type 1204")
        names = session.app.view.names()  # type: ignore[attr-defined]
        assert sorted(names) == sorted(device.name for device in backend.devices.values())


async def test_keys_wait_until_a_range_is_read_and_act_on_all_of_it() -> None:
    class Slow(Seeded):
        async def rows(self, listing: Listing, query: Query) -> Rows:
            if query.limit > 128:
                await until(lambda: self.clock != before)
            return await super().rows(listing, query)

    backend = Slow(size=600)
    before = backend.clock
    async with a_console(backend, "devices") as session:
        session.channel.type("v" + "G" + "x")
        await until(lambda: session.app.view.reading)
        assert session.app.mode is None
        backend.clock += 1
        await session.shows("type 600")


async def test_a_range_that_cannot_be_read_selects_nothing_more() -> None:
    class Locked(Seeded):
        async def rows(self, listing: Listing, query: Query) -> Rows:
            if query.limit > 128:
                raise Unavailable("the store is locked", hint="try again")
            return await super().rows(listing, query)

    async with a_console(Locked(size=600), "devices") as session:
        await session.type("v" + "G")
        await session.shows("the store is locked")
        assert len(session.app.view.table.selected) == 1  # type: ignore[attr-defined]


async def test_a_range_of_more_than_can_be_meant_is_refused() -> None:
    async with a_console(Seeded(size=6000), "devices") as session:
        await session.type("v", "G")
        await session.shows("a range of 6,000 is more than 5,000; a filter makes it fewer")


async def test_a_range_shrinks_with_the_cursor() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        await session.type(DOWN * 3, "v", DOWN * 5, UP * 8)
        await session.shows("4 selected")


async def test_what_is_selected_stays_so_under_another_filter_and_order() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        await session.type("/web-fra", ENTER, "v", DOWN * 2, "v")
        await session.shows("3 selected")
        chosen = session.app.view.names()  # type: ignore[attr-defined]
        await session.type("/", "\x15db-fra", ENTER)
        await session.shows("3 selected, 3 not in sight")
        await session.type("O")
        assert session.app.view.names() == chosen  # type: ignore[attr-defined]


async def test_what_another_renamed_or_removed_is_called_so_or_meant_no_more() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices") as session:
        await session.type("/ci-fra", ENTER, "v", DOWN, "v", "/", "\x15web", ENTER)
        first, second = session.app.view.table.chosen()  # type: ignore[attr-defined]
        backend._do_devices_rename(first.name, "ci-renamed")
        await session.shows("ci-renamed")
        backend._do_devices_remove(second.name)
        await session.shows("1 of what was selected is removed")
        assert session.app.view.names() == ["ci-renamed"]  # type: ignore[attr-defined]


async def test_a_range_begins_at_its_row_while_others_come_above() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices") as session:
        await session.type(DOWN * 3, "v", DOWN)
        chosen = session.app.view.names()  # type: ignore[attr-defined]
        new = a_device(999, "aaa")
        backend.devices[new.id] = new
        backend.tell(c.DeviceEnrolled(device=new))
        await session.shows("aaa")
        await session.type(DOWN, UP)
        assert session.app.view.names() == chosen  # type: ignore[attr-defined]


async def test_more_than_twenty_are_approved_after_their_count_was_typed() -> None:
    backend = Seeded(size=60)
    for device in list(backend.devices.values()):
        backend._put(device, state=DeviceState.PENDING)
    async with a_console(backend, "devices") as session:
        await session.type("v", "G", "a")
        await session.shows("Approve 60 devices?")
        assert backend.ran == []
        await session.type("60", ENTER)
        await until(lambda: backend.ran)
    assert len(backend.ran[0]) == 62
