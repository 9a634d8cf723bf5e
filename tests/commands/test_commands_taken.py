"""What a deed took away is said in its answer: owners, certificates, devices, keys."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_harness import run

sys.path.insert(0, str(Path(__file__).parents[1] / "gate"))
import gate_builders as build

from gate.gate import Gate
from gate.services import certificates, users
from model.records import Role

ALICE = build.as_actor("alice", Role.OWNER)


async def a_device_with_certificates(gate: Gate, name: str, number: int) -> None:
    await build.a_device(gate, name)
    for _ in range(number):
        await gate.perform(certificates.for_myself, ALICE, key=build.an_ssh_key(), device=name)


async def test_a_tag_tells_whose_the_device_was_and_what_is_revoked(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_device_with_certificates(gate, "lap", 2)
        answer = await run(gate, "devices", "tag", "lap", "tag:typo")
        assert answer.out == (
            "lap is tag:typo now; alice@net.example.com loses this device, 2 certificates are revoked\n"
        )
        again = (await run(gate, "devices", "tag", "lap", "tag:typo")).out
        assert again == "lap is tag:typo now\n"


async def test_a_tag_tells_the_same_in_json(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_device_with_certificates(gate, "lap", 1)
        told = (await run(gate, "devices", "tag", "lap", "tag:typo", "--json")).document
        assert (told["owner_lost"], told["certificates_revoked"]) == ("alice@net.example.com", 1)
        assert (told["name"], told["tags"], told["tags_unknown"]) == ("lap", ["tag:typo"], ["tag:typo"])


@pytest.mark.parametrize(("verb", "done"), [("remove", "removed"), ("disable", "disabled"), ("expire", "expired")])
async def test_each_of_several_devices_tells_its_own_certificates(tmp_path: Path, verb: str, done: str) -> None:
    async with build.a_gate(tmp_path) as gate:
        await a_device_with_certificates(gate, "lap", 2)
        await a_device_with_certificates(gate, "tab", 1)
        await a_device_with_certificates(gate, "pad", 0)
        assert (await run(gate, "devices", verb, "lap", "tab", "pad")).out == (
            f"{done} lap; 2 certificates are revoked\n{done} tab; 1 certificate is revoked\n{done} pad\n"
        )


async def test_a_person_who_goes_takes_devices_certificates_and_keys_along(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "lap", user="bob")
        await gate.perform(certificates.for_myself, bob, key=build.an_ssh_key())
        await run(gate, "enrollment-keys", "create", "--user", "bob")
        assert (await run(gate, "users", "remove", "bob")).out == (
            "removed bob@net.example.com; 1 device is removed, 1 certificate is revoked, 1 enrollment key is revoked\n"
        )


async def test_a_key_that_goes_tells_what_lived_of_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        key = build.an_ssh_key()
        await build.a_device(gate, "lap")
        await gate.perform(users.add_key, ALICE, name="alice", key=key)
        await gate.perform(certificates.for_myself, ALICE, key=key)
        gone = await run(gate, "users", "keys", "remove", "alice", key.fingerprint, "--json")
        assert gone.document["certificates_revoked"] == 1


async def test_several_devices_are_tagged_in_one_command_and_one_transaction(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        for name in ("lap", "tab"):
            await build.a_device(gate, name)
        answer = await run(gate, "devices", "tag", "lap", "tab", "tag:db", "tag:web")
        assert [line.partition(" now")[0] for line in answer.out.splitlines()] == [
            "lap is tag:db tag:web", "tab is tag:db tag:web"
        ]  # fmt: skip
        refused = await run(gate, "devices", "tag", "lap", "nobody", "tag:prod")
        assert "nobody" in refused.err
        assert gate.snapshot.device("lap").tags == ("tag:db", "tag:web")


@pytest.mark.parametrize("words", [("set-role", "auditor"), ("disable",), ("enable",), ("remove",)])
async def test_several_people_are_changed_in_one_transaction_or_none_is(tmp_path: Path, words: tuple[str, ...]) -> None:
    verb, *more = words
    async with build.a_gate(tmp_path) as gate:
        for name in ("bob", "cyd"):
            await build.a_user(gate, name)
        before = gate.snapshot.version
        refused = await run(gate, "users", verb, "bob", "nobody", *more)
        assert "nobody" in refused.err
        assert gate.snapshot.version == before
        answer = await run(gate, "users", verb, "bob", "cyd", *more, "--json")
        assert [user["name"].partition("@")[0] for user in answer.document["users"]] == ["bob", "cyd"]
