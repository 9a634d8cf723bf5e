"""The palette: everything that can be done now, narrowed by typing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import events

from console.app.actions import Action
from console.app.inert import inert
from console.app.lineedit import LineEdit
from console.app.modes import Mode, draw_prompt
from console.app.row import Row, fit

if TYPE_CHECKING:
    from console.app.app import ConsoleApp


class Palette(Mode):
    """Everything that can be done now, narrowed by typing."""

    hints = (("Enter", "do it"), ("↑↓", "choose"))
    right_hints = (("Esc", "cancel"),)

    def __init__(self, app: ConsoleApp, actions: Sequence[Action]) -> None:
        super().__init__(app)
        self.edit = LineEdit()
        self.at = 0
        self._actions = actions

    def found(self) -> list[Action]:
        words = self.edit.text.lower().split()
        return [
            action
            for action in self._actions
            if all(word in f"{action.label} {action.about}".lower() for word in words)
        ]

    def key(self, event: events.Key) -> None:
        found = self.found()
        if event.key == "escape":
            self.leave()
        elif event.key == "enter":
            self.leave()
            if found:
                found[min(self.at, len(found) - 1)].run()
        elif event.key in {"down", "ctrl+n"}:
            self.at = min(self.at + 1, max(0, len(found) - 1))
        elif event.key in {"up", "ctrl+p"}:
            self.at = max(0, self.at - 1)
        elif self.edit.key(event.key, event.character):
            self.at = 0

    def paste(self, text: str) -> None:
        self.edit.insert(text)

    def draw(self, width: int) -> list[Row]:
        """No higher than what is found, so that the list stays in sight."""
        found = self.found()
        size = max(1, min(10, self.app.size.height - 8, len(found)))
        top = max(0, min(self.at - size + 1, len(found) - size))
        rows = [Row(width, "raised") for _ in range(size + 1)]
        for at, action in enumerate(found[top : top + size]):
            row = rows[at]
            if top + at == self.at:
                row.plane("cursor")
                row.put(1, self.app.glyphs.cursor, "accent")
            row.put(3, action.keycap, "accent", "b")
            row.put(12, fit(action.label, 18), "text")
            row.put(32, fit(inert(action.about), width - 34), "muted")
        if not found:
            rows[0].put(3, "nothing matches", "muted")
        draw_prompt(rows[-1], "do", self.edit, self.app)
        if len(found) > size:
            rows[-1].right(width - 2, f"{top + 1}–{top + size} of {len(found)}", "muted")
        return rows
