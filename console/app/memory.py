"""The streams of a command that the console runs: standard input given, output kept."""

from __future__ import annotations

import contextlib

import msgspec

from model.errors import Invalid, Limited

MAX_OUTPUT = 4 << 20


class _Error(msgspec.Struct):
    message: str
    hint: str | None = None


class _Document(msgspec.Struct):
    error: _Error


class MemoryStreams:
    """`gate.faces.Streams`."""

    def __init__(self, stdin: bytes = b"") -> None:
        self._stdin = stdin
        self._out: list[str] = []
        self._errors: list[str] = []
        self._size = 0

    async def read(self, limit: int) -> bytes:
        if len(self._stdin) > limit:
            raise Limited(f"this is more than {limit} bytes")
        return self._stdin

    def write(self, text: str) -> None:
        self._size += len(text)
        if self._size <= MAX_OUTPUT:
            self._out.append(text)

    def write_bytes(self, data: bytes) -> None:
        raise Invalid("this is binary, and not for a screen", hint="fetch it over ssh, into a file")

    def write_error(self, text: str) -> None:
        self._errors.append(text)

    async def drain(self) -> None:
        """Nobody is slow here."""

    @property
    def output(self) -> str:
        """What it printed; notes for people come where there is nothing else."""
        return "".join(self._out) or "".join(self._errors)

    def fault(self) -> tuple[str, str]:
        """The message and the hint of a refusal, which with `--json` are a document."""
        text, message, hint = "".join(self._errors), "", ""
        with contextlib.suppress(msgspec.DecodeError):
            told = msgspec.json.decode(text, type=_Document).error
            return told.message, told.hint or ""
        for line in text.splitlines():
            if line.startswith("hint: "):
                hint = line.removeprefix("hint: ")
            elif line.strip() and not message:
                message = line.removeprefix("error: ")
        return message, hint
