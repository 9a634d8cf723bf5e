"""Second operators' consent to certificates: asked for, given, and counting for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import Limited, NotFound
from model.ids import DeviceName, UserName, quoted
from model.records import Consent
from store.mapping import Rows

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

_ROWS = Rows(Consent, "consents", decimal_text=("id",))
ASKED_FOR = 86400
"""Seconds that a request waits to be given."""
MOST = 20
"""Requests of one person that wait at once: operators read each of them."""


def ask(
    tx: Transaction,
    *,
    device: DeviceName,
    user: UserName | None,
    fingerprint: str,
    principals: tuple[str, ...],
    by: str,
) -> Consent:
    """The request for this key on this device: a new one, or the one that waits already.

    Raises `Limited` where `by` has `MOST` that wait.
    """
    for one in _of(tx, device, fingerprint):
        if waits(tx, one) and one.principals == principals:
            return one
    if len([one for one in waiting(tx) if one.asked_by == by]) >= MOST:
        raise Limited(f"{MOST} requests of yours wait already", hint="ask an operator to look: certs waiting")
    columns = _ROWS.encode(
        device=device, user=user, fingerprint=fingerprint, principals=principals, asked_at=tx.now, asked_by=by
    )
    return by_id(tx, str(_ROWS.insert(tx, columns)))


def by_id(r: Reader, id: str) -> Consent:
    found = _ROWS.one(r, "id = ?", id) if id.isascii() and id.isdigit() else None
    if found is None:
        raise NotFound(f"nobody asked for a consent {quoted(id)}", hint="`certs waiting` lists the requests")
    return found


def give(tx: Transaction, id: str, by: str, until: int) -> Consent:
    tx.sql.execute("UPDATE consents SET given_at = ?, given_by = ?, until = ? WHERE id = ?", (tx.now, by, until, id))
    return by_id(tx, id)


def end_of(tx: Transaction, device: DeviceName) -> None:
    """For when no device is called so any more: another that gets the name has nobody's word."""
    tx.sql.execute("DELETE FROM consents WHERE device = ? AND given_at IS NULL", (device,))
    tx.sql.execute("UPDATE consents SET until = ? WHERE device = ? AND until > ?", (tx.now, device, tx.now))


def waits(r: Reader, one: Consent) -> bool:
    """Whether it can be given yet."""
    return one.given_at is None and one.asked_at > r.now - ASKED_FOR


def waiting(r: Reader) -> tuple[Consent, ...]:
    """Requests that nobody answered, oldest first."""
    return _ROWS.many(r, "WHERE given_at IS NULL AND asked_at > ? ORDER BY id", r.now - ASKED_FOR)


def given(r: Reader, *, device: DeviceName, fingerprint: str, principals: tuple[str, ...]) -> Consent | None:
    """A consent to exactly this that counts now."""
    for one in _of(r, device, fingerprint):
        if one.principals == principals and one.until is not None and one.until > r.now:
            return one
    return None


def _of(r: Reader, device: DeviceName, fingerprint: str) -> tuple[Consent, ...]:
    return _ROWS.many(r, "WHERE fingerprint = ? AND device = ? ORDER BY id DESC", fingerprint, device)
