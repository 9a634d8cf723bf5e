"""A form: fields in a band over the bottom, and the command that they come to."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from textual import events

from console.app.lineedit import LineEdit
from console.app.modes import Hint, Mode
from console.app.row import Row, fit, wrapped

if TYPE_CHECKING:
    from console.app.app import ConsoleApp
    from model.change import AnyChange, Committed


class Field(msgspec.Struct, kw_only=True):
    """One line of a form: text, or a choice walked through by space and the arrows."""

    label: str
    edit: LineEdit = msgspec.field(default_factory=LineEdit)
    choices: tuple[str, ...] = ()
    hint: str = ""
    needed: bool = False
    """Nothing is done while it is empty."""

    @property
    def value(self) -> str:
        return self.edit.text.strip()


class Form(Mode):
    """Fields in a band. Enter submits; Tab and the arrows move. `command` shows what will run, as it is typed."""

    def __init__(
        self,
        app: ConsoleApp,
        title: str,
        fields: Sequence[Field],
        *,
        command: Callable[[Form], Sequence[str]],
        submit: Callable[[Form], object],
        verb: str = "do it",
        meanwhile: Callable[[AnyChange], str] = lambda _: "",
    ) -> None:
        """`meanwhile` says what a change by somebody else is to what the form is about."""
        super().__init__(app)
        self.title, self.fields, self.verb = title, fields, verb
        self._command, self._submit, self._meanwhile = command, submit, meanwhile
        self.at = 0
        self._fault = ""
        self._told = ""

    @property
    def hints(self) -> Sequence[Hint]:  # type: ignore[override]
        moves = [("Tab", "next field")] if len(self.fields) > 1 else []
        change = [("space", "change")] if self.fields[self.at].choices else []
        return [("Enter", self.verb), *moves, *change]

    right_hints = (("Esc", "cancel"),)

    def value(self, label: str) -> str:
        return next(field.value for field in self.fields if field.label == label)

    def changed(self, changes: Sequence[Committed]) -> None:
        told = [text for entry in changes if (text := self._meanwhile(entry.change))]
        self._told = told[-1] if told else self._told

    def refused(self, fault: str) -> None:
        """It comes back as it was, and says why what it asked for was not done."""
        self._fault = fault
        self.app.mode = self

    def key(self, event: events.Key) -> None:
        field = self.fields[self.at]
        self._fault = ""
        if event.key == "escape":
            self.leave()
        elif event.key == "enter":
            self._enter()
        elif event.key in {"tab", "down"}:
            self.at = (self.at + 1) % len(self.fields)
        elif event.key in {"shift+tab", "up"}:
            self.at = (self.at - 1) % len(self.fields)
        elif field.choices:
            if event.key in {"space", "right", "left"}:
                step = -1 if event.key == "left" else 1
                field.edit.set(field.choices[(field.choices.index(field.edit.text) + step) % len(field.choices)])
        else:
            field.edit.key(event.key, event.character)

    def _enter(self) -> None:
        missing = [at for at, field in enumerate(self.fields) if field.needed and not field.value]
        if missing:
            self.at = missing[0]
            self._fault = f"{self.fields[self.at].label} is needed"
        else:
            self.leave()
            self._submit(self)

    def paste(self, text: str) -> None:
        self._fault = ""
        if not self.fields[self.at].choices:
            self.fields[self.at].edit.insert(text.strip())

    def draw(self, width: int) -> list[Row]:
        title = wrapped(self.title, width - 6, 3)
        run = " ".join(shlex.quote(word) if word else "…" for word in self._command(self))
        command = wrapped(run, width - 6, max(1, self.app.size.height // 3))
        fault = wrapped(self._fault, width - 8, 4) if self._fault else []
        meanwhile = wrapped(self._told, width - 8, 2) if self._told else []
        first, below = 1 + len(title), int(self.app.size.height >= 20)
        last = first + len(self.fields) + 1
        notes = len(meanwhile) + len(fault)
        size = last + notes + below * bool(notes) + len(command) + below
        rows = [Row(width, "select") for _ in range(size)]
        for row in rows:
            row.put(0, self.app.glyphs.cursor, "accent")
        for row, line in zip(rows[1:], title, strict=False):
            row.put(3, line, "bright", "b")
        column = 5 + max(len(field.label) for field in self.fields)
        for at, field in enumerate(self.fields):
            row = rows[first + at]
            row.put(3, field.label, "text" if at == self.at else "muted")
            self._field(row, column, field, at == self.at, width)
        below_fields = iter(rows[last:])
        for lines, glyph, role in ((meanwhile, self.app.glyphs.caution, "warn"), (fault, self.app.glyphs.bad, "bad")):
            for at, line in enumerate(lines):
                row = next(below_fields)
                row.put(3, "" if at else glyph, role)
                row.put(5, line, role)
        if below and notes:
            next(below_fields)
        for row, line in zip(below_fields, command, strict=False):
            row.put(3, line, "muted")
        return rows

    def _field(self, row: Row, x: int, field: Field, current: bool, width: int) -> None:
        room = max(1, width - x - 4)
        text, caret = field.edit.shown(), field.edit.caret
        offset = max(0, caret - room + 1)
        end = row.put(x, text[offset : offset + room], "bright" if current else "text")
        if current and not field.choices:
            under = text[caret : caret + 1] or " "
            row.put(x + caret - offset, under, "inverse")
            row.plane("editor", x + caret - offset, x + caret - offset + 1)
        elif field.choices and current:
            row.put(end + 1, "‹ ›" if not self.app.theme_in_use.flat else "< >", "accent")
            end += 4
        if field.hint and (not text or field.choices):
            start = end + 2 if text or current else x
            row.put(start, fit(field.hint, width - start - 2), "muted")
