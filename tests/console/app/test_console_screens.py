"""What people do on each screen, key by key, and the command that it comes to."""

import json

import pytest
from channels import a_console, a_terminal, settled, until
from seeded import NOW, Seeded

from console.app.backend import Outcome
from model.records import DeviceState, Role

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
        await session.shows("tag:web tag:canary")


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


# Devices


async def test_approving_shows_and_can_be_undone() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "ci-fra-7") as session:
        await session.type("a")
        await session.shows("approved ci-fra-7")
        await session.type("z")
        await session.shows("undone")
    assert backend.ran == [("devices", "approve", "ci-fra-7"), ("devices", "disable", "ci-fra-7")]


async def test_many_are_approved_in_one_command() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices") as session:
        await session.type("/state:pending\r", "v", "G", "a")
        await session.shows("approved ci-fra-7, thinkpad-mara")
    assert backend.ran == [("devices", "approve", "ci-fra-7", "thinkpad-mara")]


async def test_removing_asks_with_cancel_first_and_shows_the_command() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "web-fra-5") as session:
        await session.type("x")
        await session.shows("Remove web-fra-5?")
        await session.shows("devices remove web-fra-5")
        await session.shows("cannot be undone")
        await session.type(ENTER)
        assert backend.ran == []
        await session.type("x", "R")
        await session.shows("removed web-fra-5")
    assert backend.ran == [("devices", "remove", "web-fra-5")]


async def test_removing_many_asks_for_their_count() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices") as session:
        await session.type("v", DOWN * 24, "v", "x", "R", ENTER)
        assert backend.ran == []
        await session.type("\x15", "25", ENTER)
        await until(lambda: backend.ran)
    assert len(backend.ran[0]) == 2 + 25


async def test_tags_are_typed_over_those_that_are() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "web-fra-5") as session:
        await session.type("t", " tag:eu", ENTER)
        await session.shows("tagged web-fra-5")
    assert backend.ran == [("devices", "tag", "web-fra-5", "tag:web", "tag:canary", "tag:eu")]


async def test_renaming_can_be_undone() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "desk") as session:
        await session.type("r", "\x15mac", ENTER, "z")
        await until(lambda: len(backend.ran) == 2)
    assert backend.ran == [("devices", "rename", "desk", "mac"), ("devices", "rename", "mac", "desk")]


async def test_expiring_later_is_done_and_now_asks() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "desk") as session:
        await session.type("e", "30d", ENTER)
        await until(lambda: backend.ran == [("devices", "expire", "desk", "--in", "30d")])
        await session.type("e", ENTER)
        await session.shows("Let desk expire now?")
        await session.type("E")
        await until(lambda: backend.ran[-1] == ("devices", "expire", "desk"))


async def test_routes_are_approved_by_name() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "web-fra-5") as session:
        await session.type("R")
        await session.shows("10.30.0.0/16")
        await session.type("A")
        await until(lambda: backend.ran == [("devices", "routes", "web-fra-5", "--approve", "10.30.0.0/16")])


async def test_a_device_that_joins_appears_without_a_key() -> None:
    from seeded import a_device

    from model import change as c

    backend = Seeded(size=60)
    async with a_console(backend, "devices") as session:
        new = a_device(999, "aaa-new", state=DeviceState.PENDING)
        backend.devices[new.id] = new
        backend.tell(c.DeviceEnrolled(device=new))
        await session.shows("aaa-new")
        await session.shows("61 devices")


async def test_a_held_screen_stays_and_follows_again() -> None:
    from model import change as c

    backend = Seeded(size=60)
    async with a_console(backend, "devices") as session:
        await session.type("P")
        device = backend._put(backend._named("ci-fra-1"), name="aaa-renamed")
        backend.tell(c.DeviceRenamed(device=device, was="ci-fra-1"))  # type: ignore[arg-type]
        await session.shows("paused")
        await settled(session.app)
        assert "aaa-renamed" not in session.frame()
        await session.type("P")
        await session.shows("aaa-renamed")


