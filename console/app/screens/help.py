"""Help: every key of the screen that one came from, in words."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from console.app.actions import Action
from console.app.row import Row, fit
from console.app.view import View

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
        return [Action(key="question_mark", label="close", about="back to the screen", run=self.console_app.up)]

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
            rows = [Row(width) for _ in range(max(len(left), len(right)))]
            for y, line in enumerate(left):
                self._line(rows[y], 2, half - 4, line)
            for y, line in enumerate(right):
                self._line(rows[y], half + 2, width - half - 4, line)
        else:
            lines = [*left, ("", ""), *right]
            rows = [Row(width) for _ in lines]
            for y, line in enumerate(lines):
                self._line(rows[y], 2, width - 4, line)
        self._room, self._length = max(1, height - 2), len(rows)
        shown = rows[self.top : self.top + self._room]
        return [Row(width), *shown, *[Row(width) for _ in range(height - 2 - len(shown))], self.draw_status(width)]

    def _line(self, row: Row, x: int, width: int, line: tuple[str, str]) -> None:
        key, text = line
        if not key:
            row.put(x, fit(text, width), "bright", "b")
            return
        row.put(x, key, "accent", "b")
        row.put(x + 14, fit(text, width - 14), "text")

    def status(self, row: Row) -> None:
        if self._length > self._room:
            row.put(2, "↑↓ scrolls", "muted")
        end = row.right(row.width - 2, "moves a key", "muted")
        row.right(end - 1, next((one.keycap for one in self._everywhere if one.label == "keys"), ""), "accent", "b")


def _sentence(action: Action) -> str:
    return f"{action.label}: {action.about}" if len(action.label) + len(action.about) < 42 else action.about
