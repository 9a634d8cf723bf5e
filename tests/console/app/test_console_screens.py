"""What people do on each screen, key by key, and the command that it comes to."""

import json

import pytest
from channels import a_console, a_terminal, until
from seeded import NOW, Seeded

from console.app.backend import Outcome
from model.records import Role

DOWN, UP, ESC, TAB, ENTER = "\x1b[B", "\x1b[A", "\x1b", "\t", "\r"


# Going about


@pytest.mark.parametrize(
    ("digit", "title", "text"),
    [
        ("1", "Overview", "Needs you"),
        ("2", "Users", "carol@example.com"),
        ("3", "Devices", "ci-fra-1"),
        ("4", "Access", "Who reaches what"),
        ("5", "Names", "grafana.example.com"),
        ("6", "Certificates", "Authorities"),
        ("7", "Activity", "devices approve"),
        ("8", "Keys", "k-0188"),
        ("9", "Settings", "devices.approval"),
    ],
)
async def test_a_digit_goes_to_its_screen(digit: str, title: str, text: str) -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type(digit)
        await session.shows(text)
        assert session.app.view.title == title


async def test_words_open_a_screen_at_a_thing() -> None:
    async with a_console(Seeded(size=60), "devices", "web-fra-5") as session:
        await session.shows("Devices › web-fra-5")
        await session.shows("tag:canary")


async def test_a_name_beyond_the_first_page_is_found() -> None:
    async with a_console(Seeded(size=900), "devices", "web-zrh-12") as session:
        await session.shows("Devices › web-zrh-12")


async def test_one_escape_is_one_step() -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type("3", "/fra\r", " ", TAB)
        view = session.app.view
        assert (view.pane_focus, len(view.table.selected), view.filter_text) == (True, 1, "fra")
        await session.type(ESC)
        await until(lambda: not view.pane_focus)
        await session.type(ESC)
        await until(lambda: not view.table.selected)
        await session.type(ESC)
        await until(lambda: not view.filter_text)
        await session.type(ESC)
        await until(lambda: session.app.view.title == "Overview")


async def test_help_lists_the_screens_keys_and_closes() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        await session.type("?")
        await session.shows("let in what is pending or expired")
        await session.type("?")
        await until(lambda: session.app.view.title == "Devices")


async def test_the_palette_does_what_is_typed() -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type("\x10", "go to cert", ENTER)
        await until(lambda: session.app.view.title == "Certificates")


async def test_a_click_on_a_screens_name_goes_there() -> None:
    async with a_console(Seeded(size=60)) as session:
        x = session.frame().splitlines()[0].index("Names") + 2
        session.channel.type(f"\x1b[<0;{x};1M\x1b[<0;{x};1m")
        await until(lambda: session.app.view.title == "Names")


async def test_a_click_puts_the_cursor_on_a_row_and_the_wheel_moves_it() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        session.channel.type("\x1b[<0;10;9M\x1b[<0;10;9m")
        await until(lambda: session.app.view.table.cursor == 3)
        session.channel.type("\x1b[<65;10;9M")
        await until(lambda: session.app.view.table.cursor == 6)


# Lists


async def test_a_filter_narrows_as_one_types_and_says_of_how_many() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        await session.type("/fra-kiosk")
        await session.shows("2 of 60")
        await session.type(ENTER)
        assert session.app.mode is None


async def test_a_filter_that_matches_nothing_says_so_and_how_to_clear_it() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        await session.type("/nosuch\r")
        await session.shows("No device matches nosuch")
        await session.shows("Esc clears the filter")


async def test_the_order_goes_through_the_columns_and_turns_around() -> None:
    async with a_console(Seeded(size=60), "devices") as session:
        await session.type("o")
        assert session.app.view.pages.query.sort == "owner"
        await session.type("O")
        assert session.app.view.pages.query.descending
        await session.shows("▼")


async def test_the_last_of_a_hundred_thousand_is_one_key_away() -> None:
    async with a_console(Seeded(size=5000), "devices") as session:
        await session.type("G")
        await session.shows("4,973–5,000 of 5,000")


