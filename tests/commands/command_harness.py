"""Commands run as a face runs them, on a real gate, with streams in memory."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from console.commandline import face
from gate.actor import Actor, local_actor
from gate.faces import Terminal
from gate.gate import Gate
from model.errors import Limited


class MemoryStreams:
    def __init__(self, stdin: bytes = b"") -> None:
        self.stdin = stdin
        self.out = b""
        self.err = ""

    async def read(self, limit: int) -> bytes:
        if len(self.stdin) > limit:
            raise Limited("too long")
        return self.stdin

    def write(self, text: str) -> None:
        self.out += text.encode()

    def write_bytes(self, data: bytes) -> None:
        self.out += data

    def write_error(self, text: str) -> None:
        self.err += text

    async def drain(self) -> None:
        return


class Answer(msgspec.Struct):
    status: int
    out: str
    err: str
    raw: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)["error"]


async def run(
    gate: Gate,
    *words: str,
    actor: Actor | None = None,
    stdin: str = "",
    columns: int | None = None,
    program: str = "wardgate",
) -> Answer:
    streams = MemoryStreams(stdin.encode())
    terminal = Terminal(term="xterm-256color", columns=columns) if columns else None
    status = await face.execute(gate, actor or local_actor(0), words, streams, terminal, program=program)
    return Answer(status, streams.out.decode(errors="replace"), streams.err, streams.out)
