"""The policy that a person writes: kept for them until they set it or drop it, wherever they come back from.

It is no change to the network, and nobody else sees it.
"""

from __future__ import annotations

from gate.operation import Call, reads, writes
from gate.services import own
from model.errors import Limited
from model.records import PolicyDraft
from store import Reader, Transaction, drafts

MAX_SIZE = 4 << 20
"""Bytes of a draft; a policy for 10,000 devices has some hundred thousand."""


@reads("policy check")
def mine(r: Reader, call: Call) -> PolicyDraft | None:
    user, local = own.desk(call)
    return drafts.get(r, user=user) if user is not None else drafts.get(r, local=local)


@writes("policy check")
def keep(tx: Transaction, call: Call, *, text: str, based_on: int) -> None:
    """In place of the draft that was there. Raises `Limited` above `MAX_SIZE`."""
    if len(text.encode()) > MAX_SIZE:
        raise Limited(f"a draft has at most {MAX_SIZE} bytes", hint="keep it in a file: policy set FILE")
    draft = PolicyDraft(based_on=based_on, text=text, kept_at=tx.now)
    user, local = own.desk(call)
    if user is not None:
        drafts.put(tx, draft, user=user)
    else:
        drafts.put(tx, draft, local=local)


@writes("policy check")
def drop(tx: Transaction, call: Call) -> None:
    """Where there is none, nothing happens."""
    user, local = own.desk(call)
    if user is not None:
        drafts.remove(tx, user=user)
    else:
        drafts.remove(tx, local=local)
