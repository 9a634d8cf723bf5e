"""What people read: tables that fit the terminal, ages, and text from outside made inert."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Sequence
from typing import Literal

import msgspec

Align = Literal["left", "right"]

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Column(msgspec.Struct, frozen=True):
    head: str
    align: Align = "left"
    flexible: bool = False
    """Shrinks where the terminal is narrow; its text then ends in an ellipsis."""


def inert(text: str) -> str:
    """`text` from outside as it may be shown: no control, no writing direction, no markup takes effect."""
    return "".join(
        "\ufffd" if char in _BIDI or unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} else char for char in text
    )


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Lines of cells in columns. `width` None (a pipe) cuts nothing. An empty table is its heads."""
    made = Table(columns)
    cells = [made.measured(row) for row in rows]
    made.fit(width)
    return "".join([made.head, *map(made.line, cells)])


class Table:
    """The same, row by row: all are `measured`, `fit` is called once, and then each is a `line`."""

    def __init__(self, columns: Sequence[Column]) -> None:
        from rich.cells import cell_len, set_cell_size

        self._columns = columns
        self._size, self._cut = cell_len, set_cell_size
        self._heads = [cell_len(column.head) for column in columns]
        self._widths = list(self._heads)

    def measured(self, row: Sequence[str]) -> list[str]:
        """The row's cells, inert."""
        cells = [inert(cell) for cell in row]
        self._widths = [max(width, self._size(cell)) for width, cell in zip(self._widths, cells, strict=True)]
        return cells

    def fit(self, width: int | None) -> None:
        if width is not None:
            _narrow(self._widths, self._columns, [max(8, head) for head in self._heads], width)

    @property
    def head(self) -> str:
        return self.line([column.head for column in self._columns])

    def line(self, cells: Sequence[str]) -> str:
        return "  ".join(self._fitted(cell, at) for at, cell in enumerate(cells)).rstrip() + "\n"

    def _fitted(self, cell: str, at: int) -> str:
        size = self._widths[at]
        if self._size(cell) > size:
            return self._cut(cell, size - 1) + "…"
        pad = " " * (size - self._size(cell))
        return pad + cell if self._columns[at].align == "right" else cell + pad


def _narrow(widths: list[int], columns: Sequence[Column], least: Sequence[int], width: int) -> None:
    """Makes the widest give way, cell by cell, so that none is cut to nothing beside one that is whole."""
    over = sum(widths) + 2 * (len(widths) - 1) - width
    for flexible in (True, False):
        giving = [at for at, column in enumerate(columns) if column.flexible is flexible]
        while over > 0 and (left := [at for at in giving if widths[at] > least[at]]):
            widths[max(left, key=widths.__getitem__)] -= 1
            over -= 1


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """A fact a line, labels aligned; an empty label continues the one above."""
    size = max((len(label) for label, _ in pairs), default=0)
    return "".join(f"{label:<{size}}  {inert(value)}\n" for label, value in pairs)


def age(seconds: int | None, now: int | None = None) -> str:
    """`now`, `41 s`, `22 min`, `14 h`, `3 d`, for a time in the past; a dash for never."""
    if seconds is None:
        return "–"
    return span(max(0, (now or int(time.time())) - seconds)) or "now"


def ago(seconds: int) -> str:
    """The same with `ago` behind it, but `now` as it is."""
    past = age(seconds)
    return past if past == "now" else f"{past} ago"


def until(seconds: int | None, now: int | None = None) -> str:
    """The same for a time to come; `over` where it has passed, `never` where there is none."""
    if seconds is None:
        return "never"
    left = seconds - (now or int(time.time()))
    return span(left) or "now" if left >= 0 else "over"


def span(seconds: int) -> str:
    """A length of time in one unit; empty for under 5 s."""
    if seconds < 5:
        return ""
    for size, unit in ((86400 * 2, "d"), (3600 * 2, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds // {'d': 86400, 'h': 3600, 'min': 60}[unit]} {unit}"
    return f"{seconds} s"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 device`, `2 devices`, `1,000 devices`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def shortened(text: str, size: int) -> str:
    """Keys and fingerprints lose their middle."""
    return text if len(text) <= size else f"{text[: size // 2]}…{text[-(size - size // 2 - 1) :]}"