async def test_a_column_goes_before_it_is_cut_to_nothing() -> None:
    async with a_console(Seeded(size=60), "devices", terminal=a_terminal(columns=60, rows=20)) as session:
        heads = session.frame().splitlines()[4]
        assert "Name" in heads
        assert "IPv4" in heads
        assert "Expires" not in heads


async def test_in_eighty_columns_the_facts_take_the_lists_place() -> None:
    async with a_console(Seeded(size=60), "devices", terminal=a_terminal(columns=80, rows=24)) as session:
        assert "WireGuard" not in session.frame()
        await session.type(ENTER)
        await session.shows("WireGuard")
        await session.type(ESC)
        await until(lambda: "WireGuard" not in session.frame())


async def test_copying_goes_through_the_terminal() -> None:
    async with a_console(Seeded(size=60), "devices", "web-fra-5") as session:
        await session.type("c")
        await session.shows("copied 100.64.0.14")
    assert b"\x1b]52;c;MTAwLjY0LjAuMTQ=\x07" in session.channel.output


# The : row


async def test_a_command_shows_its_output() -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type(":devices list\r")
        await session.shows("ci-fra-2")
        await session.type(ESC)
        await until(lambda: session.app.view.title == "Overview")


async def test_a_refused_command_stays_with_its_error() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        backend.refusal = Outcome(status=2, error="no such command", hint="wardgate --help")
        await session.type(":devices aprove x\r")
        await session.shows("no such command")
        assert session.app.mode is not None


async def test_a_command_is_completed() -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type(":dev", TAB, "ap", TAB, "ci-fra-7", TAB)
        assert session.app.mode.edit.text == "devices approve ci-fra-7 "


async def test_a_screens_name_is_a_command_too() -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type(":devices web-fra-5\r")
        await session.shows("Devices › web-fra-5")


async def test_quotes_that_do_not_balance_run_nothing() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        await session.type(":users add 'x\r")
        await session.shows("a quote is not closed")
    assert backend.ran == []


# Who may what


async def test_an_auditor_reads_and_changes_nothing() -> None:
    backend = Seeded(size=60, role=Role.AUDITOR, me="erin")
    async with a_console(backend, "devices", "web-fra-5") as session:
        assert "read-only" in session.frame()
        assert "remove" not in session.frame().splitlines()[-1]
        await session.type("x", "d", "a")
        await session.shows("an auditor reads")
    assert backend.ran == []


async def test_a_member_sees_their_own_and_no_more() -> None:
    backend = Seeded(size=60, role=Role.MEMBER, me="mara")
    async with a_console(backend, terminal=a_terminal(columns=80, rows=24)) as session:
        await session.shows("thinkpad-mara")
        top = session.frame().splitlines()[0]
        assert "Users" not in top
        assert "Access" not in top
        await session.type(":users\r")
        assert session.app.view.title != "Users"


async def test_a_members_phone_brings_its_own_key() -> None:
    backend = Seeded(size=60, role=Role.MEMBER, me="mara")
    async with a_console(backend) as session:
        await session.type("q", "phone-2", TAB, "A" * 43 + "=", ENTER)
        await until(lambda: len(backend.ran) == 2)
    assert backend.ran[0][:3] == ("devices", "add", "phone-2")
    assert backend.ran[1] == ("devices", "config", "phone-2", "--json")


async def test_a_members_key_for_the_next_machine_lives_five_minutes() -> None:
    backend = Seeded(size=60, role=Role.MEMBER, me="mara")
    async with a_console(backend) as session:
        await session.type("n")
        await session.shows("wge_")
    assert backend.ran[0][-3:] == ("--expires", "5m", "--json")


# The picture of time


async def test_the_clock_ticks() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        backend.clock = NOW + 61
        await session.shows("14:03:32Z")


def test_what_a_deed_says_is_json_where_asked() -> None:
    assert json.loads(Seeded(size=1)._do_enrollment_keys_create())["id"] == "k-0193"
