"""`docs/commands.md`, made from the commands themselves: `python -m console.commandline.docs > docs/commands.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from console.commandline.command import Command
from console.commandline.face import COMMANDS
from console.commandline.nouns import MINE, NOUNS
from console.programs import gatehouse, login, machine
from gate.roles import PERMISSIONS

HEAD = """\
# Commands

This page is made from the commands themselves (`make docs`); `--help` says the same.

The nouns below are one list with three faces: `wardgate NOUN VERB` on the gate's own host, `ssh -p PORT NAME@GATE
NOUN VERB` from anywhere, and the `:` line of the console. All take `--json`. On the gate's own host they also take
`--state DIR`. A FILE is a path there and `-` (standard input) everywhere else.
On a terminal tables are cut to its width, in a pipe they are whole; over ssh the gate knows the width with `ssh -t`.

Exit codes: 0 done; 1 refused or failed, with `error: …` and sometimes `hint: …` on standard error; 2 usage.
With `--json` an error is `{"error": {"code", "message", "hint"}}` on standard error.
"""


def page() -> str:
    out = [HEAD]
    out.append("\n## Programs\n")
    for programs in (gatehouse.PROGRAMS, login.PROGRAMS, machine.PROGRAMS):
        context = click.Context(programs, info_name="wardgate")
        for command in programs.commands.values():
            out += described(context, command, "###")
    context = click.Context(COMMANDS, info_name="wardgate")
    for noun in NOUNS:
        out.append(f"\n## {noun}\n")
        out.append(f"{NOUNS[noun][0].upper()}{NOUNS[noun][1:]}.\n")
        group = COMMANDS.get_command(context, noun)
        assert isinstance(group, click.Group)
        out += all_of(click.Context(group, info_name=noun, parent=context), group)
    out.append("\n## Of your own\n")
    out.append("Anyone has these, for what is theirs.\n")
    for name in MINE:
        own = COMMANDS.get_command(context, name)
        if isinstance(own, click.Group):
            out += all_of(click.Context(own, info_name=name, parent=context), own)
        elif own is not None:
            out += described(context, own, "###")
    return "\n".join(out).rstrip() + "\n"


def all_of(context: click.Context, group: click.Group) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from all_of(click.Context(command, info_name=name, parent=context), command)
        elif command is not None:
            yield from described(context, command, "###")


def described(parent: click.Context, command: click.Command, level: str) -> Iterator[str]:
    context = click.Context(command, info_name=command.name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"{level} {context.command_path.removeprefix('wardgate ')}\n"
    yield f"```\n{usage}\n```\n"
    yield f"{command.help}\n"
    options = [
        parameter.get_help_record(context)
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name != "as_json"
    ]
    listed = [f"- `{record[0]}`: {record[1]}" for record in options if record]
    if listed:
        yield "\n".join(listed) + "\n"
    if isinstance(command, Command):
        if command.operation:
            yield f"Role: {PERMISSIONS[command.operation].least()}.\n"
        if command.examples:
            yield "```\n" + "\n".join(f"wardgate {example}" for example in command.examples) + "\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