async def test_an_empty_network_says_what_to_do_first_and_offers_sample_data() -> None:
    backend = Seeded(empty=True)
    async with a_console(backend) as session:
        await session.shows("This network is empty")
        await session.shows("makes an enrollment key")
        await session.type("S")
        await session.shows("Needs you")
    assert backend.ran == [("gate", "sample-data")]


# Other screens


async def test_what_waits_is_settled_from_overview() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        await session.type("a")
        await until(lambda: backend.ran == [("devices", "approve", "ci-fra-7", "thinkpad-mara")])
        await session.shows("devices approve ci-fra-7")


async def test_enter_on_overview_goes_to_the_thing() -> None:
    async with a_console(Seeded(size=60)) as session:
        await session.type(DOWN, ENTER)
        await session.shows("state:expired")
        assert session.app.view.title == "Devices"


async def test_a_device_that_came_since_is_found_and_counted() -> None:
    from seeded import a_device

    backend = Seeded(empty=True)
    async with a_console(backend) as session:
        await session.type("3")
        await session.shows("No devices yet")
        await session.type("1")
        new = a_device(1, "db-1", state=DeviceState.PENDING)
        backend.devices[new.id] = new
        session.app.go("Devices", "db-1")
        await session.shows("Devices › db-1")
        assert session.app.view.filter_text == ""
        session.app.go("Devices", "state:pending")
        await session.shows("1 of 1")


async def test_a_person_is_added_with_an_invitation() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "users") as session:
        await session.type("n", "zoe", TAB, " ", TAB, "zoe@example.com", ENTER)
        await session.shows("added zoe")
    assert backend.ran == [("users", "add", "zoe", "--role", "auditor", "--email", "zoe@example.com", "--invite")]


async def test_a_role_is_chosen() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "users", "bob@example.com") as session:
        await session.type("R", " ", ENTER)
        await until(lambda: backend.ran == [("users", "set-role", "bob@example.com", "admin")])


async def test_disabling_a_person_asks() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "users", "bob@example.com") as session:
        await session.type("d")
        await session.shows("Disable bob@example.com?")
        await session.type("D")
        await until(lambda: backend.ran == [("users", "disable", "bob@example.com")])


async def test_a_name_is_set_and_taken_back() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "names") as session:
        await session.type("n", "wiki2", TAB, TAB, "100.64.0.7", ENTER, "z")
        await until(lambda: len(backend.ran) == 2)
    assert backend.ran[0] == ("names", "set", "wiki2", "A", "100.64.0.7", "--ttl", "300")
    assert backend.ran[1] == ("names", "remove", "wiki2", "A", "100.64.0.7")


async def test_a_certificate_is_revoked_with_a_question() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "certs") as session:
        await session.type("r")
        await session.shows("Revoke certificate 20398?")
        await session.type("R")
        await session.shows("revoked 20398")
    assert backend.ran == [("certs", "revoke", "20398")]


async def test_promoting_a_generation_asks_for_its_name() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "certs") as session:
        await session.type("p", "user", ENTER)
        assert backend.ran == []
        await session.type("-4", ENTER)
        await until(lambda: backend.ran == [("ca", "promote", "user")])


async def test_an_enrollment_key_is_shown_once_with_its_code() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "enrollment-keys") as session:
        await session.type("n", "\x15tag:web", TAB, "\x155", ENTER)
        await session.shows("wge_5Jt93cQe0vY1kXw8rT2nBq4Lm")
        await session.shows("█")
        await session.type(ESC)
        await until(lambda: "wge_" not in session.frame())
        words = ("enrollment-keys", "create", "--tag", "tag:web", "--uses", "5", "--expires", "24h", "--json")
        assert backend.ran == [words]


