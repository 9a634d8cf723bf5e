"""What lets devices join: kept as hashes, taken once or a counted number of times."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.errors import Conflict, NotFound
from model.ids import EnrollmentKeyID, Tag, UserName, quoted
from model.records import EnrollmentKey
from store.faults import violated
from store.mapping import Rows, decimal

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

_ROWS = Rows(EnrollmentKey, "enrollment_keys", decimal_text=("id",))
_TAKE = (
    "UPDATE enrollment_keys SET uses_left = uses_left - 1, used_at = ?"
    " WHERE hash = ? AND revoked_at IS NULL AND expires_at > ? AND (uses_left IS NULL OR uses_left > 0)"
    " RETURNING {columns}"
)
_ANOTHER = "make another with: wardgate enrollment-keys create"


def add(
    tx: Transaction,
    *,
    hash: str,
    created_by: str,
    expires_at: int,
    user: UserName | None = None,
    tags: Sequence[Tag] = (),
    uses_left: int | None = 1,
    ephemeral: bool = False,
    pre_approved: bool = False,
) -> EnrollmentKey:
    """`uses_left` None means unlimited. Raises `NotFound` for an unknown user."""
    columns = _ROWS.encode(
        hash=hash,
        user=user,
        tags=tuple(tags),
        uses_left=uses_left,
        ephemeral=ephemeral,
        pre_approved=pre_approved,
        created_at=tx.now,
        created_by=created_by,
        expires_at=expires_at,
    )
    try:
        id = _ROWS.insert(tx, columns)
    except sqlite3.IntegrityError as fault:
        if violated(fault) == "foreign key":
            raise NotFound(f"no user is called {quoted(str(user))}", hint="`wardgate users list` shows them") from fault
        raise Conflict("this enrollment key exists already", hint=_ANOTHER) from fault
    return by_id(tx, EnrollmentKeyID(str(id)))


def all(r: Reader) -> tuple[EnrollmentKey, ...]:
    """In order of making, those that serve no more too."""
    return _ROWS.many(r, "ORDER BY id")


def by_id(r: Reader, id: EnrollmentKeyID) -> EnrollmentKey:
    found = _ROWS.one(r, "id = ?", decimal(id))
    if found is None:
        raise NotFound(f"no enrollment key has the id {quoted(id)}", hint="`wardgate enrollment-keys list` shows them")
    return found


def by_hash(r: Reader, hash: str) -> EnrollmentKey | None:
    """The key without taking a use of it: whether it still serves is not said."""
    return _ROWS.one(r, "hash = ?", hash)


def take(tx: Transaction, hash: str, now: int) -> EnrollmentKey:
    """Takes one use of the key, or refuses: two who come at once cannot both have the last one.

    Raises `NotFound` for an unknown key, `Conflict` for one that is revoked, expired or used up.
    """
    row = tx.sql.execute(
        _TAKE.format(columns=_ROWS.columns),
        (now, hash, now),
    ).fetchall()
    if row:
        return _ROWS.decode(row[0])
    key = by_hash(tx, hash)
    if key is None:
        raise NotFound("this enrollment key is not known", hint="copy it whole, from wge_ on")
    if key.revoked_at is not None:
        raise Conflict(f"enrollment key {key.id} was revoked", hint=_ANOTHER)
    if key.expires_at <= now:
        raise Conflict(f"enrollment key {key.id} has expired", hint=_ANOTHER)
    raise Conflict(f"enrollment key {key.id} is used up", hint=_ANOTHER)


def revoke(tx: Transaction, id: EnrollmentKeyID) -> EnrollmentKey:
    """From now on the key lets nobody in; revoking it again changes nothing. Raises `NotFound`."""
    tx.sql.execute(
        "UPDATE enrollment_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (tx.now, decimal(id))
    )
    return by_id(tx, id)


def forget(tx: Transaction, before: int) -> int:
    """Removes keys that expired before a moment, and gives how many."""
    return tx.sql.execute("DELETE FROM enrollment_keys WHERE expires_at < ?", (before,)).rowcount
