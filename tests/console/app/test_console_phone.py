"""A member brings a phone in: their own, by its own key or by one that is shown once."""

import re
from pathlib import Path

import pytest
from channels import until
from gates import LOCAL, a_console_at, a_gate, a_person, a_wireguard_key

from console.app.screens.phone import key_pair
from gate.services import devices, settings
from model.records import DeviceState, Role

TAB, ENTER = "\t", "\r"


async def test_a_members_phone_with_its_own_key_waits_and_then_shows_its_configuration(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        bob = await a_person(gate, "bob", Role.MEMBER)
        async with a_console_at(gate, bob) as session:
            await session.type("q", "phone", TAB, a_wireguard_key(), ENTER)
            await session.shows("once an operator approved it, w shows its configuration")
            await session.shows("waits for an operator to approve it")
            (phone,) = gate.snapshot.devices.values()
            assert (phone.user, phone.state) == (bob.user, DeviceState.PENDING)
            await gate.perform(devices.approve, LOCAL, names=["phone"])
            await session.type("w")
            await session.shows("█")
            await session.shows("PRIVATE_KEY is the phone's own")


async def test_a_key_made_here_is_shown_once_and_kept_nowhere(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        await gate.perform(settings.set_setting, LOCAL, key="devices.approval", value="automatic")
        bob = await a_person(gate, "bob", Role.MEMBER)
        async with a_console_at(gate, bob) as session:
            await session.type("q", "phone", ENTER)
            await session.shows("shown once: c copies it")
            await session.type("\x1b[F")
            await session.shows("PrivateKey = ")
            found = re.search(r"PrivateKey = (\S{43}=)", session.frame())
            assert found
            private = found[1]
            await session.type("\x1b")
            await until(lambda: private not in session.frame())
            assert "Output" not in session.app._views
            await session.type("w", "\x1b[F")
            await session.shows("PrivateKey = PRIVATE_KEY")
        (phone,) = gate.snapshot.devices.values()
        assert phone.wireguard_key != private
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert private.encode() not in kept


async def test_without_a_key_nothing_is_added_that_would_wait(tmp_path: Path) -> None:
    async with a_gate(tmp_path) as gate:
        async with a_console_at(gate, await a_person(gate, "bob", Role.MEMBER)) as session:
            await session.type("q", "phone", ENTER)
            await session.shows("the phone's public key is needed")
        assert not gate.snapshot.devices


@pytest.mark.parametrize("words", ["--user alice", "--tag tag:db"])
async def test_the_command_row_adds_no_device_of_another(tmp_path: Path, words: str) -> None:
    async with a_gate(tmp_path) as gate:
        async with a_console_at(gate, await a_person(gate, "bob", Role.MEMBER)) as session:
            await session.type(f":devices add phone {words} --wireguard-key {a_wireguard_key()}", ENTER)
            await session.shows("ask an operator" if "tag" in words else "is not you")
        assert not gate.snapshot.devices


def test_a_key_made_here_is_wireguards() -> None:
    import base64

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    private, public = key_pair()
    made = X25519PrivateKey.from_private_bytes(base64.b64decode(private)).public_key().public_bytes_raw()
    assert base64.b64encode(made).decode() == public
    assert str(private) not in repr(private)
