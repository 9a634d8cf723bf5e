"""What people may be signed, by whose word, and what ends it: through the services."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import gate_builders as build
import pytest

from gate.actor import Actor
from gate.gate import Gate
from gate.services import agents, audit, certificates, devices, revocations, settings, users
from gate.services.queries import Query
from model.errors import Conflict, Denied, Invalid, Limited
from model.keys import SSHKey
from model.records import Certificate, Consent, Role
from sshca import read_krl
from store import certificates as rows
from store import consents

HOUR = 3600


async def claims(gate: Gate, *rows: dict[str, object]) -> None:
    table = json.dumps([{"kind": "user", **row} for row in rows])
    await gate.perform(settings.set_setting, build.LOCAL, key="certificates.claims", value=table)


async def is_revoked(gate: Gate, certificate: Certificate) -> bool:
    now = await gate.perform(certificates.show, build.LOCAL, serial=certificate.serial)
    return now.revoked_at is not None


async def revocations_told(gate: Gate) -> list[str]:
    """The subjects of what the audit trail has of revoking."""
    page = await gate.perform(audit.list_audit, build.LOCAL, query=Query(limit=50))
    return [entry.subject for entry in page.rows if entry.action == "certs revoke"]


async def waiting_for_consent(gate: Gate) -> tuple[Actor, Actor, SSHKey, Consent]:
    """Alice asked for a certificate of a key; Bob may consent, for an hour."""
    await claims(gate, {"approval": HOUR})
    bob = await build.a_user(gate, "bob", Role.OPERATOR)
    await build.a_device(gate, "laptop")
    alice, key = build.as_actor("alice", Role.OWNER), build.an_ssh_key()
    asked = await gate.perform(certificates.for_myself, alice, key=key)
    assert isinstance(asked, Consent)
    return alice, bob, key, asked


async def signed(gate: Gate, name: str, role: Role, **asked: object) -> Certificate:
    made = await gate.perform(certificates.for_myself, build.as_actor(name, role), key=build.an_ssh_key(), **asked)
    assert isinstance(made, Certificate)
    return made


OPERATOR = {"role": "operator"}
GIVES_LESS = {
    "a-longer-life": ({**OPERATOR, "maximum": 20 * HOUR, "default": 20 * HOUR}, {"maximum": HOUR}),
    "an-extension": ({**OPERATOR, "extensions": ["permit-pty", "permit-agent-forwarding"]}, {}),
    "no-forced-command": ({**OPERATOR, "force_command": "free"}, {"force_command": "bound"}),
    "no-consent": ({**OPERATOR, "maximum": HOUR}, {"role": "member", "approval": 600}),
}


@pytest.mark.parametrize(("before", "after"), GIVES_LESS.values(), ids=GIVES_LESS)
async def test_what_a_lower_role_would_not_give_is_revoked_with_the_higher(
    tmp_path: Path, before: dict[str, object], after: dict[str, object]
) -> None:
    async with build.a_gate(tmp_path) as gate:
        await claims(gate, before, after)
        await build.a_user(gate, "bob", Role.OPERATOR)
        await build.a_device(gate, "bobs", user="bob")
        issued = await signed(gate, "bob", Role.OPERATOR)
        await gate.perform(users.set_role, build.LOCAL, names=("bob",), role=Role.MEMBER)
        assert await is_revoked(gate, issued)
        assert await revocations_told(gate) == [str(issued.serial)]


async def test_the_audit_trail_tells_what_was_revoked_by_its_serial_alone(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_user(gate, "bob", Role.OPERATOR)
        await build.a_device(gate, "bobs", user="bob")
        issued = await signed(gate, "bob", Role.OPERATOR)
        await gate.perform(revocations.revoke, build.LOCAL, serials=(issued.serial,))
        assert await revocations_told(gate) == [str(issued.serial)]


async def test_what_the_new_role_gives_as_well_lives_on(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await claims(gate, {**OPERATOR, "default": 2 * HOUR}, {"role": "member", "maximum": HOUR})
        await build.a_user(gate, "bob", Role.OPERATOR)
        await build.a_device(gate, "bobs", user="bob")
        short, long = await signed(gate, "bob", Role.OPERATOR, lives=600), await signed(gate, "bob", Role.OPERATOR)
        await gate.perform(users.set_role, build.LOCAL, names=("bob",), role=Role.MEMBER)
        assert not await is_revoked(gate, short)
        assert await is_revoked(gate, long)


async def test_consent_is_asked_for_the_principals_that_a_claim_names_alone(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await claims(gate, {"approval": 600, "approval_for": ["mara@net.example.com", "tag:prod"]})
        await build.a_user(gate, "mara")
        await build.a_device(gate, "maras", user="mara")
        await build.a_device(gate, "laptop")
        await build.a_device(gate, "prod-1", tags=["tag:prod"])
        mara, alice = build.as_actor("mara", Role.MEMBER), build.as_actor("alice", Role.OWNER)
        asked = await gate.perform(certificates.for_myself, mara, key=build.an_ssh_key())
        assert isinstance(asked, Consent)
        assert isinstance(await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key()), Certificate)
        tagged = await gate.perform(certificates.sign, alice, key=build.an_ssh_key(), device="prod-1", host=False)
        assert isinstance(tagged, Consent)


async def test_a_consent_counts_as_long_as_its_giver_could_give_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        alice, bob, key, asked = await waiting_for_consent(gate)
        await gate.perform(certificates.consent_to, bob, id=asked.id)
        assert isinstance(await gate.perform(certificates.for_myself, alice, key=key), Certificate)
        await gate.perform(users.set_role, build.LOCAL, names=("bob",), role=Role.MEMBER)
        assert isinstance(await gate.perform(certificates.for_myself, alice, key=key), Consent)


async def test_a_consent_to_one_device_is_none_to_another_that_takes_its_name(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await claims(gate, {"approval": HOUR})
        bob = await build.a_user(gate, "bob", Role.OPERATOR)
        await build.a_device(gate, "laptop")
        await build.a_device(gate, "phone")
        alice, key = build.as_actor("alice", Role.OWNER), build.an_ssh_key()

        async def asked() -> Certificate | Consent:
            return await gate.perform(certificates.for_myself, alice, key=key, device="laptop")

        async def consented() -> None:
            waits = await asked()
            assert isinstance(waits, Consent)
            await gate.perform(certificates.consent_to, bob, id=waits.id)
            assert isinstance(await asked(), Certificate)

        await consented()
        await gate.perform(devices.rename, alice, name="laptop", new="old")
        await gate.perform(devices.rename, alice, name="phone", new="laptop")
        await consented()
        await gate.perform(devices.remove, alice, names=["laptop"])
        await build.a_device(gate, "laptop")
        assert isinstance(await asked(), Consent)


async def test_a_certificate_ends_with_the_consent_that_allowed_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        alice, bob, key, asked = await waiting_for_consent(gate)
        given = await gate.perform(certificates.consent_to, bob, id=asked.id)
        made = await gate.perform(certificates.for_myself, alice, key=key, lives=8 * HOUR)
        assert isinstance(made, Certificate)
        assert made.valid_before == given.until
        assert (made.consent, made.consented_by) == (asked.id, "bob@net.example.com")
        short = await gate.perform(certificates.for_myself, alice, key=key, lives=600)
        assert isinstance(short, Certificate)
        assert short.valid_before < made.valid_before


async def test_a_consent_with_no_time_left_for_a_certificate_is_asked_anew(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        alice, bob, key, asked = await waiting_for_consent(gate)
        await gate.perform(certificates.consent_to, bob, id=asked.id)
        await claims(gate, {"approval": 4 * HOUR, "minimum": 2 * HOUR, "default": 2 * HOUR})
        again = await gate.perform(certificates.for_myself, alice, key=key)
        assert isinstance(again, Consent)
        assert again.id != asked.id


async def test_a_check_that_always_asks_lets_in_for_the_minute_that_it_leaves(tmp_path: Path) -> None:
    whom = {"src": ["autogroup:member"], "dst": ["tag:db"], "users": ["root"]}
    rule = {"action": "check", "checkPeriod": "always", **whom}
    async with build.a_gate(tmp_path) as gate:
        await build.a_policy(gate, json.dumps({"acls": [], "tagOwners": {"tag:db": []}, "ssh": [rule]}))
        await build.a_device(gate, "laptop")
        alice = build.as_actor("alice", Role.OWNER, login_at=int(time.time()) - 10, fresh_at=int(time.time()) - 10)
        made = await gate.perform(certificates.for_myself, alice, key=build.an_ssh_key(), lives=30)
        assert isinstance(made, Certificate)
        assert "fresh:60:alice@net.example.com" in made.principals


async def test_a_consent_counts_for_as_long_as_the_claims_say_now(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        alice, bob, key, asked = await waiting_for_consent(gate)
        given = await gate.perform(certificates.consent_to, bob, id=asked.id)
        await claims(gate, {"approval": 600})
        made = await gate.perform(certificates.for_myself, alice, key=key)
        assert isinstance(made, Certificate)
        assert given.given_at is not None
        assert made.valid_before == given.given_at + 600


async def test_a_request_that_waited_for_longer_than_a_day_is_over(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        alice, bob, key, asked = await waiting_for_consent(gate)
        await gate.store.write(
            lambda tx: tx.sql.execute("UPDATE consents SET asked_at = asked_at - ?", (consents.ASKED_FOR,))
        )
        with pytest.raises(Conflict, match="longer than a day"):
            await gate.perform(certificates.consent_to, bob, id=asked.id)
        again = await gate.perform(certificates.for_myself, alice, key=key)
        assert isinstance(again, Consent)
        assert again.id != asked.id


async def test_nobody_consents_to_what_the_claims_ask_no_consent_for_any_more(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        alice, bob, key, asked = await waiting_for_consent(gate)
        await claims(gate)
        with pytest.raises(Conflict, match="no consent"):
            await gate.perform(certificates.consent_to, bob, id=asked.id)
        assert isinstance(await gate.perform(certificates.for_myself, alice, key=key), Certificate)


async def test_nobody_consents_to_what_they_asked_for_as_another(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await claims(gate, {"approval": HOUR})
        admin = await build.a_user(gate, "mara", Role.ADMIN)
        await build.a_device(gate, "ci-1", tags=["tag:ci"])
        asked = await gate.perform(certificates.sign, admin, key=build.an_ssh_key(), device="ci-1", host=False)
        with pytest.raises(Denied, match="second operator"):
            await gate.perform(certificates.consent_to, admin, id=asked.id)


async def test_nobody_floods_the_operators_with_requests(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await claims(gate, {"approval": HOUR})
        mallory = await build.a_user(gate, "mallory")
        await build.a_device(gate, "evil", user="mallory")
        keys = [build.an_ssh_key() for _ in range(consents.MOST + 1)]
        for key in keys[:-1] * 2:
            assert isinstance(await gate.perform(certificates.for_myself, mallory, key=key), Consent)
        with pytest.raises(Limited, match="wait already"):
            await gate.perform(certificates.for_myself, mallory, key=keys[-1])


@pytest.mark.parametrize(
    ("row", "because"),
    [
        pytest.param({"approval_for": ["tag:prod"]}, "none is asked", id="no-time"),
        pytest.param({"approval": 60, "approval_for": []}, "none is asked", id="nobody-named"),
        pytest.param({"approval": 60, "approval_for": ["root"]}, "neither a person nor a tag", id="a-login"),
        pytest.param({"approval": 19}, "the least life is 10 s", id="no-time-to-fetch-it"),
    ],
)
async def test_a_claim_that_names_no_principal_is_refused(tmp_path: Path, row: dict[str, object], because: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        with pytest.raises(Invalid, match=because):
            await claims(gate, row)


async def test_a_device_that_changes_hands_takes_no_certificate_along(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        issued = await signed(gate, "alice", Role.OWNER)
        await gate.perform(devices.retag, build.LOCAL, names=["laptop"], tags=["tag:ci"])
        assert await is_revoked(gate, issued)


async def test_a_name_that_no_host_could_let_in_is_refused(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        with pytest.raises(Invalid, match="could log in to no host"):
            await gate.perform(users.add, build.LOCAL, name="al#ice")


async def test_a_key_id_is_revoked_whether_or_not_it_is_on_record(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        issued = await signed(gate, "alice", Role.OWNER)
        for key_id in (issued.key_id, "alice@net.example.com/laptop/999"):
            await gate.perform(revocations.revoke, build.LOCAL, key_id=key_id)
        assert await is_revoked(gate, issued)
        listed = read_krl(base64.b64decode(gate.snapshot.krl)).key_ids
        assert {name for _, name in listed} == {issued.key_id, "alice@net.example.com/laptop/999"}


async def test_a_member_revokes_by_no_key_id(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        with pytest.raises(Denied, match="by serial or device"):
            await gate.perform(revocations.revoke, bob, key_id="alice@net.example.com/laptop/1")


@pytest.mark.parametrize("key_id", ["", "alice\0", "a" * 513])
async def test_what_no_certificate_can_be_called_is_not_revoked(tmp_path: Path, key_id: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        with pytest.raises(Invalid, match="key ID"):
            await gate.perform(revocations.revoke, build.LOCAL, key_id=key_id)


async def test_the_krls_version_rises_whatever_is_revoked_twice(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        key, versions = build.an_ssh_key(), list[int]()
        for deed in ({"key": key}, {"key_id": "a"}, {"key": key}, {"key_id": "a"}, {"key_id": "b"}, {"key": key}):
            await gate.perform(revocations.revoke, build.LOCAL, **deed)
            versions.append(read_krl(base64.b64decode(gate.snapshot.krl)).version)
        assert versions == [1, 2, 2, 2, 3, 3]
        assert gate.snapshot.revocations == gate.store.read(rows.revocations)


async def test_nobody_has_a_persons_key_certified_as_their_hosts(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        registered, ad_hoc = build.an_ssh_key(), build.an_ssh_key()
        await gate.perform(users.add_key, build.LOCAL, name="alice", key=registered)
        await build.a_device(gate, "laptop")
        await build.a_user(gate, "mallory")
        evil = await build.a_device(gate, "evil", user="mallory")
        alice = build.as_actor("alice", Role.OWNER)
        await gate.perform(certificates.for_myself, alice, key=ad_hoc)
        for key in (registered, ad_hoc):
            with pytest.raises(Invalid, match="a person's"):
                await gate.perform(agents.host_certificate, build.LOCAL, device=evil.id, key=key)
            assert isinstance(await gate.perform(certificates.for_myself, alice, key=key), Certificate)


async def test_a_key_that_is_removed_takes_its_certificates_along(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        key = build.an_ssh_key()
        await gate.perform(users.add_key, build.LOCAL, name="alice", key=key)
        await build.a_device(gate, "laptop")
        of_it = await gate.perform(certificates.for_myself, build.as_actor("alice", Role.OWNER), key=key)
        other = await signed(gate, "alice", Role.OWNER)
        assert isinstance(of_it, Certificate)
        await gate.perform(users.remove_key, build.LOCAL, name="alice", fingerprint=key.fingerprint)
        assert await is_revoked(gate, of_it)
        assert not await is_revoked(gate, other)


async def test_a_certificate_names_the_rows_that_it_is_by_and_no_others(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        host = {"kind": "host", "tag": "tag:db", "maximum": 2 * HOUR, "default": HOUR}
        await claims(gate, {"role": "owner", "maximum": HOUR}, {"tag": "tag:db", "maximum": HOUR}, {**host})
        for name in ("web", "db"):
            await build.a_device(gate, name, tags=[f"tag:{name}"])
        await build.a_device(gate, "laptop")
        said = [
            (await gate.perform(certificates.sign, build.LOCAL, key=build.an_ssh_key(), device=name, host=host)).rule  # type: ignore[union-attr]
            for name in ("web", "db")
            for host in (False, True)
        ]
        assert said == ["the network's claims", "the network's claims", "claims of tag:db", "claims of tag:db"]
        assert (await signed(gate, "alice", Role.OWNER)).rule == "claims of role owner"
