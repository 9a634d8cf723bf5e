"""What stands on every screen: screens with their digits, the breadcrumb with clock, and the keys."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from console.app.actions import Action
from console.app.backend import Me
from console.app.inert import inert
from console.app.modes import Hint
from console.app.painted import Painted
from console.app.row import Row, fit
from console.app.times import clock

BRAND = 12
"""Cells of the name at the left, with what stands around it."""
NARROW = 56
"""Below so many cells the lines around the screen say only what cannot be left out."""
MANY_UNTOLD = 20
"""Agents that are still to be told a change, from which on it is worth a word: the last of few are told at once."""


def who(me: Me) -> tuple[str, str]:
    """Name and role, as they stand at the top right."""
    return inert(me.name.partition("@")[0]), "" if me.member else f" {me.role.value}"


class TopLine(Painted):
    """Air between the screens comes before the brand, and both before who one is: that the line below can say, too."""

    def draw(self, width: int, height: int) -> list[Row]:
        app = self.console_app
        row = Row(width, "raised")
        airy, _ = self._sizes()
        branded = BRAND + airy <= width
        x, end = int(branded or airy < width), width
        if branded:
            x = row.put(2, "Wardgate", "bright", "b") + 2
        if self.says_who(width):
            name, role = who(app.backend.me())
            end = row.right(row.right(width - 2, role, "muted"), name, "text") - 1
        self._screens(row, x, end, tight=airy > end - x)
        return [row]

    def says_who(self, width: int) -> bool:
        """Whether there is room for who one is; otherwise the line below says it."""
        airy, identity = self._sizes()
        return BRAND + airy + identity <= width

    def _sizes(self) -> tuple[int, int]:
        """Cells of the screens with air between them, and of who one is."""
        app = self.console_app
        return sum(len(title) + 4 for _, title in app.screens()), 3 + sum(map(len, who(app.backend.me())))

    def _screens(self, row: Row, x: int, end: int, *, tight: bool) -> None:
        """Each with its digit; where there is little room, the last ones by their digit alone, but the one in use."""
        app = self.console_app
        screens = app.screens()
        named = self._named(screens, end - x, tight=tight)
        for digit, title in screens:
            label = f" {digit} {title}" + ("" if tight else " ") if title in named else f" {digit}"
            if x + len(label) > end:
                break
            current = title == app.view.title
            if current:
                row.plane("cursor" if app.theme_in_use.flat else "bg", x, x + len(label) + tight)
            attributes, link = "b" if current else "", self._link(title)
            row.put(x, label[:2], "accent", attributes, link)
            x = row.put(x + 2, label[2:], "bright" if current else "text", attributes, link)

    def _named(self, screens: Sequence[tuple[str, str]], room: int, *, tight: bool) -> set[str]:
        """Those whose names fit: the one in use, then from the first on."""
        room -= 2 * len(screens)
        out: set[str] = set()
        current = self.console_app.view.title
        for _, title in sorted(screens, key=lambda screen: screen[1] != current):
            size = len(title) + (1 if tight else 2)
            if size > room:
                break
            out.add(title)
            room -= size
        return out

    def _link(self, title: str):  # type: ignore[no-untyped-def]
        return lambda: self.console_app.go(title)


class CrumbLine(Painted):
    def draw(self, width: int, height: int) -> list[Row]:
        app = self.console_app
        glyphs, me = app.glyphs, app.backend.me()
        row = Row(width)
        end = row.right(width - 2, clock(app.backend.now(), seconds=width >= 110) + "Z", "muted")
        if not app.top.says_who(width) and width >= NARROW:
            identity, role = who(me)
            end = row.right(row.right(end - 3, role, "muted"), identity, "text")
        end = self._state(row, end - 3)
        parts = [str(me.domain), *(inert(part) for part in app.view.crumbs())]
        parts = way_within(parts, end - 5) if width >= NARROW else parts[-1:]
        x = 2
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            if end - x < 6:
                break
            if at:
                x = row.put(x + 1, glyphs.crumb, "muted") + 1
            x = row.put(
                x,
                fit(part, max(1, end - x - 2)),
                "bright" if last else "muted",
                "b" if last else "",
                None if last else app.up,
            )
        return [row]

    def _state(self, row: Row, end: int) -> int:
        app = self.console_app
        glyphs = app.glyphs
        if app.paused:
            end = self._chip(row, end, glyphs.off, "paused", "muted")
        else:
            end = self._chip(row, end, glyphs.on, "live", "ok")
        if not app.backend.me().member:
            end = self._crowd(row, end)
        if app.backend.me().reads_only:
            end = row.right(end - 3, "read-only", "warn")
        if app.unconfirmed is not None:
            number, left = app.unconfirmed
            text = f"{number} unconfirmed {left // 60}:{left % 60:02}"
            end = row.right(end - 3, text, "bad" if left <= 10 else "warn", "b", lambda: app.go("Access"))
        return end

    def _crowd(self, row: Row, end: int) -> int:
        """A storm of agents that come back, or a gate that is late: said on every screen while it lasts."""
        app = self.console_app
        crowd, wide = app.backend.crowd(), row.width >= 100
        if crowd.waiting:
            word = f"{crowd.waiting:,} reconnecting" if wide else f"{crowd.waiting:,}"
        elif crowd.untold >= MANY_UNTOLD:
            word = f"{crowd.untold:,} behind" if wide else f"{crowd.untold:,}"
        elif crowd.late_ms:
            word = f"{crowd.late_ms:,} ms late"
        else:
            return end
        return self._chip(row, end - 3, app.glyphs.waiting, word, "warn")

    def _chip(self, row: Row, end: int, glyph: str, word: str, role: str) -> int:
        end = row.right(end, word, "text") - 1
        return row.right(end, glyph, role)


def way_within(parts: list[str], room: int) -> list[str]:
    """Where one is, in so many cells: what lies between goes first, then where it begins; the last part never does."""
    for way in (parts, [parts[0], "…", *parts[-2:]], [parts[0], "…", parts[-1]], ["…", parts[-1]]):
        if len(way) <= max(len(parts), 2) and sum(map(cell_len, way)) + 3 * (len(way) - 1) <= room:
            return way
    return parts[-1:]


class Footer(Painted):
    """The focus's keys at the left, dropped from the right where they do not fit; help never is."""

    def draw(self, width: int, height: int) -> list[Row]:
        app = self.console_app
        row = Row(width, "raised")
        left, right = app.hints()
        end = width - 2
        for key, label, link in reversed(right if width >= NARROW else right[-1:]):
            end = row.right(end, label, "muted", "", link)
            end = row.right(end - 1, key, "accent", "b", link) - 3
        x = 2
        for key, label, link in left:
            size = len(key) + 1 + len(label)
            if x + size > end:
                break
            x = row.put(x, key, "accent", "b", link) + 1
            x = row.put(x, label, "text", "", link) + 3
        return [row]


class Band(Painted):
    """The mode's rows, over the bottom of the screen, or what is too long for the status row."""

    def draw(self, width: int, height: int) -> list[Row]:
        return self.console_app.band_rows()


HintLink = tuple[str, str, "object"]


def of_actions(actions: Sequence[Action]) -> list[tuple[str, str, object]]:
    return [(action.keycap, action.label, action.run) for action in actions if action.shown and action.possible]


def of_hints(hints: Sequence[Hint]) -> list[tuple[str, str, object]]:
    return [(key, label, None) for key, label in hints]
