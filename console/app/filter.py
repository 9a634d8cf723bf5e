"""The `/` row: narrows the list under it as one types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events

from console.app.lineedit import LineEdit
from console.app.modes import Mode

if TYPE_CHECKING:
    from console.app.app import ConsoleApp
    from console.app.view import View


class FilterRow(Mode):
    """Drawn by the list itself, above its heads. Enter keeps the filter, Esc clears it."""

    hints = (("Enter", "keep it"), ("↑↓", "move"))
    right_hints = (("Esc", "clear"),)

    def __init__(self, app: ConsoleApp, view: View) -> None:
        super().__init__(app)
        self.view = view
        self.edit = LineEdit(view.filter_text)

    def key(self, event: events.Key) -> None:
        if event.key == "escape":
            self._set("")
            self.leave()
        elif event.key == "enter":
            self.leave()
        elif event.key in {"up", "down", "pageup", "pagedown"}:
            self.view.key(event)
        elif self.edit.key(event.key, event.character):
            self._set(self.edit.text)

    def paste(self, text: str) -> None:
        self.edit.insert(text.strip())
        self._set(self.edit.text)

    def _set(self, text: str) -> None:
        if self.view.filter_text != text:
            self.view.filter_text = text
            self.view.filter(text)
