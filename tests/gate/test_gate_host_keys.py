"""A host's public key is known to all who reach it: nobody's claim to it keeps the host from its certificates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import gate_builders as build
import msgspec
import pytest

from gate.services import agents, audit, certificates, devices, health, hosting, logins, revocations, users
from model.errors import Conflict, Invalid
from model.records import Certificate, Role
from store import Query, user_keys

WAYS = {"for-good": (users.add_key, {"name": "me"}), "for-a-login": (logins.add_login_key, {})}


@pytest.mark.parametrize(("way", "more"), WAYS.values(), ids=WAYS)
async def test_nobody_has_a_hosts_key_let_in_as_their_own(
    tmp_path: Path, way: object, more: Mapping[str, object]
) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob", Role.MEMBER)
        host, key = await build.a_device(gate, "db-1", tags=("tag:db",)), build.an_ssh_key()
        await gate.perform(agents.host_certificate, build.LOCAL, device=host.id, key=key)
        by_password = msgspec.structs.replace(bob, method="password", login_at=int(time.time()))
        with pytest.raises(Conflict, match="this key is a host's"):
            await gate.perform(way, by_password, key=key, **more)  # type: ignore[arg-type]
        await gate.perform(agents.host_certificate, build.LOCAL, device=host.id, key=key)


async def test_the_holder_of_a_host_key_takes_it_from_whoever_merely_claimed_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        mallory = await build.a_user(gate, "mallory", Role.MEMBER)
        await build.a_device(gate, "evil", user="mallory")
        host, key = await build.a_device(gate, "db-1", tags=("tag:db",)), build.an_ssh_key()
        other = await build.a_device(gate, "db-2", tags=("tag:db",))
        await gate.perform(users.add_key, mallory, name="me", key=key)
        theirs = await gate.perform(certificates.for_myself, mallory, key=key)
        with pytest.raises(Invalid, match="a person's"):
            await gate.perform(agents.host_certificate, build.LOCAL, device=host.id, key=key)
        issued = await gate.perform(agents.host_certificate, build.LOCAL, device=host.id, key=key, proved=True)
        assert issued.key_proved
        assert gate.store.read(lambda r: user_keys.claims(r, key)) == ()
        assert isinstance(theirs, Certificate)
        assert (await gate.perform(certificates.show, build.LOCAL, serial=theirs.serial)).revoked_at is not None
        with pytest.raises(Invalid, match='host key of device "db-1"'):
            await gate.perform(agents.host_certificate, build.LOCAL, device=other.id, key=key, proved=True)
        told = await gate.perform(audit.list_audit, build.LOCAL, query=Query(filter="agent", limit=50))
        assert "db-1 showed that it is its host key" in str(told.rows)


async def test_a_device_that_certified_anothers_host_key_loses_it_to_the_holder(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        evil = await build.a_device(gate, "evil", tags=("tag:db",))
        host, key = await build.a_device(gate, "db-1", tags=("tag:db",)), build.an_ssh_key()
        theirs = await gate.perform(agents.host_certificate, build.LOCAL, device=evil.id, key=key)
        issued = await gate.perform(agents.host_certificate, build.LOCAL, device=host.id, key=key, proved=True)
        assert (await gate.perform(certificates.show, build.LOCAL, serial=theirs.serial)).revoked_at is not None
        assert issued.device == "db-1"


async def test_a_key_that_let_its_person_in_stays_theirs(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob", Role.MEMBER)
        host, key = await build.a_device(gate, "db-1", tags=("tag:db",)), build.an_ssh_key()
        await gate.perform(users.add_key, bob, name="me", key=key)
        assert bob.user is not None
        await gate.store.write(lambda tx: user_keys.mark_proved(tx, bob.user, key.fingerprint))  # type: ignore[arg-type]
        with pytest.raises(Invalid, match="a person's"):
            await gate.perform(agents.host_certificate, build.LOCAL, device=host.id, key=key, proved=True)


async def test_a_host_without_an_agent_whose_certificate_was_revoked_is_named(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "db-1", tags=("tag:db",))
        key = build.an_ssh_key()

        async def seen() -> tuple[str | None, bool, str]:
            found = {one.subject: one for one in await gate.perform(health.doctor, build.LOCAL)}["hosts"]
            return (await gate.perform(hosting.host, build.LOCAL, name="db-1")).problem, found.ok, found.hint or ""

        made = await gate.perform(certificates.sign, build.LOCAL, key=key, device="db-1", host=True)
        assert await seen() == (None, True, "")
        await gate.perform(revocations.revoke, build.LOCAL, serials=(made.serial,))
        problem, ok, hint = await seen()
        assert problem == "its last certificate is over or was revoked, and no agent asks for it"
        assert not ok
        assert hint.startswith("wardgate certs sign --host db-1 <")


async def test_why_a_host_has_no_certificate_is_told_where_one_looks(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        key, bob = build.an_ssh_key(), await build.a_user(gate, "bob", Role.MEMBER)
        await gate.perform(users.add_key, bob, name="me", key=key)
        device = await build.a_device(gate, "db-1", tags=("tag:db",))

        async def seen() -> tuple[str | None, bool, str]:
            found = {one.subject: one for one in await gate.perform(health.doctor, build.LOCAL)}["hosts"]
            return (await gate.perform(hosting.host, build.LOCAL, name="db-1")).problem, found.ok, found.text

        assert await seen() == (None, True, "every host that had a certificate, or whose agent wants one, has one")
        gate.presence.arrived(device.id)
        with pytest.raises(Invalid) as refused:
            await gate.perform(agents.host_certificate, build.LOCAL, device=device.id, key=key)
        gate.presence.refuse_host(device.id, refused.value)
        why = "the key is a person's, not a host's"
        assert await seen() == (why, False, f"no host certificate for db-1: {why}")
        await gate.perform(devices.disable, build.LOCAL, names=["db-1"])
        assert (await seen())[:2] == ('device "db-1" is disabled', True)
