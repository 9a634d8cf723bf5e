"""What the programs share: parsing by click, and errors as every command reports them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click

from console.commandline.command import Command, HelpWanted, Parsed, help_option
from console.commandline.local import ProcessStreams, ended, this_terminal


class Programs(click.Group):
    command_class = Command

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return help_option(ctx)


def run(programs: Programs, words: Sequence[str]) -> int:
    """Parses `words` and runs what they name, which takes the parameters and returns an exit status."""
    terminal, streams = this_terminal(), ProcessStreams()

    def work() -> int:
        try:
            parsed = programs.main(
                list(words), "wardgate", standalone_mode=False, max_content_width=100,
                terminal_width=terminal.columns if terminal else None,
            )  # fmt: skip
        except click.exceptions.NoArgsIsHelpError as bare:
            raise HelpWanted(bare.ctx.get_help() if bare.ctx else "") from None
        assert isinstance(parsed, Parsed)
        handler: Callable[..., Awaitable[int]] = parsed.command.callback  # type: ignore[assignment]
        return _loop(handler(as_json=parsed.as_json, **parsed.arguments))

    return ended(work, streams, as_json="--json" in words)


def _loop(work: Any) -> int:
    """On uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return int(asyncio.run(work))
    return int(uvloop.run(work))
