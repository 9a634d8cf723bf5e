"""What a person set for their own console: theme, columns, keys. It is no change to the network.

Everyone has their own, a local owner (`local:UID`) too, and nobody another's.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gate.operation import Call, reads, writes
from gate.services import own
from model.errors import Limited
from store import Reader, Transaction, preferences

MAX_SIZE = 64 * 1024


@reads("preferences")
def mine(r: Reader, call: Call) -> dict[str, object]:
    user, local = own.desk(call)
    return preferences.get(r, user) if user is not None else preferences.get_local(r, local)


@writes("preferences")
def put(tx: Transaction, call: Call, *, values: Mapping[str, object]) -> None:
    """All of them, in place of what was there."""
    _put(tx, call, values)


@writes("preferences")
def choose(tx: Transaction, call: Call, *, key: str, value: str) -> dict[str, object]:
    """One of them, beside the others: of two sessions that choose at once, neither loses. Empty takes it back."""
    user, local = own.desk(call)
    kept = preferences.get(tx, user) if user is not None else preferences.get_local(tx, local)
    chosen = {**kept, key: value}
    if not value:
        del chosen[key]
    _put(tx, call, chosen)
    return chosen


def _put(tx: Transaction, call: Call, values: Mapping[str, object]) -> None:
    if len(msgspec.json.encode(values)) > MAX_SIZE:
        raise Limited(f"preferences take at most {MAX_SIZE} bytes")
    user, local = own.desk(call)
    if user is not None:
        preferences.put(tx, user, values)
    else:
        preferences.put_local(tx, local, values)
