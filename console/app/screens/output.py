"""What a command printed, to read and scroll; and a secret that is shown once."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from console.app.actions import Action
from console.app.inert import inert_lines
from console.app.row import Row
from console.app.view import View


class Output(View):
    title = "Output"

    def __init__(self, command: str, text: str, *, secret: str = "", note: str = "") -> None:
        super().__init__()
        self._command = command
        self._text = text
        self._lines = inert_lines(text)
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
        ]

    def _copy(self) -> None:
        self.console_app.copy(self._secret or self._text, "the key" if self._secret else "the output")

    def draw(self, width: int, height: int) -> list[Row]:
        self._room = max(1, height - 2)
        rows = [Row(width)]
        for line in self._lines[self.top : self.top + self._room]:
            row = Row(width)
            row.put(2, line, "text")
            rows.append(row)
        rows += [Row(width) for _ in range(height - 1 - len(rows))]
        return [*rows[: height - 1], self.draw_status(width)]

    def status(self, row: Row) -> None:
        if self._note:
            row.put(2, self._note, "warn")
        if len(self._lines) > self._room:
            last = min(len(self._lines), self.top + self._room)
            row.right(row.width - 2, f"{self.top + 1}–{last} of {len(self._lines)}", "muted")
