"""A device that does not enroll, such as a phone, added by whose it is: theirs alone, as far as the network allows."""

from pathlib import Path

import gate_builders as build
import pytest

from gate.services import audit, devices, settings
from gate.services.queries import Query
from model.errors import Conflict, Denied, Limited
from model.records import DeviceState, Role


async def test_a_member_adds_a_phone_of_their_own_and_it_waits_for_approval(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob")
        phone = await running.perform(devices.add, bob, name="phone", wireguard=build.a_wireguard_key())
        assert (phone.user, phone.state, phone.tags) == (bob.user, DeviceState.PENDING, ())
        assert phone.expires_at is None
        told = await running.perform(devices.netmap, bob, name="phone")
        assert told.peers == ()


async def test_a_member_may_name_themselves_as_the_owner(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob")
        for number, name in enumerate(("bob", "me", bob.name)):
            added = await running.perform(
                devices.add, bob, name=f"phone-{number}", user=name, wireguard=build.a_wireguard_key()
            )
            assert added.user == bob.user


@pytest.mark.parametrize(
    ("rule", "role", "state"),
    [
        ("automatic", Role.MEMBER, DeviceState.APPROVED),
        ("automatic", Role.AUDITOR, DeviceState.APPROVED),
        ("by-role", Role.MEMBER, DeviceState.PENDING),
        ("by-role", Role.AUDITOR, DeviceState.PENDING),
        ("by-hand", Role.MEMBER, DeviceState.PENDING),
    ],
)
async def test_the_networks_rule_of_approval_holds(tmp_path: Path, rule: str, role: Role, state: DeviceState) -> None:
    async with build.a_gate(tmp_path) as running:
        await running.perform(settings.set_setting, build.LOCAL, key="devices.approval", value=rule)
        bob = await build.a_user(running, "bob", role)
        phone = await running.perform(devices.add, bob, name="phone", wireguard=build.a_wireguard_key())
        assert phone.state is state
        assert (phone.expires_at is None) is (state is DeviceState.PENDING)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"user": "alice"}, "is not you"),
        ({"user": "nobody"}, "is not you"),
        ({"user": "bob@other.example"}, "is not you"),
        ({"tags": ["tag:db"]}, "without tags"),
        ({"user": "bob", "tags": ["tag:db"]}, "without tags"),
    ],
    ids=["another", "nobody", "a-namesake-elsewhere", "tags", "owner-and-tags"],
)
async def test_a_member_adds_nothing_for_another_and_no_role(tmp_path: Path, more: dict[str, object], why: str) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob")
        with pytest.raises(Denied, match=why):
            await running.perform(devices.add, bob, name="phone", wireguard=build.a_wireguard_key(), **more)
        assert not running.snapshot.devices


async def test_a_member_gives_no_key_for_the_agents_door(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob")
        with pytest.raises(Denied, match="without an SSH key"):
            await running.perform(
                devices.add, bob, name="phone", wireguard=build.a_wireguard_key(), ssh_key=build.an_ssh_key()
            )


@pytest.mark.parametrize("role", [Role.MEMBER, Role.OPERATOR])
async def test_nobody_adds_more_devices_of_their_own_than_one_may_have(tmp_path: Path, role: Role) -> None:
    async with build.a_gate(tmp_path) as running:
        await running.perform(settings.set_setting, build.LOCAL, key="devices.per-person", value="2")
        bob = await build.a_user(running, "bob", role)
        for number in range(2):
            await running.perform(
                devices.add, bob, name=f"phone-{number}", user="bob", wireguard=build.a_wireguard_key()
            )
        with pytest.raises(Limited, match="has 2 devices, the most"):
            await running.perform(devices.add, bob, name="phone-2", user="bob", wireguard=build.a_wireguard_key())


async def test_the_key_and_the_name_of_another_device_are_not_taken_over(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob")
        theirs = await build.a_device(running, "db-1", tags=["tag:db"])
        with pytest.raises(Conflict):
            await running.perform(devices.add, bob, name="phone", wireguard=theirs.wireguard_key)
        with pytest.raises(Conflict):
            await running.perform(devices.add, bob, name="db-1", wireguard=build.a_wireguard_key())


async def test_who_added_it_is_in_the_audit_trail(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob")
        await running.perform(devices.add, bob, name="phone", wireguard=build.a_wireguard_key())
        (entry,) = (await running.perform(audit.list_audit, build.LOCAL, query=Query(limit=1))).rows
        assert (entry.actor, entry.action, entry.subject) == (bob.name, "devices add", "phone")  # type: ignore[attr-defined]
