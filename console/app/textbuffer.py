"""A text being edited: lines, a caret, and a way back. Pure."""

from __future__ import annotations

import re

import msgspec

MAX_UNDO = 500
_WORD = re.compile(r"\w+|[^\w\s]+")


class _Step(msgspec.Struct, frozen=True):
    """Lines `at` to `at + len(new)` were `old` before."""

    at: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    caret: tuple[int, int]
    kind: str


class TextBuffer:
    """`line` and `column` count from 0. `version` rises with every change."""

    def __init__(self, text: str = "") -> None:
        self.lines: list[str] = text.split("\n")
        self.line = self.column = 0
        self.version = 0
        self._wanted = 0
        self._undo: list[_Step] = []
        self._redo: list[_Step] = []

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    # Moving

    def move(self, lines: int = 0, columns: int = 0) -> None:
        if lines:
            self.line = max(0, min(self.line + lines, len(self.lines) - 1))
            self.column = min(self._wanted, len(self.lines[self.line]))
            return
        self.column += columns
        if self.column < 0 and self.line > 0:
            self.line -= 1
            self.column = len(self.lines[self.line])
        elif self.column > len(self.lines[self.line]) and self.line + 1 < len(self.lines):
            self.line, self.column = self.line + 1, 0
        self.to(self.line, self.column)

    def to(self, line: int, column: int) -> None:
        self.line = max(0, min(line, len(self.lines) - 1))
        self.column = self._wanted = max(0, min(column, len(self.lines[self.line])))

    def home(self) -> None:
        """To the first letter, and from there to the very beginning."""
        indent = len(self.lines[self.line]) - len(self.lines[self.line].lstrip())
        self.to(self.line, 0 if self.column == indent else indent)

    def word(self, step: int) -> None:
        text = self.lines[self.line]
        if step > 0:
            found = [match.end() for match in _WORD.finditer(text) if match.end() > self.column]
            self.to(self.line, found[0] if found else len(text))
        else:
            before = [match.start() for match in _WORD.finditer(text) if match.start() < self.column]
            self.to(self.line, before[-1] if before else 0)

    # Changing

    def insert(self, text: str, kind: str = "type") -> None:
        head, tail = self.lines[self.line][: self.column], self.lines[self.line][self.column :]
        parts = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        new = [head + parts[0], *parts[1:]] if len(parts) > 1 else [head + parts[0]]
        line, column = self.line + len(parts) - 1, len(new[-1])
        new[-1] += tail
        self._change(self.line, 1, new, kind)
        self.to(line, column)

    def newline(self) -> None:
        """With the indent of this line, and two more after an opening bracket."""
        text = self.lines[self.line]
        indent = re.match(r"\s*", text[: self.column])
        more = "  " if text[: self.column].rstrip().endswith(("{", "[")) else ""
        self.insert("\n" + (indent[0] if indent else "") + more, "newline")

    def backspace(self) -> None:
        text = self.lines[self.line]
        if self.column == 0:
            if self.line:
                before = self.lines[self.line - 1]
                self._change(self.line - 1, 2, [before + text], "join")
                self.to(self.line - 1, len(before))
            return
        size = 2 if text[: self.column].isspace() and self.column % 2 == 0 else 1
        self._change(self.line, 1, [text[: self.column - size] + text[self.column :]], "delete")
        self.to(self.line, self.column - size)

    def delete(self) -> None:
        text = self.lines[self.line]
        if self.column < len(text):
            self._change(self.line, 1, [text[: self.column] + text[self.column + 1 :]], "delete")
        elif self.line + 1 < len(self.lines):
            self._change(self.line, 2, [text + self.lines[self.line + 1]], "join")

    def kill_line(self) -> str:
        """The line out; what it was."""
        text = self.lines[self.line]
        if len(self.lines) > 1:
            self._change(self.line, 1, [], "kill")
        else:
            self._change(0, 1, [""], "kill")
        self.to(min(self.line, len(self.lines) - 1), 0)
        return text

    def replace(self, line: int, start: int, end: int, text: str) -> None:
        was = self.lines[line]
        self._change(line, 1, [was[:start] + text + was[end:]], "replace")
        self.to(line, start + len(text))

    def set(self, text: str) -> None:
        self._change(0, len(self.lines), text.split("\n"), "set")
        self.to(min(self.line, len(self.lines) - 1), 0)

    def _change(self, at: int, count: int, new: list[str], kind: str) -> None:
        step = _Step(at, tuple(self.lines[at : at + count]), tuple(new), (self.line, self.column), kind)
        self.lines[at : at + count] = new
        self.version += 1
        self._redo.clear()
        last = self._undo[-1] if self._undo else None
        alone = len(step.old) == len(step.new) == 1
        if last and alone and kind in {"type", "delete"} and last.kind == kind and last.at == at and len(last.new) == 1:
            self._undo[-1] = _Step(at, last.old, step.new, last.caret, kind)
        else:
            self._undo.append(step)
            del self._undo[:-MAX_UNDO]

    def undo(self) -> bool:
        return self._back(self._undo, self._redo, forward=False)

    def redo(self) -> bool:
        return self._back(self._redo, self._undo, forward=True)

    def _back(self, source: list[_Step], other: list[_Step], *, forward: bool) -> bool:
        if not source:
            return False
        step = source.pop()
        was, now = (step.old, step.new) if forward else (step.new, step.old)
        self.lines[step.at : step.at + len(was)] = now
        other.append(step)
        self.version += 1
        self.to(*step.caret)
        return True
