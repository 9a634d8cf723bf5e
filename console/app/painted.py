"""Widgets that are drawn row by row, and send only the cells that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from console.app.glyphs import ASCII, PUNCTUATION
from console.app.row import Row
from console.app.theme import Theme

if TYPE_CHECKING:
    from console.app.app import ConsoleApp


class Painted(Widget):
    """Subclasses give `draw`; `repaint` draws anew and marks only what differs from what stands."""

    can_focus = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._strips: list[Strip] = []
        self._links: list[Row] = []
        self._theme: Theme | None = None

    @property
    def console_app(self) -> ConsoleApp:
        from console.app.app import ConsoleApp

        app = self.app
        assert isinstance(app, ConsoleApp)
        return app

    def draw(self, width: int, height: int) -> list[Row]:
        """At most `height` rows of `width` cells; missing ones are blank."""
        raise NotImplementedError

    def repaint(self) -> None:
        width, height = self.size
        if width <= 0 or height <= 0 or not self.is_mounted:
            return
        old, rows, theme = self._strips, self._links, self._theme
        new = self._paint(width, height)
        if len(old) != len(new) or (old and old[0].cell_length != width) or self._theme is not theme:
            self.refresh()
            return
        regions = [
            Region(start, y, stop - start, 1)
            for y, (was, now) in enumerate(zip(rows, self._links, strict=True))
            if old[y] is not new[y]
            for start, stop in now.difference(was)
        ]
        if regions:
            self.refresh(*regions)

    def _paint(self, width: int, height: int) -> list[Strip]:
        theme = self.console_app.theme_in_use
        rows = self.draw(width, height)[:height]
        rows += [Row(width) for _ in range(height - len(rows))]
        if self.console_app.glyphs is ASCII:
            for row in rows:
                row.replace(PUNCTUATION)
        old = list(zip(self._links, self._strips, strict=False)) if theme is self._theme else []
        old += [(Row(0), Strip([]))] * (height - len(old))
        self._strips = [
            strip if row.same(was) else row.strip(theme) for row, (was, strip) in zip(rows, old, strict=False)
        ]
        self._links, self._theme = rows, theme
        return self._strips

    def render_lines(self, crop: Region) -> list[Strip]:
        """As they were drawn: Textual's cache would copy each for margins and borders, and outlive the session."""
        width, height = self.size
        if len(self._strips) != height or (self._strips and self._strips[0].cell_length != width):
            self._paint(width, height)
        strips = self._strips[crop.y : crop.bottom]
        strips += [Strip.blank(width)] * (crop.height - len(strips))
        return strips if crop.column_span == (0, width) else [strip.crop(*crop.column_span) for strip in strips]

    def forget(self) -> None:
        """Keeps nothing of what was drawn, for as long as it is not in sight."""
        self._strips, self._links = [], []

    def text(self) -> str:
        """What stands on it, for tests."""
        return "\n".join(str(row) for row in self._links)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        x, y = event.x, event.y
        if 0 <= y < len(self._links):
            for start, stop, link in reversed(self._links[y].links):
                if start <= x < stop:
                    link()
                    self.console_app.settled()
                    return
