"""The policy."""

from __future__ import annotations

from typing import Any

from console.commandline import shapes
from console.commandline.command import DURATION, FILE, argument, option, verb
from console.commandline.render import Column, until
from console.commandline.run import Run
from gate.services import policies as service

FILE_ARGUMENT = argument("file", type=FILE, metavar="FILE")


@verb(
    "show", "print the policy in force, or an older version",
    argument("number", type=int, required=False, metavar="[NUMBER]"),
    operation="policy show", examples=("policy show > policy.hujson",),
)  # fmt: skip
async def show(run: Run, number: int | None) -> None:
    version = await run.perform(service.show, number=number)
    run.result(shapes.builtins(version), version.text)


@verb(
    "check", "read, compile and test a policy against this network, and change nothing", FILE_ARGUMENT,
    operation="policy check", examples=("policy check policy.hujson", "policy check FILE --network FILE --json"),
)  # fmt: skip
async def check(run: Run, file: str) -> None:
    found = await run.perform(service.check, text=await run.text(file))
    document: dict[str, Any] = {"accepted": True, "warnings": list(found.warnings), "allows_all": found.allows_all}
    run.result(document, "".join(f"warning: {one}\n" for one in found.warnings) + "the policy is good")


@verb(
    "set", "check a policy and put it in force", FILE_ARGUMENT,
    option("--if-version", help="Only where this version is the one in force.", type=int, metavar="N"),
    option("--confirm-within", help="Go back by itself unless `policy confirm` comes in time.", type=DURATION),
    option("--allow-all", help="Although it lets everything pass.", is_flag=True),
    operation="policy set",
    examples=("policy set policy.hujson", "policy set policy.hujson --if-version 7 --confirm-within 60s"),
)  # fmt: skip
async def set_policy(run: Run, file: str, if_version: int | None, confirm_within: int | None, allow_all: bool) -> None:
    version = await run.perform(
        service.set_policy, text=await run.text(file), if_version=if_version, confirm_within=confirm_within,
        allow_all=allow_all,
    )  # fmt: skip
    text = f"version {version.number} is in force"
    if version.confirm_by is not None:
        text += (
            f"\nit goes back in {until(version.confirm_by)} unless you confirm it from a new connection: policy confirm"
        )
    run.result(shapes.builtins(version), text)


@verb("confirm", "keep the version that waits for confirmation", operation="policy confirm")
async def confirm(run: Run) -> None:
    version = await run.perform(service.confirm)
    run.result(shapes.builtins(version), f"version {version.number} stays")


@verb("history", "list the versions, the newest first", operation="policy history")
async def history(run: Run) -> None:
    found = await run.perform(service.history, limit=1000)
    run.rows(
        [Column("VERSION", "right"), Column("AT"), Column("BY", flexible=True), Column("NOTE", flexible=True)],
        [[str(one.number), shapes.timestamp(one.created_at), one.created_by, one.note] for one in found],
        [{key: value for key, value in shapes.builtins(one).items() if key != "text"} for one in found],
    )


@verb(
    "rollback", "put an older version in force again, as a new one",
    argument("number", type=int, required=False, metavar="[NUMBER]"),
    operation="policy rollback", examples=("policy rollback", "policy rollback 7"),
)  # fmt: skip
async def rollback(run: Run, number: int | None) -> None:
    version = await run.perform(service.rollback, number=number)
    run.result(shapes.builtins(version), f"version {version.number} is in force: {version.note}")


VERBS = (show, check, set_policy, confirm, history, rollback)
