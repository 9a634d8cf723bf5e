"""What the commands of a rotation and of a consent say."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import command_harness as h

sys.path.insert(0, str(Path(__file__).parents[1] / "gate"))
import gate_builders as build

from gate.services import certificates
from model.records import Consent, Role


async def test_each_step_of_a_rotation_says_who_took_it_and_what_it_ended(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_device(gate, "laptop")
        await gate.perform(certificates.for_myself, build.as_actor("alice", Role.OWNER), key=build.an_ssh_key())
        await h.run(gate, "ca", "rotate", "user")
        promoted = await h.run(gate, "ca", "promote", "user")
        assert promoted.out.splitlines()[-1] == "user-2 is taken by 0 of 0 hosts: wardgate ca show"
        retired = await h.run(gate, "ca", "retire", "user-1", "--anyway")
        assert retired.out == "user-1 is trusted no more\n1 certificate is revoked\n"


async def test_a_host_ca_waits_for_clients_and_a_user_ca_for_hosts(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        said = {kind: (await h.run(gate, "ca", "rotate", kind)).out.splitlines()[-1] for kind in ("user", "host")}
    assert said == {
        "user": "when every host has taken it: wardgate ca promote user",
        "host": "when clients have its line of `ca trust client`: wardgate ca promote host",
    }


async def test_hosts_keys_are_printed_as_records_for_a_zone(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        assert (await h.run(gate, "ca", "trust", "client", "--sshfp")).out == "; no host has a certificate yet\n"
        device, key = await build.a_device(gate, "db-1", tags=("tag:db",)), build.an_ssh_key()
        await gate.perform(certificates.sign, build.LOCAL, key=key, device=device.name, host=True)
        digest = hashlib.sha256(key.blob).hexdigest()
        printed = (await h.run(gate, "ca", "trust", "client", "--sshfp")).out
        assert printed == f"db-1.net.example.com. 60 IN SSHFP 4 2 {digest}\n"


async def test_a_consent_says_until_when_and_stands_in_what_was_signed_by_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await h.run(gate, "settings", "set", "certificates.claims", '[{"kind": "user", "approval": 3600}]')
        await build.a_device(gate, "laptop")
        alice, key = build.as_actor("alice", Role.OWNER), build.an_ssh_key()
        asked = await gate.perform(certificates.for_myself, alice, key=key)
        assert isinstance(asked, Consent)
        given = await h.run(gate, "certs", "approve", asked.id)
        assert "what is signed by it ends in 60 min, at 20" in given.out
        made = await gate.perform(certificates.for_myself, alice, key=key)
        assert not isinstance(made, Consent)
        shown = await h.run(gate, "certs", "show", str(made.serial), "--json")
        assert shown.document["consent"] == asked.id
        said = (await h.run(gate, "certs", "show", str(made.serial))).out
        assert f"consent     {asked.id} of {shown.document['consented_by']}" in said
