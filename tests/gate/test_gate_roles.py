"""Roles against operations: the table is whole, and a service holds to it inside its transaction."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import gate_builders as build
import pytest

import gate.services
from gate.actor import Actor
from gate.operation import Operation
from gate.roles import PERMISSIONS
from gate.services import audit, logins, revocations, settings, users
from model.errors import Conflict, Denied
from model.records import Role

READERS = {"owner", "admin", "operator", "auditor"}
OPERATORS = {"owner", "admin", "operator"}
ADMINS = {"owner", "admin"}
OWNERS = {"owner"}
EVERYONE = {"owner", "admin", "operator", "auditor", "member"}
NOBODY: set[str] = set()

TABLE: dict[str, tuple[set[str], set[str]]] = {
    # operation: roles over the network, roles over their own things
    "users list": (READERS, NOBODY),
    "users show": (READERS, EVERYONE),
    "users add": (ADMINS, NOBODY),
    "users set-role": (ADMINS, NOBODY),
    "users disable": (ADMINS, NOBODY),
    "users remove": (ADMINS, NOBODY),
    "users set-password": (ADMINS, EVERYONE),
    "users keys add": (ADMINS, EVERYONE),
    "devices list": (READERS, EVERYONE),
    "devices add": (OPERATORS, EVERYONE),
    "devices approve": (OPERATORS, NOBODY),
    "devices rename": (OPERATORS, EVERYONE),
    "devices tag": (OPERATORS, NOBODY),
    "devices remove": (OPERATORS, EVERYONE),
    "devices routes": (OPERATORS, NOBODY),
    "enrollment-keys create": (OPERATORS, EVERYONE),
    "policy show": (READERS, NOBODY),
    "policy set": (ADMINS, NOBODY),
    "names set": (OPERATORS, NOBODY),
    "certs list": (READERS, EVERYONE),
    "certs sign": (ADMINS, NOBODY),
    "certs revoke": (OPERATORS, EVERYONE),
    "cert": (NOBODY, EVERYONE),
    "ca rotate": (ADMINS, NOBODY),
    "settings set": (ADMINS, NOBODY),
    "audit list": (READERS, NOBODY),
    "gate status": (READERS, NOBODY),
    "gate backup": (OWNERS, NOBODY),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_table_gives_each_operation_its_roles(name: str) -> None:
    network, own = TABLE[name]
    assert {role.value for role in PERMISSIONS[name].network} == network
    assert {role.value for role in PERMISSIONS[name].own} == own


def operations() -> dict[str, Operation[Any, ..., Any]]:
    found: dict[str, Operation[Any, ..., Any]] = {}
    for module in pkgutil.iter_modules(gate.services.__path__):
        for value in vars(importlib.import_module(f"gate.services.{module.name}")).values():
            if isinstance(value, Operation):
                found[value.name] = value
    return found


OPERATIONS = operations()


def test_every_permission_belongs_to_an_operation() -> None:
    assert set(PERMISSIONS) - {"agent"} <= set(OPERATIONS)


async def test_every_role_is_let_in_by_the_table_and_kept_out_by_it(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        actors = {role: await build.a_user(running, f"person-{role}", role) for role in Role}
        for name, operation in OPERATIONS.items():
            for role, actor in actors.items():
                permission = operation.permission
                expected = None
                if role in permission.network:
                    expected = False
                elif role in permission.own:
                    expected = True
                assert authorized(running, operation, actor) is expected, (name, role)


def authorized(running: Any, operation: Operation[Any, ..., Any], actor: Actor) -> bool | None:
    """Whether only one's own is open; None where the actor is denied."""
    try:
        return running.store.read(lambda r: operation.authorize(r, actor, running.snapshot))[1]  # type: ignore[no-any-return]
    except Denied:
        return None


