"""Overview: how the network is, what waits for a person, and what changed last."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from console.app import snoozed
from console.app.actions import Action
from console.app.backend import Need, Overview
from console.app.row import Row
from console.app.screens import overviewparts as parts
from console.app.screens import sampledeeds
from console.app.screens.overviewparts import WIDE, Part, Spot, Thing
from console.app.view import View
from model.change import Committed
from model.records import AuditEntry

FEW = 12
"""Changes that are shown where the rest of the page follows below them."""
LOOK = 5
"""Seconds after which it is looked whether others are online than are shown: that is no change of the network."""


class OverviewView(View):
    """One cursor over all that leads somewhere: the left half from top to bottom, then the right."""

    title = "Overview"

    def __init__(self) -> None:
        super().__init__()
        self.facts = Overview()
        self.at = 0
        self._top = 0
        self._fresh: set[int] = set()
        self._fresh_until = 0
        self._looked = 0
        self._loaded = False
        self._things: list[Thing] = []
        self._lefts = 0
        """How many of them stand in the left half, where there is a right one."""
        self._below = False
        """In sight is what follows the last thing."""

    async def load(self) -> None:
        known = {entry.number for entry in self.facts.changes}
        self.facts = await self.backend.overview()
        if self._loaded:
            self._fresh = {entry.number for entry in self.facts.changes} - known
            self._fresh_until = self.backend.now() + 2
        self._loaded = True

    def changed(self, changes: Sequence[Committed]) -> None:
        self.reload()

    def tick(self) -> bool:
        now = self.backend.now()
        if now - self._looked >= LOOK:
            self._looked = now
            if self._loaded and self.backend.crowd().online != self.facts.online and not self.console_app.paused:
                self.reload()
        over = bool(self._fresh) and now >= self._fresh_until
        if over:
            self._fresh = set()
        return over

    def _thing(self) -> Thing | None:
        """What waits is known before it was drawn: the footer asks first."""
        needs = self._needs()
        if self.at < len(needs):
            return needs[self.at]
        return self._things[self.at] if self.at < len(self._things) else None

    def _needs(self) -> tuple[Need, ...]:
        return snoozed.awake(self.facts.needs, self._asleep())

    @property
    def empty(self) -> bool:
        return self._loaded and not self.facts.devices

    # Snoozing

    def _asleep(self) -> dict[str, int]:
        kept = snoozed.read(self.console_app.preferences.get(snoozed.PREFERENCE, ""), self.backend.now())
        return {need.what: kept[need.what] for need in self.facts.needs if need.what in kept}

    def _snooze(self) -> None:
        need = self._thing()
        if isinstance(need, Need):
            kept = self._asleep() | {need.what: self.backend.now() + snoozed.LASTS}
            self.console_app.keep_preference(snoozed.PREFERENCE, snoozed.write(kept))
            self.console_app.say("snoozed for 8 h, for you alone", key="w", label="wakes it")

    def _wake(self) -> None:
        self.console_app.keep_preference(snoozed.PREFERENCE, "")
        self.console_app.say("nothing is snoozed any more")

    # Keys

    def key(self, event: events.Key) -> bool:
        last = max(0, len(self._things) - 1)
        steps = {"down": 1, "j": 1, "up": -1, "k": -1, "pagedown": 10, "pageup": -10, "home": -last, "g": -last,
                 "end": last, "G": last}  # fmt: skip
        if event.key in {"tab", "right", "left"} and self._lefts:
            beside = self.at >= self._lefts
            if event.key != ("right" if beside else "left"):
                self.at = 0 if beside else min(self._lefts, last)
            return True
        step = steps.get(event.key)
        if step is None:
            return False
        self._below = step > 0 and self.at == last
        self.at = max(0, min(self.at + step, last))
        return True

    def actions(self) -> list[Action]:
        thing = self._thing()
        need = isinstance(thing, Need)
        return [
            Action(key="down", cap="↑↓", label="move", about="up and down", run=lambda: None, shown=not self.empty),
            Action(key="enter", label="open", about="the thing under the cursor", run=self._open, shown=not self.empty),
            Action(
                key="a",
                label="approve",
                about="what waits under the cursor",
                run=self._deed,
                writes=True,
                when=lambda: isinstance(thing, Need) and bool(thing.deed),
            ),
            Action(
                key="s",
                label="snooze",
                about="out of your sight for 8 hours, or until it changes",
                run=self._snooze,
                when=lambda: need,
            ),
            Action(
                key="w",
                label="wake",
                about="bring back what was snoozed",
                run=self._wake,
                when=lambda: bool(self._asleep()),
            ),
            Action(
                key="n", label="new enrollment key", about="for a device that is to join", run=self._new, writes=True
            ),
            *sampledeeds.actions(self, empty=self.empty),
        ]

    def _open(self) -> None:
        thing = self._thing()
        if isinstance(thing, Need | Spot) and thing.go:
            self.console_app.go(*thing.go)
        elif isinstance(thing, AuditEntry):
            self.console_app.go("Activity", str(thing.number))

    def _deed(self) -> None:
        thing = self._thing()
        if isinstance(thing, Need):
            self.console_app.perform(thing.deed, f"done: {' '.join(thing.deed[:6])}", undo=thing.undo)

    def _new(self) -> None:
        from console.app.screens.enrollment import new_key

        new_key(self.console_app)

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        if not self._loaded:
            return []
        head, body = parts.figures(self.facts, width), height - 1
        if self.empty:
            self._things = []
            rows = [*head, *parts.welcome(self, width, sample=not self.backend.me().reads_only)]
            return [*rows[:body], *[Row(width) for _ in range(body - len(rows))], self.draw_status(width)]
        wide = width >= WIDE
        left_width = round(width * 0.61) if wide else width
        left = self._left(left_width, body - len(head) if wide else None)
        right = self._right(width - left_width - 4 if wide else width - 2, body - len(head) if wide else 0)
        rows = [*head, *(self._beside(width, left_width, left.rows, right.rows) if wide else
                         [*left.rows, Row(width), *(_shifted(width, 2, row) for row in right.rows)])]  # fmt: skip
        below = len(head) + (0 if wide else len(left.rows) + 1)
        edge = (left_width + 4, width) if wide else (2, width)
        places = [(len(head) + y, 0, left_width, thing) for y, thing in left.things]
        places += [(below + y, edge[0], edge[1], thing) for y, thing in right.things]
        self._things = [thing for *_, thing in places]
        self._lefts = len(left.things) if wide else 0
        self.at = max(0, min(self.at, len(places) - 1))
        for at, (y, start, end, _) in enumerate(places):
            rows[y].links.append((start, end, self._to(at)))
        if places:
            y, start, end, _ = places[self.at]
            self._under_cursor(rows[y], start, end)
            self._scroll(y, body, len(rows))
        shown = rows[self._top : self._top + body]
        return [*shown, *[Row(width) for _ in range(body - len(shown))], self.draw_status(width)]

    def _left(self, width: int, room: int | None) -> Part:
        context, asleep = self.context, self._asleep()
        needs = parts.needs(self._needs(), len(asleep), width, context)
        most = FEW if room is None else max(3, room - len(needs.rows) - 4)
        changes = self.facts.changes[:most]
        return needs.under(parts.changes(changes, self._fresh, self.console_app.paused, width, context), 2)

    def _right(self, width: int, room: int) -> Part:
        context = self.context
        online, states = parts.online(self.facts, width, context, room), parts.states(self.facts, width, context)
        return online.under(states, 1).under(parts.gate(self.facts, width), 1)

    def _beside(self, width: int, left_width: int, left: Sequence[Row], right: Sequence[Row]) -> list[Row]:
        rows = [Row(width) for _ in range(max(len(left), len(right)))]
        for row, part in zip(rows, left, strict=False):
            row.lay(0, part)
        for row, part in zip(rows, right, strict=False):
            row.lay(left_width + 4, part)
        return rows

    def _under_cursor(self, row: Row, start: int, end: int) -> None:
        mark = max(1, start - 1)
        row.plane("cursor", mark, end - 1)
        row.lift(mark, end - 1)
        row.put(mark, self.console_app.glyphs.cursor, "accent")

    def _scroll(self, line: int, body: int, size: int) -> None:
        self._top = max(0, min(max(self._top, line - body + 1), max(0, line - 6), max(0, size - body)))
        if self._below:
            self._top = max(0, size - body)

    def _to(self, at: int):  # type: ignore[no-untyped-def]
        def clicked() -> None:
            again, self.at = at == self.at, at
            if again:
                self._open()

        return clicked


def _shifted(width: int, x: int, other: Row) -> Row:
    row = Row(width)
    row.lay(x, other)
    return row
