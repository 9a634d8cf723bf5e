"""What a person set for their own console: theme, columns, keys. It is no change to the network."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gate.operation import Call, reads, writes
from model.errors import Limited
from store import Reader, Transaction, preferences

MAX_SIZE = 64 * 1024


@reads("preferences")
def mine(r: Reader, call: Call) -> dict[str, object]:
    assert call.actor.user is not None
    return preferences.get(r, call.actor.user)


@writes("preferences")
def put(tx: Transaction, call: Call, *, values: Mapping[str, object]) -> None:
    """All of them, in place of what was there."""
    assert call.actor.user is not None
    if len(msgspec.json.encode(values)) > MAX_SIZE:
        raise Limited(f"preferences take at most {MAX_SIZE} bytes")
    preferences.put(tx, call.actor.user, values)
