"""What there is to know of break-glass keys: which would serve, and what was done with one lately."""

from __future__ import annotations

import msgspec

from gate.login import breakglass
from gate.operation import Call
from gate.snapshot import Snapshot
from model.errors import Denied, Invalid
from model.records import AuditEntry, Role, User, UserKey
from store import Reader, Transaction, audit, user_keys

RINGS_FOR = 7 * 86400
"""Seconds for which a use, a new key or one that was taken away stays in view."""


class BreakGlass(msgspec.Struct, frozen=True, kw_only=True):
    keys: tuple[str, ...]
    """Fingerprints of those that would let an owner in now."""
    lost: bool
    """There was one, and none is left."""
    rings: tuple[AuditEntry, ...]
    """The newest of each kind of what happened lately, newest first."""

    @property
    def used(self) -> AuditEntry | None:
        return next((entry for entry in self.rings if entry.action == breakglass.USED), None)


def break_glass(r: Reader, snapshot: Snapshot) -> BreakGlass:
    refused = snapshot.refused
    keys = [
        kept.key.fingerprint
        for kept in user_keys.break_glass(r)
        if kept.key not in refused.keys and kept.key.fingerprint not in refused.fingerprints
    ]
    loud = [audit.newest(r, action) for action in (breakglass.USED, breakglass.REMOVED, breakglass.ADDED)]
    known = [entry for entry in loud if entry is not None]
    return BreakGlass(
        keys=tuple(keys),
        lost=not keys and bool(known or audit.newest(r, breakglass.SEALED)),
        rings=tuple(sorted(
            (entry for entry in known if entry.at > r.now - RINGS_FOR), key=lambda entry: -entry.number
        )),
    )  # fmt: skip


def told(entry: AuditEntry) -> str:
    """What happened, in a few words for a person."""
    what = {
        breakglass.USED: "the break-glass key was used",
        breakglass.REMOVED: "a break-glass key was taken away",
        breakglass.ADDED: "a break-glass key was added",
    }[entry.action]
    return f"{what} by {entry.actor} from {entry.source}"


def may_keep(call: Call, user: User) -> None:
    """Owners alone keep such a key, and owners alone say so."""
    if user.role is not Role.OWNER:
        raise Invalid(f"{user.name} is no owner, and break-glass keys are owners'", hint="name an owner")
    if call.actor.role is not Role.OWNER:
        raise Denied("only an owner registers a break-glass key", hint="ask an owner of this network")


def added(tx: Transaction, call: Call, key: UserKey) -> None:
    _ring(tx, call, breakglass.ADDED, key)


def removed(tx: Transaction, call: Call, key: UserKey) -> None:
    _ring(tx, call, breakglass.REMOVED, key)


def _ring(tx: Transaction, call: Call, action: str, key: UserKey) -> None:
    tx.audit(call.actor.name, action, key.user, after={"key": key.key.fingerprint}, source=call.actor.source)
