"""A screen that is a list: what it holds, how one goes about in it, and what its keys do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
from textual import events

from console.app import columnchoice
from console.app.actions import Action
from console.app.backend import Listing, Query, Rows
from console.app.columns import Column, Context
from console.app.listselecting import ListSelecting
from console.app.pages import Pages, row_id
from console.app.pane import Pane
from console.app.table import Table
from model.change import Committed


class ListView(ListSelecting):
    """Subclasses give `listing`, `columns`, `state`, `called` and, where there is one, `facts`."""

    listing: Listing
    sort = "name"
    descending = False
    filterable = True

    def __init__(self) -> None:
        super().__init__()
        self.pages = Pages(self._fetch, self._arrived, self._start)
        self.pages.query = Query(filter=self.base, sort=self.sort, descending=self.descending)
        self.table = Table(self.columns(), self.state, self.pages, self._read_range)
        self.pane = Pane()
        self.pane_open = True
        self.pane_focus = False
        self._wanted: str | None = None
        self._facts_of = None
        self._moved = 0.0
        self._filling = None
        self._changes = 0
        self._arranged = False
        self._whole = None

    # For subclasses

    def columns(self) -> Sequence[Column]:
        raise NotImplementedError

    def state(self, row: Any, context: Context) -> tuple[str, str]:
        raise NotImplementedError

    def deeds(self) -> list[Action]:
        return []

    def arrange_columns(self, text: str) -> None:
        """Shows the columns, and sorts, as `text` chooses (`console.app.columnchoice`)."""
        choice = columnchoice.read(text, self.columns())
        self.table.columns = columnchoice.arranged(self.columns(), choice, chosen=bool(text))
        sort, descending = (choice.sort, choice.descending) if choice.sort else (self.sort, self.descending)
        query = self.pages.query
        if self.pages.total is None:
            self.pages.query = msgspec.structs.replace(query, sort=sort, descending=descending)
        elif (query.sort, query.descending) != (sort, descending):
            self.table.order(sort, descending)

    def choose_columns(self) -> None:
        self.console_app.mode = columnchoice.ColumnsMode(self.console_app, self)

    def _as_chosen(self) -> None:
        """Once, when it is first loaded: what is chosen later arranges it then."""
        text = self.console_app.preferences.get(columnchoice.preference(self.title), "")
        if not self._arranged and text:
            self.arrange_columns(text)
        self._arranged = True

    # Data

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self.console_app.start(work)

    async def _fetch(self, query: Query) -> Rows:
        return await self.backend.rows(self.listing, query)

    async def load(self) -> None:
        self._as_chosen()
        first = self.table.top
        if self.pages.total is not None:
            self.pages.refresh()
        if self.pages.total is None or self._wanted is not None:
            query = self.pages.query
            found = await self._fetch(query)
            if query == self.pages.query:
                self.pages.take(found)
                self._arrived()
        self.pages.want(first, first + self.table.height)
        if self.filter_text:
            self._whole = (await self._fetch(Query(filter=self.base, limit=1))).total
        if self._wanted is not None:
            await self._find(self._wanted)

    async def _find(self, name: str) -> None:
        """Puts the cursor on the row called `name`, through the filter where it is not in sight."""
        self._wanted = None
        for index in range(min(self.table.total, 128)):
            row = self.pages.row(index)
            if row is not None and name in {self.called(row), row_id(row)}:
                self.table.go(index)
                return
        self.filter_text = name
        self.filter(name)

    def _arrived(self) -> None:
        self.table.arrived()
        if self.pages.query.filter == self.base and not self.pages.more:
            self._whole = self.pages.total
        if self.is_mounted and self.console_app.view is self:
            self.console_app.soon()

    def changed(self, changes: Sequence[Committed]) -> None:
        self._changes += 1
        self._keep_selection(changes)
        super().changed(changes)

    def tick(self) -> bool:
        return self.pages.settle()

    # Going about

    def crumbs(self) -> Sequence[str]:
        row = self.table.current() if self.has_pane else None
        return (self.title,) if row is None else (self.title, self.called(row))

    def open(self, words: Sequence[str]) -> None:
        """A thing by its name, or what a filter like `state:pending` leaves."""
        if words and ":" in words[0]:
            self.filter_text = words[0]
            self.filter(words[0])
        elif words:
            self._wanted = words[0]

    def filter(self, text: str) -> None:
        self.table.filter(f"{self.base} {text}".strip())

    def back(self) -> bool:
        if self.pane_focus:
            self.pane_focus = False
        elif self.table.clear():
            pass
        elif self.filter_text:
            self.filter_text = ""
            self.filter("")
        else:
            return False
        return True

    def key(self, event: events.Key) -> bool:
        if self.pane_focus and self.has_pane and self.pane.key(event.key):
            return True
        table = self.table
        step = table.height - 1
        moves: dict[str, Callable[[], object]] = {
            "down": lambda: table.move(1),
            "j": lambda: table.move(1),
            "up": lambda: table.move(-1),
            "k": lambda: table.move(-1),
            "pagedown": lambda: table.move(step),
            "ctrl+f": lambda: table.move(step),
            "pageup": lambda: table.move(-step),
            "ctrl+b": lambda: table.move(-step),
            "home": lambda: table.go(0),
            "g": lambda: table.go(0),
            "end": table.end,
            "G": table.end,
        }
        move = moves.get(event.key)
        if move is None:
            return False
        move()
        return True

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._wheel(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._wheel(-3)

    def _wheel(self, step: int) -> None:
        self.table.move(step)
        self.console_app.settled()

    def actions(self) -> list[Action]:
        """In the footer's order, which drops them from the end: what there is only now, then the list's own."""
        deeds, selection = self.deeds(), self.table.selection
        range_ = Action(
            key="v",
            label="range" if selection.anchor is None else "end range",
            about="begin a range here, or end it",
            run=self.table.toggle_range,
        )
        select = Action(key="space", label="select", about="select the row, or let it go", run=self.table.toggle)
        selects = bool(deeds and self.pages.total)
        begun = selects and selection.anchor is not None
        return [
            *(self._in_pane() if self.pane_focus else ()),
            *([range_] if begun else []),
            self._opens(),
            *deeds,
            *([select] if selects else []),
            *([range_] if selects and not begun else []),
            *([] if self.pane_focus else [self._tabs()]),
            Action(key="o", label="order", about="sort by the next column", run=self._next_order, shown=False),
            Action(key="O", label="reverse", about="turn the order around", run=self._reverse, shown=False),
            Action(
                key="ctrl+o",
                label="columns",
                about="which columns, in what order; kept for you",
                run=self.choose_columns,
                shown=False,
            ),
            Action(key="c", label="copy", about="to your clipboard", run=self.copy, shown=False),
        ]

    def _told(self) -> bool:
        """Whether what is under the cursor has facts here."""
        return self.has_pane and self.table.current() is not None

    def _opens(self) -> Action:
        return Action(
            key="enter",
            label="open",
            about="its facts" if self.has_pane else "what it is about",
            run=self._enter,
            shown=not self.pane_focus and not self.beside(self.console_app.size.width),
            when=lambda: self._told() or self._leads() is not None,
        )

    def _tabs(self) -> Action:
        return Action(
            key="tab",
            label="list" if self.pane_focus else "pane",
            about="into the facts and back",
            run=self._tab,
            shown=self.pane_focus or self.beside(self.console_app.size.width),
            when=self._told,
        )

    def _in_pane(self) -> list[Action]:
        pane, out = self.pane, []
        if len(pane.tabs) > 1:
            out.append(Action(key="right", cap="← →", label="part", about="of the facts", run=lambda: None))
        if pane.follows:
            about = "to what stands under the cursor"
            out.append(Action(key="enter", label="go there", about=about, run=pane.follows))
        return [*out, self._tabs()]

    def _enter(self) -> None:
        if self.has_pane and self.table.current() is not None:
            self.pane_open = self.pane_focus = True
        elif (way := self._leads()) is not None:
            way()

    def leads(self, row: Any) -> Callable[[], None] | None:
        """Where a row without facts of its own leads."""
        return None

    def _leads(self) -> Callable[[], None] | None:
        row = self.table.current()
        return None if self.has_pane or row is None else self.leads(row)

    def _tab(self) -> None:
        self.pane_focus = not self.pane_focus
        self.pane_open = True

    def copy(self) -> None:
        self.console_app.copy("\n".join(self.called(row) for row in self.table.chosen()))

    def _next_order(self) -> None:
        shown = self.table.shown or self.table.columns
        keys = [column.sort for column in shown if column.sort]
        at = keys.index(self.pages.query.sort) if self.pages.query.sort in keys else -1
        self._order(keys[(at + 1) % len(keys)])

    def _order(self, sort: str) -> None:
        same = sort == self.pages.query.sort
        self.table.order(sort, not self.pages.query.descending if same else False)

    def _reverse(self) -> None:
        self.table.order(self.pages.query.sort, not self.pages.query.descending)

    def names(self) -> list[str]:
        """Of what a deed would be done to."""
        return [self.called(row) for row in self.table.chosen()]
