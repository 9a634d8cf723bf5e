"""What the programs share: parsing by click, and errors as every command reports them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click

from console.commandline import face
from console.commandline.command import Command, HelpWanted, Parsed, help_option
from console.commandline.local import ProcessStreams, this_terminal
from model.errors import WardgateError


class Programs(click.Group):
    command_class = Command

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return help_option(ctx)


def run(programs: Programs, words: Sequence[str]) -> int:  # noqa: PLR0911 - a status for each way to end
    """Parses `words` and runs what they name, which takes the parameters and returns an exit status."""
    streams = ProcessStreams()
    terminal = this_terminal()
    as_json = "--json" in words
    try:
        parsed = programs.main(
            list(words), "wardgate", standalone_mode=False, terminal_width=terminal.columns if terminal else None,
            max_content_width=100,
        )  # fmt: skip
        assert isinstance(parsed, Parsed)
        handler: Callable[..., Awaitable[int]] = parsed.command.callback  # type: ignore[assignment]
        return _loop(handler(as_json=parsed.as_json, **parsed.arguments))
    except HelpWanted as wanted:
        streams.write(wanted.text + "\n")
        return face.DONE
    except click.exceptions.NoArgsIsHelpError as bare:
        streams.write((bare.ctx.get_help() if bare.ctx else "") + "\n")
        return face.USAGE
    except click.UsageError as fault:
        face.report(streams, "usage", fault.format_message(), face.usage_hint(fault), as_json=as_json)
        return face.USAGE
    except WardgateError as refused:
        face.report_refusal(streams, refused, as_json=as_json)
        return face.REFUSED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return face.REFUSED


def _loop(work: Any) -> int:
    """On uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return int(asyncio.run(work))
    return int(uvloop.run(work))
