"""What each operator chose for their console. A local owner (`local:UID`) is no user, and has a table of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from model.ids import UserName

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction


def get(r: Reader, user: UserName) -> dict[str, object]:
    """Empty for a user who chose nothing."""
    return _chosen(r, "SELECT value FROM preferences WHERE user = ?", user)


def put(tx: Transaction, user: UserName, chosen: Mapping[str, object]) -> None:
    """Keeps `chosen` in place of all that was chosen before; the user must exist."""
    tx.db.table("preferences").upsert({"user": user, "value": msgspec.json.encode(chosen).decode()}, pk="user")


def get_local(r: Reader, local: str) -> dict[str, object]:
    """Of `local:UID`; empty where nothing was chosen."""
    return _chosen(r, "SELECT value FROM local_preferences WHERE local = ?", local)


def put_local(tx: Transaction, local: str, chosen: Mapping[str, object]) -> None:
    tx.db.table("local_preferences").upsert({"local": local, "value": msgspec.json.encode(chosen).decode()}, pk="local")


def _chosen(r: Reader, sql: str, who: str) -> dict[str, object]:
    row = r.sql.execute(sql, (who,)).fetchone()
    return {} if row is None else msgspec.json.decode(row[0], type=dict[str, object])
