"""What the middle of the frame shows: one view a screen, drawn whole, asked for keys by the app."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rich.cells import cell_len
from textual import events

from console.app.actions import Action
from console.app.backend import Backend
from console.app.columns import Context
from console.app.painted import Painted
from console.app.row import Row, fit
from model.change import Committed


class View(Painted):
    """`ready` is false until its first data came, and while it is `reading`: keys typed until then wait."""

    title = ""
    digit = ""
    filterable = False

    def __init__(self) -> None:
        super().__init__()
        self.reading = False
        """What the next key may be about is being fetched."""
        self._loaded_once = False
        self.filter_text = ""
        self.status_width = 0
        """Cells of the status row, as last drawn."""
        self._loading = False
        self._again = False

    @property
    def ready(self) -> bool:
        return self._loaded_once and not self.reading

    @property
    def backend(self) -> Backend:
        return self.console_app.backend

    @property
    def context(self) -> Context:
        return self.console_app.context()

    def cap(self, key: str) -> str:
        """How the key is called that does here what `key` was made for, in words that name it."""
        return self.console_app.cap(key, self.title)

    # What a screen says of itself

    def crumbs(self) -> Sequence[str]:
        return (self.title,)

    def actions(self) -> list[Action]:
        return []

    def open(self, words: Sequence[str]) -> None:
        """Goes to a thing on it; empty stays where it is."""

    def back(self) -> bool:
        """Esc: whether there was a step to take here."""
        return False

    def key(self, event: events.Key) -> bool:
        """Keys before actions see them."""
        return False

    def paste(self, text: str) -> None:
        """Text that came as one."""

    def filter(self, text: str) -> None:
        """Shows what matches, while it is typed."""

    @property
    def right_hints(self) -> Sequence[tuple[str, str]]:
        """What stands at the right of the footer in place of command, filter and help."""
        return ()

    def before_drawing(self) -> None:
        """A moment to ask for what the next drawing needs."""

    @property
    def typing(self) -> bool:
        """Whether keys put text somewhere, so that none of those is anything else."""
        return False

    def status(self, row: Row) -> None:
        """Draws the status row; the app has put a toast there where there is one."""

    def tick(self) -> bool:
        """Once a second; whether there is something to draw anew."""
        return False

    async def load(self) -> None:
        """Fetches what it shows. Called when it opens and after changes, never twice at once."""

    def changed(self, changes: Sequence[Committed]) -> None:
        self.reload()

    # How it lives

    def reload(self) -> asyncio.Task[None] | None:
        """Loads anew, or once more after the load that is going on; the task, where one began."""
        if self._loading:
            self._again = True
            return None
        self._loading = True
        return self.console_app.start(self._load())

    async def _load(self) -> None:
        try:
            await self.load()
            while self._again:
                self._again = False
                await self.load()
        finally:
            self._loading = False
            self._loaded_once = True
            self.console_app.let_waiting_keys_go()

    def draw_status(self, width: int, plane: str = "bg") -> Row:
        row = Row(width, plane)
        self.status_width = width
        toast = self.console_app.toast
        if toast is not None and toast.fits(width):
            toast.draw(row, self.console_app.glyphs)
        else:
            self.status(row)
        return row


def empty(width: int, plane: str, lines: Sequence[tuple[str, str]]) -> list[Row]:
    """What stands where rows would: what is not here, why, what to press; in the role `key` the first word is one."""
    rows = []
    for text, role in lines:
        row = Row(width, plane)
        row.put(2, fit(text, width - 4), "muted" if role == "key" else role)
        if role == "key":
            row.tint(2, 2 + cell_len(text.partition(" ")[0]), "accent", "b")
        rows.append(row)
    return rows
