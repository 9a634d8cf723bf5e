"""People: adding, roles, disabling, keys. The last active owner stays one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gate import outgrown
from gate.login import keys
from gate.operation import Call, reads, writes
from gate.services import emergencies, enrollment_keys, logins, own, revocations
from gate.services.queries import whole
from model import change as c
from model.errors import Conflict, Denied, Invalid
from model.ids import new_user_name, quoted, user_name
from model.keys import SSHKey
from model.records import Page, Role, User, UserKey, UserState
from store import Query, Reader, Transaction, consents, devices, user_keys, users


@reads("users list")
def list_users(r: Reader, call: Call, *, query: Query) -> Page:
    return whole(r, users.page, query)


@writes("users add")
def add(
    tx: Transaction,
    call: Call,
    *,
    name: str,
    email: str | None = None,
    role: Role = Role.MEMBER,
    service: bool = False,
) -> User:
    _may_grant(call, role)
    if email is not None and ("@" not in email or len(email) > 254 or not email.isprintable()):
        raise Invalid(f"{quoted(email)} is not an e-mail address")
    user = users.add(
        tx, name=new_user_name(user_name(name, call.snapshot.user_domain)), email=email, role=role, service=service
    )
    tx.record(c.UserAdded(user=user))
    call.audit(tx, user.name, after={"role": role.value, "email": email, "service": service})
    return user


@writes("users set-role")
def set_role(tx: Transaction, call: Call, *, names: Sequence[str], role: Role) -> tuple[User, ...]:
    """Their certificates that promise more than the new role gives are revoked."""
    return tuple(_set_role(tx, call, name, role) for name in dict.fromkeys(names))


def _set_role(tx: Transaction, call: Call, name: str, role: Role) -> User:
    user = users.find(tx, name, call.snapshot.user_domain)
    _may_grant(call, role)
    _may_grant(call, user.role)
    if user.role is Role.OWNER and role is not Role.OWNER:
        _another_owner(tx, user)
    changed = msgspec.structs.replace(user, role=role)
    users.put(tx, changed)
    tx.record(c.UserRoleSet(user=changed))
    call.audit(tx, user.name, before={"role": user.role.value}, after={"role": role.value})
    outgrown.revoke(tx, changed, by=call.actor.name, source=call.actor.source)
    return changed


@writes("users disable")
def disable(tx: Transaction, call: Call, *, names: Sequence[str]) -> tuple[User, ...]:
    """Ends what they have: logins end, their certificates, their devices' and the enrollment keys that they own or
    made are revoked, and the doors close their connections."""
    return tuple(_disable(tx, call, name) for name in dict.fromkeys(names))


def _disable(tx: Transaction, call: Call, name: str) -> User:
    user = users.find(tx, name, call.snapshot.user_domain)
    _may_grant(call, user.role)
    if user.role is Role.OWNER:
        _another_owner(tx, user)
    changed = msgspec.structs.replace(user, state=UserState.DISABLED)
    users.put(tx, changed)
    tx.record(c.UserDisabled(user=changed))
    logins.end_all(tx, call, user.name, "user disabled")
    for device in devices.of_user(tx, user.name):
        revocations.revoke_all(tx, call, device=device, reason="user disabled")
    enrollment_keys.revoke_of(tx, call, user.name)
    call.audit(tx, user.name, before={"state": user.state.value}, after={"state": changed.state.value})
    return changed


@writes("users enable")
def enable(tx: Transaction, call: Call, *, names: Sequence[str]) -> tuple[User, ...]:
    return tuple(_enable(tx, call, name) for name in dict.fromkeys(names))


def _enable(tx: Transaction, call: Call, name: str) -> User:
    user = users.find(tx, name, call.snapshot.user_domain)
    _may_grant(call, user.role)
    changed = msgspec.structs.replace(user, state=UserState.ACTIVE)
    users.put(tx, changed)
    tx.record(c.UserEnabled(user=changed))
    call.audit(tx, user.name, before={"state": user.state.value}, after={"state": changed.state.value})
    return changed


@writes("users remove")
def remove(tx: Transaction, call: Call, *, names: Sequence[str]) -> tuple[User, ...]:
    """With their devices, keys and certificates."""
    return tuple(take_out(tx, call, users.find(tx, name, call.snapshot.user_domain)) for name in dict.fromkeys(names))


def take_out(tx: Transaction, call: Call, user: User) -> User:
    _may_grant(call, user.role)
    if user.role is Role.OWNER:
        _another_owner(tx, user)
    revocations.revoke_all(tx, call, user=user.name, reason="user removed")
    enrollment_keys.revoke_of(tx, call, user.name)
    for kept in user_keys.of(tx, user.name):
        if kept.break_glass:
            emergencies.removed(tx, call, kept)
    for device in devices.of_user(tx, user.name):
        revocations.revoke_all(tx, call, device=device, reason="user removed")
        devices.remove(tx, device)
        consents.end_of(tx, device.name)
        tx.record(c.DeviceRemoved(id=device.id, name=device.name))
    users.remove(tx, user)
    tx.record(c.UserRemoved(id=user.id, name=user.name))
    call.audit(tx, user.name, before={"role": user.role.value, "state": user.state.value})
    return user


@writes("users set-password")
def set_password(tx: Transaction, call: Call, *, name: str, password_hash: str | None) -> User:
    """`password_hash` is of `gate.login.passwords.hash_password`, made outside the transaction: it takes long."""
    user = own.user(tx, call, name)
    if not call.own:
        _may_grant(call, user.role)
    if user.service:
        raise Invalid(f"{user.name} is a service user and has no password", hint="give it a key: users keys add")
    users.set_password(tx, user.id, password_hash)
    call.audit(tx, user.name, after={"password": "set" if password_hash else "removed"})
    return user


@reads("users keys list")
def list_keys(r: Reader, call: Call, *, name: str) -> tuple[UserKey, ...]:
    return user_keys.of(r, own.user(r, call, name).name)


@writes("users keys add")
def add_key(
    tx: Transaction, call: Call, *, name: str, key: SSHKey, comment: str = "", break_glass: bool = False
) -> UserKey:
    user = own.user(tx, call, name)
    if not call.own:
        _may_grant(call, user.role)
    if break_glass:
        emergencies.may_keep(call, user)
    keys.check(tx, key)
    if key.algorithm.startswith("sk-"):
        logins.by_second_factor(tx, call, user)
    added = keys.register(tx, user, key, comment, break_glass=break_glass)
    call.audit(tx, user.name, after={"key": key.fingerprint})
    if break_glass:
        emergencies.added(tx, call, added)
    return added


@writes("users keys remove")
def remove_key(tx: Transaction, call: Call, *, name: str, fingerprint: str) -> UserKey:
    """With the certificates that live of it: it is gone with the machine that it was on, as like as not."""
    user = own.user(tx, call, name)
    if not call.own:
        _may_grant(call, user.role)
    removed = user_keys.remove(tx, user.name, fingerprint)
    revocations.revoke_signed(tx, call, user.name, removed.key, "key removed")
    tx.record(c.UserKeyRemoved(user=user.name, fingerprint=removed.key.fingerprint))
    call.audit(tx, user.name, before={"key": removed.key.fingerprint})
    if removed.break_glass:
        emergencies.removed(tx, call, removed)
    return removed


def _may_grant(call: Call, role: Role) -> None:
    """Owners alone make, change and remove owners; an admin reaches as far as admins."""
    if role is Role.OWNER and call.actor.role is not Role.OWNER:
        raise Denied("only an owner may do this to an owner", hint="ask an owner of this network")


def _another_owner(tx: Transaction, user: User) -> None:
    if user.state is UserState.ACTIVE and users.owners(tx) <= 1:
        raise Conflict(
            f"{user.name} is the last owner", hint="make another owner first: wardgate users set-role NAME owner"
        )
