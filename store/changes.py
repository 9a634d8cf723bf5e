"""The change log: what happened to the network, numbered without gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from model.change import AnyChange, Change, Committed
from model.ids import Version

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

_decode = msgspec.json.Decoder(AnyChange).decode
_encode = msgspec.json.Encoder().encode
_LAST = "SELECT coalesce(max(number), 0) FROM changes"


def append(tx: Transaction, change: Change) -> Committed:
    """Writes `change` under the next number. Services call `tx.record`, which also remembers it for the commit.

    The number is one more than the newest, which `prune` therefore never removes. A rolled-back
    transaction takes its numbers with it, so that no gap stays.
    """
    number: int = tx.later.end(_LAST)[0] + 1
    tx.later.row(
        "INSERT INTO changes (number, at, change) VALUES (?, ?, ?)", (number, tx.now, _encode(change).decode())
    )
    tx.later.move(_LAST, (number,))
    if change.shows:
        tx.newest.shown = number
    return Committed(Version(number), tx.now, cast(AnyChange, change))


def since(r: Reader, number: int) -> tuple[Committed, ...]:
    """The changes after `number`, in order. Where the log no longer reaches back that far, see `oldest`."""
    rows = r.sql.execute("SELECT number, at, change FROM changes WHERE number > ? ORDER BY number", (number,))
    return tuple(Committed(Version(n), at, _decode(text)) for n, at, text in rows)


def last(r: Reader) -> Version:
    """The newest number; 0 where nothing has happened yet."""
    return Version(r.sql.execute(_LAST).fetchone()[0])


def oldest(r: Reader) -> Version:
    """The oldest number that is kept; 0 where nothing has happened yet. `since(r, oldest - 1)` is whole."""
    return Version(r.sql.execute("SELECT coalesce(min(number), 0) FROM changes").fetchone()[0])


def prune(tx: Transaction, keep: int) -> int:
    """Removes all but the newest `keep` changes (at least one stays) and gives how many went."""
    return tx.sql.execute(
        "DELETE FROM changes WHERE number <= (SELECT max(number) FROM changes) - ?", (max(keep, 1),)
    ).rowcount
