"""The command-line face: words in, text and an exit status out. The same for SSH, gate.sock, console and shell."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click
import msgspec

from console.commandline.command import HelpWanted, Noun, Parsed, help_option
from console.commandline.nouns import MINE, NOUNS
from console.commandline.render import inert
from console.commandline.run import Run
from model.errors import Invalid, PolicyRefused, WardgateError

if TYPE_CHECKING:
    from gate.actor import Actor
    from gate.faces import Streams, Terminal
    from gate.gate import Gate

log = logging.getLogger("wardgate.commands")

DONE, REFUSED, USAGE = 0, 1, 2


class Commands(click.Group):
    """Every noun, and what anyone may do with their own; imported when first used."""

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return help_option(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*NOUNS, *MINE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in NOUNS and cmd_name not in self.commands:
            module = f"console.commands.{cmd_name.replace('-', '_')}"
            self.add_command(Noun(cmd_name, NOUNS[cmd_name], module))
        if cmd_name in MINE and cmd_name not in self.commands:
            from console.commands import mine

            for command in mine.VERBS:
                self.add_command(command)
        if cmd_name not in self.commands:  # click suggests from those that it has
            for noun in NOUNS.keys() - self.commands.keys():
                self.get_command(ctx, noun)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("The network"):
            formatter.write_dl(list(NOUNS.items()))
        with formatter.section("Of your own"):
            formatter.write_dl(list(MINE.items()))


HELP = "Without a command, and with a terminal, this opens the console. Every list and every answer takes --json."
COMMANDS = Commands("wardgate", help=HELP)


def parse(words: Sequence[str], *, width: int | None = None, program: str = "wardgate") -> Parsed:
    """The command that `words` spell. Raises `HelpWanted`, in whose text `program` stands before commands, or
    `click.UsageError`."""
    try:
        parsed = COMMANDS.main(list(words), program, standalone_mode=False, terminal_width=width, max_content_width=100)
    except click.exceptions.NoArgsIsHelpError as bare:
        raise HelpWanted(bare.ctx.get_help() if bare.ctx else HELP) from None
    assert isinstance(parsed, Parsed)
    return parsed


def _nothing() -> None: ...


async def execute(
    gate: Gate, actor: Actor, words: Sequence[str], streams: Streams, terminal: Terminal | None, *,
    files: bool = False, program: str = "wardgate", on_deed: Callable[[], object] = _nothing,
) -> int:  # fmt: skip
    """Runs one command and returns its exit status; nothing but a lost connection is raised.

    `on_deed` is called after one that did more than read.
    `program` is what whoever typed `words` puts before them; hints and help name commands as they would type them.
    """
    as_json = "--json" in words
    if [*words[:1]] == ["help"]:  # ssh takes options after the host for its own
        words = [*words[1:], "--help"]
    try:
        parsed = parse(words, width=terminal.columns if terminal else None, program=program)
        as_json = parsed.as_json
        if parsed.command.local:
            raise Invalid("this is done on the gate's own host alone", hint=f"there: wardgate {' '.join(words)}")
        run = Run(gate, actor, streams, terminal, as_json=as_json, files=files)
        assert parsed.command.callback is not None
        status = await parsed.command.callback(run, **parsed.arguments)
        await streams.drain()
        if run.wrote:
            on_deed()
        return int(status or DONE)
    except HelpWanted as wanted:
        streams.write(wanted.text + "\n")
    except click.UsageError as fault:
        report(streams, "usage", usage_message(fault), usage_hint(fault, program), as_json=as_json)
        return USAGE
    except WardgateError as refused:
        report_refusal(streams, refused, as_json=as_json, program=program)
        return REFUSED
    except OverflowError:
        report(streams, "invalid", "a number is larger than any that is kept here", None, as_json=as_json)
        return REFUSED
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        log.exception("a command failed: %s", words[:2])
        report(streams, "internal", "this failed inside the gate; its log has the trace", None, as_json=as_json)
        return REFUSED
    return DONE


def usage_message(fault: click.UsageError) -> str:
    """What was wrong with the words, as every message is: lower case, on one line, without a full stop."""
    # click lists choices on lines of their own.
    said = re.sub(r"(:)?\n\t", lambda found: ": " if found[1] else " ", fault.format_message())
    return (said[:1].lower() + said[1:]).rstrip(".")


def usage_hint(fault: click.UsageError, program: str = "wardgate") -> str:
    where = fault.ctx.command_path if fault.ctx else program
    if program == "wardgate":
        return f"{where} --help"
    return " ".join(filter(None, (program, "help", where.removeprefix(program).strip())))


def as_typed(hint: str, program: str) -> str:
    """`hint` with its commands as they are typed where `program` goes before them; what is done elsewhere stays."""
    prefix = f"{program} " if program else ""
    return _COMMAND.sub(lambda found: prefix + found[1], hint)


_COMMAND = re.compile(rf"(?<!there: )\bwardgate ((?:{'|'.join((*NOUNS, *MINE))})\b)")


def report_refusal(streams: Streams, refused: WardgateError, *, as_json: bool, program: str = "wardgate") -> None:
    hint = refused.hint and as_typed(refused.hint, program)
    if as_json:
        streams.write_error(msgspec.json.encode({"error": {**refused.as_json(), "hint": hint}}).decode() + "\n")
        return
    report(streams, refused.code, _place(refused) + refused.message, hint, as_json=False)


def _place(refused: WardgateError) -> str:
    """Where in a policy's text the fault stands."""
    if not isinstance(refused, PolicyRefused) or refused.line is None:
        return ""
    column = f", column {refused.column}" if refused.column is not None else ""
    return f"line {refused.line}{column}: "


def report(streams: Streams, code: str, message: str, hint: str | None, *, as_json: bool) -> None:
    """One line, and a hint below it where there is one; with JSON, one document."""
    if as_json:
        body = {"error": {"code": code, "message": message, "hint": hint}}
        streams.write_error(msgspec.json.encode(body).decode() + "\n")
        return
    streams.write_error(inert(f"error: {message}") + "\n")
    if hint:
        streams.write_error(f"hint: {inert(hint)}\n")
