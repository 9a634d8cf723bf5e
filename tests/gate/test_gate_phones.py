"""A device that does not enroll, such as a phone, added by whose it is: theirs alone, as far as the network allows."""

from pathlib import Path

import gate_builders as build
import pytest

from gate.gate import Gate
from gate.services import agents, audit, devices, enrollment_keys, settings, users
from gate.services.queries import Query
from model.enrollment import parse_enrollment_key
from model.errors import Conflict, Denied, Invalid, Limited
from model.keys import SSHKey
from model.records import Device, DeviceState, Role


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
        with pytest.raises(Conflict) as by_key:
            await running.perform(devices.add, bob, name="phone", wireguard=theirs.wireguard_key)
        assert by_key.value.message == "this WireGuard key is taken", "and no word of whose it is"
        with pytest.raises(Conflict) as by_name:
            await running.perform(devices.add, bob, name="db-1", wireguard=build.a_wireguard_key())
        assert by_name.value.message == 'the name "db-1" is taken'


async def an_enrolled(running: Gate, wireguard: str, ssh_key: SSHKey | None = None) -> Device:
    made = await running.perform(enrollment_keys.create, build.LOCAL, user="alice", pre_approved=True)
    return await running.perform(
        agents.enroll, build.LOCAL, enrollment_key_hash=parse_enrollment_key(made.key).hash, name="laptop",
        wireguard=wireguard, ssh_key=ssh_key or build.an_ssh_key(),
    )  # fmt: skip


async def test_who_proves_a_key_gets_in_where_another_has_only_named_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        mallory, key = await build.a_user(running, "mallory"), build.a_wireguard_key()
        squatter = await running.perform(devices.add, mallory, name="mine", wireguard=key)
        laptop = await an_enrolled(running, key)
        assert laptop.wireguard_key == key
        assert squatter.id not in running.snapshot.devices
        page = await running.perform(audit.list_audit, build.LOCAL, query=Query(limit=20))
        assert any("proved that its WireGuard key" in str(entry.after) for entry in page.rows)
        with pytest.raises(Conflict, match="is another device's"):
            await an_enrolled(running, key)


async def test_who_rotates_to_a_key_that_another_has_only_named_has_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        mallory, key = await build.a_user(running, "mallory"), build.a_wireguard_key()
        laptop = await an_enrolled(running, build.a_wireguard_key())
        squatter = await running.perform(devices.add, mallory, name="mine", wireguard=key)
        await running.perform(agents.rotate_key, build.LOCAL, device=laptop.id, wireguard=key)
        assert squatter.id not in running.snapshot.devices
        assert running.snapshot.devices[laptop.id].wireguard_key == key


async def test_nobody_new_is_called_what_commands_take_for_whoever_types_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        with pytest.raises(Invalid, match="me is whoever types it"):
            await running.perform(users.add, build.LOCAL, name="me")


async def test_who_added_it_is_in_the_audit_trail(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob")
        await running.perform(devices.add, bob, name="phone", wireguard=build.a_wireguard_key())
        (entry,) = (await running.perform(audit.list_audit, build.LOCAL, query=Query(limit=1))).rows
        assert (entry.actor, entry.action, entry.subject) == (bob.name, "devices add", "phone")  # type: ignore[attr-defined]
