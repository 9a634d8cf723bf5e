"""The audit trail: read, followed as it grows, and verified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec

from gate.actor import GATE, Actor
from gate.operation import Call, reads
from gate.services.queries import whole
from gate.snapshot import Snapshot
from model.ids import user_name
from model.records import AuditEntry, Page
from store import Query, Reader, audit

if TYPE_CHECKING:
    from gate.gate import Gate

FOLLOW_EVERY = 0.5
"""Seconds between looks at the trail by one who follows it: not every entry is a change."""


@reads("audit list")
def list_audit(r: Reader, call: Call, *, query: Query) -> Page:
    where = query.where
    if "actor" in where:
        named = actor_named(call.snapshot, str(where["actor"]))
        query = msgspec.structs.replace(query, where={**where, "actor": named})
    return whole(r, audit.page, query)


def actor_named(snapshot: Snapshot, name: str) -> str:
    """What the audit trail calls `name`: a person by the bare name too, as everywhere; anyone else as written."""
    if ":" in name or name == GATE.name:
        return name
    return user_name(name, snapshot.user_domain)


@reads("audit show")
def show_audit(r: Reader, call: Call, *, number: int) -> AuditEntry:
    return audit.by_number(r, number)


@reads("audit verify", heavy=True)
def verify_audit(r: Reader, call: Call) -> int | None:
    """The first entry whose hash does not follow from what it says and the one before; None where all do."""
    return audit.verify(r)


@reads("audit follow")
def audit_since(r: Reader, call: Call, *, number: int) -> tuple[AuditEntry, ...]:
    return audit.since(r, number)


async def follow_audit(gate: Gate, actor: Actor, *, of: str = "") -> AsyncIterator[AuditEntry]:
    """Entries as they come (those `of` one actor, where one is named), from the newest ten on.

    Authorizes each time: a demoted person's following ends.
    """
    wanted = actor_named(gate.snapshot, of) if of else ""
    page = await gate.perform(list_audit, actor, query=Query(limit=10, where={"actor": wanted} if wanted else {}))
    newest = [row for row in reversed(page.rows) if isinstance(row, AuditEntry)]
    last = newest[-1].number if newest else 0
    for entry in newest:
        yield entry
    while True:
        await asyncio.sleep(FOLLOW_EVERY)
        for entry in await gate.perform(audit_since, actor, number=last):
            last = entry.number
            if wanted in ("", entry.actor):
                yield entry
