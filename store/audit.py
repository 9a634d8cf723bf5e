"""The audit trail: every entry carries a hash over itself and the one before, so that tampering shows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from model.errors import NotFound
from model.records import AuditEntry, Page
from store.mapping import Rows
from store.paging import Listing, Query, compares, equals

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

START = "0" * 64
"""What the first entry follows."""

_ROWS = Rows(AuditEntry, "audit", key="number")
_HEAD = "SELECT number, hash FROM audit_head"
_INSERTION = (
    "INSERT INTO audit (number, at, actor, action, subject, before, after, source, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_encode = msgspec.json.Encoder(order="deterministic").encode


def chained(previous: str, entry: Sequence[object]) -> str:
    """The hash of an entry that follows one with hash `previous`.

    SHA-256, in hex, of a JSON array without spaces: previous hash, number, at, actor, action, subject, before, after
    (objects with sorted keys, or null), source. `entry` is all but the first, before and after as JSON.
    """
    number, at, actor, action, subject, before, after, source = entry
    parts = (previous, number, at, actor, action, subject, _json(before), _json(after), source)
    return hashlib.sha256(_encode(parts)).hexdigest()


def _json(text: Any) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text)


def append(
    tx: Transaction, actor: str, action: str, subject: str, *, before: object = None, after: object = None, source: str
) -> int:
    """Writes the next entry and gives its number. Services call `tx.audit`."""
    last, previous = tx.later.end(_HEAD)
    number: int = last + 1
    was = None if before is None else _encode(before).decode()
    became = None if after is None else _encode(after).decode()
    entry = (number, tx.now, actor, action, subject, was, became, source)
    digest = chained(previous, entry)
    tx.later.row(_INSERTION, (*entry, digest))
    tx.later.move(_HEAD, (number, digest), "UPDATE audit_head SET number = ?, hash = ?")
    return number


def by_number(r: Reader, number: int) -> AuditEntry:
    found = _ROWS.one(r, "number = ?", number)
    if found is None:
        raise NotFound(f"the audit trail has no entry {number}", hint="`wardgate audit list` shows them")
    return found


def newest(r: Reader, action: str) -> AuditEntry | None:
    """The last entry of that action."""
    found = _ROWS.many(r, "WHERE action = ? ORDER BY number DESC LIMIT 1", action)
    return found[0] if found else None


def since(r: Reader, number: int, limit: int = 1000) -> tuple[AuditEntry, ...]:
    """Entries after `number`, oldest first: what `follow` goes by."""
    return _ROWS.many(r, "WHERE number > ? ORDER BY number LIMIT ?", number, limit)


def verify(r: Reader) -> int | None:
    """The number of the first entry that is missing or not as it was written; None where the whole trail holds."""
    expected, previous = 1, START
    rows = r.sql.execute(
        "SELECT number, at, actor, action, subject, before, after, source, hash FROM audit ORDER BY number"
    )
    for *entry, digest in rows:
        number = entry[0]
        if number != expected or digest != chained(previous, entry):
            return expected
        expected, previous = number + 1, digest
    head = r.sql.execute("SELECT number, hash FROM audit_head").fetchone()
    if head is None or tuple(head) != (expected - 1, previous):
        return expected
    return None


_VERBS = compares(
    "(action = ? OR (action >= ? || ' ' AND action < ? || '!'))",
    "(+action = ? OR (+action >= ? || ' ' AND +action < ? || '!'))",
)
"""`devices` stands for all of its verbs. A space and `!` are neighbours in ASCII."""
_LISTING = Listing(
    _ROWS,
    sorts={"number": "number", "at": "number", "actor": "actor", "action": "action"},
    filters={
        "actor": equals("actor"),
        "since": compares("at >= ?", "+at >= ?"),
        "action": _VERBS,
        "subject": equals("subject"),
    },
    text="actor || ' ' || action || ' ' || subject || ' ' || source",
    newest_first=True,
)


def page(r: Reader, query: Query) -> Page:
    """Entries that match, newest first unless another sort is asked for. Filters: actor, action, subject, since."""
    return _LISTING.page(r, query)
