"""`ssh -t GATE devices db-1`: what names a screen opens it, and what is a command stays one."""

from pathlib import Path

import pytest
from gates import LOCAL, a_console_at, a_gate, a_person, a_wireguard_key
from terminals import a_served_gate, a_terminal_at

from console.app.screens import is_link
from console.commandline.face import COMMANDS
from console.commandline.nouns import NOUNS
from gate.services import devices
from model.records import Role

LINKS = [
    "devices", "devices db-1", "Devices db-1", "users alice", "names db-1", "certs 12", "certificates 12", "policy",
    "access", "audit", "activity", "overview", "enrollment-keys", "settings login.life", "ca",
]  # fmt: skip
COMMANDS_STAY = [
    "devices list", "devices show db-1", "devices --help", "devices db-1 --json", "devices list --json", "me", "keys",
    "keys list", "cert", "logout", "help", "help devices", "console", "gate status", "policy show", "policy test",
    "users keys", "names lookup db-1", "frobnicate", "frobnicate db-1", "",
]  # fmt: skip


@pytest.mark.parametrize("text", LINKS)
async def test_a_screen_and_a_thing_on_it_are_a_link(tmp_path: Path, text: str) -> None:
    async with a_gate(tmp_path) as gate:
        assert is_link(gate, await a_person(gate, "bob", Role.OPERATOR), text.split())


@pytest.mark.parametrize("text", COMMANDS_STAY)
async def test_what_is_a_command_stays_one(tmp_path: Path, text: str) -> None:
    async with a_gate(tmp_path) as gate:
        assert not is_link(gate, await a_person(gate, "bob", Role.OWNER), text.split())


async def test_every_verb_of_every_noun_stays_a_command(tmp_path: Path) -> None:
    import click

    context = click.Context(COMMANDS, info_name="wardgate")
    async with a_gate(tmp_path) as gate:
        bob = await a_person(gate, "bob", Role.OWNER)
        for noun in NOUNS:
            group = COMMANDS.get_command(context, noun)
            assert isinstance(group, click.Group)
            assert not any(is_link(gate, bob, [noun, verb]) for verb in group.list_commands(context))


async def test_a_members_links_lead_to_what_is_theirs(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        bob = await a_person(gate, "bob", Role.MEMBER)
        assert is_link(gate, bob, ["devices", "phone"])
        assert not is_link(gate, bob, ["users", "alice"])
        await gate.perform(devices.add, LOCAL, name="phone", wireguard=a_wireguard_key(), user="bob")
        await gate.perform(devices.add, LOCAL, name="laptop", wireguard=a_wireguard_key(), user="alice")
        async with a_console_at(gate, bob, "devices", "phone") as session:
            await session.shows("Devices › phone")
            assert "laptop" not in session.frame()


@pytest.mark.needs("tmux", "ssh", "ssh-keygen")
def test_over_ssh_a_link_opens_its_screen_and_a_command_answers(tmp_path: Path) -> None:
    with a_served_gate(tmp_path) as gate:
        gate.run("gate", "sample-data")
        with a_terminal_at(gate, "devices", "db-fra-2") as terminal:
            terminal.shows("Devices › db-fra-2", "WireGuard")
            terminal.keys("C-q")
            terminal.shows("ended with 0")
        with a_terminal_at(gate, "users", "carol-sample") as terminal:
            terminal.shows("Users › carol-sample")
        with a_terminal_at(gate, "devices", "show", "db-fra-2") as terminal:
            assert "Overview" not in terminal.shows("db-fra-2.example.com", "ended with 0")
        with a_terminal_at(gate, "devices", "list") as terminal:
            assert "Overview" not in terminal.shows("IPV4", "ended with 0")


async def test_the_word_console_before_it_opens_a_thing_that_is_called_like_a_verb(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await gate.perform(devices.add, LOCAL, name="list", wireguard=a_wireguard_key(), user="alice")
        async with a_console_at(gate, await a_person(gate, "bob", Role.OPERATOR), "devices", "list") as session:
            await session.shows("Devices › list")
