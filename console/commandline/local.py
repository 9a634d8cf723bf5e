"""A command on the gate's own host: through the gate while it runs, on the state itself while none does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import msgspec

from console.commandline import face
from console.commandline.command import FILE, HelpWanted, OutFileParameter, Parsed
from console.commandline.files import MAX_FILE, keep, read_file
from gate.faces import Terminal, terminal_size
from model.errors import Invalid, Limited, Unavailable, WardgateError

INTERRUPTED = 130
"""As a shell has it: 128 and SIGINT."""


def default_state() -> Path:
    """WARDGATE_STATE, else /var/lib/wardgate for root and the user's data folder for others."""
    named = os.environ.get("WARDGATE_STATE")
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/wardgate")
    import platformdirs

    return Path(platformdirs.user_data_dir("wardgate"))


def without_state(words: Sequence[str]) -> tuple[list[str], Path]:
    """`--state DIR` may stand anywhere; it is this program's, not the command's."""
    left: list[str] = []
    state = default_state()
    at = iter(words)
    for word in at:
        if word == "--":
            left += [word, *at]
        elif word == "--state":
            value = next(at, None)
            if value is None:
                raise click.UsageError("option '--state' requires an argument")
            state = Path(value)
        elif word.startswith("--state="):
            state = Path(word.partition("=")[2])
        else:
            left.append(word)
    return left, state


def this_terminal() -> Terminal | None:
    """The terminal that standard output is, or None where it is a pipe or a file."""
    if not sys.stdout.isatty():
        return None
    size = shutil.get_terminal_size()
    columns, rows = terminal_size(size.columns, size.lines)
    kept = {key: os.environ[key] for key in ("COLORTERM", "NO_COLOR", "LANG") if key in os.environ}
    return Terminal(term=os.environ.get("TERM", ""), columns=columns, rows=rows, environment=kept)


class ProcessStreams:
    """`gate.faces.Streams` over this process's own."""

    async def read(self, limit: int) -> bytes:
        data = await asyncio.to_thread(read_stdin, limit)
        if len(data) > limit:
            raise Limited(f"standard input is larger than {limit} bytes")
        return data

    def write(self, text: str) -> None:
        with writing():
            sys.stdout.write(text)

    def write_bytes(self, data: bytes) -> None:
        if sys.stdout.isatty():
            raise Invalid("this is binary, and standard output is a terminal", hint="send it to a file: > FILE")
        with writing():
            sys.stdout.buffer.write(data)

    def write_error(self, text: str) -> None:
        sys.stderr.write(text)

    async def drain(self) -> None:
        with writing():
            sys.stdout.flush()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Around what goes to standard output: where that cannot be written, it is told, and nothing more is tried."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as fault:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Unavailable(f"standard output cannot be written: {(fault.strerror or '').lower()}") from None


def read_stdin(limit: int) -> bytes:
    """All of standard input, or one line typed without being shown where it is a terminal."""
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("input (not shown): ").encode() + b"\n"
    return sys.stdin.buffer.read(limit + 1)


def run(words: Sequence[str], programs: Sequence[str] = ()) -> int:
    """Runs one command and returns its exit status. `programs` are what else the first word could have meant."""
    terminal, streams = this_terminal(), ProcessStreams()

    def work() -> int:
        left, state = without_state(words)
        _refuse_unknown(left, programs)
        parsed = face.parse(left, width=terminal.columns if terminal else None)
        if parsed.command.local:
            return asyncio.run(_here(parsed, state, streams))
        return asyncio.run(_anywhere(left, parsed, state, streams, terminal))

    return ended(work, streams, as_json="--json" in words)


def _refuse_unknown(words: Sequence[str], programs: Sequence[str]) -> None:
    """Refuses a first word that is nearly a program's name, and names that; nearer commands the parser names."""
    import difflib

    from console.commandline.nouns import MINE, NOUNS

    first = words[0] if words else ""
    if not first or first.startswith("-") or first in NOUNS or first in MINE:
        return
    near = difflib.get_close_matches(first, [*programs, *NOUNS, *MINE], n=1)
    if near and near[0] in programs:
        raise click.UsageError(f"no such command {first!r}. Did you mean {near[0]!r}?")


def ended(work: Callable[[], int], streams: ProcessStreams, *, as_json: bool) -> int:
    """The exit status of a program's work, with what it raised told as every command tells it."""
    try:
        status = work()
        with writing():
            sys.stdout.flush()
        return status
    except HelpWanted as wanted:
        streams.write(wanted.text + "\n")
        return face.DONE
    except click.UsageError as fault:
        face.report(streams, "usage", face.usage_message(fault), face.usage_hint(fault), as_json=as_json)
        return face.USAGE
    except WardgateError as refused:
        face.report_refusal(streams, refused, as_json=as_json)
        return face.REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output is gone; nothing is left to flush to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return face.REFUSED


async def _here(parsed: Parsed, state: Path, streams: ProcessStreams) -> int:
    """What is done to a state that nobody serves; the command says in one text what it did."""
    assert parsed.command.callback is not None
    said = await parsed.command.callback(state, **parsed.arguments)
    streams.write(msgspec.json.encode({"done": said}).decode() + "\n" if parsed.as_json else said + "\n")
    return face.DONE


async def _anywhere(
    words: list[str], parsed: Parsed, state: Path, streams: ProcessStreams, terminal: Terminal | None
) -> int:
    from gate.doors.calling import call
    from gate.gate import Gate, held

    if held(state):
        sent, stdin = await _carried(words, parsed, streams)
        with _output(sent, parsed) as write_out:
            return await call(state, sent, stdin=stdin, terminal=terminal, write_out=write_out, write_err=_bytes_err)
    from gate.actor import local_actor

    async with await Gate.open(state) as gate:
        return await face.execute(gate, local_actor(os.getuid()), words, streams, terminal, files=True)


async def _carried(words: list[str], parsed: Parsed, streams: ProcessStreams) -> tuple[list[str], bytes | None]:
    """The words as the gate takes them, and standard input for it: a FILE is read here and named `-` there."""
    named = [
        str(parsed.arguments[parameter.name])
        for parameter in parsed.command.params
        if parameter.name and parameter.type is FILE and parsed.arguments.get(parameter.name) is not None
    ]
    if not named:
        return words, await streams.read(MAX_FILE) if parsed.reads_stdin else None
    path = named[0]
    if path == "-":
        return words, await streams.read(MAX_FILE)
    data = read_file(path)
    at = len(words) - 1 - words[::-1].index(path) if path in words else None
    if at is None:  # --option=PATH
        return [f"{word.partition('=')[0]}=-" if word.endswith(f"={path}") else word for word in words], data
    return [*words[:at], "-", *words[at + 1 :]], data


@contextlib.contextmanager
def _output(words: list[str], parsed: Parsed) -> Iterator[Callable[[bytes], None]]:
    """Where the gate's output goes: standard output, or the file that the command names, which the gate sees as `-`."""
    named = [(p.name, p.type) for p in parsed.command.params if p.name and isinstance(p.type, OutFileParameter)]
    path = str(parsed.arguments[named[0][0]]) if named else "-"
    if path == "-":
        yield _bytes_out
        return
    words[words.index(path)] = "-"
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part"
        with part.open("wb") as out:
            yield lambda data: out.writelines((data,))
        size = part.stat().st_size
        if size:
            keep(part, path)
            written = {"file": path, "bytes": size}
            text = msgspec.json.encode(written).decode() if parsed.as_json else named[0][1].written(path, size)
            sys.stdout.write(text + "\n")


def _bytes_out(data: bytes) -> None:
    with writing():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _bytes_err(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()
