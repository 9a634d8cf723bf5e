"""How a command is declared: a click command whose callback is a coroutine over a `Run`."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click
import msgspec

from gate.roles import PERMISSIONS
from gate.settings import duration
from model.errors import WardgateError

Handler = Callable[..., Awaitable[Any]]


class HelpWanted(Exception):
    """Somebody asked for help; carries its text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def _show_help(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        raise HelpWanted(context.get_help())


def help_option(context: click.Context) -> click.Option:
    """Raises instead of printing: standard output belongs to the whole process, and a gate has many callers."""
    return click.Option(
        ["-h", "--help"], is_flag=True, is_eager=True, expose_value=False, callback=_show_help, help="Show this help."
    )


class Parsed(msgspec.Struct, frozen=True):
    """A command with its arguments, understood and not yet run."""

    command: Command
    arguments: dict[str, object]
    as_json: bool

    @property
    def reads_stdin(self) -> bool:
        """Whether standard input belongs to it, though none of its arguments is a FILE."""
        words = [self.arguments.get(str(p.name)) for p in self.command.params if p.type is STDIN_OR_WORD]
        return self.command.reads_stdin or "-" in words


class Command(click.Command):
    """A verb. `operation` names its permission; `reads_stdin` says that it takes standard input by itself."""

    def __init__(
        self,
        *args: Any,
        operation: str | None = None,
        examples: Sequence[str] = (),
        reads_stdin: bool = False,
        local: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.operation = operation
        self.examples = tuple(examples)
        self.reads_stdin = reads_stdin
        self.local = local

    def invoke(self, ctx: click.Context) -> Parsed:
        """Parsing and running are apart: the face runs it, once it knows as whom and with which streams."""
        arguments = dict(ctx.params)
        return Parsed(self, arguments, bool(arguments.pop("as_json", False)))

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return help_option(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.operation is not None:
            with formatter.section("Role"):
                formatter.write_text(PERMISSIONS[self.operation].least())
        if self.examples:
            program = "wardgate" if self.local else ctx.find_root().info_name
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write_text(f"{program} {example}".strip())


class Noun(click.Group):
    """A noun, whose verbs are in `console.commands.MODULE`, imported when it is first used."""

    command_class = Command

    def __init__(self, name: str, about: str, module: str | None = None) -> None:
        super().__init__(name, help=about[0].upper() + about[1:] + ".", short_help=about)
        self._module = module

    def _load(self) -> None:
        if self._module is not None:
            module, self._module = self._module, None
            for command in importlib.import_module(module).VERBS:
                self.add_command(command)

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return help_option(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._load()
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        self._load()
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        self._load()
        return super().resolve_command(ctx, args)


class OutFileParameter(click.ParamType[str]):
    """Where to write: a path, or `-` for standard output; over SSH and in the console only `-`. See `Run.deliver`.

    `warning` is what to know of the file that was written.
    """

    name = "FILE"

    def __init__(self, warning: str = "") -> None:
        self.warning = warning

    def written(self, path: str, size: int) -> str:
        """What is said of the file."""
        return f"wrote {path}, {size} bytes" + (f"; {self.warning}" if self.warning else "")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value


class FileParameter(click.ParamType[str]):
    """A file's path, or `-` for standard input; over SSH and in the console only `-`. Read by `Run.file`."""

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value


class DurationParameter(click.ParamType[int]):
    """Seconds, of text such as `90s`, `16h` or `30d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, int):
            return value
        try:
            return duration(str(value))
        except WardgateError as fault:
            self.fail(fault.message + (f"; {fault.hint}" if fault.hint else ""), param, ctx)


class StdinOrWordParameter(click.ParamType[str]):
    """A word, or `-` for what comes on standard input: what a shell, or two on the way, would take apart."""

    name = "value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value


FILE = FileParameter()
STDIN_OR_WORD = StdinOrWordParameter()
DURATION = DurationParameter()


def verb(
    name: str,
    about: str,
    *parameters: click.Parameter,
    operation: str | None = None,
    examples: Sequence[str] = (),
    reads_stdin: bool = False,
    local: bool = False,
) -> Callable[[Handler], Command]:
    """Declares a verb; the handler takes a `Run`, then the parameters by name."""

    def declare(handler: Handler) -> Command:
        return Command(
            name,
            params=[*parameters, click.Option(["--json", "as_json"], is_flag=True, help="Print JSON.")],
            callback=handler,
            help=about[0].upper() + about[1:] + ("" if about.endswith((".", ")")) else "."),
            short_help=about.partition(".")[0],
            operation=operation,
            examples=examples,
            reads_stdin=reads_stdin,
            local=local,
        )

    return declare


def argument(name: str, *, many: bool = False, required: bool = True, **more: Any) -> click.Argument:
    return click.Argument(
        [name], nargs=-1 if many else 1, required=required, metavar=more.pop("metavar", name.upper()), **more
    )


def option(*names: str, help: str, **more: Any) -> click.Option:
    return click.Option(list(names), help=help, **more)
