"""Settings by key, as JSON values. What keys there are and what they mean is not the store's to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

IPV4 = "ipv4"
IPV6 = "ipv6"
"""The ranges that addresses are dealt from."""
DOMAIN = "domain"
"""What device names stand under."""
CLAIMS = "certificates.claims"
"""How long certificates live, among others: rows with a `maximum` in seconds."""


def all(r: Reader) -> dict[str, object]:
    """Those that were set, by key."""
    rows = r.sql.execute("SELECT key, value FROM settings ORDER BY key")
    return {key: msgspec.json.decode(value) for key, value in rows}


def get(r: Reader, key: str, default: object = None) -> object:
    row = r.sql.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
    return default if row is None else msgspec.json.decode(row[0])


def put(tx: Transaction, key: str, value: object) -> None:
    """Sets `key` to anything that JSON can hold."""
    tx.db.table("settings").upsert({"key": key, "value": msgspec.json.encode(value).decode()}, pk="key")


def remove(tx: Transaction, key: str) -> None:
    """Back to the default; a key that is not set stays so."""
    tx.sql.execute("DELETE FROM settings WHERE key = ?", (key,))
