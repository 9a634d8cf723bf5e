"""Enrollment keys: what lets a device join. The key is shown once, and a hash of it kept."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec

from gate.operation import Call, reads, writes
from gate.services.joining import approves_itself, owner_or_tags
from model import change as c
from model.enrollment import format_enrollment_key, parse_enrollment_key
from model.errors import Denied, Invalid, NotFound, Unavailable
from model.ids import EnrollmentKeyID, UserName, quoted
from model.keys import Secret, SSHKey
from model.records import CertificateKind, EnrollmentKey, GenerationState
from store import Reader, Transaction, enrollment_keys

OWN_KEY_LIFE = 300
"""Seconds that the key of a person without a role lives: one device, now."""
MAX_LIFE = 366 * 86400
_ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_SECRET_LENGTH = 28
"""28 of 57 letters: 163 bits."""


class Created(msgspec.Struct, frozen=True, kw_only=True):
    record: EnrollmentKey
    key: Secret


@reads("enrollment-keys list")
def list_keys(r: Reader, call: Call) -> tuple[EnrollmentKey, ...]:
    found = enrollment_keys.all(r)
    return tuple(key for key in found if key.user == call.actor.user) if call.own else found


@writes("enrollment-keys create")
def create(
    tx: Transaction,
    call: Call,
    *,
    user: str | None = None,
    tags: Sequence[str] = (),
    uses: int | None = 1,
    ephemeral: bool = False,
    pre_approved: bool = False,
    lives: int | None = None,
) -> Created:
    """`uses` None is without limit. A member gets a one-use, five-minute key for a device of their own."""
    if not user and not tags:
        user = call.actor.user
    if call.own:
        _own_only(call, user, tags, uses, pre_approved)
        lives = min(lives or OWN_KEY_LIFE, OWN_KEY_LIFE)
    lives = lives or 24 * 3600
    if not 60 <= lives <= MAX_LIFE:
        raise Invalid(f"a key lives from 60 s to {MAX_LIFE // 86400} d, not {lives} s")
    if uses is not None and not 1 <= uses <= 100_000:
        raise Invalid(f"a key serves 1 to 100000 times, not {uses}")
    owner, roles = owner_or_tags(tx, call, user, tags)
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    key = format_enrollment_key(secret, host_ca(call))
    record = enrollment_keys.add(
        tx, hash=parse_enrollment_key(key).hash, user=owner, tags=roles, uses_left=uses, ephemeral=ephemeral,
        pre_approved=pre_approved or (uses == 1 and approves_itself(tx, call, owner)), created_by=call.actor.name,
        expires_at=tx.now + lives,
    )  # fmt: skip
    tx.record(c.EnrollmentKeyCreated(key=record))
    call.audit(
        tx, record.id,
        after={"user": owner, "tags": list(roles), "uses": uses, "ephemeral": ephemeral,
               "pre_approved": record.pre_approved, "expires_at": record.expires_at},
    )  # fmt: skip
    return Created(record=record, key=key)


def _own_only(call: Call, user: str | None, tags: Sequence[str], uses: int | None, pre_approved: bool) -> None:
    if tags or user not in {call.actor.user, (call.actor.user or "").partition("@")[0]}:
        raise Denied("your role makes keys for devices of your own alone", hint="ask an operator of this network")
    if uses != 1 or pre_approved:
        raise Denied("your role makes keys for one device at a time, approved as this network has it")


def host_ca(call: Call) -> SSHKey:
    """The active host CA's key: what keys and invitations name, so that nobody trusts blindly."""
    for generation in call.snapshot.generations:
        if generation.kind is CertificateKind.HOST and generation.state is GenerationState.ACTIVE:
            return generation.key
    raise Unavailable("no host CA is active", hint="make one with: wardgate ca rotate host")


@writes("enrollment-keys revoke")
def revoke(tx: Transaction, call: Call, *, ids: Sequence[str]) -> tuple[EnrollmentKey, ...]:
    return tuple(_revoke(tx, call, EnrollmentKeyID(id)) for id in ids)


def _revoke(tx: Transaction, call: Call, id: EnrollmentKeyID) -> EnrollmentKey:
    record = enrollment_keys.by_id(tx, id)
    if call.own and record.user != call.actor.user:
        raise NotFound(f"no enrollment key has the id {quoted(id)}", hint="`enrollment-keys list` shows them")
    revoked = enrollment_keys.revoke(tx, record.id)
    tx.record(c.EnrollmentKeyRevoked(id=id))
    call.audit(tx, id, before={"revoked_at": record.revoked_at}, after={"revoked_at": revoked.revoked_at})
    return revoked


def revoke_of(tx: Transaction, call: Call, user: UserName) -> None:
    for record in serving_of(tx, user):
        _revoke(tx, call, record.id)


def serving_of(r: Reader, user: UserName) -> tuple[EnrollmentKey, ...]:
    """Those that a person owns or made and that could still serve: they let devices in by that person's word."""
    return tuple(
        record
        for record in enrollment_keys.all(r)
        if record.revoked_at is None and record.expires_at > r.now and record.uses_left != 0
        and user in {record.user, record.created_by}
    )  # fmt: skip
