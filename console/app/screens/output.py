"""What a command printed, to read and scroll; and a secret that is shown once."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len, chop_cells
from textual import events

from console.app.actions import Action
from console.app.inert import inert_lines
from console.app.row import Row
from console.app.view import View

BESIDE = 30
"""Cells that the text must have for a code to stand beside it and not over it."""


class Output(View):
    title = "Output"

    def __init__(self, command: str, text: str, *, secret: str = "", note: str = "", code: Sequence[str] = ()) -> None:
        """`code` is a QR code's lines; it stands whole beside the text where there is room, else before it."""
        super().__init__()
        self._command = command
        self._text = text
        self._code = code
        self._lines: list[Row] = []
        self._secret = secret
        self._note = note
        self.top = 0
        self._room = 1

    def crumbs(self) -> Sequence[str]:
        return (self._command,)

    def key(self, event: events.Key) -> bool:
        step = {
            "down": 1,
            "j": 1,
            "up": -1,
            "k": -1,
            "pagedown": self._room - 1,
            "pageup": 1 - self._room,
            "home": -len(self._lines),
            "end": len(self._lines),
            "space": self._room - 1,
        }.get(event.key)
        if step is None:
            return False
        self.top = max(0, min(self.top + step, len(self._lines) - self._room))
        return True

    def actions(self) -> list[Action]:
        label = "copy the key" if self._secret else "copy"
        return [
            Action(key="up", cap="↑↓", label="scroll", about="up and down, PgUp, PgDn", run=lambda: None),
            Action(key="c", label=label, about="to your clipboard", run=self._copy),
            Action(
                key="escape",
                label="forget it" if self._secret else "back",
                about="and come back",
                run=self.console_app.up,
            ),
        ]

    def _copy(self) -> None:
        self.console_app.copy(self._secret or self._text, "the key" if self._secret else "the output")

    def draw(self, width: int, height: int) -> list[Row]:
        self._room = max(1, height - 2)
        self._lines = self._laid(width)
        self.top = max(0, min(self.top, len(self._lines) - self._room))
        rows = [Row(width), *self._lines[self.top : self.top + self._room]]
        rows += [Row(width) for _ in range(height - 1 - len(rows))]
        return [*rows[: height - 1], self.draw_status(width)]

    def _laid(self, width: int) -> list[Row]:
        wide = max(map(cell_len, self._code), default=0)
        beside = bool(wide) and width - wide - 6 >= BESIDE
        text = [part for line in inert_lines(self._text) for part in folded(line, width - 4 - (wide + 2) * beside)]
        if wide and not beside:
            text = [*self._code, "", *text]
        rows = []
        for at in range(max(len(text), len(self._code) if beside else 0)):
            row = Row(width)
            row.put(2, text[at] if at < len(text) else "", "text")
            if beside and at < len(self._code):
                row.put(width - 2 - wide, self._code[at], "text")
            rows.append(row)
        return rows

    def status(self, row: Row) -> None:
        if self._note:
            row.put(2, self._note, "warn")
        if len(self._lines) > self._room:
            last = min(len(self._lines), self.top + self._room)
            row.right(row.width - 2, f"{self.top + 1}–{last} of {len(self._lines)}", "muted")


def folded(line: str, width: int) -> list[str]:
    """A line in as many as it takes, each under its first word: what a command said is read whole."""
    width = max(1, width)
    if cell_len(line) <= width:
        return [line]
    if not line.isascii():
        return chop_cells(line, width)
    indent = " " * min(len(line) - len(line.lstrip()), width // 2)
    return textwrap.wrap(line.strip(), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
