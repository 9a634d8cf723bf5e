"""What holds the keys for a while, in a band over the bottom: a question here; more stand in modules of their own.

One at a time. A mode changes at once, on the key: what is typed in one burst with the key that opens it is not lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from textual import events

from console.app.lineedit import LineEdit
from console.app.row import Row, fit, wrapped

if TYPE_CHECKING:
    from console.app.app import ConsoleApp
    from model.change import Committed

Hint = tuple[str, str]


class Mode:
    """`draw` gives the band's rows; `left` is called when it ends by Esc."""

    hints: Sequence[Hint] = (("Esc", "cancel"),)
    right_hints: Sequence[Hint] = ()

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app

    def key(self, event: events.Key) -> None:
        raise NotImplementedError

    def paste(self, text: str) -> None:
        """Text that came as one; nothing takes it unless it says so."""

    def changed(self, changes: Sequence[Committed]) -> None:
        """What was done to the network meanwhile."""

    def draw(self, width: int) -> list[Row]:
        return []

    def leave(self) -> None:
        if self.app.mode is self:
            self.app.mode = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question before a deed. `follows` says what will happen, `command` is exactly what runs."""

    title: str
    follows: str
    command: str
    undo: str
    deed: str
    """`Remove`: its first letter as a capital does it."""
    typed: str = ""
    """What must be typed first: the count of many, or a name."""
    plane: str = "bad"
    run: Callable[[], object]
    second: str = ""
    """Another way to do it, by its first letter as a capital."""
    run_second: Callable[[], object] | None = None


class Question(Mode):
    """Cancel has the focus; Enter and Esc cancel."""

    def __init__(self, app: ConsoleApp, asked: Asked) -> None:
        super().__init__(app)
        self.asked = asked
        self.on_deed = False
        self.edit = LineEdit()

    @property
    def hints(self) -> Sequence[Hint]:  # type: ignore[override]
        if self.asked.typed:
            return (("Enter", self._lower), ("Esc", "cancel"))
        chosen = self._lower if self.on_deed else "cancel"
        second = [(self.asked.second[0], self.asked.second.lower())] if self.asked.second else []
        return (("Enter", chosen), ("← →", "choose"), (self.asked.deed[0], self._lower), *second)

    right_hints = (("Esc", "cancel"),)

    @property
    def _lower(self) -> str:
        return self.asked.deed.lower()

    def key(self, event: events.Key) -> None:
        if event.key == "escape":
            self.leave()
        elif self.asked.typed:
            self._typed(event)
        elif event.key in {"left", "right", "tab", "shift+tab", "h", "l"}:
            self.on_deed = not self.on_deed
        elif event.key == "enter":
            self._do() if self.on_deed else self.leave()
        elif event.character == self.asked.deed[0]:
            self._do()
        elif self.asked.second and event.character == self.asked.second[0] and self.asked.run_second:
            self.leave()
            self.asked.run_second()

    def _typed(self, event: events.Key) -> None:
        if event.key == "enter":
            if self.edit.text.strip() == self.asked.typed:
                self._do()
        else:
            self.edit.key(event.key, event.character)

    def paste(self, text: str) -> None:
        if self.asked.typed:
            self.edit.insert(text)

    def _do(self) -> None:
        self.leave()
        self.asked.run()

    def draw(self, width: int) -> list[Row]:
        asked, plane = self.asked, self.asked.plane
        follows = wrapped(asked.follows, width - (22 if asked.typed else 6), 3)
        command = wrapped(asked.command, width - 6, max(1, self.app.size.height // 3))
        first = 3 + len(follows)
        rows = [Row(width, plane) for _ in range(first + 1 + len(command))]
        for row in rows:
            row.put(0, self.app.glyphs.cursor, plane)
        end = self._answers(rows[1], rows[2], width)
        rows[1].put(3, fit(asked.title, max(0, end - 5)), "bright", "b")
        for row, line in zip(rows[2:], follows, strict=False):
            row.put(3, line, "text")
        for row, line in zip(rows[first:], command, strict=False):
            end = row.put(3, line, "text")
        aside = len(command) == 1 and end + 5 + len(asked.undo) <= width - 3
        rows[first if aside else -1].put(
            end + 5 if aside else 3, fit(asked.undo, width - 6), "text" if aside else "muted"
        )
        return rows

    def _answers(self, row: Row, below: Row, width: int) -> int:
        """Cancel and the deed at the right, or where to type; the column before them."""
        asked, plane = self.asked, self.asked.plane
        if asked.typed:
            below.right(width - 3, (self.edit.text + " ").rjust(len(asked.typed) + 2), "bright", "u")
            return row.right(width - 3, f"type {asked.typed} ", "text")
        start = row.right(width - 5, asked.deed, plane, "b", self._do)
        end = row.right(start - 2, " Cancel ", "inverse", "b", self.leave)
        if self.on_deed:
            row.plane(plane, end, start)
            row.put(end, " Cancel ", "text", "", self.leave)
            row.put(start - 1, f" {asked.deed} ", "inverse", "b", self._do)
            row.plane("accent", start - 1, width - 4)
        else:
            row.plane("accent", end, start - 2)
        return end


def draw_prompt(row: Row, sign: str, edit: LineEdit, app: ConsoleApp, ghost: str = "") -> int:
    """A prompt with its text and caret, and `ghost` behind them; the column after."""
    x = row.put(2, sign, "accent", "b") + 1
    room = max(1, row.width - x - 2)
    offset = max(0, edit.caret - room + 1)
    text = edit.shown()
    end = row.put(x, text[offset : offset + room], "bright", "b")
    if ghost and edit.caret == len(text):
        end = row.put(end, ghost[: max(0, row.width - end - 2)], "muted")
    at = x + edit.caret - offset
    row.put(at, (text[edit.caret : edit.caret + 1] or ghost[:1] or " "), "inverse")
    row.plane("editor", at, at + 1)
    return max(end, at + 1)
