"""People."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import click

from console.commandline import shapes
from console.commandline.command import FILE, Noun, argument, option, verb
from console.commandline.render import Column
from console.commandline.run import Run
from console.commandline.taken import taken
from console.commands.logins import USER_VERBS, described, invited, person
from gate.login import keys, passwords
from gate.services import logins
from gate.services import users as service
from gate.services.queries import Query
from model.change import Change
from model.errors import Invalid
from model.keys import ssh_key
from model.records import Role, User, UserKey

NAME = argument("name")
NAMES = argument("names", many=True, metavar="NAME ...")
ROLE = click.Choice([role.value for role in Role])
EVERYTHING = 1 << 31


def changed(run: Run, found: Sequence[User], done: Callable[[User], str], changes: Sequence[Change]) -> None:
    """What became of one person, or of each of several, and what that took away from all of them."""
    lost = taken(changes)
    took = {
        "certificates_revoked": lost.certificates, "devices_removed": lost.devices,
        "enrollment_keys_revoked": lost.enrollment_keys,
    }  # fmt: skip
    if len(found) == 1:
        run.result({**shapes.user(found[0]), **took}, done(found[0]) + lost.said())
    else:
        lines = [done(user) for user in found]
        text = "\n".join(lines) + lost.said()
        run.result({"users": [shapes.user(user) for user in found], **took}, text)


def key_removed(run: Run, key: UserKey, done: str, changes: Sequence[Change]) -> None:
    lost = taken(changes)
    run.result({**shapes.user_key(key), "certificates_revoked": lost.certificates}, done + lost.said())


@verb(
    "list", "list people",
    option("--filter", "words", help="Words and key:value pairs, like state:disabled or group:eng.", default=""),
    option("--limit", help="At most so many.", type=click.IntRange(1), default=EVERYTHING, show_default=False),
    operation="users list", examples=("users list", "users list --filter role:admin --json"),
)  # fmt: skip
async def list_users(run: Run, words: str, limit: int) -> None:
    page = await run.perform(service.list_users, query=Query(filter=words, limit=limit, strict=True))
    found = [row for row in page.rows if isinstance(row, User)]
    await run.listed(
        [Column("NAME", flexible=True), Column("ROLE"), Column("STATE"), Column("E-MAIL", flexible=True)],
        found,
        lambda user: [user.name, user.role.value, user.state.value, user.email or "–"],
        shapes.user,
        empty="no user matches",
    )


@verb(
    "show",
    "show a person: what lets them in, and their devices",
    NAME,
    operation="users show",
    examples=("users show alice",),
)
async def show(run: Run, name: str) -> None:
    found = await run.perform(logins.about, name=name)
    wait = run.gate.locked(found.user.name)
    person(run, found, (("locked", f"{int(wait) + 1} s, after wrong guesses"),) if wait else ())


@verb(
    "add", "add a person. NAME is local@domain; a bare NAME is one of this network's user domain",
    NAME,
    option("--email", help="Their e-mail address."),
    option("--role", help="What they may do.", type=ROLE, default=Role.MEMBER.value, show_default=True),
    option("--service", "is_service", help="A service user: keys, and no login.", is_flag=True),
    option("--invite", help="Print a one-time code that lets them set up their own login.", is_flag=True),
    operation="users add", examples=("users add alice --role operator", "users add bob@example.com --invite"),
)  # fmt: skip
async def add(run: Run, name: str, email: str | None, role: str, is_service: bool, invite: bool) -> None:
    if is_service and invite:
        raise Invalid("a service user never logs in, so nobody can be invited as one", hint="leave out --invite")
    user = await run.perform(service.add, name=name, email=email, role=Role(role), service=is_service)
    if invite:
        invited(run, await run.perform(logins.invite, name=user.name))
        return
    run.result(shapes.user(user), f"added {user.name} ({user.role.value})")


@verb(
    "set-role", "give people a role", NAMES, argument("role", type=ROLE, metavar="ROLE"),
    operation="users set-role", examples=("users set-role alice admin",),
)  # fmt: skip
async def set_role(run: Run, names: tuple[str, ...], role: str) -> None:
    found, changes = await run.perform_told(service.set_role, names=names, role=Role(role))
    changed(run, found, lambda user: f"{user.name} is {user.role.value} now", changes)


@verb(
    "disable",
    "keep people out: connections end and certificates are revoked",
    NAMES,
    operation="users disable",
    examples=("users disable alice",),
)
async def disable(run: Run, names: tuple[str, ...]) -> None:
    found, changes = await run.perform_told(service.disable, names=names)
    changed(run, found, lambda user: f"disabled {user.name}", changes)


@verb("enable", "let disabled people in again", NAMES, operation="users enable", examples=("users enable alice",))
async def enable(run: Run, names: tuple[str, ...]) -> None:
    found, changes = await run.perform_told(service.enable, names=names)
    changed(run, found, lambda user: f"enabled {user.name}", changes)


@verb(
    "remove",
    "remove people with their devices, keys and certificates",
    NAMES,
    operation="users remove",
    examples=("users remove alice",),
)
async def remove(run: Run, names: tuple[str, ...]) -> None:
    found, changes = await run.perform_told(service.remove, names=names)
    changed(run, found, lambda user: f"removed {user.name}", changes)


@verb(
    "set-password", "set a person's password: one line on standard input", NAME,
    option("--remove", help="Take the password away instead.", is_flag=True),
    operation="users set-password", reads_stdin=True, examples=("users set-password alice < FILE",),
)  # fmt: skip
async def set_password(run: Run, name: str, remove: bool) -> None:
    secret = None if remove else await asyncio.to_thread(passwords.hash_password, await run.secret("password"))
    user = await run.perform(service.set_password, name=name, password_hash=secret)
    run.result(shapes.user(user), f"password of {user.name} {'removed' if remove else 'set'}")


def key_rows(run: Run, found: Sequence[UserKey]) -> None:
    run.rows(
        [Column("FINGERPRINT"), Column("TYPE"), Column("COMMENT", flexible=True)],
        [[key.key.fingerprint, key.key.algorithm, described(key)] for key in found],
        [shapes.user_key(key) for key in found],
        empty="no key is registered",
    )


@verb("list", "list a person's SSH keys", NAME, operation="users keys list", examples=("users keys list alice",))
async def list_keys(run: Run, name: str) -> None:
    key_rows(run, await run.perform(service.list_keys, name=name))


@verb(
    "add", "let a person in with an SSH key", NAME, argument("file", type=FILE, metavar="FILE"),
    option("--break-glass", help="An owner's, kept offline: each use of it is told to all.", is_flag=True),
    operation="users keys add", examples=("users keys add alice id_ed25519.pub", "users keys add alice - < KEY.pub"),
)  # fmt: skip
async def add_key(run: Run, name: str, file: str, break_glass: bool) -> None:
    await register_key(run, name, await run.text(file, 65536), break_glass=break_glass)


async def register_key(run: Run, name: str, text: str, *, break_glass: bool = False) -> None:
    key = ssh_key(text)
    added = await run.perform(
        service.add_key, name=name, key=key, comment=keys.comment_of(text), break_glass=break_glass
    )
    run.result(shapes.user_key(added), f"{added.user} gets in with {added.key.fingerprint}")


@verb(
    "remove", "take a person's SSH key away", NAME, argument("fingerprint"),
    operation="users keys remove", examples=("users keys remove alice SHA256:…",),
)  # fmt: skip
async def remove_key(run: Run, name: str, fingerprint: str) -> None:
    removed, changes = await run.perform_told(service.remove_key, name=name, fingerprint=fingerprint)
    key_removed(run, removed, f"removed {removed.key.fingerprint} of {removed.user}", changes)


KEYS = Noun("keys", "a person's SSH keys")
for _command in (list_keys, add_key, remove_key):
    KEYS.add_command(_command)

VERBS = (list_users, show, add, set_role, disable, enable, remove, set_password, *USER_VERBS, KEYS)
