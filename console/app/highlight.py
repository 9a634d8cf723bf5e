"""HuJSON in colours: section names bold, inner keys muted, what refers to something in the accent, comments italic."""

from __future__ import annotations

import re
from collections.abc import Sequence

Piece = tuple[int, int, str, str]
"""From column, to column, role, attributes."""
State = tuple[int, bool]
"""Depth of brackets, and whether a block comment is open."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|//.*|/\*|[{}\[\]]|[^"/{}\[\]]+|/')
_KEY = re.compile(r"\s*:")
_REFERENCE = re.compile(r'"(?:group|tag|autogroup|host|ipset|posture|svc|node|custom|fresh|check):|"[^"\s]+@[^"\s]*"')


class Highlighter:
    """Keeps the state at the start of each line, so that a keystroke does not read the whole text again."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._states: list[State] = [(0, False)]

    def sync(self, lines: Sequence[str]) -> None:
        """Takes notice of what changed since the last time."""
        same = 0
        for old, new in zip(self._lines, lines, strict=False):
            if old != new:
                break
            same += 1
        del self._states[same + 1 :]
        self._lines = list(lines)

    def depths(self) -> list[int]:
        """How deep in brackets each line begins, and at last how deep the text ends."""
        self._reach(len(self._lines))
        return [depth for depth, _ in self._states]

    def _reach(self, number: int) -> None:
        while len(self._states) <= number:
            at = len(self._states) - 1
            self._states.append(_line(self._lines[at], self._states[at])[1])

    def pieces(self, number: int) -> list[Piece]:
        self._reach(number)
        return _line(self._lines[number], self._states[number])[0]


def _line(text: str, state: State) -> tuple[list[Piece], State]:
    depth, comment = state
    out: list[Piece] = []
    at = 0
    while at < len(text):
        if comment:
            end = text.find("*/", at)
            stop = len(text) if end < 0 else end + 2
            out.append((at, stop, "muted", "i"))
            at, comment = stop, end < 0
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            break
        piece, at = match[0], match.end()
        if piece == "/*":
            comment, at = True, match.start()
            out.append((at, at + 2, "muted", "i"))
            end = text.find("*/", at + 2)
            comment = end < 0
            stop = len(text) if end < 0 else end + 2
            out[-1] = (at, stop, "muted", "i")
            at = stop
        elif piece.startswith("//"):
            out.append((match.start(), at, "muted", "i"))
        elif piece.startswith('"'):
            out.append((match.start(), at, *_string(text, piece, at, depth)))
        else:
            depth += (piece in "{[") - (piece in "}]") if len(piece) == 1 else 0
            out.append((match.start(), at, "text", ""))
    return out, (max(0, depth), comment)


def _string(text: str, piece: str, end: int, depth: int) -> tuple[str, str]:
    if _KEY.match(text, end):
        return ("bright", "b") if depth == 1 else ("muted", "") if not _REFERENCE.match(piece) else ("text", "")
    return ("accent", "") if _REFERENCE.match(piece) else ("text", "")
