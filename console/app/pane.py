"""Facts beside a list: a title, tabs where there are several, and lines of label and value."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from console.app.columns import Context
from console.app.inert import inert
from console.app.row import Link, Row, fit, fit_middle

LABEL = 13
Span = tuple[str, str]
"""Text and its role."""


class Line(msgspec.Struct):
    label: str = ""
    spans: tuple[Span, ...] = ()
    middle: bool = False
    link: Link | None = None
    bold: bool = False
    aside: str = ""


class Tab(msgspec.Struct):
    name: str
    count: int | None
    lines: list[Line]


class Pane:
    """Filled anew for each row; the tab in sight and the place in it stay."""

    def __init__(self) -> None:
        self.title: Sequence[Span] = ()
        self.aside = ""
        self.tabs: list[Tab] = []
        self.at = 0
        self.top = 0
        self._room = 1

    def clear(self) -> None:
        self.tabs = []
        self.title, self.aside = (), ""
        self.top = 0

    def take(self, other: Pane) -> None:
        self.title, self.aside, self.tabs = other.title, other.aside, other.tabs
        self.at = min(self.at, max(0, len(self.tabs) - 1))

    # Filling

    def head(self, glyph: Span, name: str, aside: str = "") -> None:
        self.title = (glyph, (inert(name), "bright"))
        self.aside = aside

    def tab(self, name: str, count: int | None = None) -> Tab:
        tab = Tab(name, count, [])
        self.tabs.append(tab)
        return tab

    # Keys

    def key(self, key: str) -> bool:
        if key in {"left", "right", "left_square_bracket", "right_square_bracket", "h", "l"} and self.tabs:
            step = -1 if key in {"left", "left_square_bracket", "h"} else 1
            self.at, self.top = (self.at + step) % len(self.tabs), 0
        elif key in {"down", "j", "pagedown"}:
            self.top += self._room - 1 if key == "pagedown" else 1
        elif key in {"up", "k", "pageup"}:
            self.top = max(0, self.top - (self._room - 1 if key == "pageup" else 1))
        else:
            return False
        return True

    # Drawing

    def draw(self, width: int, height: int, context: Context, *, focused: bool, plane: str = "surface") -> list[Row]:
        rows = [self._head(width, plane, focused, context), Row(width, plane)]
        if len(self.tabs) > 1:
            rows += [self._tabs(width, plane), Row(width, plane)]
        lines = self.tabs[self.at].lines if self.tabs else []
        self._room = max(1, height - len(rows))
        self.top = max(0, min(self.top, len(lines) - self._room))
        rows += [self._line(line, width, plane) for line in lines[self.top : self.top + self._room]]
        rows += [Row(width, plane) for _ in range(height - len(rows))]
        return rows[:height]

    def _head(self, width: int, plane: str, focused: bool, context: Context) -> Row:
        row = Row(width, plane)
        if focused:
            row.put(0, context.glyphs.cursor, "accent")
        end = row.right(width - 2, self.aside, "muted")
        x = 2
        for at, (text, role) in enumerate(self.title):
            x = row.put(x, fit(text, max(0, end - x - 2)), role, "b" if at else "") + 1
        return row

    def _tabs(self, width: int, plane: str) -> Row:
        row = Row(width, plane)
        x = 2
        counts = ["" if tab.count is None else f" {tab.count:,}" for tab in self.tabs]
        size = sum(len(tab.name) + len(count) for tab, count in zip(self.tabs, counts, strict=True))
        gap = 2 if size + 2 * len(self.tabs) <= width - 2 else 1
        if size + gap * len(self.tabs) > width - 2:
            counts = [count if at == self.at else "" for at, count in enumerate(counts)]
        for at, (tab, count) in enumerate(zip(self.tabs, counts, strict=True)):
            current = at == self.at
            link = self._to(at)
            x = row.put(x, tab.name, "bright" if current else "muted", "bu" if current else "", link)
            x = row.put(x, count, "muted", "", link) + gap
        return row

    def _to(self, at: int) -> Link:
        def go() -> None:
            self.at, self.top = at, 0

        return go

    def _line(self, line: Line, width: int, plane: str) -> Row:
        row = Row(width, plane)
        end = width - 2
        if line.aside:
            end = row.right(end, line.aside, "muted") - 2
        if line.bold:
            row.put(2, fit(line.label, end - 2), "bright", "b")
            return row
        row.put(2, line.label, "muted")
        x = 2 + LABEL if line.label or not line.aside else 2
        for text, role in line.spans:
            if x >= end:
                break
            shown = fit_middle(text, end - x) if line.middle else fit(text, end - x)
            x = row.put(x, shown, role, "", line.link) + 1
        return row


def fact(label: str, *spans: str | Span, middle: bool = False, link: Link | None = None) -> Line:
    """A line of a label and its value; plain text has the text's role."""
    return Line(
        label, tuple((inert(span), "text") if isinstance(span, str) else (inert(span[0]), span[1]) for span in spans),
        middle, link,
    )  # fmt: skip


def gap() -> Line:
    return Line()


def listed(spans: Sequence[Span], aside: str = "") -> Line:
    """A line without a label, as in lists inside a pane."""
    return Line("", tuple((inert(text), role) for text, role in spans), aside=aside or " ")
