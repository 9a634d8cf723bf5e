"""The public keys that let people in at the gate."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from model.errors import Conflict, NotFound
from model.ids import UserName, quoted
from model.keys import SSHKey
from model.records import User, UserKey
from store import users
from store.faults import violated
from store.mapping import Rows

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

_ROWS = Rows(UserKey, "user_keys", decimal_text=("id",))


def add(
    tx: Transaction,
    user: User,
    key: SSHKey,
    comment: str = "",
    expires_at: int | None = None,
    *,
    break_glass: bool = False,
) -> UserKey:
    """Raises `Conflict` where the user has that key already, `NotFound` where the user is gone."""
    columns = _ROWS.encode(
        user=user.name, key=key, comment=comment, added_at=tx.now, expires_at=expires_at, break_glass=break_glass
    )
    try:
        id = _ROWS.insert(tx, {**columns, "fingerprint": key.fingerprint})
    except sqlite3.IntegrityError as fault:
        if violated(fault) == "foreign key":
            raise NotFound(f"no user is called {quoted(user.name)}", hint="they were removed meanwhile") from fault
        raise Conflict(
            f"{user.name} has the key {key.fingerprint} already", hint="remove it first to change its comment or end"
        ) from fault
    return UserKey(
        id=str(id), user=user.name, key=key, comment=comment, added_at=tx.now, expires_at=expires_at,
        break_glass=break_glass,
    )  # fmt: skip


def of(r: Reader, user_name: UserName) -> tuple[UserKey, ...]:
    """The keys of one user in order of adding, those that have ended too."""
    return _ROWS.many(r, 'WHERE "user" = ? ORDER BY id', user_name)


def all(r: Reader) -> tuple[UserKey, ...]:
    return _ROWS.many(r, "ORDER BY id")


def break_glass(r: Reader) -> tuple[UserKey, ...]:
    """The break-glass keys of owners who may come: those that would serve in an emergency."""
    owners = "SELECT name FROM users WHERE role = 'owner' AND state = 'active'"
    return _ROWS.many(r, f'WHERE break_glass = 1 AND "user" IN ({owners}) ORDER BY id')


def mark_proved(tx: Transaction, user_name: UserName, fingerprint: str) -> None:
    """Whoever came with this key holds it."""
    tx.sql.execute(
        'UPDATE user_keys SET proved_at = ? WHERE "user" = ? AND fingerprint = ? AND proved_at IS NULL',
        (tx.now, user_name, fingerprint),
    )


def claims(r: Reader, key: SSHKey) -> tuple[UserKey, ...]:
    """Each registration of this key as a person's, those that have ended too."""
    return tuple(one for one in _ROWS.many(r, "WHERE fingerprint = ? ORDER BY id", key.fingerprint) if one.key == key)


def remove(tx: Transaction, user_name: UserName, fingerprint: str) -> UserKey:
    """Takes one key away and gives it back. Raises `NotFound`."""
    found = _ROWS.one(tx, '"user" = ? AND fingerprint = ?', user_name, fingerprint)
    if found is None:
        raise NotFound(
            f"{user_name} has no key {quoted(fingerprint)}", hint=f"`wardgate users keys list {user_name}` shows them"
        )
    _ROWS.delete(tx, int(found.id))
    return found


def users_with(r: Reader, key: SSHKey) -> tuple[User, ...]:
    """The users whom this key lets in now: keys that have ended do not count. Whether a user may come is not asked."""
    rows = r.sql.execute(
        "SELECT user FROM user_keys WHERE fingerprint = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)"
        " ORDER BY user",
        (key.fingerprint, key.blob, r.now),
    ).fetchall()
    return tuple(user for (name,) in rows if (user := users.by_name(r, name)) is not None)
