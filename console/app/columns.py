"""Columns of a list: what each shows, and which fit a width. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from console.app.backend import Me
from console.app.glyphs import Glyphs
from model.ids import DeviceID

GUTTER = 2
STEP = 4
"""Cells by which a column grows to what is in it, so that scrolling seldom moves the others."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What cells are drawn from beside the record."""

    now: int
    glyphs: Glyphs
    me: Me
    online: Callable[[DeviceID], bool]
    behind: Callable[[DeviceID], bool] = lambda _: False
    calm: bool = False
    """Reduced motion: a changed row is marked by its sign alone."""


class Cell(msgspec.Struct, frozen=True):
    text: str
    role: str = "text"
    middle: bool = False
    """Too long, it loses its middle and not its end."""
    short: str = ""
    """What stands instead where the whole does not fit."""
    rest: str = ""
    """Follows the text as a line that only decorates."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """`least` and `most` are cells, `weight` is the share of what is left over. `drop`: 0 never drops, 1 drops last."""

    head: str
    cell: Callable[[Any, Context], Cell]
    sort: str = ""
    least: int
    most: int
    weight: int = 0
    drop: int = 0
    since: int = 0
    """The width of the list from which it may show at all, so that the others have room to breathe first."""
    right: bool = False


class Placed(msgspec.Struct, frozen=True):
    column: Column
    x: int
    width: int


def place(
    columns: Sequence[Column], start: int, end: int, widest: Mapping[str, int] | None = None
) -> tuple[Placed, ...]:
    """The columns that fit between `start` and `end`, each with its place. The last to drop is the most needed.

    `widest` gives by head the cells of the widest text: what never drops gets that first, and others drop for it.
    Where that is not enough, what would be left with less than half its least drops too, but for the first.
    """
    kept = [column for column in columns if not column.since or end >= column.since]
    wants = {column.head: _wanted(column, widest or {}) for column in kept}
    while _needed(kept, wants) > end - start and any(column.drop for column in kept):
        kept.remove(max(kept, key=lambda column: column.drop))
    widths = [_least(column) for column in kept]
    spare = end - start - _needed(kept, {})
    by_need = sorted(range(len(kept)), key=lambda at: kept[at].drop > 0)
    for at in by_need:
        column = kept[at]
        more = max(0, min(wants[column.head] - widths[at], spare))
        widths[at] += more
        spare -= more
    _spread(kept, widths, spare)
    _shrink(kept, widths, end - start)
    cramped = [at for at in range(1, len(kept)) if 2 * widths[at] < _least(kept[at])]
    if cramped:
        return place([column for column in kept if column is not kept[cramped[-1]]], start, end, widest)
    out, x = [], start
    for column, width in zip(kept, widths, strict=True):
        out.append(Placed(column, x, width))
        x += width + GUTTER
    return tuple(out)


def _wanted(column: Column, widest: Mapping[str, int]) -> int:
    """What it would have for its text, in steps."""
    text = -(-widest.get(column.head, 0) // STEP) * STEP
    return max(_least(column), min(column.most, text))


def _least(column: Column) -> int:
    """No less than its head and a blank: the arrow of its order has the first cell of the gutter, never both."""
    return max(column.least, len(column.head) + 1) if column.right and column.sort else column.least


def _needed(columns: Sequence[Column], wants: Mapping[str, int]) -> int:
    """Those that may drop need no more than their least."""
    widths = (_least(column) if column.drop else wants.get(column.head, _least(column)) for column in columns)
    return sum(widths) + GUTTER * max(0, len(columns) - 1)


def _spread(columns: Sequence[Column], widths: list[int], spare: int) -> None:
    """What is left goes to columns by weight, so that the last ends at the margin."""
    total = sum(column.weight for column in columns)
    if spare <= 0 or not total:
        return
    given = 0
    heaviest = max(range(len(columns)), key=lambda at: columns[at].weight)
    for at, column in enumerate(columns):
        share = spare * column.weight // total
        widths[at] += share
        given += share
    widths[heaviest] += spare - given


def _shrink(columns: Sequence[Column], widths: list[int], room: int) -> None:
    """Where even the needed do not fit, the last flexible one gives way, then all from the right."""
    over = sum(widths) + GUTTER * (len(widths) - 1) - room
    order = [at for at in reversed(range(len(columns))) if columns[at].weight]
    order += [at for at in reversed(range(len(columns))) if not columns[at].weight]
    for at in order:
        cut = min(max(0, over), max(0, widths[at] - 1))
        widths[at] -= cut
        over -= cut
