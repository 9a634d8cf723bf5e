"""The CA keys in their lives: `user-1`, `user-2`, `host-1` …"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from model.errors import Conflict, NotFound
from model.ids import GenerationID, quoted
from model.keys import SSHKey
from model.records import CertificateKind, Generation, GenerationState
from store.faults import violated
from store.mapping import Rows

if TYPE_CHECKING:
    from store.transaction import Reader, Transaction

_ROWS = Rows(Generation, "generations")


def next_id(r: Reader, kind: CertificateKind) -> GenerationID:
    """What the next generation of a kind will be called; a number is never used again."""
    row = r.sql.execute("SELECT coalesce(max(number), 0) + 1 FROM generations WHERE kind = ?", (kind.value,)).fetchone()
    return GenerationID(f"{kind.value}-{row[0]}")


def add(
    tx: Transaction,
    *,
    kind: CertificateKind,
    key: SSHKey,
    state: GenerationState = GenerationState.PENDING,
    backend: str = "file",
) -> Generation:
    """The next generation of its kind. Raises `Conflict` where the key is known, or another generation is active."""
    generation = Generation(
        id=next_id(tx, kind),
        kind=kind,
        key=key,
        state=state,
        backend=backend,
        created_at=tx.now,
        activated_at=tx.now if state is GenerationState.ACTIVE else None,
    )
    number = int(generation.id.partition("-")[2])
    try:
        _ROWS.insert(tx, {**_ROWS.encode_record(generation), "number": number})
    except sqlite3.IntegrityError as fault:
        raise _refusal(tx, fault, generation) from fault
    return generation


def all(r: Reader) -> tuple[Generation, ...]:
    """By kind, in order of making."""
    return _ROWS.many(r, "ORDER BY kind, number")


def by_id(r: Reader, id: GenerationID) -> Generation:
    found = _ROWS.one(r, "id = ?", id)
    if found is None:
        raise NotFound(f"no generation is called {quoted(id)}", hint="`wardgate ca show` shows them")
    return found


def active(r: Reader, kind: CertificateKind) -> Generation:
    """The one that signs. Raises `NotFound` where none does."""
    found = _ROWS.one(r, "kind = ? AND state = 'active'", kind.value)
    if found is None:
        raise NotFound(f"no {kind.value} CA key is active", hint=f"make one active: wardgate ca promote {kind.value}")
    return found


def put(tx: Transaction, generation: Generation) -> None:
    """Writes the whole record. Raises `NotFound`, or `Conflict` where two of a kind would be active."""
    columns = _ROWS.encode_record(generation)
    try:
        written = _ROWS.update(tx, columns.pop("id"), columns)
    except sqlite3.IntegrityError as fault:
        raise _refusal(tx, fault, generation) from fault
    if not written:
        raise NotFound(f"no generation is called {quoted(generation.id)}", hint="`wardgate ca show` shows them")


def _refusal(r: Reader, fault: sqlite3.IntegrityError, generation: Generation) -> Conflict | sqlite3.IntegrityError:
    match violated(fault):
        case "generations.key":
            return Conflict("this CA key is a generation already", hint="each generation has a key of its own")
        case "generations.kind":
            return Conflict(
                f"{active(r, generation.kind).id} is active: one {generation.kind.value} CA key signs at a time",
                hint="let it sign no more first",
            )
    return fault
