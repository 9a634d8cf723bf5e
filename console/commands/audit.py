"""The audit trail."""

from __future__ import annotations

import time

import click
import msgspec

from console.commandline import shapes
from console.commandline.command import DURATION, argument, option, verb
from console.commandline.render import Column, facts
from console.commandline.run import Run
from gate.services import audit as service
from gate.services.queries import Query
from model.errors import Invalid
from model.records import AuditEntry

ACTOR = option("--actor", help="Of this actor alone.", default="")


@verb(
    "list", "list what happened, the newest first",
    option("--filter", "words", help="Words and key:value pairs, like action:devices or subject:db-1.", default=""),
    ACTOR,
    option("--since", help="No older than this, like 1h.", type=DURATION),
    option("--limit", help="At most so many.", type=click.IntRange(1), default=200, show_default=True),
    operation="audit list", examples=("audit list --since 1h", "audit list --actor alice --filter policy --json"),
)  # fmt: skip
async def list_audit(run: Run, words: str, actor: str, since: int | None, limit: int) -> None:
    where = {"actor": actor} if actor else {}
    if since is not None:
        where["since"] = str(int(time.time()) - since)
    query = Query(filter=words, sort="number", descending=True, limit=limit, where=where, strict=True)
    page = await run.perform(service.list_audit, query=query)
    found = [row for row in page.rows if isinstance(row, AuditEntry)]
    await run.listed(COLUMNS, found, cells, shapes.builtins, empty="nothing yet")


COLUMNS = [
    Column("NUMBER", "right"), Column("AT"), Column("ACTOR", flexible=True), Column("ACTION"),
    Column("SUBJECT", flexible=True), Column("SOURCE"),
]  # fmt: skip


def cells(entry: AuditEntry) -> list[str]:
    return [str(entry.number), shapes.timestamp(entry.at), entry.actor, entry.action, entry.subject, entry.source]


@verb(
    "show",
    "show one entry, before and after",
    argument("number", type=int),
    operation="audit show",
    examples=("audit show 1042",),
)
async def show(run: Run, number: int) -> None:
    entry = await run.perform(service.show_audit, number=number)
    told = dict(zip(("number", "at", "actor", "action", "subject", "source"), cells(entry), strict=True))
    for side, value in (("before", entry.before), ("after", entry.after)):
        told |= {f"{side} {key}": msgspec.json.encode(item).decode() for key, item in (value or {}).items()}
    run.result(shapes.builtins(entry), facts([*told.items(), ("hash", entry.hash)]))


@verb("verify", "check that no entry was changed or removed", operation="audit verify", examples=("audit verify",))
async def verify(run: Run) -> None:
    broken = await run.perform(service.verify_audit)
    if broken is not None:
        raise Invalid(
            f"entry {broken} does not follow from the one before it", hint="compare with a backup from before"
        )
    run.result({"intact": True}, "every entry follows from the one before")


@verb(
    "follow", "print what happens as it happens, until interrupted", ACTOR,
    operation="audit follow", examples=("audit follow --json",),
)  # fmt: skip
async def follow(run: Run, actor: str) -> None:
    async for entry in service.follow_audit(run.gate, run.actor, of=actor):
        if run.as_json:
            run.streams.write(msgspec.json.encode(shapes.builtins(entry)).decode() + "\n")
        else:
            run.streams.write("  ".join(cells(entry)) + "\n")
        await run.streams.drain()


VERBS = (list_audit, show, verify, follow)
