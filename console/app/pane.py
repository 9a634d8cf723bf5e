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
    """Filled anew for each row; the tab in sight and the place in it stay.

    While it has the keys, a cursor goes over the lines that lead somewhere.
    """

    def __init__(self) -> None:
        self.title: Sequence[Span] = ()
        self.aside = ""
        self.tabs: list[Tab] = []
        self.at = 0
        self.top = 0
        self.on: int | None = None
        """The line of the tab in sight that Enter follows."""
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
        if key in {"left", "right", "left_square_bracket", "right_square_bracket", "h", "l"} and len(self.tabs) > 1:
            step = -1 if key in {"left", "left_square_bracket", "h"} else 1
            self.at, self.top, self.on = (self.at + step) % len(self.tabs), 0, None
        elif key in {"down", "j", "up", "k"}:
            self._step(1 if key in {"down", "j"} else -1)
        elif key in {"pagedown", "pageup"}:
            self.top, self.on = max(0, self.top + (self._room - 1) * (1 if key == "pagedown" else -1)), None
        elif key == "enter" and self.follows:
            self.follows()
        else:
            return False
        return True

    @property
    def follows(self) -> Link | None:
        """Where Enter leads."""
        lines = self._lines
        return lines[self.on].link if self.on is not None and self.on < len(lines) else None

    @property
    def _lines(self) -> list[Line]:
        return self.tabs[self.at].lines if self.tabs else []

    def _step(self, step: int) -> None:
        """To the next line that leads somewhere, or scrolls until one is in sight."""
        links = [at for at in self._in_sight() if self._lines[at].link]
        further = [at for at in links if self.on is not None and (at - self.on) * step > 0]
        if further:
            self.on = further[0 if step > 0 else -1]
            return
        self.top = max(0, min(self.top + step, len(self._lines) - self._room))
        edge = list(self._in_sight())[-1 if step > 0 else 0 :][:1]
        if edge and self._lines[edge[0]].link:
            self.on = edge[0]

    def _in_sight(self) -> range:
        return range(self.top, min(self.top + self._room, len(self._lines)))

    def _put_cursor(self) -> None:
        links = [at for at in self._in_sight() if self._lines[at].link]
        if self.on not in links:
            self.on = links[0] if links else None

    # Drawing

    def place(self) -> str:
        """Which lines are in sight, where there are more."""
        lines = len(self._lines)
        last = min(lines, self.top + self._room)
        return f"{self.top + 1:,}–{last:,} of {lines:,}" if lines > self._room else ""

    def draw(self, width: int, height: int, context: Context, *, focused: bool, plane: str = "surface") -> list[Row]:
        rows = [self._head(width, plane, focused, context), Row(width, plane)]
        if len(self.tabs) > 1:
            rows += [self._tabs(width, plane), Row(width, plane)]
        lines = self._lines
        self._room = max(1, height - len(rows))
        self.top = max(0, min(self.top, len(lines) - self._room))
        if focused:
            self._put_cursor()
        for at in self._in_sight():
            rows.append(self._line(lines[at], width, plane))
            if focused and at == self.on:
                rows[-1].plane("cursor", 1, width - 1)
                rows[-1].lift(1, width - 1)
                rows[-1].put(1, context.glyphs.cursor, "accent")
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
            self.at, self.top, self.on = at, 0, None

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


def listed(spans: Sequence[Span], aside: str = "", *, link: Link | None = None) -> Line:
    """A line without a label, as in lists inside a pane."""
    return Line("", tuple((inert(text), role) for text, role in spans), aside=aside or " ", link=link)
