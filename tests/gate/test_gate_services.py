"""What services do to a network, and what they refuse."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import gate_builders as build
import pytest

from gate import netmaps
from gate.services import (
    agents,
    authority,
    certificates,
    devices,
    enrollment_keys,
    names,
    policies,
    revocations,
    settings,
    users,
)
from gate.services.queries import Query
from model.enrollment import parse_enrollment_key
from model.errors import Conflict, Denied, Invalid, NotFound, PolicyRefused
from model.records import (
    CertificateKind,
    CertificateState,
    DeviceState,
    GenerationState,
    NameType,
    Role,
    RouteState,
)


async def test_a_new_network_lets_people_reach_their_own_devices_and_nothing_else(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_user(gate, "bob")
        mine = [await build.a_device(gate, name) for name in ("laptop", "phone")]
        other = await build.a_device(gate, "bobs", user="bob")
        server = await build.a_device(gate, "db-1", tags=["tag:db"])
        told = netmaps.netmap(gate.snapshot, mine[0].id)
        assert [peer.id for peer in told.peers] == [mine[1].id]
        assert netmaps.netmap(gate.snapshot, other.id).peers == ()
        assert netmaps.netmap(gate.snapshot, server.id).peers == ()


async def test_addresses_come_from_the_ranges_given_at_init(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path, ipv4="10.9.0.0/24", ipv6="fd00:9::/64") as gate:
        device = await build.a_device(gate, "laptop")
        assert device.ipv4.startswith("10.9.0.")
        assert device.ipv6.startswith("fd00:9::")


async def test_a_pending_device_learns_of_itself_alone(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        waiting = await enrolled(gate, "phone", pre_approved=False)
        told = netmaps.netmap(gate.snapshot, waiting.id)
        assert (told.device.state, told.peers, told.filter) == (DeviceState.PENDING, (), ())
        assert list(told.names) == ["phone.net.example.com"]
        await gate.perform(devices.approve, build.LOCAL, names=["phone"])
        assert [peer.name for peer in netmaps.netmap(gate.snapshot, waiting.id).peers] == ["laptop"]


async def enrolled(gate, name, *, pre_approved=True, ssh_key=None, **key):  # type: ignore[no-untyped-def]
    made = await gate.perform(
        enrollment_keys.create, build.LOCAL, **{"user": "alice", "pre_approved": pre_approved, **key}
    )
    return await enroll_with(gate, made.key, name, ssh_key)


async def enroll_with(gate, key, name, ssh_key=None):  # type: ignore[no-untyped-def]
    return await gate.perform(
        agents.enroll, build.LOCAL, enrollment_key_hash=parse_enrollment_key(key).hash, name=name,
        wireguard=build.a_wireguard_key(), ssh_key=ssh_key or build.an_ssh_key(),
    )  # fmt: skip


async def test_a_single_use_key_has_one_winner_among_twenty(tmp_path: Path) -> None:
    import asyncio

    async with build.a_gate(tmp_path) as gate:
        made = await gate.perform(enrollment_keys.create, build.LOCAL, user="alice", pre_approved=True)
        done = await asyncio.gather(
            *(enroll_with(gate, made.key, f"racer-{n}") for n in range(20)), return_exceptions=True
        )
        assert sum(not isinstance(one, Exception) for one in done) == 1
        assert len(gate.snapshot.devices) == 1


async def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        first, second = await enrolled(gate, "db"), await enrolled(gate, "db")
        assert first.name == "db"
        assert second.name != "db"
        assert second.name.startswith("db-")


async def test_a_device_that_comes_again_is_the_same_device(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        key = build.an_ssh_key()
        first = await enrolled(gate, "laptop", ssh_key=key)
        await gate.perform(devices.expire, build.LOCAL, names=["laptop"])
        again = await enrolled(gate, "laptop", ssh_key=key)
        assert (again.id, again.state) == (first.id, DeviceState.APPROVED)
        assert again.wireguard_key != first.wireguard_key


async def test_nobody_takes_another_owners_device_over_by_its_ssh_key(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_user(gate, "bob")
        key = build.an_ssh_key()
        await enrolled(gate, "laptop", ssh_key=key)
        with pytest.raises(Conflict, match="of another owner"):
            await enrolled(gate, "laptop", ssh_key=key, user="bob")


async def test_a_persons_key_is_no_devices_key(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        key = build.an_ssh_key()
        await gate.perform(users.add_key, build.LOCAL, name="alice", key=key)
        with pytest.raises(Conflict, match="a person's"):
            await enrolled(gate, "laptop", ssh_key=key)


async def test_a_member_makes_a_key_for_one_device_of_their_own_that_lives_five_minutes(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        made = await gate.perform(enrollment_keys.create, bob, lives=86400)
        assert (made.record.user, made.record.uses_left) == (bob.user, 1)
        assert made.record.expires_at - made.record.created_at <= 300
        for wrong in ({"tags": ["tag:db"]}, {"user": "alice"}, {"uses": 5}, {"pre_approved": True}):
            with pytest.raises(Denied):
                await gate.perform(enrollment_keys.create, bob, **wrong)


@pytest.mark.parametrize(
    ("rule", "role", "state"),
    [
        pytest.param("by-role", Role.MEMBER, DeviceState.PENDING, id="by-role-members-wait"),
        pytest.param("by-role", Role.AUDITOR, DeviceState.PENDING, id="by-role-auditors-wait-too"),
        pytest.param("by-role", Role.OPERATOR, DeviceState.APPROVED, id="by-role-operators-do-not"),
        pytest.param("automatic", Role.MEMBER, DeviceState.APPROVED, id="automatic-nobody-waits"),
        pytest.param("by-hand", Role.OWNER, DeviceState.PENDING, id="by-hand-everyone-waits"),
    ],
)
async def test_devices_are_approved_as_the_network_has_it(
    tmp_path: Path, rule: str, role: Role, state: DeviceState
) -> None:
    async with build.a_gate(tmp_path) as gate:
        await gate.perform(settings.set_setting, build.LOCAL, key="devices.approval", value=rule)
        bob = await build.a_user(gate, "bob", role)
        made = await gate.perform(enrollment_keys.create, bob)
        assert (await enroll_with(gate, made.key, "laptop")).state is state


async def test_a_member_sees_and_touches_their_own_devices_alone(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "alices")
        await build.a_device(gate, "bobs", user="bob")
        page = await gate.perform(devices.list_devices, bob, query=Query())
        assert [row.name for row in page.rows] == ["bobs"]  # type: ignore[attr-defined]
        with pytest.raises(NotFound):
            await gate.perform(devices.show, bob, name="alices")
        with pytest.raises(NotFound):
            await gate.perform(devices.remove, bob, names=["alices"])
        await gate.perform(devices.rename, bob, name="bobs", new="bobs-laptop")


async def test_a_bulk_deed_is_done_whole_or_not_at_all(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "a")
        with pytest.raises(NotFound):
            await gate.perform(devices.remove, build.LOCAL, names=["a", "missing"])
        assert "a" in gate.snapshot.by_name


async def test_a_route_counts_for_nothing_until_it_is_offered_and_approved(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        router = await build.a_device(gate, "gw-1", tags=["tag:router"])
        offered = await gate.perform(agents.report_routes, build.LOCAL, device=router.id, routes=["10.20.0.0/16"])
        assert [route.state for route in offered.routes] == [RouteState.ADVERTISED]
        await gate.perform(devices.routes, build.LOCAL, name="gw-1", approve=["10.20.0.0/16"])
        assert gate.snapshot.devices[router.id].routes[0].state is RouteState.APPROVED
        gone = await gate.perform(agents.report_routes, build.LOCAL, device=router.id, routes=[])
        assert [route.state for route in gone.routes] == [RouteState.WITHDRAWN]


async def test_no_device_takes_addresses_of_the_network_by_a_route(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        server = await build.a_device(gate, "db-1", tags=["tag:db"])
        thief = await build.a_device(gate, "laptop")
        stolen = [f"{server.ipv4}/32", "100.64.0.0/10", f"{server.ipv6}/128"]
        await build.a_policy(gate, json.dumps({"acls": [], "autoApprovers": {"routes": {
            "100.64.0.0/10": ["alice@net.example.com"], "10.0.0.0/8": ["alice@net.example.com"],
        }}}))  # fmt: skip
        told = await gate.perform(agents.report_routes, build.LOCAL, device=thief.id, routes=[*stolen, "10.1.0.0/16"])
        assert [route.prefix for route in told.routes if route.state is RouteState.APPROVED] == ["10.1.0.0/16"]
        for prefix in stolen:
            with pytest.raises(Invalid, match="network's own addresses"):
                await gate.perform(devices.routes, build.LOCAL, name="laptop", approve=[prefix])


async def test_a_disabled_device_is_not_freed_by_its_owner(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        key = build.an_ssh_key()
        await enrolled(gate, "laptop", user="bob", ssh_key=key)
        await gate.perform(devices.disable, build.LOCAL, names=["laptop"])
        (ended,) = await gate.perform(devices.expire, bob, names=["laptop"])
        assert ended.state is DeviceState.DISABLED
        with pytest.raises(Denied, match="disabled"):
            await enrolled(gate, "laptop", user="bob", ssh_key=key)


async def test_enabling_a_device_does_not_approve_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await enrolled(gate, "laptop", pre_approved=False)
        await gate.perform(devices.disable, build.LOCAL, names=["laptop"])
        (enabled,) = await gate.perform(devices.enable, build.LOCAL, names=["laptop"])
        assert enabled.state is DeviceState.PENDING


@pytest.mark.parametrize("deed", [users.disable, users.remove], ids=["disabled", "removed"])
async def test_enrollment_keys_end_with_the_person_who_owns_or_made_them(tmp_path: Path, deed: Any) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob", Role.OPERATOR)
        mine = await gate.perform(enrollment_keys.create, bob)
        servers = await gate.perform(enrollment_keys.create, bob, tags=["tag:db"], uses=None, pre_approved=True)
        others = await gate.perform(enrollment_keys.create, build.LOCAL, tags=["tag:db"])
        await gate.perform(deed, build.LOCAL, names=("bob",))
        for made in (mine, servers):
            with pytest.raises((Conflict, NotFound), match=r"revoked|not known"):
                await enroll_with(gate, made.key, "late")
        assert (await enroll_with(gate, others.key, "db-1")).tags == ("tag:db",)


async def test_a_disabled_persons_host_is_certified_no_more(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_user(gate, "bob")
        host = await build.a_device(gate, "laptop", user="bob")
        issued = await gate.perform(agents.host_certificate, build.LOCAL, device=host.id, key=build.an_ssh_key())
        await gate.perform(users.disable, build.LOCAL, names=("bob",))
        assert (await gate.perform(certificates.show, build.LOCAL, serial=issued.serial)).revoked_at is not None
        with pytest.raises(Denied, match="owner"):
            await gate.perform(agents.host_certificate, build.LOCAL, device=host.id, key=build.an_ssh_key())


async def test_a_member_learns_nothing_of_who_logs_in_on_others_hosts(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "db-1", tags=["tag:db"])
        await build.a_device(gate, "bobs", user="bob")
        with pytest.raises(NotFound):
            await gate.perform(authority.trust_script, bob, device="db-1")
        assert "sshd" in await gate.perform(authority.trust_script, bob, device="bobs")


async def test_a_removed_persons_devices_go_with_them(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_user(gate, "bob")
        device = await build.a_device(gate, "bobs", user="bob")
        await gate.perform(users.remove, build.LOCAL, names=("bob",))
        assert device.id not in gate.snapshot.devices


# Certificates


async def test_a_certificate_belongs_to_one_person_and_one_device(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        device = await build.a_device(gate, "laptop")
        alice = build.as_actor("alice", Role.OWNER)
        issued = await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key())
        assert issued.principals == ("alice@net.example.com",)
        assert issued.source_addresses == (device.ipv4, device.ipv6)
        assert issued.key_id == f"alice@net.example.com/laptop/{issued.serial}"


async def test_a_person_without_a_device_or_with_several_unnamed_ones_gets_none(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        alice = build.as_actor("alice", Role.OWNER)
        with pytest.raises(Conflict, match="you have none"):
            await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key())
        await build.a_device(gate, "a")
        await build.a_device(gate, "b")
        with pytest.raises(Invalid, match="several devices"):
            await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key())
        issued = await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key(), device="b")
        assert issued.device == "b"


async def test_a_certificate_ends_with_the_login_at_the_latest(tmp_path: Path) -> None:
    import time

    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        began = int(time.time()) - 15 * 3600
        alice = build.as_actor("alice", Role.OWNER, login_at=began)
        issued = await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key())
        assert issued.valid_before <= began + 16 * 3600


@pytest.mark.parametrize("deed", ["disable", "remove", "expire", "tag"])
async def test_what_ends_a_device_revokes_its_certificates(tmp_path: Path, deed: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        issued = await gate.perform(
            certificates.for_myself, build.as_actor("alice", Role.OWNER), key=build.an_ssh_key()
        )
        before = gate.snapshot.krl
        match deed:
            case "tag":
                await gate.perform(devices.retag, build.LOCAL, names=["laptop"], tags=["tag:db"])
            case _:
                await gate.perform(getattr(devices, deed), build.LOCAL, names=["laptop"])
        assert [one.serial for one in gate.snapshot.revocations] == [issued.serial]
        assert gate.snapshot.krl != before


async def test_a_member_revokes_no_one_elses_certificate(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "laptop")
        issued = await gate.perform(
            certificates.for_myself, build.as_actor("alice", Role.OWNER), key=build.an_ssh_key()
        )
        with pytest.raises(NotFound, match="of yours"):
            await gate.perform(revocations.revoke, bob, serials=[issued.serial])


async def test_a_disabled_owner_of_a_certificate_loses_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "bobs", user="bob")
        issued = await gate.perform(certificates.for_myself, bob, key=build.an_ssh_key())
        await gate.perform(users.disable, build.LOCAL, names=("bob",))
        assert issued.serial in {one.serial for one in gate.snapshot.revocations}


async def test_the_host_key_of_another_is_not_signed(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        for name in ("db-1", "db-2"):
            await build.a_device(gate, name, tags=["tag:db"])
        await build.a_device(gate, "laptop")
        key = build.an_ssh_key()
        await gate.perform(certificates.sign, build.LOCAL, key=key, device="db-1", host=True)
        await gate.perform(certificates.sign, build.LOCAL, key=key, device="db-1", host=True)
        with pytest.raises(Invalid, match='host key of device "db-1"'):
            await gate.perform(certificates.sign, build.LOCAL, key=key, device="db-2", host=True)
        with pytest.raises(Invalid, match='host key of device "db-1"'):
            await gate.perform(certificates.for_myself, build.as_actor("alice", Role.OWNER), key=key)
        await gate.perform(devices.remove, build.LOCAL, names=["db-1"])
        await gate.perform(certificates.sign, build.LOCAL, key=key, device="db-2", host=True)


async def test_a_rotation_overlaps_and_then_ends(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        alice = build.as_actor("alice", Role.OWNER)
        await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key())
        await gate.perform(authority.rotate, build.LOCAL, kind=CertificateKind.USER)
        assert len(gate.snapshot.trust.user_ca) == 2
        await gate.perform(authority.promote, build.LOCAL, kind=CertificateKind.USER)
        issued = await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key())
        assert issued.generation == "user-2"
        with pytest.raises(Conflict, match="would be refused everywhere"):
            await gate.perform(authority.retire, build.LOCAL, id="user-1")
        gone = await gate.perform(authority.retire, build.LOCAL, id="user-1", anyway=True)
        assert (gone.generation.state, gone.revoked) == (GenerationState.RETIRED, 1)
        assert len(gate.snapshot.trust.user_ca) == 1


async def test_an_emergency_rotation_trusts_the_new_key_alone_and_revokes_the_old(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        stolen = next(one for one in gate.snapshot.generations if one.id == "user-1")
        await gate.perform(authority.rotate, build.LOCAL, kind=CertificateKind.USER, emergency=True)
        assert stolen.key.line not in gate.snapshot.trust.user_ca
        assert [one.key for one in gate.snapshot.revocations] == [stolen.key]
        await build.a_device(gate, "laptop")
        issued = await gate.perform(
            certificates.for_myself, build.as_actor("alice", Role.OWNER), key=build.an_ssh_key()
        )
        assert issued.generation == "user-2"


@pytest.mark.parametrize("kind", list(CertificateKind))
async def test_what_a_replaced_generation_signed_is_told_as_revoked_everywhere(
    tmp_path: Path, kind: CertificateKind
) -> None:
    async with build.a_gate(tmp_path) as gate:
        device = await build.a_device(gate, "laptop")
        asked = {"device": "laptop", "host": True} if kind is CertificateKind.HOST else {}
        operation = certificates.sign if kind is CertificateKind.HOST else certificates.for_myself
        issued = await gate.perform(operation, build.as_actor("alice", Role.OWNER), key=build.an_ssh_key(), **asked)
        await gate.perform(authority.rotate, build.LOCAL, kind=kind, emergency=True)
        dead = await gate.perform(certificates.show, build.LOCAL, serial=issued.serial)
        assert dead.state(int(time.time())) is CertificateState.REVOKED
        living = Query(where={"state": "valid", "device_id": device.id})
        assert (await gate.perform(certificates.list_certificates, build.LOCAL, query=living)).total == 0
        views = {view.generation.id: view for view in await gate.perform(authority.show, build.LOCAL)}
        assert (views[issued.generation].living, views[issued.generation].last_end) == (0, None)


async def test_a_generation_retired_while_its_certificates_live_is_revoked_with_them(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        alice = build.as_actor("alice", Role.OWNER)
        issued = await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key())
        await gate.perform(authority.rotate, build.LOCAL, kind=CertificateKind.USER)
        await gate.perform(authority.promote, build.LOCAL, kind=CertificateKind.USER)
        gone = await gate.perform(authority.retire, build.LOCAL, id="user-1", anyway=True)
        assert [one.key for one in gate.snapshot.revocations] == [gone.generation.key]
        dead = await gate.perform(certificates.show, build.LOCAL, serial=issued.serial)
        assert dead.state(int(time.time())) is CertificateState.REVOKED


# Policy


async def test_a_policy_that_allows_everything_has_to_be_meant(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        with pytest.raises(Invalid, match="lets everything pass"):
            await build.a_policy(gate, "{}")
        await build.a_policy(gate, "{}", allow_all=True)
        assert gate.snapshot.compiled.allows_all


async def test_a_policy_that_does_not_compile_changes_nothing(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        with pytest.raises(PolicyRefused) as refused:
            await build.a_policy(gate, '{"acls": [{"action": "accept", "src": ["tag:x"], "dst": ["*:*"]}]}')
        assert refused.value.line == 1
        assert gate.snapshot.policy is not None
        assert gate.snapshot.policy.number == 1


@pytest.mark.parametrize("hidden", ["\x1b]0;x\x07", "\x9b31m", "\x85", "\u202e", "\u2067"])
async def test_a_policy_holds_nothing_that_a_terminal_obeys(tmp_path: Path, hidden: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        with pytest.raises(PolicyRefused, match="control character"):
            await build.a_policy(gate, f'{{\r\n\t// {hidden}\n"acls": []}}')


async def test_the_second_of_two_who_edit_the_same_version_is_told(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await gate.perform(policies.set_policy, build.LOCAL, text=build.acls(), if_version=1)
        with pytest.raises(Conflict, match="version 2 by local:0 came first"):
            await gate.perform(policies.set_policy, build.LOCAL, text=build.acls(), if_version=1)


async def test_an_unconfirmed_policy_goes_back_by_itself_as_a_version_of_its_own(tmp_path: Path) -> None:
    from model.netmap import NetMap

    async with build.a_gate(tmp_path) as gate:
        before: NetMap | None = None
        device = await build.a_device(gate, "a", tags=["tag:db"])
        await build.a_device(gate, "b", tags=["tag:web"])
        await build.a_policy(gate, build.acls(("tag:web", "tag:db:22")))
        before = netmaps.netmap(gate.snapshot, device.id)
        await gate.perform(policies.set_policy, build.LOCAL, text=build.acls(), confirm_within=10)
        assert netmaps.netmap(gate.snapshot, device.id).peers == ()
        with pytest.raises(Conflict, match="waits for confirmation"):
            await gate.perform(policies.set_policy, build.LOCAL, text=build.acls())
        assert not policies.anything_due(gate.snapshot, gate.presence, gate.store.now())
        assert policies.anything_due(gate.snapshot, gate.presence, gate.store.now() + 11)
        await gate.perform(policies.rollback, build.LOCAL)
        assert gate.snapshot.policy is not None
        assert (gate.snapshot.policy.number, gate.snapshot.policy.note) == (4, "back to version 2")
        assert netmaps.netmap(gate.snapshot, device.id).peers == before.peers


async def test_a_confirmation_comes_from_a_connection_made_after(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        early = build.as_actor("alice", Role.OWNER, connection=5)
        late = build.as_actor("alice", Role.OWNER, connection=6)
        await gate.perform(policies.set_policy, early, text=build.acls(), confirm_within=60)
        with pytest.raises(Conflict, match="older than the policy"):
            await gate.perform(policies.confirm, early)
        await gate.perform(policies.confirm, late)
        await gate.perform(policies.set_policy, early, text=build.acls())


async def test_the_history_says_what_came_of_each_version_that_waited(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        for name, end in (("kept", policies.confirm), ("left", policies.rollback)):
            text = f"{build.acls()} // {name}"
            await gate.perform(policies.set_policy, build.LOCAL, text=text, confirm_within=60)
            waiting = (await gate.perform(policies.history, build.LOCAL))[0]
            assert waiting.note == "waits for confirmation"
            await gate.perform(end, build.LOCAL)
        notes = [version.note for version in await gate.perform(policies.history, build.LOCAL)]
        assert notes[:3] == ["back to version 2", "was not confirmed", "confirmed"]


# Names, settings, audit


async def test_a_record_never_covers_a_devices_name(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        with pytest.raises(Conflict, match="name of a device"):
            await gate.perform(names.set_name, build.LOCAL, name="laptop", type=NameType.A, value="192.0.2.1")


async def test_no_device_takes_the_name_of_a_record_or_of_the_gate(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path, addresses=("gate.net.example.com:2222", "door")) as gate:
        bob = await build.a_user(gate, "bob")
        await gate.perform(names.set_name, build.LOCAL, name="wiki", type=NameType.CNAME, value="w.example.org")
        await build.a_device(gate, "bobs", user="bob")
        for name in ("wiki", "gate", "door"):
            with pytest.raises(Conflict, match="is the name of"):
                await gate.perform(devices.rename, bob, name="bobs", new=name)
            with pytest.raises(Conflict, match="is the name of"):
                await build.a_device(gate, name)
            assert (await enrolled(gate, name, user="bob")).name == f"{name}-2"


async def test_names_resolve_as_devices_are_told(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        device = await build.a_device(gate, "laptop")
        await gate.perform(names.set_name, build.LOCAL, name="wiki", type=NameType.A, value="192.0.2.1")
        found = await gate.perform(names.lookup, build.LOCAL, name="wiki", type="a")
        assert [answer.values for answer in found] == [("192.0.2.1",)]
        assert netmaps.netmap(gate.snapshot, device.id).names["wiki.net.example.com"] == {"A": ("192.0.2.1",)}  # type: ignore[index]


@pytest.mark.parametrize(
    ("type", "value"),
    [("A", "300.1.1.1"), ("AAAA", "192.0.2.1"), ("CNAME", "-x-"), ("TXT", "\x1b[31m"), ("SSHFP", "4 2 zz")],
)
async def test_a_value_that_is_none_of_its_type_is_refused(tmp_path: Path, type: str, value: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        with pytest.raises(Invalid):
            await gate.perform(names.set_name, build.LOCAL, name="x", type=NameType(type), value=value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("domain", "other.example.com"), ("devices.key-life", "soon"), ("devices.approval", "maybe"),
        ("certificates.claims", '[{"kind": "user", "default": 99999999}]'), ("login.passwords", "perhaps"),
    ],
)  # fmt: skip
async def test_a_bad_setting_is_refused_by_name(tmp_path: Path, key: str, value: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        with pytest.raises(Invalid, match=key.replace(".", r"\.")):
            await gate.perform(settings.set_setting, build.LOCAL, key=key, value=value)


async def test_an_unknown_setting_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        with pytest.raises(NotFound) as refused:
            await gate.perform(settings.set_setting, build.LOCAL, key="login.lfe", value="8h")
        assert refused.value.hint == "did you mean login.life?"


async def test_a_claim_shortens_what_a_tag_gets(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await gate.perform(
            settings.set_setting, build.LOCAL, key="certificates.claims",
            value='[{"kind": "user", "tag": "tag:ci", "default": 900, "maximum": 900}]',
        )  # fmt: skip
        await build.a_device(gate, "runner", tags=["tag:ci"])
        issued = await gate.perform(certificates.sign, build.LOCAL, key=build.an_ssh_key(), device="runner", host=False)
        assert issued.principals == ("tag:ci",)
        assert issued.valid_before - issued.issued_at <= 900


# The state


async def test_a_second_gate_on_the_same_state_is_refused_with_the_reason(tmp_path: Path) -> None:
    from gate.gate import Gate

    async with build.a_gate(tmp_path):
        with pytest.raises(Conflict, match="in use by process"):
            await Gate.open(tmp_path / "state")


async def test_a_folder_without_a_network_says_how_to_name_another(tmp_path: Path) -> None:
    from gate.gate import Gate

    with pytest.raises(NotFound, match="there is no network in") as refused:
        await Gate.open(tmp_path)
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("name its folder with --state DIR")


def test_init_over_a_state_is_refused(tmp_path: Path) -> None:
    from gate.network import NewNetwork, init

    new = NewNetwork(domain="net.example.com", owner="alice")
    init(tmp_path / "state", new)
    with pytest.raises(Conflict, match="there is a network"):
        init(tmp_path / "state", new)


@pytest.mark.parametrize(
    "wrong",
    [{"domain": "no spaces"}, {"owner": "a b"}, {"owner": "enroll"}, {"ipv4": "10.0.0.0/31"}, {"ipv6": "10.0.0.0/8"}],
)
def test_a_bad_init_leaves_nothing_behind(tmp_path: Path, wrong: dict[str, str]) -> None:
    from gate.network import NewNetwork, init

    with pytest.raises(Invalid):
        init(tmp_path / "state", NewNetwork(**{"domain": "net.example.com", "owner": "alice", **wrong}))  # type: ignore[arg-type]
    assert not (tmp_path / "state").exists()


async def test_a_wrong_passphrase_leaves_everything_but_signing(tmp_path: Path) -> None:
    from gate.gate import Gate
    from gate.network import NewNetwork, init
    from model.errors import Unavailable
    from model.keys import Secret

    init(tmp_path / "state", NewNetwork(domain=build.DOMAIN, owner="alice"), Secret("right"))
    async with await Gate.open(tmp_path / "state", Secret("wrong")) as gate:
        await build.a_device(gate, "laptop")
        with pytest.raises(Unavailable, match="cannot sign"):
            await gate.perform(certificates.for_myself, build.as_actor("alice", Role.OWNER), key=build.an_ssh_key())
        assert set(gate.signers.faults) == {"user-1", "host-1"}


async def test_the_snapshot_advanced_equals_the_one_loaded_anew(tmp_path: Path) -> None:
    from gate import snapshot

    async with build.a_gate(tmp_path) as gate:
        await build.a_user(gate, "bob")
        await build.a_device(gate, "a", tags=["tag:db"])
        await build.a_device(gate, "b", user="bob")
        await gate.perform(names.set_name, build.LOCAL, name="wiki", type=NameType.A, value="192.0.2.1")
        await build.a_policy(gate, build.acls(("bob@net.example.com", "tag:db:5432")))
        await gate.perform(devices.rename, build.LOCAL, name="b", new="c")
        await gate.perform(devices.remove, build.LOCAL, names=["a"])
        await gate.perform(devices.disable, build.LOCAL, names=["c"])
        late = await build.a_device(gate, "d")
        await gate.perform(devices.expire, build.LOCAL, names=["d"])
        assert gate.snapshot.waiting == {late.id}
        fresh = gate.store.read(snapshot.load)
        for field in (
            "version",
            "users",
            "devices",
            "by_name",
            "states",
            "waiting",
            "names",
            "policy",
            "generations",
            "settings",
            "deadlines",
        ):
            assert getattr(gate.snapshot, field) == getattr(fresh, field), field
        for id in fresh.devices:
            assert netmaps.netmap(gate.snapshot, id) == netmaps.netmap(fresh, id)


async def test_a_claim_can_ask_a_second_operator_first(tmp_path: Path) -> None:
    from model.records import Certificate, Consent

    async with build.a_gate(tmp_path) as gate:
        await gate.perform(
            settings.set_setting, build.LOCAL, key="certificates.claims",
            value='[{"kind": "user", "role": "admin", "approval": 600}]',
        )  # fmt: skip
        mara = await build.a_user(gate, "mara", Role.ADMIN)
        bob = await build.a_user(gate, "bob", Role.OPERATOR)
        await build.a_device(gate, "maras", user="mara")
        key = build.an_ssh_key()
        asked = await gate.perform(certificates.for_myself, mara, key=key)
        assert isinstance(asked, Consent)
        with pytest.raises(Denied, match="second operator"):
            await gate.perform(certificates.consent_to, mara, id=asked.id)
        await gate.perform(certificates.consent_to, bob, id=asked.id)
        issued = await gate.perform(certificates.for_myself, mara, key=key)
        assert isinstance(issued, Certificate)
        assert (issued.rule, issued.consented_by) == ("claims of role admin", "bob@net.example.com")
        other = await gate.perform(certificates.for_myself, mara, key=build.an_ssh_key())
        assert isinstance(other, Consent)


async def test_where_a_key_is_held_is_said_on_the_gates_own_host_alone(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        admin = await build.a_user(gate, "mara", Role.ADMIN)
        with pytest.raises(Denied, match="own host alone"):
            await gate.perform(
                authority.rotate, admin, kind=CertificateKind.USER, backend="pkcs11:/tmp/evil.so:token:key"
            )


async def test_a_ca_key_in_an_ssh_agent_signs_and_is_missed_when_the_agent_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal
    import subprocess

    from model.errors import Unavailable

    socket = tmp_path / "agent"
    said = subprocess.run(["ssh-agent", "-a", socket], capture_output=True, text=True, check=True).stdout
    pid = int(said.partition("SSH_AGENT_PID=")[2].partition(";")[0])
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "ca"], check=True)
        subprocess.run(["ssh-add", "-q", tmp_path / "ca"], check=True, capture_output=True)
        from model.keys import ssh_key

        fingerprint = ssh_key((tmp_path / "ca.pub").read_text()).fingerprint
        async with build.a_gate(tmp_path) as gate:
            await build.a_device(gate, "laptop")
            alice = build.as_actor("alice", Role.OWNER)
            await gate.perform(authority.rotate, build.LOCAL, kind=CertificateKind.USER, backend=f"agent:{fingerprint}")
            await gate.perform(authority.promote, build.LOCAL, kind=CertificateKind.USER)
            issued = await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key())
            assert issued.generation == "user-2"
            os.kill(pid, signal.SIGTERM)
            with pytest.raises(Unavailable):
                await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key())
            await build.a_device(gate, "everything-else-goes-on")
    finally:
        import contextlib

        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


async def test_a_list_longer_than_a_page_comes_whole(tmp_path: Path) -> None:
    from store import users as rows

    async with build.a_gate(tmp_path) as gate:
        await gate.store.write(
            lambda tx: [rows.add(tx, name=f"person-{n}@net.example.com") for n in range(1500)]  # type: ignore[arg-type]
        )
        page = await gate.perform(users.list_users, build.LOCAL, query=Query(limit=1 << 31))
        assert (len(page.rows), page.total) == (1501, 1501)
        assert len({row.name for row in page.rows}) == 1501  # type: ignore[attr-defined]


async def test_a_certified_host_has_sshfp_records_among_the_names(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "db-1", tags=["tag:db"])
        await gate.perform(certificates.sign, build.LOCAL, key=build.an_ssh_key(), device="db-1", host=True)
        found = await gate.perform(names.lookup, build.LOCAL, name="db-1", type="SSHFP")
        assert found[0].values[0].startswith("4 2 ")
        listed = await gate.perform(names.list_names, build.LOCAL)
        assert [one.name for one in listed if one.type == "SSHFP"] == ["db-1.net.example.com"]
