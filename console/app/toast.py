"""One line in the status row that says what came of a deed, or as many as a refusal takes."""

from __future__ import annotations

import msgspec
from rich.cells import cell_len

from console.app.glyphs import Glyphs
from console.app.row import Row, fit, wrapped

LASTS = 4.0


class Toast(msgspec.Struct, frozen=True, kw_only=True):
    """A good one goes after four seconds, a refusal stays until the next key."""

    text: str
    good: bool = True
    key: str = ""
    key_label: str = ""
    until: float = 0.0

    def fits(self, width: int) -> bool:
        """Whether a status row of so many cells says all; what was done may be cut, why it was not may not."""
        return self.good or cell_len(self.text) <= width - 6

    def whole(self, width: int, lines: int, glyphs: Glyphs) -> list[Row]:
        """All of it, in a band."""
        rows = []
        for at, line in enumerate(wrapped(self.text, width - 7, lines)):
            row = Row(width, "bad")
            row.put(0, glyphs.cursor, "bad")
            row.put(2, "" if at else glyphs.bad, "bad")
            row.put(4, line, "text")
            rows.append(row)
        return rows

    def draw(self, row: Row, glyphs: Glyphs) -> None:
        x = row.put(2, glyphs.done if self.good else glyphs.bad, "ok" if self.good else "bad") + 1
        room = row.width - x - 2 - (len(self.key) + len(self.key_label) + 4 if self.key else 0)
        x = row.put(x, fit(self.text, room), "text" if self.good else "bad")
        if self.key:
            x = row.put(x + 3, self.key, "accent", "b") + 1
            row.put(x, self.key_label, "muted")
