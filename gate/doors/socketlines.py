"""What is said at STATE/gate.sock: lines of JSON.

client ──▶ Request                  {"words": [...], "stdin": BASE64 | null, "terminal": {...} | null}
       ◀── Answer, Answer …         {"out": BASE64}, {"err": BASE64} as they come, and {"exit": N} last
       ──▶ Typed …                  of a console alone: {"input": BASE64}, {"size": [columns, rows]}
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

import msgspec

from gate.faces import Terminal

SOCKET = "gate.sock"
CHUNK = 64 * 1024
"""Bytes that one answer carries at the most."""


class Request(msgspec.Struct, frozen=True):
    words: tuple[str, ...]
    stdin: str | None = None
    terminal: Terminal | None = None
    console: bool = False
    """Asks for the console instead of a command; `words` then name a screen."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    out: str = ""
    err: str = ""
    exit: int | None = None


class Typed(msgspec.Struct, frozen=True, omit_defaults=True):
    input: str = ""
    """Base64 of what was typed."""
    size: tuple[int, int] | None = None


REQUEST = msgspec.json.Decoder(Request)
ANSWER = msgspec.json.Decoder(Answer)
TYPED = msgspec.json.Decoder(Typed)


def as_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def reachable(path: Path) -> str:
    """A socket's path has some hundred bytes at most: a longer one is reached through /proc, or from its folder."""
    if len(os.fsencode(path)) < 100:
        return str(path)
    near = os.path.relpath(path)
    return near if len(os.fsencode(near)) < len(os.fsencode(path)) else str(path)
