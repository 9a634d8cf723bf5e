"""Overview: how the network is, what waits for a person, and what changed last."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from console.app import chart
from console.app.actions import Action
from console.app.backend import Need, Overview
from console.app.columns import Context
from console.app.inert import inert
from console.app.row import Row, fit
from console.app.times import age, clock, count, span
from console.app.view import View
from model.change import Committed
from model.records import AuditEntry

WIDE = 110
CHART = 6
FEW = 12
"""Changes that are shown where the rest of the page follows below them."""
LONG = 10_000
STATES = (
    ("online", "on", "ok"),
    ("offline", "off", "muted"),
    ("pending", "waiting", "warn"),
    ("expired", "bad", "bad"),
    ("disabled", "disabled", "muted"),
)


class OverviewView(View):
    title = "Overview"

    def __init__(self) -> None:
        super().__init__()
        self.facts = Overview()
        self.at = 0
        self._top = 0
        self._fresh: set[int] = set()
        self._fresh_until = 0
        self._loaded = False
        self._shown = FEW
        self._below = False
        """In sight is what follows the last thing."""

    async def load(self) -> None:
        known = {entry.number for entry in self.facts.changes}
        self.facts = await self.backend.overview()
        if self._loaded:
            self._fresh = {entry.number for entry in self.facts.changes} - known
            self._fresh_until = self.backend.now() + 2
        self._loaded = True
        self.at = min(self.at, max(0, len(self._things()) - 1))

    def changed(self, changes: Sequence[Committed]) -> None:
        self.reload()

    def tick(self) -> bool:
        over = bool(self._fresh) and self.backend.now() >= self._fresh_until
        if over:
            self._fresh = set()
        return over

    def _things(self) -> list[Need | AuditEntry]:
        return [*self.facts.needs, *self.facts.changes[: self._shown]]

    def _thing(self) -> Need | AuditEntry | None:
        things = self._things()
        return things[self.at] if self.at < len(things) else None

    # Keys

    def key(self, event: events.Key) -> bool:
        last = len(self._things()) - 1
        step = {
            "down": 1,
            "j": 1,
            "up": -1,
            "k": -1,
            "pagedown": 10,
            "pageup": -10,
            "home": -last,
            "g": -last,
            "end": last,
            "G": last,
        }.get(event.key)
        if step is None:
            return False
        self._below = step > 0 and self.at == last
        self.at = max(0, min(self.at + step, last))
        return True

    @property
    def empty(self) -> bool:
        return self._loaded and not self.facts.devices

    def actions(self) -> list[Action]:
        thing = self._thing()
        deed = isinstance(thing, Need) and bool(thing.deed)
        return [
            Action(key="down", cap="↑↓", label="move", about="up and down", run=lambda: None, shown=not self.empty),
            Action(key="enter", label="open", about="the thing under the cursor", run=self._open, shown=not self.empty),
            Action(
                key="a",
                label="approve",
                about="what waits under the cursor",
                run=self._deed,
                writes=True,
                when=lambda: deed,
            ),
            Action(
                key="n", label="new enrollment key", about="for a device that is to join", run=self._new, writes=True
            ),
            Action(
                key="S",
                label="sample data",
                about="fill an empty network to look around",
                run=self._sample,
                writes=True,
                when=lambda: self.empty,
            ),
        ]

    def _open(self) -> None:
        thing = self._thing()
        if isinstance(thing, Need) and thing.go:
            title, *words = thing.go
            self.console_app.go(title, *words)
        elif isinstance(thing, AuditEntry):
            self.console_app.go("Activity", str(thing.number))

    def _deed(self) -> None:
        thing = self._thing()
        if isinstance(thing, Need):
            self.console_app.perform(thing.deed, f"done: {' '.join(thing.deed[:6])}")

    def _new(self) -> None:
        from console.app.screens.enrollment import new_key

        new_key(self.console_app)

    def _sample(self) -> None:
        self.console_app.perform(["gate", "sample-data"], "filled the network with sample data")

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        context = self.context
        if not self._loaded:
            return []
        if self.empty:
            rows = [*self._figures(width), *self._welcome(width)]
            rows += [Row(width) for _ in range(height - 1 - len(rows))]
            return [*rows[: height - 1], self.draw_status(width)]
        wide = width >= WIDE
        left_width = round(width * 0.61) if wide else width
        places: dict[int, int] = {}
        head = self._figures(width)
        room = height - 1 - len(head)
        left = self._left(left_width, room if wide else LONG, context, places)
        right = self._right(width - left_width - 4 if wide else width - 2, context)
        if wide:
            rows = head + [self._beside(width, left_width, left, right, y) for y in range(max(len(left), len(right)))]
        else:
            rows = [*head, *left, Row(width), *(self._under(width, row) for row in right)]
        line = places.get(self.at, 0) + len(head)
        body = height - 1
        self._top = max(0, min(max(self._top, line - body + 1), max(0, line - 6), max(0, len(rows) - body)))
        if self._below:
            self._top = max(0, len(rows) - body)
        shown = rows[self._top : self._top + body]
        return [*shown, *[Row(width) for _ in range(body - len(shown))], self.draw_status(width)]

    def _beside(self, width: int, left_width: int, left: list[Row], right: list[Row], y: int) -> Row:
        row = Row(width)
        if y < len(left):
            row.lay(0, left[y])
        if y < len(right):
            row.lay(left_width + 4, right[y])
        return row

    def _under(self, width: int, other: Row) -> Row:
        row = Row(width)
        row.lay(2, other)
        return row

    def _figures(self, width: int) -> list[Row]:
        facts = self.facts
        figures = (
            (facts.devices, "devices"),
            (facts.online, "online"),
            (facts.people, "people"),
            (facts.certificates, "certificates valid" if width >= 100 else "certificates"),
            (facts.policy, "policy version" if width >= 100 else "policy"),
        )
        numbers, labels = Row(width), Row(width)
        step = max(1, (width - 4) // 5) if width < WIDE else 24
        for at, (number, label) in enumerate(figures):
            numbers.put(2 + at * step, count(number) if label != "policy version" else str(number), "bright", "b")
            labels.put(2 + at * step, fit(label, step - 1), "muted")
        return [Row(width), numbers, labels, Row(width), Row(width)]

    def _left(self, width: int, room: int, context: Context, places: dict[int, int]) -> list[Row]:
        rows = self._needs(width, context, places)
        rows += [Row(width), Row(width)]
        title = Row(width)
        title.put(2, "Latest changes", "bright", "b")
        title.right(width - 3, "paused" if self.console_app.paused else "following", "muted")
        heads = Row(width)
        spots = self._spots(width)
        for head, x in zip(("Number", "Time", "Actor", "Action", "Subject"), spots, strict=True):
            if head == "Number":
                heads.right(x + 7, head, "muted")
            else:
                heads.put(x, head, "muted")
        rows += [title, heads]
        shown = self.facts.changes[: max(3, room - len(rows)) if room < LONG else FEW]
        self._shown = len(shown)
        for at, entry in enumerate(shown):
            places[len(self.facts.needs) + at] = len(rows)
            rows.append(self._change(width, entry, spots, len(self.facts.needs) + at, context))
        return rows

    def _needs(self, width: int, context: Context, places: dict[int, int]) -> list[Row]:
        title = Row(width)
        end = title.put(2, "Needs you", "bright", "b")
        needs = self.facts.needs
        if not needs:
            quiet = Row(width)
            quiet.put(3, context.glyphs.done, "ok")
            quiet.put(5, "nothing waits for you", "muted")
            return [title, quiet]
        title.put(end + 2, str(len(needs)), "muted")
        title.right(width - 3, "waiting", "muted")
        rows = [title]
        for at, need in enumerate(needs):
            row = Row(width)
            self._under_cursor(row, at)
            glyph, role = {"bad": (context.glyphs.bad, "bad"), "ending": (context.glyphs.ending, "warn")}.get(
                need.state, (context.glyphs.waiting, "warn")
            )
            row.put(3, glyph, role)
            when = span(context.now - need.since) if need.since is not None else ""
            end = row.right(width - 3, when, "text" if at == self.at else "muted")
            column = 38 if width >= 70 else 34
            row.put(5, fit(inert(need.what), column - 6), "bright" if at == self.at else "text")
            row.put(column, fit(inert(need.detail), end - column - 2), "text" if at == self.at else "muted")
            places[at] = len(rows)
            rows.append(row)
        return rows

    def _under_cursor(self, row: Row, at: int) -> None:
        if at == self.at:
            row.plane("cursor", 1, row.width - 1)
            row.put(1, self.console_app.glyphs.cursor, "accent")
        row.links.append((0, row.width, lambda: self._clicked(at)))

    def _clicked(self, at: int) -> None:
        again, self.at = at == self.at, at
        if again:
            self._open()

    def _spots(self, width: int) -> tuple[int, int, int, int, int]:
        subject = max(44, width - 18 - max(0, width - 74) // 2)
        return (1, 10, 20, 30, min(subject, width - 16))

    def _change(
        self, width: int, entry: AuditEntry, spots: tuple[int, int, int, int, int], at: int, context: Context
    ) -> Row:
        row = Row(width)
        if entry.number in self._fresh:
            row.plane("select", 1, width - 1)
            row.put(1, context.glyphs.flash, "accent")
        self._under_cursor(row, at)
        strong = "bright" if at == self.at else "text"
        row.right(spots[0] + 7, str(entry.number), "muted")
        row.put(spots[1], clock(entry.at) if context.now - entry.at < 86400 else age(entry.at, context.now), "muted")
        row.put(spots[2], fit(inert(entry.actor.partition("@")[0]), 9), strong)
        row.put(spots[3], fit(inert(entry.action), spots[4] - spots[3] - 2), strong)
        row.put(spots[4], fit(inert(entry.subject), width - spots[4] - 3), strong)
        return row

    def _right(self, width: int, context: Context) -> list[Row]:
        rows = [*self._chart(width, context), Row(width), *self._states(width, context), Row(width)]
        title = Row(width)
        title.put(0, "Gate", "bright", "b")
        rows.append(title)
        for label, value in self.facts.gate:
            row = Row(width)
            row.put(0, label, "muted")
            row.put(13, fit(inert(value), width - 15), "text")
            rows.append(row)
        return rows

    def _chart(self, width: int, context: Context) -> list[Row]:
        facts = self.facts
        title = Row(width)
        hours = round(len(facts.history) * facts.history_step / 3600)
        title.put(0, f"Online, last {hours} hours" if hours > 1 else "Online", "bright", "b")
        if not facts.history:
            note = Row(width)
            note.put(0, "the first sample comes within ten minutes", "muted")
            return [title, note]
        title.right(width - 2, f"low {count(min(facts.history))}", "muted")
        top = chart.nice_ceiling(max(facts.history))
        axis = max(len(count(top)), 3)
        body = chart.draw(facts.history, width - axis - 4, CHART, context.glyphs)
        rows = []
        for y, bars in enumerate(body):
            row = Row(width)
            label = {0: count(top), CHART // 2: count(top // 2) if top > 1 else "", CHART - 1: "0"}.get(y, "")
            row.right(axis, label, "muted")
            row.lay(axis + 2, bars)
            rows.append(row)
        return [title, *rows, self._hours(width, axis + 2, context)]

    def _hours(self, width: int, start: int, context: Context) -> Row:
        row = Row(width)
        end = row.right(width - 2, "now", "muted")
        seconds = len(self.facts.history) * self.facts.history_step
        size = width - 2 - start
        for part in range(3):
            x = start + size * part // 3
            at = context.now - seconds + seconds * part // 3
            if x + 5 < end:
                row.put(x, clock(at, seconds=False), "muted")
        return row

    def _states(self, width: int, context: Context) -> list[Row]:
        title = Row(width)
        title.put(0, "Devices by state", "bright", "b")
        rows = [title]
        total = max(1, sum(self.facts.states.values()))
        size = max(4, width - 22)
        for name, glyph, role in STATES:
            number = self.facts.states.get(name, 0)
            row = Row(width)
            row.put(0, getattr(context.glyphs, glyph), role if number else "muted")
            row.put(2, name, "text" if number else "muted")
            row.right(17, count(number), "text" if number else "muted")
            if number:
                row.put(
                    20, context.glyphs.bar * max(1, round(size * number / total)), "thumb" if role == "muted" else role
                )
            rows.append(row)
        return rows

    def _welcome(self, width: int) -> list[Row]:
        may = not self.backend.me().reads_only
        lines: list[tuple[str, str, str]] = [
            ("", "This network is empty", "bright"),
            ("", "", ""),
            ("n", "makes an enrollment key; on the first device then:", "text"),
            ("", "wardgate up GATE --key-file FILE", "muted"),
            ("", "", ""),
            ("2", "goes to Users, to invite people", "text"),
            ("4", "goes to Access: who may reach what. Now people reach their own devices, and nothing else", "text"),
            ("", "", ""),
            *([("S", "fills it with sample data, to look around first", "text")] if may else []),
        ]
        rows = []
        for key, text, role in lines:
            row = Row(width)
            if role == "bright":
                row.put(2, text, role, "b")
            else:
                row.put(2, key, "accent", "b")
                row.put(5, fit(text, width - 7), role)
            rows.append(row)
        return rows

    def status(self, row: Row) -> None:
        if self.facts.changes and not self._top:
            return