async def test_before_and_after_stand_side_by_side() -> None:
    async with a_console(Seeded(size=60), "audit") as session:
        await session.type(DOWN * 8)
        await session.shows("− tag:canary")
        await session.shows("+ tag:web")


async def test_a_setting_is_changed_and_an_own_one_is_kept() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "settings") as session:
        await session.type("/approval\r", ENTER, "\x15automatic", ENTER)
        await until(lambda: backend.ran == [("settings", "set", "devices.approval", "automatic")])
        await session.type(ESC)
        await until(lambda: not session.app.view.filter_text)
        await session.type("\x1b[F", UP * 4, ENTER, ENTER)
    assert backend.saved == {"theme": "light"}


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


# Access


async def test_a_draft_is_checked_while_it_is_typed() -> None:
    async with a_console(Seeded(size=60), "access") as session:
        await session.type("i", DOWN * 14, '"group:oncal",')
        await session.shows("× 1 error")
        await session.shows('no group is called "group:oncal"')
        await session.type("\x1bOQ")
        await session.shows("the draft is good")


async def test_a_policy_is_set_on_trial_after_its_diff_was_shown() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "access") as session:
        await session.type("i", DOWN * 14, "// a word\r", "\x13")
        await session.shows("Set this policy over version 87?")
        await session.shows("What changes")
        await session.type("S")
        await session.shows("Version 88 is in force. Confirm it?")
        await session.type("3")
        await session.shows("88 unconfirmed 1:00")
        await session.type("4", "y")
        await until(lambda: "unconfirmed" not in session.frame())
    assert backend.ran[0] == ("policy", "set", "-", "--if-version", "87", "--confirm-within", "60s")
    assert "// a word" in backend.stdins[0]
    assert backend.ran[-1] == ("policy", "confirm")


async def test_an_unconfirmed_policy_counts_down_and_can_be_rolled_back() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "access") as session:
        await session.type("i", "// a word\r", "\x13", "S")
        backend.clock += 41
        await session.shows("0:19")
        await session.type("u")
        await until(lambda: ("policy", "rollback") in backend.ran)
        await until(lambda: "unconfirmed" not in session.frame())


async def test_the_second_of_two_is_told() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "access") as session:
        await session.type("i", "// mine\r", ESC)
        await until(lambda: not session.app.view.editing)
        backend._do_policy_set(stdin="{}\n")
        await session.shows("is in force, yours is on 87")
        await session.type("\x13")
        await session.shows("came first")
        await session.type(ENTER)
        assert "// mine" in session.app.view.editor.buffer.text
    assert ("policy", "set", "-") not in [words[:3] for words in backend.ran]


async def test_an_older_version_is_brought_back() -> None:
    backend = Seeded(size=60)
    backend._do_policy_set(stdin="{}\n")
    async with a_console(backend, "access") as session:
        await session.type("\x1b[C\x1b[C\x1b[C", DOWN, "b")
        await session.shows("Bring version 87 back?")
        await session.type("B")
        await until(lambda: ("policy", "rollback", "87") in backend.ran)


async def test_a_refused_policy_stays_a_draft() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "access") as session:
        await session.type("i", "{", "\x13")
        await session.shows("a brace is not closed")
        assert session.app.view.editor.changed
    assert backend.ran == []


async def test_keys_for_screens_are_text_while_one_edits() -> None:
    async with a_console(Seeded(size=60), "access") as session:
        await session.type("i", "3:/?q")
        assert session.app.view.title == "Access"
        assert session.app.view.editor.buffer.lines[0].startswith("3:/?q")


# The picture of time


async def test_the_clock_ticks() -> None:
    backend = Seeded(size=60)
    async with a_console(backend) as session:
        backend.clock = NOW + 61
        await session.shows("14:03:32Z")


def test_what_a_deed_says_is_json_where_asked() -> None:
    assert json.loads(Seeded(size=1)._do_enrollment_keys_create())["id"] == "k-0193"
