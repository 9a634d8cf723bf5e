"""What stands on every screen: screens with their digits, the breadcrumb with clock, and the keys."""

from __future__ import annotations

from collections.abc import Sequence

from console.app.actions import Action
from console.app.backend import Me
from console.app.inert import inert
from console.app.modes import Hint
from console.app.painted import Painted
from console.app.row import Row, fit
from console.app.times import clock

MANY_UNTOLD = 20
"""Agents that are still to be told a change, from which on it is worth a word: the last of few are told at once."""


def who(me: Me) -> tuple[str, str]:
    """Name and role, as they stand at the top right."""
    return inert(me.name.partition("@")[0]), "" if me.member else f" {me.role.value}"


class TopLine(Painted):
    def draw(self, width: int, height: int) -> list[Row]:
        app = self.console_app
        row = Row(width, "raised")
        me = app.backend.me()
        screens = app.screens()
        airy = sum(len(title) + 4 for _, title in screens)
        x, end = int(airy < width), width
        if self.says_who(width):
            identity, role = who(me)
            x = row.put(2, "Wardgate", "bright", "b") + 2
            end = row.right(row.right(width - 2, role, "muted"), identity, "text") - 1
        self._screens(row, x, end, tight=airy > end - x)
        return [row]

    def says_who(self, width: int) -> bool:
        """Whether there is room for who one is; otherwise the line below says it."""
        tight = sum(len(title) + 3 for _, title in self.console_app.screens())
        return tight + 15 + sum(map(len, who(self.console_app.backend.me()))) <= width

    def _screens(self, row: Row, x: int, end: int, *, tight: bool) -> None:
        """Each with its digit; where there is little room, the last ones by their digit alone."""
        app = self.console_app
        screens = app.screens()
        for at, (digit, title) in enumerate(screens):
            whole = f" {digit} {title}" + ("" if tight else " ")
            after = 2 * (len(screens) - 1 - at) if tight else 0
            label = whole if x + len(whole) + after <= end else f" {digit}"
            if x + len(label) > end:
                break
            current = title == app.view.title
            if current:
                row.plane("cursor" if app.theme_in_use.flat else "bg", x, x + len(label) + tight)
            attributes, link = "b" if current else "", self._link(title)
            row.put(x, label[:2], "accent", attributes, link)
            x = row.put(x + 2, label[2:], "bright" if current else "text", attributes, link)

    def _link(self, title: str):  # type: ignore[no-untyped-def]
        return lambda: self.console_app.go(title)


class CrumbLine(Painted):
    def draw(self, width: int, height: int) -> list[Row]:
        app = self.console_app
        glyphs, me = app.glyphs, app.backend.me()
        row = Row(width)
        end = row.right(width - 2, clock(app.backend.now(), seconds=width >= 110) + "Z", "muted")
        if not app.top.says_who(width):
            identity, role = who(me)
            end = row.right(row.right(end - 3, role, "muted"), identity, "text")
        end = self._state(row, end - 3)
        parts = [str(me.domain), *(inert(part) for part in app.view.crumbs())]
        room = end - 5
        while sum(map(len, parts)) + 3 * (len(parts) - 1) > room and len(parts) > 2:
            parts = [parts[0], *(["…"] if parts[1] != "…" else []), *parts[2 if parts[1] != "…" else 3 :]]
        x = 2
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
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


class Footer(Painted):
    """The focus's keys at the left, dropped from the right where they do not fit; help never is."""

    def draw(self, width: int, height: int) -> list[Row]:
        app = self.console_app
        row = Row(width, "raised")
        left, right = app.hints()
        end = width - 2
        for key, label, link in reversed(right):
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
    """The mode's rows, over the bottom of the screen."""

    def draw(self, width: int, height: int) -> list[Row]:
        mode = self.console_app.mode
        return [] if mode is None else mode.draw(width)


HintLink = tuple[str, str, "object"]


def of_actions(actions: Sequence[Action]) -> list[tuple[str, str, object]]:
    return [(action.keycap, action.label, action.run) for action in actions if action.shown and action.possible]


def of_hints(hints: Sequence[Hint]) -> list[tuple[str, str, object]]:
    return [(key, label, None) for key, label in hints]
