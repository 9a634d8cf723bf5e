"""Which lines of a policy belong together, and which of them show while some are folded. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def regions(depths: Sequence[int]) -> dict[int, int]:
    """By its first line, the last line of what opens there and closes on a later line.

    `depths` are those of brackets at the start of each line, and one more at the end of the text.
    """
    out: dict[int, int] = {}
    open_: list[tuple[int, int]] = []
    for line in range(len(depths) - 1):
        before, after = depths[line], depths[line + 1]
        while open_ and after <= open_[-1][1]:
            start, _ = open_.pop()
            out[start] = line
        if after > before:
            open_.append((line, before))
    return out


def sections(depths: Sequence[int]) -> dict[int, int]:
    """The regions right inside the document: `groups`, `acls` and the like."""
    return {start: end for start, end in regions(depths).items() if depths[start] == 1}


def visible(lines: int, folded: Sequence[int], ends: dict[int, int]) -> list[int]:
    """The lines that show: of what is folded the first alone."""
    out, line = [], 0
    hidden = set(folded)
    while line < lines:
        out.append(line)
        line = max(line, ends.get(line, line)) + 1 if line in hidden else line + 1
    return out


def moved(folded: set[int], at: int, by: int) -> set[int]:
    """The folds after `by` lines came (or went) at line `at`."""
    return {start + by if start > at else start for start in folded if by >= 0 or not at < start <= at - by}