async def test_a_role_taken_away_counts_at_once_though_the_door_saw_the_old_one(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob", Role.ADMIN)
        await running.perform(users.set_role, build.LOCAL, names=("bob",), role=Role.MEMBER)
        with pytest.raises(Denied, match="needs the role admin"):
            await running.perform(users.add, bob, name="carol")


async def test_a_disabled_person_may_do_nothing(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob", Role.ADMIN)
        await running.perform(users.disable, build.LOCAL, names=("bob",))
        with pytest.raises(Denied, match="disabled or removed"):
            await running.perform(logins.me, bob)


async def test_an_admin_makes_no_owner_and_touches_none(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        admin, key = await build.a_user(running, "bob", Role.ADMIN), build.an_ssh_key()
        await running.perform(users.add_key, build.LOCAL, name="alice", key=key)
        for attempt in (
            running.perform(users.add, admin, name="carol", role=Role.OWNER),
            running.perform(users.set_role, admin, names=("bob",), role=Role.OWNER),
            running.perform(users.set_role, admin, names=("alice",), role=Role.MEMBER),
            running.perform(users.disable, admin, names=("alice",)),
            running.perform(users.remove, admin, names=("alice",)),
            running.perform(users.add_key, admin, name="alice", key=build.an_ssh_key()),
            running.perform(revocations.revoke, admin, key=key),
        ):
            with pytest.raises(Denied, match="only an owner"):
                await attempt


async def test_an_admin_names_no_provider_by_which_they_could_come_in_as_an_owner(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob", Role.ADMIN)
        mine = {"mine": {"issuer": "https://bob.example.com", "client_id": "x"}}
        with pytest.raises(Denied, match="owners alone"):
            await running.perform(settings.apply_settings, bob, values={"login.life": "8h", "login.issuers": mine})
        assert running.snapshot.settings["login.issuers"] == {}
        await running.perform(settings.set_setting, bob, key="login.life", value="8h")
        await running.perform(settings.set_setting, build.LOCAL, key="login.issuers", value=mine)


async def test_an_admin_frees_no_certificate_of_a_second_operators_consent(tmp_path: Path) -> None:
    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob", Role.ADMIN)
        network = {"kind": "user", "approval": 600, "approval_for": ["tag:prod", "tag:ci"]}
        role = {"kind": "user", "role": "admin", "default": 900}
        for claims in ([network], [network, role]):
            await running.perform(settings.set_setting, build.LOCAL, key="certificates.claims", value=claims)
        for freed in ([], [role], [{**network, "approval": 3600}], [{**network, "approval_for": ["tag:ci"]}]):
            with pytest.raises(Denied, match="not for one admin to decide"):
                await running.perform(settings.set_setting, bob, key="certificates.claims", value=freed)
        longer = [{**role, "default": 1800}, {**network, "approval_for": ["tag:ci", "tag:prod"]}]
        await running.perform(settings.set_setting, bob, key="certificates.claims", value=longer)


@pytest.mark.parametrize("deed", ["disable", "remove", "demote"])
async def test_the_last_owner_stays(tmp_path: Path, deed: str) -> None:
    async with build.a_gate(tmp_path) as running:
        operation, more = (users.set_role, {"role": Role.ADMIN}) if deed == "demote" else (getattr(users, deed), {})
        with pytest.raises(Conflict, match="last owner"):
            await running.perform(operation, build.LOCAL, names=("alice",), **more)


async def test_of_two_owners_who_demote_each_other_at_once_one_stays(tmp_path: Path) -> None:
    import asyncio

    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob", Role.OWNER)
        alice = build.as_actor("alice", Role.OWNER)
        done = await asyncio.gather(
            running.perform(users.set_role, alice, names=("bob",), role=Role.MEMBER),
            running.perform(users.set_role, bob, names=("alice",), role=Role.MEMBER),
            return_exceptions=True,
        )
        assert sum(isinstance(one, Exception) for one in done) == 1
        assert sum(user.role is Role.OWNER for user in running.snapshot.users.values()) == 1


async def test_a_refusal_is_in_the_audit_trail(tmp_path: Path) -> None:
    from gate.services.queries import Query

    async with build.a_gate(tmp_path) as running:
        bob = await build.a_user(running, "bob")
        with pytest.raises(Denied):
            await running.perform(users.add, bob, name="carol")
        page = await running.perform(audit.list_audit, build.LOCAL, query=Query(limit=1))
        (entry,) = page.rows
        assert (entry.actor, entry.action, entry.subject) == (bob.name, "users add", "refused")  # type: ignore[attr-defined]
