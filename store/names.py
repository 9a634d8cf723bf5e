"""The names that operators set; those of devices follow from the devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import NotFound
from model.ids import DNSName, quoted
from model.records import Name, NameType, Page
from store.mapping import Rows
from store.paging import Listing, Query, equals

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

_ROWS = Rows(Name, "names")
_PUT = (
    "INSERT INTO names (name, type, value, ttl, created_at, created_by) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (name, type, value) DO UPDATE SET ttl = excluded.ttl RETURNING {columns}"
)


def put(tx: Transaction, name: DNSName, type: NameType, value: str, ttl: int, by: str) -> Name:
    """Adds a record, or gives the one with this value its new lifetime. Which types may stand together is not asked."""
    row = tx.sql.execute(
        _PUT.format(columns=_ROWS.columns),
        (name, type.value, value, ttl, tx.now, by),
    ).fetchall()
    return _ROWS.decode(row[0])


def remove(tx: Transaction, name: DNSName, type: NameType | None = None, value: str | None = None) -> tuple[Name, ...]:
    """Removes the records of `name`, of one type or with one value where given. Raises `NotFound` if there is none."""
    removed = tuple(
        record
        for record in of(tx, name)
        if (type is None or record.type is type) and (value is None or record.value == value)
    )
    if not removed:
        what = f" {type.value}" if type else ""
        raise NotFound(f"no{what} record was set for {quoted(name)}", hint="`wardgate names list` shows them")
    tx.sql.executemany(
        "DELETE FROM names WHERE name = ? AND type = ? AND value = ?",
        [(record.name, record.type.value, record.value) for record in removed],
    )
    return removed


def of(r: Reader, name: DNSName) -> tuple[Name, ...]:
    """The records set for exactly this name, by type and value."""
    return _ROWS.many(r, "WHERE name = ? ORDER BY type, value", name)


def all(r: Reader) -> tuple[Name, ...]:
    """By name, type and value."""
    return _ROWS.many(r, "ORDER BY name, type, value")


_LISTING = Listing(
    _ROWS,
    sorts={"name": "name", "type": "type", "value": "value", "ttl": "ttl", "created_at": "created_at"},
    filters={"type": equals("type"), "by": equals("created_by")},
    text="name || ' ' || type || ' ' || value",
)


def page(r: Reader, query: Query) -> Page:
    """Sorted by name unless asked otherwise. Filters: type, by."""
    return _LISTING.page(r, query)
