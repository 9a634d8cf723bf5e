"""The key for emergencies: sealed when the network is made, tried by the real ssh on the worst of days."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
from pathlib import Path

import pytest
from doors_harness import House, a_house, eventually
from login_harness import FakeProvider
from test_login_door import refused, setting, trail, with_password
from this_machine import ThisMachine

from console.app.gatebackend import GateBackend
from gate.actor import GATE, Actor
from gate.faces import Terminal
from gate.login import breakglass
from gate.login.breakglass import new_passphrase, seal
from gate.network import NewNetwork, init
from gate.services import health
from gate.services import users as user_operations
from model.errors import Conflict, Denied, Invalid, Unavailable
from model.ids import UserName
from model.records import Role, UserState

ALICE = UserName("alice@net.test")


class Network(ThisMachine):
    """Made by `wardgate init` and served, on a machine of the test's own."""

    def by_key(self, key: Path, passphrase: str, *words: str) -> subprocess.CompletedProcess[str]:
        """As a person does it, but for the typing of the passphrase."""
        asked = self.folder / "askpass"
        asked.write_text(f"#!/bin/sh\necho '{passphrase}'\n")
        asked.chmod(0o700)
        return subprocess.run(
            [
                "ssh", "-F", "none", "-p", str(self.port), "-i", str(key), "-o", "IdentitiesOnly=yes",
                "-o", "IdentityAgent=none", "-o", "StrictHostKeyChecking=no",
                "-o", f"UserKnownHostsFile={self.folder / 'kh'}",
                "-o", "PreferredAuthentications=publickey", "alice@127.0.0.1", *words,
            ],
            env={**self.environment, "SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "x"},
            capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip


def sealed_in(made: str) -> tuple[Path, str]:
    """The file and the passphrase that `init` says, this once."""
    document = json.loads(made)["break_glass"]
    return Path(document["file"]), document["passphrase"]


# The whole way.


@pytest.mark.needs("ssh", "ssh-keygen")
async def test_the_sealed_key_lets_the_owner_in_when_nothing_else_does(tmp_path: Path) -> None:
    network = Network(tmp_path)
    key, passphrase = sealed_in(
        network.run("init", "--domain", "net.test", "--owner", "alice", "--address", "localhost", "--json")
    )
    away = tmp_path / "stick" / "break-glass"
    away.parent.mkdir()
    key.rename(away)
    network.run("settings", "set", "login.passwords", "off")
    down = {"down": {"issuer": "http://127.0.0.1:9", "client_id": "wardgate"}}
    network.run("settings", "apply", "-", stdin=json.dumps({"login.issuers": down}))
    async with network.serving():
        done = await asyncio.to_thread(network.by_key, away, passphrase, "me", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["role"] == "owner"
        listed = json.loads(network.run("audit", "list", "--json"))
        rings = [one for one in listed if one["action"] == "login by break-glass key"]
        assert [(one["actor"], one["source"]) for one in rings] == [("alice@net.test", "127.0.0.1")]
        status = json.loads(network.run("gate", "status", "--json"))["break_glass"]
        assert [one["action"] for one in status["rings"]] == ["login by break-glass key"]
        assert "the break-glass key was used by alice@net.test from 127.0.0.1, within the last hour" in network.run(
            "gate", "doctor"
        )


@pytest.mark.needs("ssh", "ssh-keygen")
async def test_the_file_alone_lets_nobody_in(tmp_path: Path) -> None:
    network = Network(tmp_path)
    key, _ = sealed_in(network.run("init", "--domain", "net.test", "--owner", "alice", "--json"))
    async with network.serving():
        done = await asyncio.to_thread(network.by_key, key, str(new_passphrase()), "me")
        assert done.returncode == 255
        assert "login by break-glass key" not in network.run("audit", "list")


# Making it.


def test_init_shows_the_passphrase_once_and_keeps_it_nowhere(tmp_path: Path) -> None:
    network = Network(tmp_path)
    key, passphrase = sealed_in(network.run("init", "--domain", "net.test", "--owner", "alice", "--json"))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    for path in network.state.rglob("*"):
        assert not path.is_file() or passphrase.encode() not in path.read_bytes()
    opened = ["ssh-keygen", "-y", "-P", passphrase, "-f", str(key)]
    assert subprocess.run(opened, capture_output=True, check=False).returncode == 0
    assert subprocess.run([*opened[:3], "", *opened[4:]], capture_output=True, check=False).returncode != 0


def test_init_in_words_says_where_the_key_is_and_what_to_do_with_it(tmp_path: Path) -> None:
    made = Network(tmp_path).run(
        "init", "--domain", "net.test", "--owner", "alice", "--break-glass", str(tmp_path / "k")
    )
    assert f"break-glass key: {tmp_path / 'k'}" in made
    assert "its passphrase, shown this once: " in made


def test_init_makes_none_where_none_is_wanted(tmp_path: Path) -> None:
    network = Network(tmp_path)
    made = network.run("init", "--domain", "net.test", "--owner", "alice", "--no-break-glass", "--json")
    assert json.loads(made)["break_glass"] is None
    assert not (network.state / "break-glass").exists()
    assert json.loads(network.run("users", "keys", "list", "alice", "--json")) == []
    found = json.loads(network.run("gate", "doctor", "--json"))
    assert [one["ok"] for one in found if one["subject"] == "break-glass"] == [True]


@pytest.mark.parametrize(
    "broken", [pytest.param("there", id="a-file-is-there"), pytest.param("no/folder", id="no-folder")]
)
def test_what_cannot_be_sealed_makes_no_network(tmp_path: Path, broken: str) -> None:
    (tmp_path / "there").write_text("mine")
    state = tmp_path / "state"
    with pytest.raises((Conflict, Unavailable), match=r"--break-glass|exists|cannot be written"):
        init(state, NewNetwork(domain="net.test", owner="alice", break_glass=tmp_path / broken))
    assert not state.exists()
    assert (tmp_path / "there").read_text() == "mine"


def test_a_network_that_is_refused_leaves_no_sealed_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr("gate.network.Store.create", fails)
    with pytest.raises(Unavailable):
        init(tmp_path / "state", NewNetwork(domain="net.test", owner="alice", break_glass=tmp_path / "key"))
    assert not (tmp_path / "key").exists()


def test_no_two_passphrases_are_alike_and_all_can_be_typed(tmp_path: Path) -> None:
    one, two = new_passphrase(), new_passphrase()
    assert one != two
    assert set(one) <= set("abcdefghijklmnopqrstuvwxyz234567-")
    assert passphrase_hidden(seal(tmp_path / "key"))


def passphrase_hidden(sealed: breakglass.Sealed) -> bool:
    return str(sealed.passphrase) not in repr(sealed)


# Whose it is, and what becomes of it.


def an_owner(name: str, role: Role = Role.OWNER) -> Actor:
    return Actor(name=name, user=UserName(name), role=role, source="192.0.2.7", method="key")


async def test_only_owners_keep_one_and_only_owners_say_so(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob", Role.ADMIN)
        key = house.key("sealed")
        with pytest.raises(Invalid, match="is no owner"):
            await house.gate.perform(user_operations.add_key, GATE, name="bob", key=key, break_glass=True)
        admin = an_owner("bob@net.test", Role.ADMIN)
        with pytest.raises(Denied, match="only an owner"):
            await house.gate.perform(user_operations.add_key, admin, name="alice", key=key, break_glass=True)
        with pytest.raises(Invalid, match="is no owner"):
            await house.gate.perform(user_operations.add_key, admin, name="bob", key=key, break_glass=True)


async def test_a_comment_makes_no_key_one_for_emergencies(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.gate.perform(
            user_operations.add_key, GATE, name="alice", key=house.key("common"), comment="break-glass"
        )
        await house.run("alice", "me", key="common")
        await eventually(lambda: "alice@net.test login alice@net.test" in trail(house))
        assert "alice@net.test login by break-glass key alice@net.test" not in trail(house)


async def test_it_gets_in_where_guesses_lock_and_connections_are_used_up(tmp_path: Path) -> None:
    async with a_house(tmp_path, people_per_account=1) as house:
        await house.gate.perform(user_operations.add_key, GATE, name="alice", key=house.key("sealed"), break_glass=True)
        for _ in range(6):
            await refused(house, "alice", "wrong wrong wrong")
        async with house.client("alice"):
            assert (await house.run("alice", "me", key="alice")).status == 255
            assert (await house.run("alice", "me", key="sealed")).status == 0


async def left(house: House) -> tuple[list[str], bool]:
    """What Overview says needs someone, and whether no key is left."""
    status = await house.gate.perform(health.status, GATE)
    seen = await GateBackend(house.gate, GATE, Terminal(term="xterm"), nothing_runs).overview()
    return [need.what for need in seen.needs], status.break_glass.lost


async def nothing_runs(*_: object) -> int:
    raise AssertionError("Overview runs no command")


async def test_consoles_hear_of_its_use_at_once_and_overview_tells_it_first(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        heard: list[str] = []
        house.gate.subscribe(lambda old, new, changes: heard.extend(type(one.change).__name__ for one in changes))
        await house.gate.perform(user_operations.add_key, GATE, name="alice", key=house.key("sealed"), break_glass=True)
        await house.run("alice", "me", key="sealed")
        await eventually(lambda: "BreakGlassUsed" in heard)
        needs, _ = await left(house)
        assert needs[0] == "The break-glass key was used by alice@net.test from 127.0.0.1"


async def test_it_is_not_taken_away_unnoticed(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        key = house.key("sealed")
        await house.gate.perform(user_operations.add_key, GATE, name="alice", key=key, break_glass=True)
        assert (await left(house))[1] is False
        await house.gate.perform(user_operations.remove_key, GATE, name="alice", fingerprint=key.fingerprint)
        assert "gate break-glass key removed alice@net.test" in trail(house)
        needs, lost = await left(house)
        assert lost
        assert needs[0] == "A break-glass key was taken away by gate from gate"
        assert "No break-glass key is left" in needs


@pytest.mark.parametrize("how", ["disabled", "demoted", "removed"])
async def test_it_is_missed_where_its_owner_is_one_no_more(tmp_path: Path, how: str) -> None:
    async with a_house(tmp_path) as house:
        await house.a_user("bob", Role.OWNER)
        await house.gate.perform(user_operations.add_key, GATE, name="alice", key=house.key("sealed"), break_glass=True)
        match how:
            case "disabled":
                (done,) = await house.gate.perform(user_operations.disable, GATE, names=["alice"])
                assert done.state is UserState.DISABLED
            case "demoted":
                await house.gate.perform(user_operations.set_role, GATE, names=["alice"], role=Role.MEMBER)
            case _:
                await house.gate.perform(user_operations.remove, GATE, names=["alice"])
                assert "gate break-glass key removed alice@net.test" in trail(house)
        assert (await left(house))[1] is True


async def test_passwords_off_and_a_provider_that_is_down_do_not_matter(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_password(house, "bob")
        await setting(house, "login.passwords", False)
        fake = FakeProvider()
        await setting(house, "login.issuers", {"down": {"issuer": "http://127.0.0.1:9", "client_id": "x"}})
        assert fake.asked == []
        await house.gate.perform(user_operations.add_key, GATE, name="alice", key=house.key("sealed"), break_glass=True)
        assert (await house.run("alice", "me", key="sealed")).status == 0
