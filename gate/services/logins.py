"""What people do about their own logins, and operators about others': second factors, invitations, ending."""

from __future__ import annotations

import time

import msgspec

from gate.login import invitations, keys, records
from gate.login import totp as codes_of_time
from gate.login.sealing import Seal
from gate.operation import Call, reads, writes
from gate.services import devices as machines
from gate.services import own, revocations
from model import change as c
from model.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from model.ids import UserName
from model.keys import Secret, SSHKey
from model.records import CertificateKind, Device, DeviceState, GenerationState, Role, User, UserKey
from store import Reader, Transaction, codes, devices, identities, logins, totp, user_keys, users

INVITATION_LIFE = 72 * 3600
SECOND_FACTOR_AGE = 900
"""Seconds since a second factor was given, in which it may be replaced."""
FOLLOW = "devices.follow-login"


class TOTPSetup(msgspec.Struct, frozen=True, kw_only=True):
    """Shown once. It counts from the moment that a code of it was shown back."""

    user: UserName
    secret: Secret
    uri: Secret
    recovery_codes: tuple[Secret, ...]


@writes("users totp")
def set_up_totp(tx: Transaction, call: Call, *, name: str) -> TOTPSetup:
    """A new secret and new recovery codes in place of the old ones."""
    user = _person(tx, call, name)
    by_second_factor(tx, call, user)
    secret, recovery = codes_of_time.new_secret(), codes_of_time.new_recovery_codes()
    totp.put(tx, user.name, Seal.of(call.state).seal(secret, purpose(user.name)))
    totp.put_recovery_codes(tx, user.name, [codes_of_time.recovery_hash(user.name, code) for code in recovery])
    call.audit(tx, user.name, after={"totp": "set up, to be confirmed"})
    uri = codes_of_time.uri(secret, user.name, call.snapshot.domain)
    return TOTPSetup(user=user.name, secret=codes_of_time.shown(secret), uri=uri, recovery_codes=recovery)


@writes("users totp")
def confirm_totp(tx: Transaction, call: Call, *, name: str, code: str) -> User:
    """`code` is one that the authenticator shows now; from here on logins by password ask for one."""
    user = _person(tx, call, name)
    kept = totp.get(tx, user.name)
    if kept is None:
        raise NotFound(f"{user.name} has no authenticator to confirm", hint="set one up: wardgate users totp NAME")
    step = codes_of_time.step_of(Seal.of(call.state).open(kept.secret, purpose(user.name)), code, int(time.time()))
    if step is None or not totp.use_step(tx, user.name, step):
        raise Invalid("the code is not right", hint="type the one that the authenticator shows now")
    call.audit(tx, user.name, after={"totp": "confirmed"})
    return user


@writes("users totp")
def remove_totp(tx: Transaction, call: Call, *, name: str) -> User:
    """With the recovery codes. A member cannot take their own away while the network demands it."""
    user = _person(tx, call, name)
    by_second_factor(tx, call, user)
    demanded = str(call.snapshot.settings.get("login.second-factor", "off"))
    if call.own and records.needs_second_factor(user, demanded):
        raise Denied("this network demands a second factor of you", hint="set up a new one instead")
    if not totp.remove(tx, user.name):
        raise NotFound(f"{user.name} has no authenticator")
    call.audit(tx, user.name, after={"totp": "removed"})
    return user


def by_second_factor(r: Reader, call: Call, user: User) -> None:
    """Refuses someone who would change their own second factor, once they have one, over a login without it: a stolen
    key would otherwise be as good as both. Operators change that of others."""
    kept = totp.get(r, user.name)
    if call.actor.user != user.name or kept is None or kept.confirmed_at is None:
        return
    if call.actor.fresh_at is None or call.actor.fresh_at < r.now - SECOND_FACTOR_AGE:
        raise Denied(
            "this needs a login with your second factor, of the last 15 minutes",
            hint="log in with password and code (ssh -o PubkeyAuthentication=no), or ask an admin",
        )


