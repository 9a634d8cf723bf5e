"""Settings: the network's, and all of a person's own in one place."""

from pathlib import Path

import pytest
from channels import a_console, until
from gates import a_console_at, a_gate, a_person
from seeded import Seeded

from model.records import Role

END, UP, DOWN, ESC, ENTER, DEL = "\x1b[F", "\x1b[A", "\x1b[B", "\x1b", "\r", "\x1b[3~"
OWN = ("theme", "colours", "glyphs", "mouse", "motion", "columns.devices", "columns.users", "columns.activity", "keys")


@pytest.mark.parametrize("key", OWN)
async def test_each_own_setting_stands_there_and_is_found(key: str) -> None:
    async with a_console(Seeded(size=20), "settings", key) as session:
        await session.shows(key)


async def test_columns_are_chosen_on_the_list_and_esc_comes_back() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "settings", "columns.devices") as session:
        await session.shows("as made")
        await session.type(ENTER)
        await session.shows("Columns of Devices")
        assert session.app.view.title == "Devices"
        await session.type("\x1b[B", " ", ENTER)
        await session.type(ESC)
        await until(lambda: session.app.view.title == "Settings")
        await session.shows("9 of 10")
        assert "columns.devices" in backend.saved
        await session.type(DEL)
        await session.shows("as made")
        assert not backend.saved["columns.devices"]


async def test_keys_of_every_screen_are_moved_from_there() -> None:
    backend = Seeded(size=60)
    async with a_console(backend, "settings", "keys") as session:
        await session.type(END, ENTER, "devices approve")
        await session.shows("let in what is pending")
        await session.type(ENTER, "A")
        await session.type(ESC)
        await session.shows("1 moved")
        assert backend.saved["keys"] == "Devices:a=A"
        await session.type(DEL)
        await session.shows("as made")
        assert not session.app.keymap.moved


async def test_what_is_snoozed_is_counted_and_woken(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        alice = await a_person(gate, "alice", Role.OWNER)
        async with a_console_at(gate, alice, "settings") as session:
            session.app.keep_preference("snoozed", '{"a": 99999999999}')
            await session.type("/snoozed", ENTER)
            await session.shows("1 thing")
            await session.type(ENTER)
            await until(lambda: "1 thing" not in session.frame())


async def test_an_auditor_has_settings_of_their_own_and_changes_no_others() -> None:
    backend = Seeded(size=20, role=Role.AUDITOR, me="erin")
    async with a_console(backend, "settings", "motion") as session:
        await session.type(ENTER)
        await session.shows("reduced")
        await session.type("/", "\x15domain", ENTER, ENTER)
        await session.shows("an auditor reads")
    assert backend.ran == []


async def test_a_member_has_settings_of_their_own_and_sees_no_others(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        bob = await a_person(gate, "bob", Role.MEMBER)
        async with a_console_at(gate, bob) as session:
            await session.type(":settings", ENTER)
            await session.shows("Your console")
            assert "The network" not in session.frame()
            await session.type("/glyphs", ENTER, ENTER, ENTER)
            await session.shows("ascii")
            assert session.frame().isascii()
        async with a_console_at(gate, bob) as session:
            assert session.frame().isascii()


async def test_a_members_settings_lead_to_the_lists_that_they_have(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate, a_console_at(gate, await a_person(gate, "bob", Role.MEMBER)) as session:
        await session.type(":settings", ENTER)
        await session.shows("columns.certificates")
        assert "columns.users" not in session.frame()
