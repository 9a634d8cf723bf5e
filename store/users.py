"""People: by name, by bare name where that is unique, and as pages."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from model.errors import Ambiguous, Conflict, NotFound
from model.ids import UserID, UserName, quoted, user_name
from model.records import Page, Role, User, UserState
from store.faults import violated
from store.mapping import Rows, decimal
from store.paging import Listing, Query, compares, equals, equals_number

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

_ROWS = Rows(User, "users", decimal_text=("id",))
_SHOWN = 5
"""Names that a message about an ambiguous one lists."""


def add(
    tx: Transaction, *, name: UserName, email: str | None = None, role: Role = Role.MEMBER, service: bool = False
) -> User:
    """Raises `Conflict` where the name is taken."""
    columns = _ROWS.encode(
        name=name, email=email, role=role, state=UserState.ACTIVE, service=service, created_at=tx.now, groups=()
    )
    try:
        id = _ROWS.insert(tx, columns)
    except sqlite3.IntegrityError as fault:
        raise _refusal(tx, fault, name) from fault
    return by_id(tx, UserID(str(id)))


def by_id(r: Reader, id: UserID) -> User:
    found = _ROWS.one(r, "id = ?", decimal(id))
    if found is None:
        raise NotFound(f"no user has the id {quoted(id)}", hint="`wardgate users list` shows them")
    return found


def by_name(r: Reader, name: UserName) -> User | None:
    """The user of a full name; None where there is none."""
    return _ROWS.one(r, "name = ?", name)


def active_role(r: Reader, name: UserName) -> Role | None:
    """What the user of a full name may do now; None where there is none, or they are disabled."""
    row = r.beside.execute("SELECT role FROM users WHERE name = ? AND state = 'active'", (name,)).fetchone()
    return None if row is None else Role(row[0])


def find(r: Reader, text: str, default_domain: str) -> User:
    """The user that a person means by `text`: a full name, or a bare one where only one user has it.

    Raises `NotFound`, `Ambiguous`, or `Invalid` where no user could be called so.
    """
    name = user_name(text, default_domain)
    if "@" in text:
        found = _ROWS.many(r, "WHERE name = ?", name)
    else:
        found = _ROWS.many(r, "WHERE local = ? ORDER BY name LIMIT ?", name.partition("@")[0], _SHOWN + 1)
    if not found:
        raise NotFound(f"no user is called {quoted(text)}", hint="`wardgate users list` shows them")
    if len(found) > 1:
        names = ", ".join(user.name for user in found[:_SHOWN])
        raise Ambiguous(f"{quoted(text)} may be {names}", hint="give the whole name")
    return found[0]


def all(r: Reader) -> tuple[User, ...]:
    """In order of id."""
    return _ROWS.many(r, "ORDER BY id")


def put(tx: Transaction, user: User) -> None:
    """Writes the whole record over the one with its id. Raises `NotFound`, or `Conflict` where its name is taken."""
    columns = _ROWS.encode_record(user)
    try:
        written = _ROWS.update(tx, columns.pop("id"), columns)
    except sqlite3.IntegrityError as fault:
        raise _refusal(tx, fault, user.name) from fault
    if not written:
        raise NotFound(f"no user has the id {quoted(user.id)}", hint="it was removed meanwhile")


def remove(tx: Transaction, user: User) -> None:
    """Removes the user with their keys, logins, identities and enrollment keys.

    Raises `Conflict` while devices are theirs, `NotFound` where they are gone already.
    """
    try:
        removed = _ROWS.delete(tx, decimal(user.id))
    except sqlite3.IntegrityError as fault:
        (count,) = tx.sql.execute("SELECT count(*) FROM devices WHERE user = ?", (user.name,)).fetchone()
        raise Conflict(
            f"user {quoted(user.name)} still owns {count} {'device' if count == 1 else 'devices'}",
            hint="remove the devices first, or tag them so that no one owns them",
        ) from fault
    if not removed:
        raise NotFound(f"no user is called {quoted(user.name)}", hint="they were removed meanwhile")


def owners(r: Reader) -> int:
    """How many active users are owners: the last one stays."""
    count: int = r.sql.execute("SELECT count(*) FROM users WHERE role = 'owner' AND state = 'active'").fetchone()[0]
    return count


def password(r: Reader, id: UserID) -> str | None:
    """The hash as it was set; None for a user without a password."""
    row = r.sql.execute("SELECT password FROM users WHERE id = ?", (decimal(id),)).fetchone()
    return None if row is None else row[0]


def set_password(tx: Transaction, id: UserID, hash: str | None) -> None:
    """Keeps the hash of a password; None takes the password away. Raises `NotFound`."""
    if not _ROWS.update(tx, decimal(id), {"password": hash}):
        raise NotFound(f"no user has the id {quoted(id)}", hint="they were removed meanwhile")


_GROUP = compares("EXISTS (SELECT 1 FROM json_each(users.groups) WHERE json_each.value IN (?, 'group:' || ?))")
_LISTING = Listing(
    _ROWS,
    sorts={"name": "name", "email": "email", "role": "role", "state": "state", "created_at": "created_at", "id": "id"},
    filters={"role": equals("role"), "state": equals("state"), "service": equals_number("service"), "group": _GROUP},
    text="visible",
    index="users_text",
)


def page(r: Reader, query: Query) -> Page:
    """Sorted by name unless asked otherwise. Filters: role, state, service, group."""
    return _LISTING.page(r, query)


def _refusal(r: Reader, fault: sqlite3.IntegrityError, name: UserName) -> Conflict | sqlite3.IntegrityError:
    if violated(fault) != "users.name":
        return fault
    holder = by_name(r, name)
    return Conflict(
        f"user {quoted(name)} is taken{f' (by user {holder.id})' if holder else ''}", hint="choose another name"
    )
