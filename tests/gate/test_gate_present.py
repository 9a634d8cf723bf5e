"""What a transaction goes by: the snapshot where it holds, and never where a change lies between the two."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import gate_builders as build
import pytest

from gate import present
from gate.gate import Gate
from gate.services import authority, certificates, devices, policies, revocations, settings, users
from model.errors import Conflict, Denied, Invalid
from model.ids import UserName
from model.records import Certificate, CertificateKind, Consent, DeviceState, Role
from store import Transaction
from store import devices as device_rows
from store import users as user_rows

BOB = UserName("bob@net.example.com")


async def in_one_commit(gate: Gate, *asked: Awaitable[Any]) -> Sequence[Any]:
    """What becomes of each, handed over in this order before the writer takes any."""
    go = threading.Event()
    held = asyncio.ensure_future(gate.store.write(lambda _: go.wait()))
    await asyncio.sleep(0.01)
    tasks = [asyncio.ensure_future(one) for one in asked]
    await asyncio.sleep(0.01)
    go.set()
    await held
    return await asyncio.gather(*tasks, return_exceptions=True)


def certificate(gate: Gate, actor: Any) -> Awaitable[Any]:
    return gate.perform(certificates.for_myself, actor, key=build.an_ssh_key())


async def test_a_role_lowered_in_the_same_commit_is_seen(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob", Role.ADMIN)
        _, denied = await in_one_commit(
            gate,
            gate.perform(users.set_role, build.LOCAL, names=("bob",), role=Role.MEMBER),
            gate.perform(users.add, bob, name="carol"),
        )
        assert isinstance(denied, Denied)
        assert "needs the role admin" in denied.message


async def test_a_person_disabled_in_the_same_commit_gets_no_certificate(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "laptop", user="bob")
        first, _, second = await in_one_commit(
            gate, certificate(gate, bob), gate.perform(users.disable, build.LOCAL, names=("bob",)),
            certificate(gate, bob),
        )  # fmt: skip
        assert isinstance(first, Certificate)
        assert isinstance(second, Denied)


async def test_a_device_removed_in_the_same_commit_gets_no_certificate(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "laptop", user="bob")
        *_, refused = await in_one_commit(
            gate, gate.perform(devices.remove, build.LOCAL, names=["laptop"]), certificate(gate, bob)
        )
        assert isinstance(refused, Conflict)
        assert "none that is approved" in refused.message


async def test_a_device_renamed_in_the_same_commit_is_named_anew(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "laptop", user="bob")
        *_, made = await in_one_commit(
            gate, gate.perform(devices.rename, build.LOCAL, name="laptop", new="notebook"), certificate(gate, bob)
        )
        assert made.device == "notebook"


async def test_a_key_revoked_in_the_same_commit_is_not_signed(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob, key = await build.a_user(gate, "bob"), build.an_ssh_key()
        await build.a_device(gate, "laptop", user="bob")
        *_, refused = await in_one_commit(
            gate, gate.perform(revocations.revoke, build.LOCAL, key=key),
            gate.perform(certificates.for_myself, bob, key=key),
        )  # fmt: skip
        assert isinstance(refused, Invalid)


async def test_claims_set_in_the_same_commit_count(tmp_path: Path) -> None:
    claim = {"kind": "user", "approval": 3600}
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "laptop", user="bob")
        _, asked = await in_one_commit(
            gate, gate.perform(settings.set_setting, build.LOCAL, key="certificates.claims", value=[claim]),
            certificate(gate, bob),
        )  # fmt: skip
        assert isinstance(asked, Consent)


async def test_an_approval_that_was_made_an_operators_in_the_same_commit_is_theirs(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await gate.perform(settings.set_setting, build.LOCAL, key="devices.approval", value="automatic")
        _, added = await in_one_commit(
            gate, gate.perform(settings.set_setting, build.LOCAL, key="devices.approval", value="by-hand"),
            gate.perform(devices.add, bob, name="phone", wireguard=build.a_wireguard_key()),
        )  # fmt: skip
        assert added.state is DeviceState.PENDING


async def test_a_stolen_ca_key_signs_nothing_once_it_was_replaced(tmp_path: Path) -> None:
    """However far behind the snapshot is: compiling a large policy takes it seconds."""
    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "laptop", user="bob")
        await gate.perform(policies.set_policy, build.LOCAL, text=build.acls(("*", "*:*")))
        behind = gate.snapshot
        (made, *_) = await gate.perform(authority.rotate, build.LOCAL, kind=CertificateKind.USER, emergency=True)
        gate.snapshot = behind
        issued = await certificate(gate, bob)
        assert issued.generation == made.id


async def test_what_failed_in_the_same_commit_changes_nothing_for_others(tmp_path: Path) -> None:
    def fails(tx: Transaction) -> None:
        user_rows.put(tx, user_rows.find(tx, BOB, build.DOMAIN))
        device_rows.remove(tx, device_rows.find(tx, "laptop"))
        raise ValueError("a bug")

    async with build.a_gate(tmp_path) as gate:
        bob = await build.a_user(gate, "bob")
        await build.a_device(gate, "laptop", user="bob")
        failed, made = await in_one_commit(gate, gate.store.write(fails), certificate(gate, bob))
        assert isinstance(failed, ValueError)
        assert made.device == "laptop"
        assert await certificate(gate, bob)


@pytest.mark.parametrize("tags", [(), ("tag:db",)])
async def test_the_snapshot_says_what_the_rows_say_whatever_was_done(tmp_path: Path, tags: tuple[str, ...]) -> None:
    async with build.a_gate(tmp_path) as gate:
        await build.a_user(gate, "bob", Role.ADMIN)
        await build.a_device(gate, "other", user=None if tags else "bob", tags=tags)

        def perform(operation: Any, **arguments: Any) -> Awaitable[Any]:
            return gate.perform(operation, build.LOCAL, **arguments)

        for step in (
            lambda: build.a_device(gate, "a", user="bob"),
            lambda: build.a_device(gate, "b", user="bob"),
            lambda: perform(devices.disable, names=["a"]),
            lambda: perform(devices.enable, names=["a"]),
            lambda: perform(devices.rename, name="a", new="c"),
            lambda: perform(devices.expire, names=["b"], within=0),
            lambda: perform(users.set_role, names=("bob",), role=Role.MEMBER),
            lambda: perform(devices.retag, names=["c"], tags=["tag:web"]),
            lambda: perform(users.disable, names=("bob",)),
            lambda: perform(users.enable, names=("bob",)),
            lambda: perform(devices.remove, names=["b"]),
            lambda: perform(users.remove, names=("bob",)),
        ):
            await step()
            await gate.store.write(lambda tx: agree(tx, gate))


def agree(tx: Transaction, gate: Gate) -> None:
    assert tx.holds(gate.snapshot.version)
    role = user_rows.active_role(tx, BOB)
    assert present.active_role(tx, gate.snapshot, BOB) is role
    if role is not None:
        assert present.approved_of(tx, gate.snapshot, BOB) == device_rows.approved_of(tx, BOB)
