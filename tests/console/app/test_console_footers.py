"""The footer offers what the focus can do now, and help what the person may do at all."""

import pytest
from channels import Session, a_console, a_terminal, until
from seeded import Seeded

from model.records import Role

ENTER, ESC, TAB = "\r", "\x1b", "\t"


def footer(session: Session) -> str:
    return session.frame().splitlines()[-1]


async def test_where_no_facts_are_in_sight_enter_opens_them_and_tab_leads_nowhere() -> None:
    for title in ("users", "devices", "certificates"):
        async with a_console(Seeded(size=60), title, terminal=a_terminal(columns=80, rows=24)) as session:
            assert "Enter open" in footer(session)
            assert "Tab pane" not in footer(session)


async def test_where_facts_stand_beside_tab_goes_into_them_and_back_to_the_list() -> None:
    async with a_console(Seeded(size=60), "users", terminal=a_terminal(columns=200, rows=50)) as session:
        assert "Tab pane" in footer(session)
        assert "Enter open" not in footer(session)
        await session.type(TAB)
        assert "Tab list" in footer(session)
        await session.type(TAB)
        assert "Tab pane" in footer(session)


async def test_in_the_facts_the_way_back_to_the_list_is_always_in_sight() -> None:
    for columns in (80, 120, 200):
        async with a_console(Seeded(size=60), "devices", terminal=a_terminal(columns=columns, rows=36)) as session:
            await session.type(ENTER)
            assert "Tab list" in footer(session)


async def test_a_list_without_rows_offers_nothing_to_do_with_one() -> None:
    async with a_console(Seeded(size=60), "activity") as session:
        await session.type("/no such entry\r")
        assert "Enter" not in footer(session)
        assert "Tab" not in footer(session)


async def test_a_range_that_is_open_says_how_it_ends() -> None:
    async with a_console(Seeded(size=60), "devices", terminal=a_terminal(columns=60, rows=20)) as session:
        await session.type("v")
        assert "v end range" in footer(session)


async def test_what_stands_over_a_screen_says_how_to_leave_it() -> None:
    async with a_console(Seeded(size=60), "keys") as session:
        await session.type("?")
        assert "Esc close" in footer(session)
        await session.type(ESC, "n", ENTER)
        await session.shows("The key, shown this once:")
        assert "Esc forget it" in footer(session)
        await session.type(ESC)
        await until(lambda: session.app.view.title == "Keys")


async def test_a_screen_with_one_part_leaves_its_own_keys_to_the_screen() -> None:
    async with a_console(Seeded(size=60), "certificates") as session:
        await session.type(ENTER)
        assert "h all" in footer(session)
        await session.type("h")
        assert "h valid" in footer(session)


async def test_a_member_is_told_of_no_deeds_on_authorities() -> None:
    async with a_console(Seeded(role=Role.MEMBER, me="mara"), "certificates") as session:
        await session.type("?")
        frame = session.frame()
        assert "revoke: it is refused everywhere" in frame
        assert "generation" not in frame


async def test_an_auditor_is_told_of_nothing_that_changes_the_network() -> None:
    async with a_console(Seeded(size=60, role=Role.AUDITOR), "devices") as session:
        await session.type("?")
        frame = session.frame()
        assert "filter: show only what matches" in frame
        assert "remove" not in frame
        assert "undo" not in frame


async def test_several_that_are_copied_are_counted() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        await session.type(" ", " ", "c")
        await session.shows("copied 2 lines")


async def test_a_field_that_must_be_filled_says_so() -> None:
    async with a_console(Seeded(size=60), "users") as session:
        await session.type("n", ENTER)
        await session.shows("Name is needed")
        assert not session.app.backend.ran  # type: ignore[attr-defined]


async def test_ctrl_c_cancels_what_holds_the_keys_and_says_elsewhere_how_to_leave() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        await session.type("x")
        await session.shows("Remove")
        await session.type("\x03")
        assert session.app.mode is None
        await session.type("\x03")
        await session.shows("ctrl+q leaves the console")


@pytest.mark.parametrize("word", ["q", "quit", "exit"])
async def test_the_words_that_other_programs_are_left_by_leave_the_console(word: str) -> None:
    async with a_console(Seeded(size=60)) as session:
        session.channel.type(f":{word}\r")
        await until(lambda: session.app._exit)
        assert not session.app.backend.ran  # type: ignore[attr-defined]
