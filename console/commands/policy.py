"""The policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from console.commandline import shapes
from console.commandline.command import DURATION, FILE, argument, option, verb
from console.commandline.render import Column, plural, until
from console.commandline.run import Run
from gate.services import policies as service
from model.errors import Invalid, Limited
from model.records import PolicyVersion

if TYPE_CHECKING:
    from gate.snapshot import Snapshot

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
async def check(run: Run, file: str) -> int:
    text = await run.text(file)
    if run.as_json:  # a refusal is the answer that was asked for, so it goes to standard output
        answer = await run.perform(service.answer, text=text)
        run.document(answer)
        return 0 if answer["accepted"] else 1
    found = await run.perform(service.check, text=text)
    run.result(None, "".join(f"warning: {one}\n" for one in found.warnings) + "the policy is good")
    return 0


@verb(
    "set", "check a policy and put it in force", FILE_ARGUMENT,
    option("--if-version", help="Only where this version is the one in force.", type=int, metavar="N"),
    option("--confirm-within", help="Go back by itself unless `policy confirm` comes in time.", type=DURATION),
    option("--allow-all", help="Although it lets everything pass.", is_flag=True),
    operation="policy set",
    examples=("policy set policy.hujson", "policy set policy.hujson --if-version 7 --confirm-within 60s"),
)  # fmt: skip
async def set_policy(run: Run, file: str, if_version: int | None, confirm_within: int | None, allow_all: bool) -> None:
    before = run.gate.snapshot
    version = await run.perform(
        service.set_policy, text=await run.text(file), if_version=if_version, confirm_within=confirm_within,
        allow_all=allow_all,
    )  # fmt: skip
    for warning in run.gate.snapshot.compiled.warnings:
        run.note(f"warning: {warning}")
    effect = await _effect(run, before, version)
    text = f"version {version.number} is in force" + _told(effect)
    if version.confirm_by is not None:
        text += (
            f"\nit goes back in {until(version.confirm_by)} unless you confirm it from a new connection: policy confirm"
        )
    run.result({**shapes.builtins(version), "effect": shapes.builtins(effect)}, text)


async def _effect(run: Run, before: Snapshot, version: PolicyVersion) -> service.Effect | None:
    """What a version changed; None where others changed the policy meanwhile."""
    try:
        return await run.perform(service.effect, before=before, number=version.number)
    except Limited:  # it is in force all the same
        return None


def _told(effect: service.Effect | None) -> str:
    return f"\n{summary(effect)}" if effect is not None else ""


def summary(effect: service.Effect) -> str:
    """Who gains and loses, in one line."""
    if effect.empty:
        return "nothing changes in what passes"
    gain, lose = "gains" if effect.gained_pairs == 1 else "gain", "loses" if effect.lost_pairs == 1 else "lose"
    number = len(effect.devices)
    return (
        f"{plural(effect.gained_pairs, 'pair')} {gain} and {effect.lost_pairs:,} {lose} access; "
        f"{plural(effect.gained_logins, 'login')} {_are(effect.gained_logins)} gained and {effect.lost_logins:,} lost; "
        f"{plural(number, 'device')} {_are(number)} touched"
    )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


@verb(
    "confirm", "keep the version that waits for confirmation", operation="policy confirm", examples=("policy confirm",)
)
async def confirm(run: Run) -> None:
    version = await run.perform(service.confirm)
    run.result(shapes.builtins(version), f"version {version.number} stays")


@verb("history", "list the versions, the newest first", operation="policy history", examples=("policy history",))
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
    before = run.gate.snapshot
    version = await run.perform(service.rollback, number=number)
    effect = await _effect(run, before, version)
    said = f"version {version.number} is in force: {version.note}{_told(effect)}"
    run.result({**shapes.builtins(version), "effect": shapes.builtins(effect)}, said)


@verb(
    "test", "run a policy's own tests against this network; those of the one in force without FILE",
    argument("file", type=FILE, required=False, metavar="[FILE]"),
    operation="policy check", examples=("policy test", "policy test policy.hujson"),
)  # fmt: skip
async def test(run: Run, file: str | None) -> None:
    text = await run.text(file) if file else (await run.perform(service.show)).text
    await run.perform(service.check, text=text)
    run.result({"passed": True}, "all tests pass")


def destination(text: str) -> tuple[str, int | None]:
    """`DST:PORT`; the port may be left out for protocols without ports."""
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and not (":" in host and not host.endswith("]")):
        if not 1 <= int(port) <= 65535:
            raise Invalid(f"{port} is not a port")
        return host.removeprefix("[").removesuffix("]"), int(port)
    return text.removesuffix(":*"), None


@verb(
    "explain", "say whether SRC reaches DST, and by which rule; or whether it may log in: SRC ssh LOGIN@HOST",
    argument("src"), argument("words", many=True, metavar="(DST:PORT | ssh LOGIN@HOST)"),
    option("--proto", help="tcp, udp, icmp …; any of the usual ones without it.", metavar="P"),
    operation="policy explain",
    examples=("policy explain laptop db-1:5432", "policy explain alice ssh root@db-1"),
)  # fmt: skip
async def explain(run: Run, src: str, words: tuple[str, ...], proto: str | None) -> None:
    if len(words) == 2 and words[0] == "ssh":
        login, at, host = words[1].rpartition("@")
        if not at or not login:
            raise Invalid(f"{words[1]!r} is not LOGIN@HOST", hint="like: policy explain alice ssh root@db-1")
        found = await run.perform(service.explain_ssh, src=src, login=login, host=host)
        rule = found.rule and {**shapes.builtins(found.rule), "name": str(found.rule)}
        document = {**shapes.builtins(found), "allowed": found.action != "deny", "rule": rule}
        said = {"accept": "yes", "check": f"yes, within {found.check_period_s} s of a login", "deny": "no"}
        run.result(document, _decided(said[found.action], found.rule, found.why, found.hint))
        return
    if len(words) != 1:
        raise click.UsageError("name one destination: DST:PORT, or ssh LOGIN@HOST")
    dst, port = destination(words[0])
    answer = await run.perform(service.explain, src=src, dst=dst, port=port, proto=proto)
    rule = answer.rule and {**shapes.builtins(answer.rule), "name": str(answer.rule)}
    run.result(
        {**shapes.builtins(answer), "rule": rule},
        _decided("yes" if answer.allowed else "no", answer.rule, answer.why, answer.hint),
    )


def _decided(said: str, rule: object, why: str, hint: str | None) -> str:
    line = f", line {getattr(rule, 'line', 0)}" if rule is not None else ""
    return (
        f"{said}: {why}\n" + (f"rule: {rule}{line}\n" if rule is not None else "") + (f"hint: {hint}\n" if hint else "")
    )


@verb(
    "reach", "list what a device or person reaches, and who reaches it", argument("name"),
    operation="policy reach", examples=("policy reach db-1", "policy reach alice --json"),
)  # fmt: skip
async def reach(run: Run, name: str) -> None:
    found = await run.perform(service.reach, name=name)
    rows = [
        [heading, " ".join((*one.devices, *one.nets)), " ".join(one.ways), f"{one.rule}, line {one.rule.line}"]
        for heading, listed in (("reaches", found.outgoing), ("reached by", found.incoming))
        for one in listed
    ]
    rows += [
        [heading, f"{one.login}@{one.device}", "ssh", " ".join(one.principals)]
        for heading, logins in (("logs in at", found.logins_out), ("lets in", found.logins_in))
        for one in logins
    ]
    run.rows(
        [Column(""), Column("WHAT", flexible=True), Column("ON", flexible=True), Column("BY", flexible=True)],
        rows, shapes.builtins(found), empty=f"{name} reaches nothing, and nothing reaches it",
    )  # fmt: skip


@verb(
    "diff", "show what a policy would change before it is set: who gains and who loses which access", FILE_ARGUMENT,
    operation="policy diff", examples=("policy diff policy.hujson",),
)  # fmt: skip
async def diff(run: Run, file: str) -> None:
    found = await run.perform(service.diff, text=await run.text(file))
    effect = service.in_figures(found, run.gate.snapshot)
    rows = [
        [sign, " ".join(one.sources), " ".join((one.destination, *one.nets)), " ".join(one.ways)]
        for sign, listed in (("+", found.gained), ("−", found.lost))
        for one in listed
    ]
    rows += [
        [sign, " ".join(one.principals), f"{one.login}@{one.device}", "ssh"]
        for sign, logins in (("+", found.logins_gained), ("−", found.logins_lost))
        for one in logins
    ]
    document = {**shapes.builtins(found), "devices": effect.devices, "empty": found.empty}
    heads = [Column(""), Column("FROM", flexible=True), Column("TO", flexible=True), Column("ON", flexible=True)]
    run.rows(heads, rows, document, empty="nothing would change in what passes")
    if not found.empty:
        run.note(summary(effect))


VERBS = (show, check, set_policy, diff, test, explain, reach, confirm, history, rollback)
