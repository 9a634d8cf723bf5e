"""What each operator chose for their console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from model.ids import UserName

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction


def get(r: Reader, user: UserName) -> dict[str, object]:
    """Empty for a user who chose nothing."""
    row = r.sql.execute("SELECT value FROM preferences WHERE user = ?", (user,)).fetchone()
    return {} if row is None else msgspec.json.decode(row[0], type=dict[str, object])


def put(tx: Transaction, user: UserName, chosen: Mapping[str, object]) -> None:
    """Keeps `chosen` in place of all that was chosen before; the user must exist."""
    tx.db.table("preferences").upsert({"user": user, "value": msgspec.json.encode(chosen).decode()}, pk="user")
