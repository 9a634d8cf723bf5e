"""Second factors of built-in users: a TOTP secret of which each step serves once, and recovery codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from model.ids import UserName

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction


class TOTP(msgspec.Struct, frozen=True, kw_only=True):
    secret: bytes
    """Sealed by the caller."""
    last_step: int
    """The newest step that was used (RFC 6238, section 5.2: it serves no second time); -1 before the first."""
    created_at: int
    confirmed_at: int | None = None
    """When the person first showed a code of it; None counts for nothing."""


def get(r: Reader, user: UserName) -> TOTP | None:
    row = r.sql.execute(
        "SELECT secret, last_step, created_at, confirmed_at FROM totp WHERE user = ?", (user,)
    ).fetchone()
    return None if row is None else TOTP(secret=row[0], last_step=row[1], created_at=row[2], confirmed_at=row[3])


def put(tx: Transaction, user: UserName, secret: bytes) -> None:
    """A new secret in place of the old one, not confirmed yet."""
    tx.sql.execute("INSERT OR REPLACE INTO totp VALUES (?, ?, -1, ?, NULL)", (user, secret, tx.now))


def remove(tx: Transaction, user: UserName) -> bool:
    """Takes the secret and the recovery codes away; False where there was no secret."""
    tx.sql.execute("DELETE FROM recovery_codes WHERE user = ?", (user,))
    return tx.sql.execute("DELETE FROM totp WHERE user = ?", (user,)).rowcount == 1


def use_step(tx: Transaction, user: UserName, step: int) -> bool:
    """Uses a step up, and confirms the secret by it; False where it, or a later one, was used before."""
    return (
        tx.sql.execute(
            "UPDATE totp SET last_step = ?, confirmed_at = coalesce(confirmed_at, ?) WHERE user = ? AND last_step < ?",
            (step, tx.now, user, step),
        ).rowcount
        == 1
    )


def put_recovery_codes(tx: Transaction, user: UserName, hashes: Iterable[str]) -> None:
    """New recovery codes in place of all the old ones."""
    tx.sql.execute("DELETE FROM recovery_codes WHERE user = ?", (user,))
    tx.sql.executemany("INSERT INTO recovery_codes VALUES (?, ?, NULL)", [(user, hash) for hash in hashes])


def use_recovery_code(tx: Transaction, user: UserName, hash: str) -> bool:
    """Uses a code up; False where there is none such, or it was used."""
    return (
        tx.sql.execute(
            "UPDATE recovery_codes SET used_at = ? WHERE user = ? AND hash = ? AND used_at IS NULL",
            (tx.now, user, hash),
        ).rowcount
        == 1
    )


def recovery_codes_left(r: Reader, user: UserName) -> int:
    row = r.sql.execute("SELECT count(*) FROM recovery_codes WHERE user = ? AND used_at IS NULL", (user,)).fetchone()
    return int(row[0])