def purpose(user: UserName) -> str:
    """What a sealed TOTP secret is, and whose."""
    return f"totp {user}"


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is shown once; typed at the first prompt of a login, it lets its person set what they log in with."""

    user: User
    code: Secret
    host_ca: SSHKey
    """Whose certificate the right gate shows."""
    expires_at: int


@writes("users invite")
def invite(tx: Transaction, call: Call, *, name: str, lives: int = INVITATION_LIFE) -> Invitation:
    """Also how a forgotten password is replaced. An earlier invitation of the same person serves no more."""
    user = _person(tx, call, name)
    by_second_factor(tx, call, user)
    if not 60 <= lives <= 30 * 86400:
        raise Invalid(f"an invitation lives from 60 s to 30 d, not {lives} s")
    host_ca = _host_ca(call)
    code = invitations.new(host_ca)
    hash = invitations.hash_of(code)
    assert hash is not None
    codes.add(
        tx, hash=hash, kind=records.INVITATION, user=user.name, by=call.actor.name,
        expires_at=tx.now + lives,
    )  # fmt: skip
    call.audit(tx, user.name, after={"expires_at": tx.now + lives})
    return Invitation(user=user, code=code, host_ca=host_ca, expires_at=tx.now + lives)


def _host_ca(call: Call) -> SSHKey:
    for generation in call.snapshot.generations:
        if generation.kind is CertificateKind.HOST and generation.state is GenerationState.ACTIVE:
            return generation.key
    raise Unavailable("there is no active host CA", hint="wardgate ca show")


@writes("users unlock")
def unlock(tx: Transaction, call: Call, *, name: str) -> User:
    """Forgets wrong guesses at a name, so that its person need not wait."""
    user = users.find(tx, name, call.snapshot.user_domain)
    tx.record(c.UserUnlocked(user=user.name))
    call.audit(tx, user.name)
    return user


@writes("users keys add")
def add_login_key(tx: Transaction, call: Call, *, key: SSHKey) -> UserKey:
    """Lets a key in at the gate for as long as the login lasts by which this is asked. Its certificates are as fresh
    as that login, no fresher."""
    actor = call.actor
    if actor.user is None or actor.login_at is None or actor.method not in {"password", "oidc"}:
        raise Denied("a key for the time of a login needs a login", hint="log in with a password or a provider")
    user = own.user(tx, call, "me")
    keys.check(tx, key)
    ends_at = actor.login_at + int(str(call.snapshot.settings["login.life"]))
    for kept in user_keys.of(tx, user.name):
        if kept.key == key and kept.expires_at is None:
            raise Conflict("this key is registered already, without an end")
        if kept.expires_at is not None and (kept.key == key or kept.expires_at <= tx.now):
            user_keys.remove(tx, user.name, kept.key.fingerprint)
    logins.start(
        tx, user=user.name, method=actor.method, factors=("login-key",), source=actor.source, ends_at=ends_at,
        auth_time=actor.fresh_at, key_fingerprint=key.fingerprint, started_at=actor.login_at,
    )  # fmt: skip
    added = keys.register(tx, user, key, "for the time of a login", expires_at=ends_at)
    call.audit(tx, user.name, after={"key": key.fingerprint, "until": ends_at})
    return added


class Me(msgspec.Struct, frozen=True, kw_only=True):
    user: User
    keys: tuple[UserKey, ...]
    devices: tuple[Device, ...]
    logins: tuple[logins.Login, ...]
    """That last now."""
    providers: tuple[str, ...]
    """Issuers at which the person has an account that is bound to them."""
    has_password: bool
    has_totp: bool
    recovery_codes_left: int


@reads("me")
def me(r: Reader, call: Call) -> Me:
    return _about(r, own.user(r, call, "me"))


@reads("users show")
def about(r: Reader, call: Call, *, name: str) -> Me:
    """The same of another."""
    return _about(r, own.user(r, call, name))


def _about(r: Reader, user: User) -> Me:
    second = totp.get(r, user.name)
    return Me(
        user=user, keys=user_keys.of(r, user.name), devices=devices.of_user(r, user.name),
        logins=logins.running(r, user.name),
        providers=tuple(identity.issuer for identity in identities.of_user(r, user.name)),
        has_password=users.password(r, user.id) is not None,
        has_totp=second is not None and second.confirmed_at is not None,
        recovery_codes_left=totp.recovery_codes_left(r, user.name),
    )  # fmt: skip


@writes("logout")
def logout(tx: Transaction, call: Call) -> tuple[logins.Login, ...]:
    """Ends all logins of the person who asks, with what came of them."""
    return end_all(tx, call, own.user(tx, call, "me").name, "you logged out")


@writes("agent end-logins")
def end(tx: Transaction, call: Call, *, user: UserName, reason: str) -> tuple[logins.Login, ...]:
    return end_all(tx, call, user, reason)


def end_all(tx: Transaction, call: Call, user: UserName, reason: str) -> tuple[logins.Login, ...]:
    """The doors close the person's connections, keys for the time of a login are taken out, certificates revoked."""
    call.connections.end(user)
    ended = logins.end_all(tx, user)
    for kept in user_keys.of(tx, user):
        if kept.expires_at is not None:
            user_keys.remove(tx, user, kept.key.fingerprint)
            tx.record(c.UserKeyRemoved(user=user, fingerprint=kept.key.fingerprint))
    revocations.revoke_all(tx, call, user=user, reason=reason)
    if call.snapshot.settings.get(FOLLOW, False):
        for device in devices.of_user(tx, user):
            if device.state is DeviceState.APPROVED:
                machines.end(tx, call, device)
    tx.record(c.LoginsEnded(user=user, reason=reason))
    call.audit(tx, user, after={"logins": len(ended), "reason": reason})
    return ended


@writes("agent lapse-logins")
def lapse(tx: Transaction, call: Call, *, since: int) -> tuple[UserName, ...]:
    """Where devices follow logins, ends what came of those whose last login ran out after `since`. Who they are."""
    if not call.snapshot.settings.get(FOLLOW, False):
        return ()
    over = sorted({login.user for login in logins.ended(tx, since) if not logins.running(tx, login.user)})
    for user in over:
        end_all(tx, call, user, "your login's time is over")
    return tuple(over)


@writes("users set-role")
def unbind(tx: Transaction, call: Call, *, name: str, issuer: str) -> User:
    """Takes a provider's account from a person; the next login by its name binds anew."""
    user = _person(tx, call, name)
    for identity in identities.of_user(tx, user.name):
        if identity.issuer == issuer:
            identities.unbind(tx, issuer, identity.subject)
            call.audit(tx, user.name, before={"issuer": issuer})
            return user
    raise NotFound(f"{user.name} has no account at {issuer}", hint="`wardgate users show NAME` shows them")


def _person(tx: Transaction, call: Call, name: str) -> User:
    """Who is meant; owners are for owners, and service users never log in."""
    user = own.user(tx, call, name)
    if not call.own and user.role is Role.OWNER and call.actor.role is not Role.OWNER:
        raise Denied("only an owner may do this to an owner", hint="ask an owner of this network")
    if user.service:
        raise Invalid(f"{user.name} is a service user and never logs in", hint="give it a key: users keys add")
    return user
