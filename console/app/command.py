"""The `:` row: the commands that `ssh gate ...` takes, and the names of screens, completed while typing."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import events

from console.app.lineedit import LineEdit
from console.app.modes import Mode, draw_prompt
from console.app.row import Row, fit

if TYPE_CHECKING:
    from console.app.app import ConsoleApp

ROWS = 6
LEAVES = frozenset({"q", "q!", "quit", "exit"})
"""What other programs have taught the fingers."""


class CommandRow(Mode):
    hints = (("Enter", "run"), ("Tab", "complete"), ("↑↓", "history"))
    right_hints = (("Esc", "cancel"),)

    def __init__(self, app: ConsoleApp, text: str = "") -> None:
        super().__init__(app)
        self.edit = LineEdit(text)
        self.candidates: Sequence[str] = ()
        self.fault = ""
        self.hint = ""
        self._past = len(app.history)
        self._offer()

    def key(self, event: events.Key) -> None:
        if event.key == "escape" or (event.key == "backspace" and not self.edit.text):
            self.leave()
        elif event.key == "enter":
            self._run()
        elif event.key == "tab":
            self._complete()
        elif event.key in {"up", "down"}:
            self._recall(-1 if event.key == "up" else 1)
        elif self.edit.key(event.key, event.character):
            self.fault = self.hint = ""
            self._offer()

    def paste(self, text: str) -> None:
        self.edit.insert(text)
        self._offer()

    def words(self) -> list[str] | None:
        """None while quotes do not balance."""
        try:
            return shlex.split(self.edit.text)
        except ValueError:
            return None

    def _last(self) -> str:
        text = self.edit.text
        return "" if not text or text[-1].isspace() else text.split()[-1]

    def _offer(self) -> None:
        words = self.words()
        if words is None:
            self.candidates = ()
            return
        if not self.edit.text or self.edit.text[-1].isspace():
            words.append("")
        self.app.start(self._fetch(words, self.edit.text))

    async def _fetch(self, words: Sequence[str], text: str) -> None:
        found = await self.app.backend.complete(words)
        if self.edit.text == text:
            self.candidates = tuple(found)[:200]

    def _complete(self) -> None:
        last, found = self._last(), list(self.candidates)
        if not found:
            return
        common = found[0]
        for candidate in found:
            while not candidate.startswith(common):
                common = common[:-1]
        if len(found) == 1:
            common = f"{found[0]} "
        if len(common) > len(last):
            self.edit.set(self.edit.text[: len(self.edit.text) - len(last)] + common)
            self._offer()

    def _recall(self, step: int) -> None:
        history = self.app.history
        self._past = max(0, min(len(history), self._past + step))
        self.edit.set(history[self._past] if self._past < len(history) else "")

    def _run(self) -> None:
        words = self.words()
        if words is None:
            self.fault, self.hint = "a quote is not closed", ""
        elif not words:
            self.leave()
        else:
            if self.app.history[-1:] != [self.edit.text]:
                self.app.history.append(self.edit.text)
            self.app.start(self._perform(words))

    async def _perform(self, words: list[str]) -> None:
        text = self.edit.text
        if len(words) == 1 and words[0] in LEAVES:
            self.app.exit(return_code=0)
            return
        if self.app.go_by_words(words):
            self.leave()
            return
        outcome = await self.app.backend.perform(words)
        if outcome.status:
            self.fault, self.hint = outcome.error or f"it ended with {outcome.status}", outcome.hint
            if self.app.mode is not self:
                self.app.say_refused(self.fault, self.hint)
            return
        if outcome.wrote:
            self.app.did(words)
        if self.edit.text == text:
            self.leave()
        self.app.show_output(text, outcome.output)

    def draw(self, width: int) -> list[Row]:
        shown = self.candidates if len(self.candidates) > 1 or self._last() == "" else ()
        rows = []
        if self.fault:
            row = Row(width, "raised")
            end = row.put(2, fit(f"{self.app.glyphs.bad} {self.fault}", width - 4), "bad")
            row.put(end + 3, fit(self.hint, width - end - 5), "muted")
            rows.append(row)
        elif shown:
            rows = self._grid(shown, width)
        row = Row(width)
        last = self._last()
        ghost = self.candidates[0][len(last) :] if self.candidates and last else ""
        draw_prompt(row, ":", self.edit, self.app, ghost)
        return [*rows, row]

    def _grid(self, shown: Sequence[str], width: int) -> list[Row]:
        size = min(28, max(len(text) for text in shown) + 3)
        across = max(1, (width - 4) // size)
        lines = min(ROWS, -(-len(shown) // across))
        rows = [Row(width, "raised") for _ in range(lines)]
        for at, text in enumerate(shown[: lines * across]):
            rows[at % lines].put(4 + at // lines * size, fit(text, size - 2), "text")
        left = len(shown) - lines * across
        if left > 0:
            rows[-1].right(width - 2, f" {left} more", "muted")
        return rows
