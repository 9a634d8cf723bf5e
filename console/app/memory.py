"""The streams of a command that the console runs: standard input given, output kept."""

from __future__ import annotations

from model.errors import Invalid, Limited

MAX_OUTPUT = 4 << 20


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
        """The message and the hint of a refusal."""
        message = hint = ""
        for line in "".join(self._errors).splitlines():
            if line.startswith("hint: "):
                hint = line.removeprefix("hint: ")
            elif line.strip() and not message:
                message = line.removeprefix("error: ")
        return message, hint
