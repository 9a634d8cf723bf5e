"""What logins write, each in one transaction: who got in, what served once, who a provider says someone is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gate import outgrown
from gate.login import breakglass, keys
from gate.login.issuers import Issuer
from gate.login.who import Told
from model import change as c
from model.errors import Conflict, Denied, NotFound
from model.ids import UserName, new_user_name
from model.keys import SSHKey
from model.records import Role, User, UserState
from store import Reader, Transaction, codes, identities, logins, totp, user_keys, users

INVITATION = "invitation"


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """That someone is who they say."""

    user: UserName
    method: str
    factors: tuple[str, ...]
    login_at: int
    fresh_at: int | None = None
    """When a second factor, a provider's login or a touch was given: what a `check` rule counts from."""
    break_glass: bool = False
    """By the key that is kept for emergencies: it rings through the audit."""


def login(tx: Transaction, proof: Proof, source: str, ends_at: int, key: str = "") -> logins.Login:
    """`key` is the fingerprint of the key that was shown, where one was."""
    if key:
        user_keys.mark_proved(tx, proof.user, key)
    started = logins.start(
        tx, user=proof.user, method=proof.method, factors=proof.factors, source=source, ends_at=ends_at,
        auth_time=proof.fresh_at,
    )  # fmt: skip
    action = breakglass.USED if proof.break_glass else "login"
    if proof.break_glass:
        tx.record(c.BreakGlassUsed(user=proof.user, source=source))
    tx.audit(proof.user, action, proof.user, after={"method": proof.method, "factors": proof.factors}, source=source)
    return started


def needs_second_factor(user: User, setting: str) -> bool:
    return setting == "all" or (setting == "operators" and user.role is not Role.MEMBER)


def code_used(tx: Transaction, user: UserName, step: int) -> bool:
    """Whether this step of the person's authenticator serves now; it never does again."""
    return totp.use_step(tx, user, step)


class NewSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What a person chose by an invitation."""

    password_hash: str | None = None
    sealed_totp: bytes | None = None
    step: int = 0
    recovery_hashes: tuple[str, ...] = ()
    key: SSHKey | None = None
    comment: str = ""


def use_invitation(tx: Transaction, user: User, hash: str, chosen: NewSecrets, source: str) -> None:
    """All of it, or nothing. Raises `NotFound` or `Conflict` for an invitation that serves no more."""
    code = codes.take(tx, hash, INVITATION)
    if code.user != user.name:
        raise NotFound("this invitation is another person's")
    if chosen.password_hash:
        users.set_password(tx, user.id, chosen.password_hash)
    if chosen.sealed_totp:
        keep_totp(tx, user.name, chosen)
    if chosen.key:
        keys.check(tx, chosen.key)
        keys.register(tx, user, chosen.key, chosen.comment)
    made = (("password", chosen.password_hash), ("totp", chosen.sealed_totp), ("key", chosen.key))
    given = [name for name, value in made if value]
    tx.audit(user.name, "invitation used", user.name, after={"set": given}, source=source)


def keep_totp(tx: Transaction, user: UserName, chosen: NewSecrets) -> None:
    """Raises `Conflict` where one was set up since this was begun: whoever is second may be a stranger."""
    assert chosen.sealed_totp is not None
    kept = totp.get(tx, user)
    if kept is not None and kept.confirmed_at is not None:
        raise Conflict("an authenticator was set up meanwhile", hint="log in again, with a code of it")
    totp.put(tx, user, chosen.sealed_totp)
    totp.use_step(tx, user, chosen.step)
    totp.put_recovery_codes(tx, user, chosen.recovery_hashes)


def by_provider(
    tx: Transaction, issuer: Issuer, subject: str, told: Told, wanted: UserName, sealed: bytes | None, source: str
) -> User:
    """The user whom (issuer, subject) is; bound now where that was never done, made where the issuer may make users.

    Raises `Denied` where the provider's person is not the one who wants in.
    """
    known = identities.of(tx, issuer.issuer, subject)
    user = users.by_name(tx, wanted)
    if known is not None and known.user != wanted:
        raise Denied(f"the provider says that you are {known.user}, not {wanted}", hint="log in by that name")
    if known is None:
        user = _bound(tx, issuer, subject, told, wanted, user, source)
    if user is None or user.state is not UserState.ACTIVE or user.service:
        raise Denied(f"{wanted} may not log in", hint="ask an operator of this network")
    identities.seen(tx, issuer.issuer, subject, sealed)
    return in_step(tx, issuer, user, told, source)


def _bound(
    tx: Transaction, issuer: Issuer, subject: str, told: Told, wanted: UserName, user: User | None, source: str
) -> User:
    """A name is bound to one identity of a provider, once: whoever gets the name there later is someone else."""
    if told.name != wanted:
        raise Denied(f"the provider says that you are {told.name}, not {wanted}", hint="log in by that name")
    if user is None:
        if not issuer.create:
            raise Denied(f"{wanted} may not log in", hint="ask an operator of this network")
        user = users.add(tx, name=new_user_name(wanted), email=told.email)
        tx.record(c.UserAdded(user=user))
        tx.audit("gate", "users add", user.name, after={"provider": issuer.issuer}, source=source)
    if any(one.issuer == issuer.issuer for one in identities.of_user(tx, user.name)):
        raise Denied(
            f"{wanted} is bound to another account at this provider", hint="an admin unbinds it, after asking you"
        )
    try:
        identities.bind(tx, issuer.issuer, subject, user.name)
    except Conflict as fault:
        raise Denied(fault.message, hint=fault.hint) from None
    tx.audit(user.name, "identity bound", user.name, after={"issuer": issuer.issuer}, source=source)
    return user


def in_step(tx: Transaction, issuer: Issuer, user: User, told: Told, source: str) -> User:
    """Groups and role as the provider has them now. Owners keep their role: no claim makes or unmakes one."""
    changed = user
    if told.groups is not None and told.groups != user.groups:
        changed = msgspec.structs.replace(changed, groups=told.groups)
        tx.record(c.UserGroupsSet(user=changed))
    role = (told.role or Role.MEMBER) if issuer.role_map else changed.role
    if role is not changed.role and changed.role is not Role.OWNER:
        changed = msgspec.structs.replace(changed, role=role)
        tx.record(c.UserRoleSet(user=changed))
    if changed is not user:
        users.put(tx, changed)
        if changed.role is not user.role:
            outgrown.revoke(tx, changed, by="gate", source=source)
        tx.audit(
            "gate", "users set-role" if changed.role is not user.role else "users groups", user.name,
            before={"role": user.role.value, "groups": user.groups},
            after={"role": changed.role.value, "groups": changed.groups}, source=source,
        )  # fmt: skip
    return changed


def invited(r: Reader, user: User, hash: str) -> bool:
    return any(code.hash == hash and code.kind == INVITATION for code in codes.waiting(r, user.name))


def running(r: Reader, user: UserName) -> Sequence[logins.Login]:
    return logins.running(r, user)
