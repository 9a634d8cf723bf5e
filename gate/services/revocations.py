"""Revocation of certificates and keys: by name, and with whatever they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sshca
from gate.operation import Call, writes
from gate.services import own
from model import change as c
from model.errors import Denied, Invalid, WardgateError
from model.ids import Serial, UserName
from model.keys import SSHKey
from model.records import Certificate, CertificateKind, Device, Revocation, Role
from store import Transaction, certificates, user_keys
from store.layout import host_key


@writes("certs revoke")
def revoke(
    tx: Transaction,
    call: Call,
    *,
    serials: Sequence[Serial] = (),
    user: str | None = None,
    device: str | None = None,
    key: SSHKey | None = None,
    key_id: str | None = None,
    reason: str = "",
) -> tuple[Revocation, ...]:
    """Whatever is named; raises `NotFound` where that is nothing."""
    if sum((bool(serials), *(one is not None for one in (user, device, key, key_id)))) != 1:
        raise Invalid(
            "name what to revoke, one kind at a time",
            hint="SERIAL ..., --user U, --device D, --key FILE or --key-id ID",
        )
    if user is not None:
        return revoke_all(tx, call, user=own.user(tx, call, user).name, reason=reason)
    if device is not None:
        return revoke_all(tx, call, device=own.device(tx, call, device), reason=reason)
    if key is not None:
        if call.own:
            raise Denied("your role revokes certificates of your own, by serial or device")
        if key in call.snapshot.refused.ca_keys:
            raise Invalid("this is a CA key", hint="a stolen CA key is replaced: wardgate ca rotate KIND --emergency")
        if _is_the_gates(call.state, key):
            raise Invalid(
                "this is the gate's own host key, and who reads the list would refuse the gate",
                hint="give the gate another; then this one can be revoked",
            )
        if call.actor.role is not Role.OWNER and any(one.role is Role.OWNER for one in user_keys.users_with(tx, key)):
            raise Denied("this key lets an owner in: only an owner may do this to an owner")
        return revoke_key(tx, call, key, reason)
    if key_id is not None:
        return _revoke_key_id(tx, call, key_id, reason)
    found = [own.certificate(call, certificates.by_serial(tx, serial)) for serial in serials]
    return revoke_found(tx, call, found, reason)


def _is_the_gates(state: Path, key: SSHKey) -> bool:
    """Whether it is the key that the gate shows. No revocation waits for a file that cannot be read."""
    try:
        return sshca.load(host_key(state), None).key == key
    except WardgateError:
        return False


def revoke_key(tx: Transaction, call: Call, key: SSHKey, reason: str) -> tuple[Revocation, ...]:
    """The key itself: what was signed of it, or by it, and what would be. It gets in at no door either."""
    since = certificates.krl_version(tx)
    return _record(tx, call, [certificates.revoke(tx, key=key, by=call.actor.name, reason=reason)], since)


def _revoke_key_id(tx: Transaction, call: Call, key_id: str, reason: str) -> tuple[Revocation, ...]:
    """Whatever has this key ID, on record or not: a backup that was restored does not know all that was signed."""
    if call.own:
        raise Denied("your role revokes certificates of your own, by serial or device")
    sshca.check_key_id(key_id)
    since = certificates.krl_version(tx)
    return _record(tx, call, [certificates.revoke(tx, key_id=key_id, by=call.actor.name, reason=reason)], since)


def revoke_all(
    tx: Transaction,
    call: Call,
    *,
    user: UserName | None = None,
    device: Device | None = None,
    reason: str,
    hosts_only: bool = False,
) -> tuple[Revocation, ...]:
    """Every certificate that still lives of `user`, or of `device`."""
    found = (
        certificates.valid_of_device(tx, device.id, tx.now)
        if device is not None
        else certificates.valid_of_user(tx, UserName(str(user)), tx.now)
    )
    chosen = [one for one in found if not hosts_only or one.kind is CertificateKind.HOST]
    return revoke_found(tx, call, chosen, reason, device)


def revoke_signed(tx: Transaction, call: Call, user: UserName, key: SSHKey, reason: str) -> tuple[Revocation, ...]:
    """What lives of a person's certificates for one key of theirs."""
    living = certificates.valid_of_user(tx, user, tx.now)
    return revoke_found(tx, call, [one for one in living if one.fingerprint == key.fingerprint], reason)


def revoke_found(
    tx: Transaction, call: Call, found: Sequence[Certificate], reason: str, device: Device | None = None
) -> tuple[Revocation, ...]:
    fresh, since, by = [one for one in found if one.revoked_at is None], certificates.krl_version(tx), call.actor.name
    made = [
        certificates.revoke(tx, serial=one.serial, generation=one.generation, by=by, reason=reason) for one in fresh
    ]
    return _record(tx, call, made, since, device)


def _record(
    tx: Transaction, call: Call, named: Sequence[Revocation], since: int, device: Device | None = None
) -> tuple[Revocation, ...]:
    """Tells of those that are newer than the list of number `since`: one told again would take its version back."""
    made = tuple(one for one in named if one.number > since)
    if made:
        tx.record(c.CertificatesRevoked(revocations=made, device=device.id if device else None))
        for one in made:
            subject = one.serial or one.key_id or (one.key and one.key.fingerprint)
            call.audit(tx, str(subject), after={"reason": one.reason})
    return tuple(named)
