"""Invitations and other codes that serve once: kept as hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from model.errors import Conflict, NotFound
from model.ids import UserName

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time code for a person; `kind` says what it opens, such as `invitation` or `password-reset`."""

    hash: str
    kind: str
    user: UserName
    created_at: int
    created_by: str
    expires_at: int
    used_at: int | None = None


_SELECT = f"SELECT {', '.join(Code.__struct_fields__)} FROM codes"  # noqa: S608 - names of our own


def add(tx: Transaction, *, hash: str, kind: str, user: UserName, by: str, expires_at: int) -> Code:
    """Keeps a new code; earlier ones of this kind for this user serve no more."""
    revoke(tx, user, kind)
    code = Code(hash=hash, kind=kind, user=user, created_at=tx.now, created_by=by, expires_at=expires_at)
    tx.db.table("codes").insert(msgspec.structs.asdict(code), pk="hash")
    return code


def waiting(r: Reader, user: UserName) -> tuple[Code, ...]:
    """Those of a person that could still be used now."""
    rows = r.sql.execute(
        f"{_SELECT} WHERE user = ? AND used_at IS NULL AND expires_at > ? ORDER BY created_at", (user, r.now)
    )
    return tuple(Code(**dict(zip(Code.__struct_fields__, row, strict=True))) for row in rows)


def take(tx: Transaction, hash: str, kind: str) -> Code:
    """Uses the code up. Two who come at once cannot both have it.

    Raises `NotFound` for one that is not known as this kind, `Conflict` for one that was used or has expired.
    """
    rows = tx.sql.execute(
        "UPDATE codes SET used_at = ? WHERE hash = ? AND kind = ? AND used_at IS NULL AND expires_at > ? RETURNING *",
        (tx.now, hash, kind, tx.now),
    ).fetchall()
    if rows:
        return Code(**dict(zip(Code.__struct_fields__, rows[0], strict=True)))
    row = tx.sql.execute("SELECT used_at FROM codes WHERE hash = ? AND kind = ?", (hash, kind)).fetchone()
    if row is None:
        raise NotFound(f"this {kind} is not known", hint="copy it whole, or ask an operator for another")
    fate = "has expired" if row[0] is None else "was used already"
    raise Conflict(f"this {kind} {fate}", hint="ask an operator for another")


def revoke(tx: Transaction, user: UserName, kind: str) -> int:
    """Takes away a person's unused codes of a kind, and gives how many."""
    return tx.sql.execute("DELETE FROM codes WHERE user = ? AND kind = ? AND used_at IS NULL", (user, kind)).rowcount


def forget(tx: Transaction, before: int) -> int:
    """Removes codes that expired before a moment, and gives how many."""
    return tx.sql.execute("DELETE FROM codes WHERE expires_at < ?", (before,)).rowcount
