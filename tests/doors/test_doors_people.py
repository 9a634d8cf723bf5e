"""The people door, with the real ssh."""

from __future__ import annotations

from pathlib import Path

from doors_harness import a_house

from model.records import Role


async def test_a_registered_key_gets_its_owner_in_and_the_command_answers(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        ran = await house.run("alice", "devices", "list", key="alice")
        assert (ran.status, ran.out, ran.err) == (
            0,
            "alice@net.test owner ['devices', 'list']\nsecond\n",
            "",
        )
        assert house.faces.actors[0].method == "key"


async def test_the_full_name_in_other_letters_is_the_same_person(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        assert "alice@net.test" in (await house.run("ALICE@Net.Test", "me", key="alice")).out


async def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        house.key("stranger")
        ran = await house.run("alice", "me", key="stranger")
        assert ran.status == 255
        assert "Permission denied (publickey,keyboard-interactive,password)" in ran.err


async def test_role_is_of_the_person(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob", Role.OPERATOR, key="bob")
        assert "bob@net.test operator" in (await house.run("bob", "x", key="bob")).out
