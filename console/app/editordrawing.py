"""How the policy's editor is drawn: line numbers, marks of what changed, folds, and errors at their line."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Sequence

from rich.cells import cell_len, set_cell_size

from console.app import folding
from console.app.backend import Fault
from console.app.glyphs import Glyphs
from console.app.highlight import Highlighter
from console.app.inert import inert
from console.app.linediff import marks
from console.app.row import Row, fit
from console.app.textbuffer import TextBuffer

TEXT = 9
"""Column where the text begins."""
MEANT = re.compile(r"did you mean \"?([^\s\"?]+)\"?\?")


class EditorDrawing:
    """The part of the editor that is seen; its keys are `Editor`'s."""

    def __init__(self, text: str = "") -> None:
        self.buffer = TextBuffer(text)
        self.base = text
        self.faults: tuple[Fault, ...] = ()
        self.top = 0
        self._left = 0
        self._room = 1
        self._colours = Highlighter()
        self._marks: tuple[int, dict[int, str]] = (-1, {})
        self._cut = ""
        self._offers: list[str] = []
        self.folded: set[int] = set()
        self._ends: tuple[int, dict[int, int]] = (-1, {})

    @property
    def changed(self) -> bool:
        return self.buffer.text != self.base

    def ends(self) -> dict[int, int]:
        """By the first line of what can be folded, its last."""
        if self._ends[0] != self.buffer.version:
            self._colours.sync(self.buffer.lines)
            self._ends = (self.buffer.version, folding.regions(self._colours.depths()))
            self.folded &= self._ends[1].keys()
        return self._ends[1]

    def visible(self) -> list[int]:
        ends = self.ends()
        return folding.visible(len(self.buffer.lines), sorted(self.folded), ends)

    def _span(self, fault: Fault) -> tuple[int, int]:
        """The columns that a fault is about: the word that its message quotes, or the string that stands there."""
        text = self.buffer.lines[(fault.line or 1) - 1] if (fault.line or 1) <= len(self.buffer.lines) else ""
        start = min(max(0, (fault.column or 1) - 1), len(text))
        quoted = re.search(r'"([^"]+)"', fault.message)
        if quoted and (at := text.find(quoted[1])) >= 0:
            return at, at + len(quoted[1])
        start += text[start : start + 1] == '"'
        match = re.compile(r'[^"\s,\]}]+').match(text, start)
        return start, match.end() if match else min(len(text), start + 1)

    # Drawing

    def draw(self, width: int, height: int, glyphs: Glyphs, *, active: bool) -> list[Row]:
        buffer = self.buffer
        self._room = height
        self._colours.sync(buffer.lines)
        if self._marks[0] != buffer.version:
            self._marks = (buffer.version, marks(self.base.split("\n"), buffer.lines))
        room = width - TEXT - 2
        shown = self.visible()
        top = max(0, bisect.bisect_right(shown, self.top) - 1)
        if active:
            extra = sum(1 for fault in self.faults if shown[top] <= (fault.line or 0) - 1 < buffer.line)
            caret = max(0, bisect.bisect_right(shown, buffer.line) - 1)
            top = max(min(top, caret), caret - height + 1 + min(extra + 1, height - 1))
            self._left = max(min(self._left, buffer.column), buffer.column - room + 1)
            line = buffer.lines[buffer.line]
            while not line.isascii() and cell_len(line[self._left : buffer.column]) >= room:
                self._left += 1
        top = max(0, min(top, len(shown) - 1))
        self.top = shown[top]
        rows: list[Row] = []
        for number in shown[top:]:
            if len(rows) >= height:
                break
            rows += self._line(number, width, glyphs, active)
        rows = rows[:height] + [Row(width) for _ in range(height - len(rows))]
        self._bar(rows, width, glyphs)
        return rows

    def _line(self, number: int, width: int, glyphs: Glyphs, active: bool) -> list[Row]:
        row = Row(width)
        text = self.buffer.lines[number]
        faults = [fault for fault in self.faults if fault.line == number + 1]
        if faults:
            row.plane("bad", 1, width - 2)
            row.put(1, glyphs.cursor, "bad")
        row.right(TEXT - 3, str(number + 1), "bad" if faults else "muted", "b" if faults else "")
        mark = self._marks[1].get(number)
        if mark:
            row.put(TEXT - 2, glyphs.plus if mark == "+" else glyphs.changed, "ok" if mark == "+" else "warn")
        for start, end, role, attributes in self._colours.pieces(number):
            self._piece(row, text, start, end, role, attributes)
        if self._left and text:
            row.put(TEXT - 1, glyphs.more, "muted")
        if self._cell(text, len(text)) > width - 3:
            row.put(width - 3, glyphs.more, "muted")
        if number in self.folded:
            self._folded(row, number, glyphs)
        out = [row]
        for fault in faults:
            start, end = self._span(fault)
            self._piece(row, text, start, max(end, start + 1), "bad", "bu")
            out.append(self._fault(fault, width, glyphs))
        if active and number == self.buffer.line:
            at = self._cell(text, self.buffer.column)
            row.put(at, text[self.buffer.column : self.buffer.column + 1] or " ", "inverse")
            row.plane("editor", at, at + 1)
        return out

    def _folded(self, row: Row, number: int, glyphs: Glyphs) -> None:
        end = self.ends().get(number, number)
        inside = sum(number < (fault.line or 0) - 1 <= end for fault in self.faults)
        at = min(TEXT + max(0, len(self.buffer.lines[number]) - self._left) + 1, row.width - 26)
        if self._marks[1].keys() & set(range(number + 1, end + 1)):
            at = row.put(at, glyphs.changed, "warn") + 1
        at = row.put(at, f"{glyphs.fold} {end - number} lines", "muted", "", self._opens(number))
        if inside:
            row.put(at + 2, f"{glyphs.bad} {inside}", "bad", "b")

    def _opens(self, number: int) -> Callable[[], object]:
        return lambda: self.folded.discard(number)

    def _piece(self, row: Row, text: str, start: int, end: int, role: str, attributes: str) -> None:
        start, end = max(start, self._left), min(end, self._left + row.width - TEXT - 3)
        x = self._cell(text, start)
        if end > start and x < row.width - 3:
            piece = text[start:end]
            row.put(x, piece if piece.isascii() else set_cell_size(piece, min(cell_len(piece), row.width - 3 - x)),
                    role, attributes)  # fmt: skip

    def _cell(self, text: str, at: int) -> int:
        """The column of the `at`th character."""
        before = text[self._left : at]
        return TEXT + (len(before) if before.isascii() else cell_len(before))

    def _fault(self, fault: Fault, width: int, glyphs: Glyphs) -> Row:
        row = Row(width)
        row.plane("bad", 1, width - 2)
        row.put(1, glyphs.cursor, "bad")
        row.put(TEXT, glyphs.bad, "bad", "b")
        meant = MEANT.search(fault.hint or "")
        aside = 14 if meant else 0
        message = inert(fault.message + (f"; {fault.hint}" if fault.hint else ""))
        room = width - TEXT - 5 - aside
        if meant and cell_len(message) > room:
            message = inert(fault.hint or "")  # the line above shows what is wrong, this what was meant
        end = row.put(TEXT + 2, fit(message, room), "text")
        if meant:
            row.put(row.put(end + 2, "F2", "accent", "b") + 1, "takes it", "text")
        return row

    def _bar(self, rows: Sequence[Row], width: int, glyphs: Glyphs) -> None:
        shown = self.visible()
        total, body = len(shown), len(rows)
        if total <= body:
            return
        size = max(1, body * body // total)
        start = (body - size) * min(bisect.bisect_left(shown, self.top), total - body) // max(1, total - body)
        for y, row in enumerate(rows):
            inside = start <= y < start + size
            row.put(width - 1, glyphs.thumb if inside else glyphs.track, "thumb" if inside else "line")
