"""One line of text being typed, with the keys that shells have. Pure: keys in, text and caret out."""

from __future__ import annotations

import re

from console.app.inert import inert


class LineEdit:
    def __init__(self, text: str = "", *, hidden: bool = False, limit: int = 2000) -> None:
        self.text = text
        self.caret = len(text)
        self.hidden = hidden
        self._limit = limit

    def key(self, key: str, character: str | None) -> bool:
        """Whether the key was one of editing."""
        action = _KEYS.get(key)
        if action is not None:
            getattr(self, action)()
            return True
        if character is not None and character.isprintable() and not key.startswith(("ctrl+", "alt+")):
            self.insert(character)
            return True
        return False

    def insert(self, text: str) -> None:
        text = inert(" ".join(text.split("\n"))) if len(text) > 1 else text
        text = text[: self._limit - len(self.text)]
        self.text = self.text[: self.caret] + text + self.text[self.caret :]
        self.caret += len(text)

    def set(self, text: str) -> None:
        self.text, self.caret = text, len(text)

    def shown(self) -> str:
        return "•" * len(self.text) if self.hidden else self.text

    def _left(self) -> None:
        self.caret = max(0, self.caret - 1)

    def _right(self) -> None:
        self.caret = min(len(self.text), self.caret + 1)

    def _home(self) -> None:
        self.caret = 0

    def _end(self) -> None:
        self.caret = len(self.text)

    def _backspace(self) -> None:
        if self.caret:
            self.text = self.text[: self.caret - 1] + self.text[self.caret :]
            self.caret -= 1

    def _delete(self) -> None:
        self.text = self.text[: self.caret] + self.text[self.caret + 1 :]

    def _kill(self) -> None:
        self.text = self.text[: self.caret]

    def _kill_back(self) -> None:
        self.text, self.caret = self.text[self.caret :], 0

    def _word_back(self) -> None:
        kept = re.sub(r"\S*\s*\Z", "", self.text[: self.caret])
        self.text, self.caret = kept + self.text[self.caret :], len(kept)


_KEYS = {
    "left": "_left", "right": "_right", "home": "_home", "end": "_end", "ctrl+a": "_home", "ctrl+e": "_end",
    "backspace": "_backspace", "ctrl+h": "_backspace", "delete": "_delete", "ctrl+d": "_delete",
    "ctrl+k": "_kill", "ctrl+u": "_kill_back", "ctrl+w": "_word_back", "ctrl+b": "_left", "ctrl+f": "_right",
}  # fmt: skip
