"""Completion for shells: `eval "$(wardgate completion bash)"`, and the same for zsh and fish."""

from __future__ import annotations

from collections.abc import Sequence

import click
from click.shell_completion import shell_complete

from console.commandline.command import HelpWanted, help_option
from console.commandline.face import COMMANDS, DONE
from console.commandline.local import ProcessStreams, ended
from console.programs import gatehouse, login, machine

VARIABLE = "_WARDGATE_COMPLETE"


SHELLS = ("bash", "zsh", "fish")


class Script(click.Command):
    """`completion SHELL`, whose help comes as that of every command."""

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return help_option(ctx)


SCRIPT = Script(
    "completion",
    params=[click.Argument(["shell"], type=click.Choice(SHELLS), metavar="SHELL")],
    callback=lambda shell: shell,
    help="Print what lets a shell complete wardgate's commands: bash, zsh or fish.",
    epilog='In ~/.bashrc or ~/.zshrc: eval "$(wardgate completion bash)". '
    "For fish: wardgate completion fish > ~/.config/fish/completions/wardgate.fish",
)


class Everything(click.Group):
    """The programs and the nouns, as one group."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        programs = [name for group in (gatehouse, login, machine) for name in group.PROGRAMS.commands]
        return [*dict.fromkeys([*programs, "completion", *COMMANDS.list_commands(ctx)])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "completion":
            return SCRIPT
        for group in (gatehouse, login, machine):
            found: click.Command | None = group.PROGRAMS.get_command(ctx, cmd_name)
            if found is not None:
                return found
        return COMMANDS.get_command(ctx, cmd_name)


def run(instruction: str) -> int:
    """Answers a shell that asks, as click has it."""
    return shell_complete(Everything("wardgate"), {}, "wardgate", VARIABLE, instruction)


def script(words: Sequence[str]) -> int:
    """Prints the script for a shell, and returns the exit status."""

    def work() -> int:
        try:
            shell = SCRIPT.main(list(words[1:]), "wardgate completion", standalone_mode=False)
        except click.exceptions.NoArgsIsHelpError as bare:
            raise HelpWanted(bare.ctx.get_help() if bare.ctx else "") from None
        run(f"{shell}_source")
        return DONE

    return ended(work, ProcessStreams(), as_json=False)
