"""What people do to devices, people, names, certificates and keys, and the command that it comes to."""

from pathlib import Path

import pytest
from channels import a_console, a_terminal, settled, until
from gates import LOCAL, a_console_at, a_gate, a_person
from seeded import Seeded

from gate.services import samples
from model.records import DeviceState, Role

DOWN, UP, ESC, TAB, ENTER = "\x1b[B", "\x1b[A", "\x1b", "\t", "\r"


# Devices


async def test_approving_shows_and_can_be_undone() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "ci-fra-7") as session:
        await session.type("a")
        await session.shows("approved ci-fra-7")
        await session.type("z")
        await session.shows("undone")
    assert backend.ran == [("devices", "approve", "ci-fra-7"), ("devices", "disable", "ci-fra-7")]


async def test_undo_says_of_what_it_cannot_take_back_that_it_cannot() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "ci-fra-7") as session:
        await session.type("a")
        await session.shows("approved ci-fra-7")
        await session.type(":devices remove desk\r", "z")
        await session.shows("no key undoes this: devices remove desk")
    assert ("devices", "disable", "ci-fra-7") not in backend.ran


async def test_what_only_reads_leaves_the_last_deed_to_undo() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "devices", "ci-fra-7") as session:
        await session.type("a", ":names lookup desk\r", "z")
        await until(lambda: ("devices", "disable", "ci-fra-7") in backend.ran)
        await session.type("z")
        await session.shows("there is nothing to undo")


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
        await session.type("e", ENTER, "now", ENTER)
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
        await session.shows("can be undone")
        assert backend.ran == []
        await session.type("F")
        await session.shows("Needs you")
    assert backend.ran == [("gate", "sample-data")]


@pytest.mark.parametrize("way", ["z", "S"])
async def test_sample_data_is_taken_out_as_it_came(tmp_path: Path, way: str) -> None:
    async with a_gate(tmp_path) as gate, a_console_at(gate, await a_person(gate, "alice", Role.OWNER)) as session:
        await session.type("S", "F")
        await session.shows("filled the network with sample data")
        assert gate.snapshot.devices
        await session.type(way)
        if way == "S":
            await session.shows("Take the sample data out?")
            await session.type("R")
            await session.shows("removed 6 people and 25 devices")
        await session.shows("This network is empty")
        assert not gate.snapshot.devices


async def test_who_is_no_owner_is_not_offered_to_take_sample_data_out(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await gate.perform(samples.fill, LOCAL)
        async with a_console_at(gate, await a_person(gate, "bob", Role.OPERATOR)) as session:
            await session.type("S")
            assert "Take the sample data out?" not in session.frame()


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


async def test_an_enrollment_key_says_what_each_choice_means() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "enrollment-keys") as session:
        await session.type("n")
        await session.shows("Approval    by the network's rule")
        await session.type(TAB * 3, " ", TAB, " ")
        await session.shows("in advance, whoever joins")
        await session.type(ENTER)
        await session.shows("wge_")
    assert backend.ran[0][-3:] == ("--pre-approved", "--ephemeral", "--json")


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
        await session.type("/theme\r", ENTER, ENTER)
    assert backend.saved == {"theme": "light"}


@pytest.mark.parametrize(("before", "after"), [(60, 180), (180, 60)], ids=["wider", "narrower"])
async def test_what_a_command_prints_is_laid_out_for_the_terminal_as_it_is_now(
    tmp_path: Path, before: int, after: int
) -> None:
    terminal = a_terminal(columns=before, rows=24)
    async with a_gate(tmp_path) as gate, a_console_at(gate, LOCAL, terminal=terminal) as session:
        session.channel.resize(after, 24)
        await until(lambda: session.app.size.width == after)
        await session.type(":audit list\r")
        await session.shows("NUMBER")
        widest = max(map(len, session.app.view._text.splitlines()))  # type: ignore[attr-defined]
        assert (widest > 60) is (after > before)


async def test_what_is_a_deed_is_what_the_gate_did_and_not_how_it_was_called(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate, a_console_at(gate, LOCAL, "users") as session:
        await session.type(":users add mara\r")
        await session.shows("added mara@")
        for look, shows in (("me", "name  local:0"), ("policy test", "all tests pass"), ("gate status", "network ")):
            await session.type(ESC, f":{look}\r")
            await session.shows(shows)
            await session.type(ESC, "z")
            await session.shows("no key undoes this: users add mara")
