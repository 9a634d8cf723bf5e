"""One command being run: who asked, where its streams end, and how it prints."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from console.commandline.files import MAX_FILE, keep, read_file
from console.commandline.render import Column, Table, table
from gate.slicing import sliced
from model.errors import Invalid
from model.keys import Secret

if TYPE_CHECKING:
    from gate.actor import Actor
    from gate.faces import Streams, Terminal
    from gate.gate import Gate
    from gate.operation import Operation
    from model.change import Change

T = TypeVar("T")
WRITTEN = 16 * 1024
"""Characters of a long list that are written together."""


class Run:
    """Handed to every handler. `as_json` asks for one JSON document instead of text for people."""

    def __init__(
        self, gate: Gate, actor: Actor, streams: Streams, terminal: Terminal | None, *, as_json: bool, files: bool
    ) -> None:
        self.gate = gate
        self.actor = actor
        self.streams = streams
        self.terminal = terminal
        self.as_json = as_json
        self.wrote = False
        """Whether it did what is more than reading."""
        self._files = files

    async def perform(self, operation: Operation[Any, ..., T], **arguments: object) -> T:
        return (await self.perform_told(operation, **arguments))[0]

    async def perform_told(
        self, operation: Operation[Any, ..., T], **arguments: object
    ) -> tuple[T, tuple[Change, ...]]:
        """The same, with the changes that it recorded: `console.commandline.taken` says what they took away."""
        done = await self.gate.perform_told(operation, self.actor, **arguments)
        self.wrote = self.wrote or not operation.reads
        return done

    @property
    def width(self) -> int | None:
        return self.terminal.columns if self.terminal else None

    # Input

    async def file(self, path: str, limit: int = MAX_FILE) -> bytes:
        """The bytes of FILE; `-` is standard input. Only a local command may name a path."""
        if path == "-":
            return await self.streams.read(limit)
        if not self._files:
            raise Invalid(
                f"a file of the gate is not read from here: {path!r}", hint="give - and send it on standard input"
            )
        return read_file(path)

    async def text(self, path: str, limit: int = MAX_FILE) -> str:
        data = await self.file(path, limit)
        try:
            return data.decode()
        except UnicodeDecodeError as fault:
            raise Invalid(f"the text is not UTF-8: byte {fault.start} is not") from None

    async def secret(self, what: str) -> Secret:
        """One line of standard input."""
        line = (await self.text("-", 4096)).split("\n", 1)[0].rstrip("\r")
        if not line:
            raise Invalid(f"no {what} came on standard input", hint="send it as one line")
        return Secret(line)

    # Output

    async def deliver(self, path: str, source: Path) -> int:
        """Writes the file `source` to `path`, whole or not at all, or to standard output for `-`; its size."""
        size = await asyncio.to_thread(os.path.getsize, source)
        if path != "-":
            if not self._files:
                raise Invalid(f"a file of the gate is not written from here: {path!r}", hint="give - and redirect it")
            await asyncio.to_thread(keep, source, path)
            return size
        with open(source, "rb") as content:  # noqa: ASYNC230 - chunk by chunk, between drains
            while chunk := content.read(256 * 1024):
                self.streams.write_bytes(chunk)
                await self.streams.drain()
        return size

    def say(self, text: str) -> None:
        """A line for people; nothing where JSON was asked for."""
        if not self.as_json:
            self.streams.write(text + "\n")

    def note(self, text: str) -> None:
        """A line beside the output, on standard error."""
        if not self.as_json:
            self.streams.write_error(text + "\n")

    def document(self, value: Any) -> None:
        self.streams.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode() + "\n")

    def rows(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], document: Any, *, empty: str = "") -> None:
        """A list, either way; `empty` tells people what to do where there is nothing."""
        if self.as_json:
            self.document(document)
        elif not rows and empty:
            self.note(empty)
        else:
            self.streams.write(table(columns, rows, self.width))

    async def listed(
        self, columns: Sequence[Column], found: Sequence[T], cells: Callable[[T], Sequence[str]],
        shaped: Callable[[T], Any], *, empty: str = "",
    ) -> None:  # fmt: skip
        """`rows` of what may be many, made and written while others have their turn."""
        if not found:
            self.rows(columns, [], [], empty=empty)
        elif self.as_json:
            await self._flowing("[\n  ", map(as_item, map(shaped, found)), between=",\n  ", end="\n]\n")
        else:
            made = Table(columns)
            rows = [made.measured(row) async for row in sliced(map(cells, found))]
            made.fit(self.width)
            await self._flowing(made.head, map(made.line, rows))

    async def _flowing(self, text: str, parts: Iterable[str], *, between: str = "", end: str = "") -> None:
        """Waits for a reader that is slow, so that what it did not read yet is not kept for it."""
        first = True
        async for part in sliced(parts):
            text += part if first else between + part
            first = False
            if len(text) > WRITTEN:
                self.streams.write(text)
                await self.streams.drain()
                text = ""
        self.streams.write(text + end)

    def result(self, document: Any, text: str) -> None:
        """One thing, either way."""
        if self.as_json:
            self.document(document)
        else:
            self.streams.write(text if text.endswith("\n") or not text else text + "\n")


def as_item(value: Any) -> str:
    """A value as it stands in a list of a document."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
    return text.replace("\n", "\n  ")
