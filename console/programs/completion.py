"""Completion for shells: `eval "$(_WARDGATE_COMPLETE=bash_source wardgate)"`, and the same for zsh and fish."""

from __future__ import annotations

import click
from click.shell_completion import shell_complete

from console.commandline.face import COMMANDS
from console.programs import gatehouse, login, machine

VARIABLE = "_WARDGATE_COMPLETE"


class Everything(click.Group):
    """The programs and the nouns, as one group."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        programs = [name for group in (gatehouse, login, machine) for name in group.PROGRAMS.commands]
        return [*programs, *COMMANDS.list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for group in (gatehouse, login, machine):
            found: click.Command | None = group.PROGRAMS.get_command(ctx, cmd_name)
            if found is not None:
                return found
        return COMMANDS.get_command(ctx, cmd_name)


def run(instruction: str) -> int:
    """Answers a shell that asks, as click has it."""
    return shell_complete(Everything("wardgate"), {}, "wardgate", VARIABLE, instruction)
