"""The policy: every version is kept, and the newest one holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import Conflict, NotFound
from model.records import PolicyVersion
from store.mapping import Rows

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

_ROWS = Rows(PolicyVersion, "policies", key="number")


def add(tx: Transaction, text: str, by: str, note: str = "", confirm_by: int | None = None) -> PolicyVersion:
    """The next version, in force from now on. `confirm_by` is when it goes back unless someone confirms it."""
    columns = _ROWS.encode(text=text, created_at=tx.now, created_by=by, note=note, confirm_by=confirm_by)
    return by_number(tx, _ROWS.insert(tx, columns))


def current(r: Reader) -> PolicyVersion:
    """The version in force. Raises `NotFound` before the first."""
    found = _ROWS.one(r, "number = (SELECT max(number) FROM policies)")
    if found is None:
        raise NotFound("there is no policy yet", hint="set one with: wardgate policy set FILE")
    return found


def by_number(r: Reader, number: int) -> PolicyVersion:
    found = _ROWS.one(r, "number = ?", number)
    if found is None:
        raise NotFound(f"the policy has no version {number}", hint="`wardgate policy history` shows them")
    return found


def history(r: Reader, limit: int = 50) -> tuple[PolicyVersion, ...]:
    """The newest versions, newest first."""
    return _ROWS.many(r, "ORDER BY number DESC LIMIT ?", limit)


def waiting(r: Reader) -> PolicyVersion | None:
    """The version in force while it waits for confirmation, else None."""
    return _ROWS.one(r, "number = (SELECT max(number) FROM policies) AND confirm_by IS NOT NULL")


def confirm(tx: Transaction, number: int) -> PolicyVersion:
    """Lets version `number` stay. Raises `Conflict` where it is not the one that waits."""
    found = waiting(tx)
    if found is None or found.number != number:
        raise Conflict(
            f"version {number} of the policy does not wait for confirmation",
            hint="`wardgate policy history` shows the versions",
        )
    _ROWS.update(tx, number, {"confirm_by": None})
    return by_number(tx, number)
