"""A policy from the draft to the version in force, and back."""

from pathlib import Path

import msgspec
from channels import a_console, until
from gates import a_console_at, a_gate, a_person
from seeded import Seeded

from gate.services import policies
from model.records import Role

DOWN, UP, ESC, TAB, ENTER = "\x1b[B", "\x1b[A", "\x1b", "\t", "\r"


async def test_a_draft_is_checked_while_it_is_typed() -> None:
    async with a_console(Seeded(size=60), "access") as session:
        await session.type("i", DOWN * 14, '"group:oncal",')
        await session.shows("× 1 error")
        await session.shows("did you mean group:oncall?")
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


async def test_a_version_on_trial_is_confirmed_in_a_console_that_was_opened_after_it(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        setter = await a_person(gate, "alice", Role.OWNER)
        version = gate.snapshot.policy
        assert version is not None
        await gate.perform(policies.set_policy, setter, text=version.text + "\n", confirm_within=600)
        async with a_console_at(gate, setter, "access") as before:
            await before.shows("From a new connection")
            await before.shows("policy confirm")
            assert "y confirm 2" not in before.frame()
            assert "u roll back to 1" in before.frame()
        async with a_console_at(gate, msgspec.structs.replace(setter, connection=2), "access") as after:
            await after.shows("y confirm 2")
            assert "rom a new connection" not in after.frame()
            await after.type("y")
            await after.shows("confirmed: the version stays")
        assert gate.snapshot.policy is not None
        assert gate.snapshot.policy.confirm_by is None


async def test_an_auditor_reads_the_policy_and_writes_no_draft() -> None:
    backend = Seeded(size=60, role=Role.AUDITOR, me="erin")
    async with a_console(backend, "access") as session:
        for key in ("i", ENTER):
            await session.type(key)
            await session.shows("an auditor reads")
            assert not session.app.view.typing
        assert "edit" not in session.frame().splitlines()[-1]
        await session.type("\x1b[C", "\x1b[C", ENTER)
        await session.shows("an auditor reads")
    assert backend.written is None
    assert backend.ran == []


async def test_the_palette_offers_an_auditor_nothing_that_writes() -> None:
    async with a_console(Seeded(size=60, role=Role.AUDITOR, me="erin"), "devices") as session:
        await session.type("\x10", "remove")
        await session.shows("nothing matches")
        await session.type("\x15", "copy")
        await session.shows("to your clipboard")
