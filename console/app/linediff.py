"""Two texts line by line: what went, what came, and what stands around it. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import msgspec

AROUND = 3


class Line(msgspec.Struct, frozen=True):
    """`old` and `new` are line numbers from 1; a gap has neither."""

    sign: str
    """` `, `-`, `+`, or `~` for a gap of lines that are the same."""
    text: str
    old: int | None = None
    new: int | None = None


def compare(old: Sequence[str], new: Sequence[str]) -> list[Line]:
    out: list[Line] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    groups = list(matcher.get_grouped_opcodes(AROUND))
    end = 0
    for group in groups:
        if group[0][1] > end:
            out.append(Line("~", f"{group[0][1] - end} lines the same"))
        for tag, a, b, c, d in group:
            if tag == "equal":
                out += [Line(" ", old[a + k], a + k + 1, c + k + 1) for k in range(b - a)]
            else:
                out += [Line("-", old[k], k + 1, None) for k in range(a, b)]
                out += [Line("+", new[k], None, k + 1) for k in range(c, d)]
        end = group[-1][2]
    if groups and end < len(old):
        out.append(Line("~", f"{len(old) - end} lines the same"))
    return out


def counts(lines: Sequence[Line]) -> tuple[int, int]:
    """How many came, and how many went."""
    return sum(line.sign == "+" for line in lines), sum(line.sign == "-" for line in lines)


def marks(old: Sequence[str], new: Sequence[str]) -> dict[int, str]:
    """By line of `new` from 0: `+` where it came, `~` where it took another's place."""
    out: dict[int, str] = {}
    for tag, _, _, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag in {"insert", "replace"}:
            out |= dict.fromkeys(range(c, d), "+" if tag == "insert" else "~")
    return out
