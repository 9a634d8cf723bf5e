"""Which columns a list shows, in what order, and what it is sorted by: a person's choice for each screen.

Kept as one line of text: `name,ipv4,-seen sort:-seen`, heads in lower case, hidden ones with a `-`. Columns
that it does not name, such as those of a newer version, stand behind as they are. The first names the row, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from textual import events

from console.app.columns import Column
from console.app.modes import Hint, Mode
from console.app.row import Row, fit

if TYPE_CHECKING:
    from console.app.app import ConsoleApp
    from console.app.listview import ListView


class Choice(msgspec.Struct, frozen=True):
    """`order` has every column by its slug; `sort` is empty where the screen's own order holds."""

    order: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    sort: str = ""
    descending: bool = False

    def text(self) -> str:
        shown = ",".join(f"-{one}" if one in self.hidden else one for one in self.order)
        return f"{shown} sort:{'-' if self.descending else ''}{self.sort}" if self.sort else shown


def slug(column: Column) -> str:
    return column.head.lower().replace(" ", "-").replace(",", "")


def preference(title: str) -> str:
    return f"columns.{title.lower()}"


def read(text: str, columns: Sequence[Column]) -> Choice:
    """What `text` chooses of `columns`; what it says of others is passed over."""
    known = [slug(column) for column in columns]
    listed, _, sort = text.partition(" sort:")
    words = list(dict.fromkeys(word for word in listed.split(",") if word.removeprefix("-") in known))
    named = [word.removeprefix("-") for word in words]
    order = [one for one in named if one != known[0]] if known else []
    order = [*known[:1], *order, *(one for one in known[1:] if one not in order)]
    hidden = frozenset(word[1:] for word in words if word.startswith("-")) - {*known[:1]}
    sortable = {column.sort for column in columns if column.sort}
    key = sort.removeprefix("-")
    return Choice(tuple(order), hidden, key if key in sortable else "", sort.startswith("-") and key in sortable)


def arranged(columns: Sequence[Column], choice: Choice, *, chosen: bool = True) -> tuple[Column, ...]:
    """The columns that `choice` shows, in its order; where it was `chosen`, at any width that has room."""
    by_slug = {slug(column): column for column in columns}
    kept = [by_slug[one] for one in choice.order if one in by_slug and one not in choice.hidden]
    return tuple(msgspec.structs.replace(column, since=0) if chosen else column for column in kept)


class ColumnsMode(Mode):
    """Chooses in a band, with the list above it following at once; Esc leaves it as it was."""

    right_hints = (("Esc", "cancel"),)

    def __init__(self, app: ConsoleApp, view: ListView) -> None:
        super().__init__(app)
        self.view = view
        self.columns = {slug(column): column for column in view.columns()}
        self.before = app.preferences.get(preference(view.title), "")
        self.choice = read(self.before, view.columns())
        self.at = min(1, len(self.choice.order) - 1)

    @property
    def hints(self) -> Sequence[Hint]:  # type: ignore[override]
        return (
            ("space", "show or hide"),
            ("J K", "move"),
            ("s", "sort by it"),
            ("r", "as it was made"),
            ("Enter", "keep"),
        )

    def key(self, event: events.Key) -> None:
        match event.key:
            case "escape":
                self.view.arrange_columns(self.before)
                self.leave()
            case "enter":
                self.app.keep_preference(preference(self.view.title), self._text())
                self.leave()
            case "down" | "j" | "right" | "tab":
                self.at = (self.at + 1) % len(self.choice.order)
            case "up" | "k" | "left" | "shift+tab":
                self.at = (self.at - 1) % len(self.choice.order)
            case "J" | "shift+down":
                self._move(1)
            case "K" | "shift+up":
                self._move(-1)
            case "space" | "s" | "r":
                self._change(event.key)
        if self.app.mode is self:
            self.view.arrange_columns(self._text())

    def _text(self) -> str:
        """Empty where it is what the screen has by itself."""
        plain = read("", tuple(self.columns.values()))
        return "" if self.choice == plain else self.choice.text()

    def _move(self, step: int) -> None:
        """The first column stays where it is."""
        to = self.at + step
        if self.at >= 1 and 1 <= to < len(self.choice.order):
            order = list(self.choice.order)
            order[self.at], order[to] = order[to], order[self.at]
            self.choice, self.at = msgspec.structs.replace(self.choice, order=tuple(order)), to

    def _change(self, key: str) -> None:
        one, choice = self.choice.order[self.at], self.choice
        sort = self.columns[one].sort
        if key == "r":
            self.choice = read("", tuple(self.columns.values()))
        elif key == "space" and self.at:
            self.choice = msgspec.structs.replace(choice, hidden=choice.hidden ^ {one})
        elif key == "s" and sort:
            again = sort == choice.sort
            self.choice = msgspec.structs.replace(choice, sort=sort, descending=again and not choice.descending)

    def draw(self, width: int) -> list[Row]:
        glyphs = self.app.glyphs
        rows = [Row(width, "select"), Row(width, "select")]
        rows[0].put(3, f"Columns of {self.view.title}", "bright", "b")
        rows[0].right(width - 2, "the first one names the row, and stays", "muted")
        x, y = 3, 1
        for at, one in enumerate(self.choice.order):
            column = self.columns[one]
            sorted_by = bool(column.sort) and column.sort == self.choice.sort
            arrow = (glyphs.down if self.choice.descending else glyphs.up) if sorted_by else ""
            mark = glyphs.none if one in self.choice.hidden else glyphs.done
            label = fit(f"{mark} {column.head}{' ' + arrow if arrow else ''}", max(1, width - 6))
            if x + len(label) > width - 2:
                rows.append(Row(width, "select"))
                x, y = 3, y + 1
            end = rows[y].put(x, label, "muted" if one in self.choice.hidden else "bright")
            if at == self.at:
                rows[y].plane("cursor", x - 1, end + 1)
                rows[y].put(x - 1, glyphs.cursor, "accent")
            x = end + 3
        return rows
