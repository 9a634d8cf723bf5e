"""What there is no room for beside each other stands elsewhere, and is not lost."""

import pytest
from channels import a_console, a_terminal
from seeded import Seeded

SIZES = [(80, 24), (100, 30), (120, 40), (200, 60)]


@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_who_one_is_and_every_screen_stands_at_the_top(columns: int, rows: int) -> None:
    async with a_console(Seeded(size=40), terminal=a_terminal(columns=columns, rows=rows)) as session:
        top = "\n".join(session.frame().splitlines()[:2])
        assert "alice owner" in top
        assert all(f" {digit}" in top for digit in range(1, 10))


async def test_what_a_setting_is_for_is_whole_where_it_is_changed() -> None:
    async with a_console(Seeded(size=40), "settings", terminal=a_terminal(columns=80, rows=24)) as session:
        await session.type("/approval\r", "\r")
        about = session.app.mode.title  # type: ignore[union-attr]
        text = " ".join(session.frame().replace("▌", " ").split())
        assert about in text


@pytest.mark.parametrize(("columns", "rows"), [(60, 20), *SIZES])
async def test_the_breadcrumb_always_ends_in_what_one_is_at(columns: int, rows: int) -> None:
    async with a_console(Seeded(size=40), terminal=a_terminal(columns=columns, rows=rows)) as session:
        for digit, last in (("1", "Overview"), ("2", "alice@example.com"), ("4", "version 87"), ("9", "Settings")):
            await session.type(digit)
            crumbs = session.frame().splitlines()[1]
            assert last in crumbs.partition("●")[0], crumbs


@pytest.mark.parametrize("columns", [60, 80, 100, 110, 120, 160, 200])
async def test_what_the_figures_count_is_named_in_whole_words(columns: int) -> None:
    async with a_console(Seeded(size=40), terminal=a_terminal(columns=columns, rows=24)) as session:
        assert "…" not in session.frame().splitlines()[4]


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
async def test_help_tells_what_each_key_does_to_the_last_word(columns: int) -> None:
    async with a_console(Seeded(size=40), terminal=a_terminal(columns=columns, rows=70)) as session:
        for digit in "123456789":
            await session.type(digit, "?")
            text = " ".join("\n".join(session.frame().splitlines()[2:]).split())
            assert "…" not in text, text
            await session.type("\x1b")


async def test_settings_that_do_not_fit_say_how_many_there_are() -> None:
    async with a_console(Seeded(size=40), "settings", terminal=a_terminal(columns=80, rows=20)) as session:
        before = session.frame().splitlines()[-2]
        assert " of " in before
        await session.type("\x1b[F")
        assert session.frame().splitlines()[-2] != before
