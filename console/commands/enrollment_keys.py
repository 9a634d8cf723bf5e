"""Enrollment keys."""

from __future__ import annotations

import time

import click

from console.commandline import shapes
from console.commandline.command import DURATION, argument, option, verb
from console.commandline.render import Column, until
from console.commandline.run import Run
from console.commandline.tags import unknown
from gate import reached
from gate.services import enrollment_keys as service


@verb("list", "list enrollment keys", operation="enrollment-keys list", examples=("enrollment-keys list",))
async def list_keys(run: Run) -> None:
    found, now = await run.perform(service.list_keys), int(time.time())
    run.rows(
        [Column("ID"), Column("FOR", flexible=True), Column("USES LEFT", "right"), Column("EXPIRES", "right"),
         Column("MADE BY", flexible=True), Column("STATE")],
        [[key.id, key.user or " ".join(key.tags), "any" if key.uses_left is None else str(key.uses_left),
          until(key.expires_at), key.created_by, key.state(now).replace("-", " ")] for key in found],
        [shapes.enrollment_key(key) for key in found],
        empty="no enrollment keys; make one: enrollment-keys create --user NAME",
    )  # fmt: skip


@verb(
    "create", "make a key that lets a device join; it is printed this once",
    option("--user", help="Whose devices; your own without it."),
    option("--tag", "tags", help="A tag that devices take instead of an owner; repeatable.", multiple=True),
    option("--uses", help="How many devices; 0 for any number.", type=click.IntRange(0), default=1, show_default=True),
    option("--ephemeral", help="Devices are removed when they stay away.", is_flag=True),
    option("--pre-approved", help="Devices need no approval.", is_flag=True),
    option("--expires", "lives", help="How long the key serves; 24h without it.", type=DURATION),
    operation="enrollment-keys create",
    examples=("enrollment-keys create", "enrollment-keys create --tag tag:ci --uses 0 --ephemeral --expires 30d"),
)  # fmt: skip
async def create(
    run: Run,
    user: str | None,
    tags: tuple[str, ...],
    uses: int,
    ephemeral: bool,
    pre_approved: bool,
    lives: int | None,
) -> None:
    made = await run.perform(
        service.create,
        user=user,
        tags=tags,
        uses=uses or None,
        ephemeral=ephemeral,
        pre_approved=pre_approved,
        lives=lives,
    )
    tags_unknown = unknown(run, made.record.tags)
    command = f"wardgate up {reached.target(run.gate.snapshot.settings)} --key-file FILE"
    if run.terminal is not None:
        run.note(f"keep it in a file on the device, and there: {command}")
    shaped = shapes.enrollment_key(made.record)
    run.result({"key": str(made.key), **shaped, "command": command, "tags_unknown": tags_unknown}, str(made.key))


@verb(
    "revoke",
    "take enrollment keys back",
    argument("ids", many=True, metavar="ID ..."),
    operation="enrollment-keys revoke",
    examples=("enrollment-keys revoke 7",),
)
async def revoke(run: Run, ids: tuple[str, ...]) -> None:
    found = await run.perform(service.revoke, ids=ids)
    run.result([shapes.enrollment_key(key) for key in found], "".join(f"revoked {key.id}\n" for key in found))


VERBS = (list_keys, create, revoke)
