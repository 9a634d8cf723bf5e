"""Logins: who proved who they are, how, from where, and for how long it counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.errors import NotFound
from model.ids import UserName
from model.records import Page, Record
from store.mapping import Rows, decimal
from store.paging import Listing, Query, compares, equals

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction


class Login(Record, frozen=True, kw_only=True):
    id: str
    """Decimal text, in order of starting."""
    user: UserName
    method: str
    """`key`, `password`, `oidc`, `invitation`."""
    factors: tuple[str, ...]
    """`password`, `totp`, `recovery-code`, `touch` … in the order in which they were given."""
    source: str
    started_at: int
    ends_at: int
    auth_time: int | None = None
    """When the person themselves last proved it: what a `check` rule counts from."""
    ended_at: int | None = None
    """When it was ended before its time."""
    key_fingerprint: str | None = None
    """A key that is let in at the gate for as long as this login lasts."""


_ROWS = Rows(Login, "logins", decimal_text=("id",))
_RUNNING = "ended_at IS NULL AND ends_at > ?"


def start(
    tx: Transaction,
    *,
    user: UserName,
    method: str,
    factors: Sequence[str],
    source: str,
    ends_at: int,
    auth_time: int | None = None,
    key_fingerprint: str | None = None,
    started_at: int | None = None,
) -> Login:
    """`started_at` is now where it is not given: a key that is let in for the time of a login is as old as that one."""
    columns = _ROWS.encode(
        user=user,
        method=method,
        factors=tuple(factors),
        source=source,
        started_at=tx.now if started_at is None else started_at,
        ends_at=ends_at,
        auth_time=auth_time,
        key_fingerprint=key_fingerprint,
    )
    return by_id(tx, str(_ROWS.insert(tx, columns)))


def by_id(r: Reader, id: str) -> Login:
    found = _ROWS.one(r, "id = ?", decimal(id))
    if found is None:
        raise NotFound(f"there is no login {id}", hint="`me` shows one's own")
    return found


def running(r: Reader, user: UserName) -> tuple[Login, ...]:
    """A person's logins that last now, oldest first."""
    return _ROWS.many(r, f'WHERE "user" = ? AND {_RUNNING} ORDER BY id', user, r.now)


def by_key(r: Reader, user: UserName, fingerprint: str) -> Login | None:
    """The newest running login that lets this key in."""
    tail = f'WHERE "user" = ? AND key_fingerprint = ? AND {_RUNNING} ORDER BY id DESC LIMIT 1'
    found = _ROWS.many(r, tail, user, fingerprint, r.now)
    return found[0] if found else None


def newest(r: Reader, user: UserName) -> Login | None:
    """The last login of a person, over or not."""
    found = _ROWS.many(r, 'WHERE "user" = ? ORDER BY started_at DESC, id DESC LIMIT 1', user)
    return found[0] if found else None


def ended(r: Reader, since: int) -> tuple[Login, ...]:
    """Logins whose time ran out after `since`, up to now."""
    return _ROWS.many(r, "WHERE ended_at IS NULL AND ends_at > ? AND ends_at <= ? ORDER BY ends_at", since, r.now)


def end(tx: Transaction, id: str) -> Login:
    """Ends a login before its time; one that is over stays as it is. Raises `NotFound`."""
    tx.sql.execute(
        f"UPDATE logins SET ended_at = ? WHERE id = ? AND {_RUNNING}",  # noqa: S608 - a condition of our own
        (tx.now, decimal(id), tx.now),
    )
    return by_id(tx, id)


def end_all(tx: Transaction, user: UserName) -> tuple[Login, ...]:
    """Ends all of a person's logins, and gives those that were running."""
    return tuple(end(tx, login.id) for login in running(tx, user))


def forget(tx: Transaction, before: int) -> int:
    """Removes logins that were over before a moment, and gives how many."""
    return tx.sql.execute("DELETE FROM logins WHERE coalesce(ended_at, ends_at) < ?", (before,)).rowcount


_LISTING = Listing(
    _ROWS,
    sorts={"id": "id", "started_at": "started_at", "user": "user", "ends_at": "ends_at"},
    filters={
        "user": equals("user"),
        "method": equals("method"),
        "since": compares("started_at >= ?", "+started_at >= ?"),
    },
    text="user || ' ' || method || ' ' || factors || ' ' || source",
    newest_first=True,
)


def page(r: Reader, query: Query) -> Page:
    """Newest first unless asked otherwise. Filters: user, method, since."""
    return _LISTING.page(r, query)
