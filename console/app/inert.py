"""Text from devices and people, made safe for a screen: it can neither steer the terminal nor reorder a line."""

from __future__ import annotations

import re
import unicodedata

_HARMLESS = re.compile(r"[\x20-\x7e]*")
_INVISIBLE = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0")


def inert(text: str, limit: int = 4096) -> str:
    """`text` in one line; controls, bidirectional marks and what is invisible are shown as `\\xNN` or `\\uNNNN`.

    Brackets stay: nothing here is read as markup. Marks that join to the character before stay, four at most.
    """
    if len(text) <= limit and _HARMLESS.fullmatch(text):
        return text
    out: list[str] = []
    marks = 0
    for char in text[:limit]:
        marks = marks + 1 if unicodedata.combining(char) else 0
        out.append(char if _plain(char) and marks <= 4 else _escaped(char))
    return "".join(out) + ("…" if len(text) > limit else "")


def inert_lines(text: str, limit: int = 1_000_000) -> list[str]:
    """The lines of a longer text, each inert; tabs are widened first."""
    return [inert(line) for line in text[:limit].expandtabs(4).splitlines()]


def _plain(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] not in "CZ" or char == " " if char not in _INVISIBLE else False


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
