"""Who a person is at a provider: an (issuer, subject) is bound to one user, once."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import msgspec

from model.errors import Conflict, NotFound
from model.ids import UserName, quoted
from store.faults import violated

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    issuer: str
    subject: str
    user: UserName
    bound_at: int
    seen_at: int
    """The last login by it."""
    refresh_token: bytes | None = None
    """Sealed by the caller; None where the issuer granted none."""


_FIELDS = Identity.__struct_fields__
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM identities"  # noqa: S608 - names of our own


def bind(tx: Transaction, issuer: str, subject: str, user: UserName) -> Identity:
    """Raises `Conflict` where the identity is bound to another; binding it to the same user again changes nothing."""
    known = of(tx, issuer, subject)
    if known is not None:
        if known.user == user:
            return known
        raise Conflict(f"this identity at {issuer} belongs to another user", hint="an operator can unbind it there")
    identity = Identity(issuer=issuer, subject=subject, user=user, bound_at=tx.now, seen_at=tx.now)
    try:
        tx.db.table("identities").insert(msgspec.structs.asdict(identity), pk=("issuer", "subject"))
    except sqlite3.IntegrityError as fault:
        if violated(fault) == "foreign key":
            raise NotFound(f"no user is called {quoted(user)}", hint="`wardgate users list` shows them") from fault
        raise
    return identity


def of(r: Reader, issuer: str, subject: str) -> Identity | None:
    row = r.sql.execute(f"{_SELECT} WHERE issuer = ? AND subject = ?", (issuer, subject)).fetchone()
    return None if row is None else _decode(row)


def of_user(r: Reader, user: UserName) -> tuple[Identity, ...]:
    """In order of binding."""
    return tuple(map(_decode, r.sql.execute(f"{_SELECT} WHERE user = ? ORDER BY bound_at, issuer, subject", (user,))))


def refreshable(r: Reader) -> tuple[Identity, ...]:
    """Those with a refresh token, by which groups are kept in step."""
    rows = r.sql.execute(f"{_SELECT} WHERE refresh_token IS NOT NULL ORDER BY issuer, subject")
    return tuple(map(_decode, rows))


def seen(tx: Transaction, issuer: str, subject: str, refresh_token: bytes | None = None) -> None:
    """Notes a login, with the sealed refresh token that it brought; None takes away an older one."""
    tx.sql.execute(
        "UPDATE identities SET seen_at = ?, refresh_token = ? WHERE issuer = ? AND subject = ?",
        (tx.now, refresh_token, issuer, subject),
    )


def unbind(tx: Transaction, issuer: str, subject: str) -> None:
    """Raises `NotFound`."""
    removed = tx.sql.execute("DELETE FROM identities WHERE issuer = ? AND subject = ?", (issuer, subject)).rowcount
    if not removed:
        raise NotFound(f"no identity at {issuer} is bound so", hint="`wardgate users show NAME` shows them")


def _decode(row: tuple[object, ...]) -> Identity:
    return msgspec.convert(dict(zip(_FIELDS, row, strict=True)), Identity)
