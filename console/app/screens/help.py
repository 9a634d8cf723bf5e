"""Help: every key of the screen that one came from, in words."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from console.app.actions import Action
from console.app.row import Row, fit, wrapped
from console.app.view import View

KEYS = 14
"""Cells of the keys, with what stands between them and their words."""
_MOVES = (
    ("↑↓  j k", "move"),
    ("PgUp PgDn", "a page"),
    ("g G  Home End", "first and last"),
    ("Enter", "in: the facts of a row"),
    ("Esc", "one step back"),
    ("Tab", "into the pane and back; ← → its tabs"),
)


class Help(View):
    title = "Help"

    def __init__(self, of: View, here: Sequence[Action], everywhere: Sequence[Action]) -> None:
        """`here` and `everywhere` under the keys that the person has for them."""
        super().__init__()
        self.of = of
        self._here = [action for action in here if action.about]
        self._everywhere = list(everywhere)
        self.top = 0
        self._room = 1
        self._length = 1

    def crumbs(self) -> Sequence[str]:
        return (self.of.title, "Help")

    def key(self, event: events.Key) -> bool:
        step = {"down": 1, "j": 1, "up": -1, "k": -1, "pagedown": self._room, "pageup": -self._room}.get(event.key)
        if step is None:
            return False
        self.top = max(0, min(self.top + step, self._length - self._room))
        return True

    def actions(self) -> list[Action]:
        close = self.console_app.up
        return [Action(key="question_mark", cap="Esc", label="close", about="back to the screen", run=close)]

    def draw(self, width: int, height: int) -> list[Row]:
        here = [(action.keycap, _sentence(action)) for action in self._here]
        screens = [action for action in self._everywhere if action.key.isdigit()]
        everywhere = [(action.keycap, _sentence(action)) for action in self._everywhere if action not in screens]
        if screens:
            everywhere.insert(3, (f"{screens[0].key} to {screens[-1].key}", "the screens, as the top line names them"))
        left = [("", f"On {self.of.title}"), *here]
        right = [("", "Everywhere"), *everywhere, ("", ""), ("", "Moving"), *_MOVES]
        if width >= 100:
            half = width // 2
            here, there = _told(left, half - 4), _told(right, width - half - 4)
            rows = [Row(width) for _ in range(max(len(here), len(there)))]
            for x, lines in ((2, here), (half + 2, there)):
                for row, line in zip(rows, lines, strict=False):
                    self._line(row, x, line)
        else:
            lines = _told([*left, ("", ""), *right], width - 4)
            rows = [Row(width) for _ in lines]
            for row, line in zip(rows, lines, strict=True):
                self._line(row, 2, line)
        self._room, self._length = max(1, height - 2), len(rows)
        shown = rows[self.top : self.top + self._room]
        return [Row(width), *shown, *[Row(width) for _ in range(height - 2 - len(shown))], self.draw_status(width)]

    def _line(self, row: Row, x: int, line: tuple[str, str]) -> None:
        key, text = line
        if not key:
            row.put(x, text, "bright", "b")
            return
        row.put(x, key, "accent", "b")
        row.put(x + KEYS, text, "text")

    def status(self, row: Row) -> None:
        if self._length > self._room:
            row.put(2, "↑↓ scrolls", "muted")
        end = row.right(row.width - 2, "moves a key", "muted")
        row.right(end - 1, next((one.keycap for one in self._everywhere if one.label == "keys"), ""), "accent", "b")


def _sentence(action: Action) -> str:
    return f"{action.label}: {action.about}"


def _told(lines: Sequence[tuple[str, str]], width: int) -> list[tuple[str, str]]:
    """Each in as many rows as its words take; in those after its first one the key is a blank."""
    out: list[tuple[str, str]] = []
    for key, text in lines:
        rows = wrapped(text, width - KEYS, 4) if key else [fit(text, width)]
        out += [(key if at == 0 else " ", row) for at, row in enumerate(rows)] if key else [("", rows[0])]
    return out
