"""One line in the status row that says what came of a deed."""

from __future__ import annotations

import msgspec

from console.app.glyphs import Glyphs
from console.app.row import Row, fit

LASTS = 4.0


class Toast(msgspec.Struct, frozen=True, kw_only=True):
    """A good one goes after four seconds, a refusal stays until the next key."""

    text: str
    good: bool = True
    key: str = ""
    key_label: str = ""
    until: float = 0.0

    def draw(self, row: Row, glyphs: Glyphs) -> None:
        x = row.put(2, glyphs.done if self.good else glyphs.bad, "ok" if self.good else "bad") + 1
        room = row.width - x - 2 - (len(self.key) + len(self.key_label) + 4 if self.key else 0)
        x = row.put(x, fit(self.text, room), "text" if self.good else "bad")
        if self.key:
            x = row.put(x + 3, self.key, "accent", "b") + 1
            row.put(x, self.key_label, "muted")
