"""What the last word on the `:` row may become: nouns, verbs, options, and the names of things."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from console.app.backend import Me
from gate.settings import SETTINGS
from model.records import Role

if TYPE_CHECKING:
    from gate.snapshot import Snapshot

MOST = 400


def complete(words: Sequence[str], snapshot: Snapshot, me: Me) -> list[str]:
    from console.commandline.face import COMMANDS

    context = click.Context(COMMANDS, info_name="wardgate")
    command: click.Command = COMMANDS
    rest = list(words)
    while isinstance(command, click.Group) and len(rest) > 1:
        found = command.get_command(context, rest[0])
        if found is None:
            return []
        command, rest = found, rest[1:]
    last = rest[-1] if rest else ""
    if isinstance(command, click.Group):
        return _beginning(last, command.list_commands(context))
    if last.startswith("-"):
        return _beginning(last, (name for option in command.params for name in option.opts if name.startswith("--")))
    return _beginning(last, _things(words[0], command.name or "", rest, snapshot, me))


def _beginning(last: str, candidates: Iterable[str]) -> list[str]:
    out = []
    for candidate in candidates:
        if candidate.startswith(last):
            out.append(candidate)
            if len(out) == MOST:
                break
    return out


def _things(noun: str, verb: str, rest: Sequence[str], snapshot: Snapshot, me: Me) -> Iterable[str]:
    """What a member may not list is not offered to them either."""
    before, last = rest[-2] if len(rest) > 1 else "", rest[-1] if rest else ""
    member = me.role is Role.MEMBER
    people = sorted(snapshot.users) if not member else [me.name]
    if before in {"--user", "--actor"}:
        return people
    if before == "--tag" or (verb == "tag" and last.startswith("tag:")):
        if member:
            return ()
        known = {tag for device in snapshot.devices.values() for tag in device.tags}
        return sorted(known | set(snapshot.compiled.document.tag_owners))
    if before == "--role":
        return [role.value for role in Role]
    if verb == "set-role" and len(rest) > 1:
        return [*(role.value for role in Role), *people]
    mine = me.user if member else None
    named: Mapping[str, Callable[[], Iterable[str]]] = {
        "devices": lambda: (d.name for d in snapshot.devices.values() if mine in {None, d.user}),
        "users": lambda: people,
        "names": lambda: sorted({name.name for name in snapshot.names}) if not member else (),
        "settings": lambda: SETTINGS,
        "ca": lambda: ["user", "host", *(generation.id for generation in snapshot.generations)],
    }
    return named.get(noun, lambda: ())()
