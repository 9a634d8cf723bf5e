"""Moving keys: what can be done on a screen and everywhere, each by its key, and another key for the chosen one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from textual import events

from console.app.actions import Action, keycap
from console.app.keymap import EVERYWHERE, FIXED, PREFERENCE, Refused
from console.app.lineedit import LineEdit
from console.app.modes import Hint, Mode, draw_prompt
from console.app.row import Row, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.app.app import ConsoleApp
    from console.app.view import View


class Entry(msgspec.Struct, frozen=True):
    scope: str
    made: Action
    """By the key that it was made with."""


class KeysMode(Mode):
    """A list narrowed by typing; Enter waits for the new key, and says why it cannot be had."""

    right_hints = (("Esc", "close"),)

    def __init__(self, app: ConsoleApp, *views: View) -> None:
        """Of these screens, and of everywhere."""
        super().__init__(app)
        self.views = {view.title: view for view in views}
        self.edit = LineEdit()
        self.at = 0
        self.waits = False
        self.fault = ""

    @property
    def hints(self) -> Sequence[Hint]:  # type: ignore[override]
        if self.waits:
            return (("any key", "is the new one"),)
        return (("Enter", "another key"), ("Del", "as it was made"), ("↑↓", "choose"))

    def entries(self) -> list[Entry]:
        """Those that may be moved, once each, of the screen and of everywhere."""
        words = self.edit.text.lower().split()
        out: dict[tuple[str, str], Entry] = {}
        scopes = [(title, view.actions()) for title, view in self.views.items()]
        for scope, actions in (*scopes, (EVERYWHERE, self.app.global_actions())):
            for action in actions:
                text = f"{scope} {action.label} {action.about}".lower()
                if action.key not in FIXED and not action.cap and all(word in text for word in words):
                    out.setdefault((scope, action.key), Entry(scope, action))
        return list(out.values())

    def key(self, event: events.Key) -> None:
        entries = self.entries()
        self.at = max(0, min(self.at, len(entries) - 1))
        self.fault = ""
        if self.waits:
            self.waits = False
            if event.key != "escape":
                self._move(entries[self.at], event.key)
        elif event.key == "escape":
            self.leave()
        elif event.key == "enter":
            self.waits = bool(entries)
        elif event.key == "delete" and entries:
            self._move(entries[self.at], entries[self.at].made.key)
        elif event.key in {"down", "up"}:
            self.at = max(0, min(self.at + (1 if event.key == "down" else -1), len(entries) - 1))
        elif self.edit.key(event.key, event.character):
            self.at = 0

    def paste(self, text: str) -> None:
        if not self.waits:
            self.edit.insert(text)

    def _move(self, entry: Entry, new: str) -> None:
        app = self.app
        here = app.global_actions() if entry.scope == EVERYWHERE else self.views[entry.scope].actions()
        try:
            keymap = app.keymap.moving(entry.scope, entry.made.key, new, here, self._beside(entry.scope))
        except Refused as refused:
            self.fault = str(refused)
            return
        app.keymap = keymap
        app.keep_preference(PREFERENCE, keymap.text())

    def _beside(self, scope: str) -> list[Action]:
        """What holds at the same time: everywhere's, or for those every screen's."""
        app = self.app
        if scope != EVERYWHERE:
            return app.actions_everywhere()
        views = {title: app.view_of(title) for _, title in app.screens()} | self.views
        return [action for title, view in views.items() for action in app.keymap.shown(title, view.actions())]

    def draw(self, width: int) -> list[Row]:
        entries = self.entries()
        size = max(1, min(10, self.app.size.height - 8, len(entries)))
        top = max(0, min(self.at - size + 1, len(entries) - size))
        rows = [Row(width, "raised") for _ in range(size + 1)]
        for at, entry in enumerate(entries[top : top + size]):
            self._entry(rows[at], entry, top + at == self.at)
        if not entries:
            rows[0].put(3, "nothing matches", "muted")
        if self.fault:
            rows[-1].put(2, fit(f"{self.app.glyphs.bad} {self.fault}", width - 4), "bad")
        elif self.waits and entries:
            rows[-1].put(
                2,
                fit(f"press the new key for {entries[self.at].made.label}; Esc keeps the old one", width - 4),
                "bright",
            )
        else:
            draw_prompt(rows[-1], "keys", self.edit, self.app)
        return rows

    def _entry(self, row: Row, entry: Entry, under: bool) -> None:
        if under:
            row.plane("cursor")
            row.put(1, self.app.glyphs.cursor, "accent")
        (shown,) = self.app.keymap.shown(entry.scope, [entry.made])
        row.put(3, shown.keycap, "accent", "b")
        row.put(12, fit(entry.made.label, 18), "text")
        row.put(32, "everywhere" if entry.scope == EVERYWHERE else fit(entry.scope, 12), "muted")
        x = 46
        if shown.key != entry.made.key:
            x = row.put(x, f"was {keycap(entry.made.key)}", "accent") + 3
        row.put(x, fit(entry.made.about, row.width - x - 2), "muted")
